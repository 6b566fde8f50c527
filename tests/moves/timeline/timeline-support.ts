import type { MoveRow, PlanRow } from '../../../database/tables-moves.ts';
import { weekOf } from '../../../moves/calendar.ts';
import { moveRows } from '../../../moves/move-rows.ts';
import { type Timeline, type TimelineKpi, timelineOf, type TimelineParts } from '../../../moves/timeline/timeline.ts';
import { arc, AT, draft, STARTS_ON } from '../moves-support.ts';

export const plan: Pick<PlanRow, 'id' | 'name' | 'starts_on' | 'state' | 'arc_version'> = {
  id: '019b8d2e-0000-7000-8000-000000000001',
  name: 'Lunch',
  starts_on: STARTS_ON,
  state: 'active',
  arc_version: 2,
};

const RUN = '019b8d2e-0000-7000-8000-00000000000a';

/** A move of a week with whatever a test is about. */
export function moveIn(week: number, changes: Partial<MoveRow> = {}): MoveRow {
  const title = changes.title ?? `Move of week ${week}`;
  const key = `move-${week}-${title.length}-${changes.state ?? 'planned'}-${changes.priority ?? 1}`;
  const [row] = moveRows(
    { moves: [draft({ key, week })] },
    { plan, arcVersion: 2, runId: RUN, approvalId: null, at: AT },
  );
  const { startsOn, endsOn } = weekOf(plan.starts_on, week);
  const phase = arc.phases.find((one) => one.startsOn <= startsOn && one.endsOn >= startsOn)?.id ?? '';
  return { ...(row as MoveRow), starts_on: startsOn, ends_on: endsOn, phase, ...changes, title };
}

export const kpi: TimelineKpi = {
  kpi: 'leads',
  label: 'Leads',
  unit: 'leads',
  colour: 'amber',
  value: 120,
  expected: 150,
  target: 500,
  stale: false,
  observedAt: '2026-01-20T08:00:00.000Z',
};

/** On the Wednesday of the third week. */
export const timelineWith = (changes: Partial<TimelineParts> = {}): Timeline =>
  timelineOf({ plan, arc, moves: [], kpis: [], today: '2026-01-21', ...changes });
