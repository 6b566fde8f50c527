import type { MoveRow, PlanRow } from '../database/tables-moves.ts';
import type { Iso } from '../database/tables.ts';
import { derivedId, isUuid, timeOfId } from '../shared/ids.ts';
import type { JsonObject } from '../shared/json.ts';
import { dollarsToMicros } from '../shared/money.ts';
import { weekOf } from './calendar.ts';
import type { MoveDraft, MovesProposal } from './move.ts';

export interface MoveOrigin {
  plan: Pick<PlanRow, 'id' | 'starts_on'>;
  /** Of the arc that the moves follow. */
  arcVersion: number;
  runId: string;
  approvalId: string | null;
  at: Iso;
}

/**
 * The rows of a proposal that is valid and approved, ready to be inserted. Their ids follow from plan, run, approval and key, so that
 * inserting them again with `conflict: 'ignore'`, after a crash, does nothing.
 * @throws {RangeError} for a dependency that is neither a key of the proposal nor the id of a move, and for a budget above MAX_DOLLARS
 */
export function moveRows({ moves }: MovesProposal, origin: MoveOrigin): MoveRow[] {
  const ids = new Map(moves.map(({ key }) => [key, moveId(key, origin)]));
  return moves.map((draft) => rowOf(draft, ids, origin));
}

/** Of the time of the run, not of the writing: it has to be the same when it is written again. */
const moveId = (key: string, { plan, runId, approvalId }: MoveOrigin) =>
  derivedId(`move\n${plan.id}\n${runId}\n${approvalId ?? ''}\n${key}`, timeOfId(runId));

function rowOf(draft: MoveDraft, ids: ReadonlyMap<string, string>, origin: MoveOrigin): MoveRow {
  const week = weekOf(origin.plan.starts_on, draft.week);
  const { kpi, change, low, high } = draft.expected;
  return {
    id: idOf(draft.key, ids),
    plan_id: origin.plan.id,
    arc_version: origin.arcVersion,
    week: draft.week,
    starts_on: week.startsOn,
    ends_on: week.endsOn,
    phase: draft.phase,
    title: draft.title,
    hypothesis: draft.hypothesis.text,
    evidence: [...new Set(draft.hypothesis.facts)],
    channel: draft.channel,
    owner: draft.owner,
    tasks: draft.tasks.map((task): JsonObject => ({ ...task })),
    kpi,
    expected: { change, low, high },
    depends_on: [...new Set(draft.dependsOn.map((name) => idOf(name, ids)))],
    effort_hours: roundHours(draft.effortHours),
    priority: draft.priority,
    budget_micros: dollarsToMicros(draft.budget),
    state: 'planned',
    state_note: null,
    history: [],
    assets: [],
    run_id: origin.runId,
    approval_id: origin.approvalId,
    version: 1,
    created_at: origin.at,
    updated_at: origin.at,
  };
}

function idOf(name: string, ids: ReadonlyMap<string, string>): string {
  const id = ids.get(name) ?? (isUuid(name) ? name.toLowerCase() : undefined);
  if (id === undefined) throw new RangeError(`${name} is neither a key of the proposal nor the id of a move`);
  return id;
}

/** Hours as the database keeps them, with two decimals. */
export const roundHours = (hours: number): number => Math.round(hours * 100) / 100;
