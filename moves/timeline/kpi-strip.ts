import type { Records } from '../../database/records.ts';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { Clock } from '../../shared/clock.ts';
import { KpiReadings } from '../kpi/readings.ts';
import { aimedKpis, standingOf } from '../kpi/standing.ts';
import type { TimelineKpi } from './timeline.ts';

/** Where the KPIs of a plan stand by their newest readings, as the timeline shows them. */
export async function timelineKpis(
  plan: PlanRow,
  { records, clock }: { records: Records; clock: Clock },
): Promise<TimelineKpi[]> {
  const readings = new KpiReadings({ records, clock });
  const aimed = await aimedKpis(records, plan);
  // The newest reading alone gives value and colour; the others would only give a trend.
  const standings = await Promise.all(
    aimed.map(async (at) => standingOf(at, await readings.newest(plan, at.kpi.name, 1), clock.now())),
  );
  return standings.map(({ kpi, label, unit, colour, value, expected, target, stale, observedAt }) => {
    return { kpi, label, unit, colour, value, expected, target, stale, observedAt };
  });
}
