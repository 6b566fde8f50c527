import { iso } from '../../shared/clock.ts';
import type { Records } from '../records.ts';
import type { KpiAlertRow, KpiReadingRow } from '../tables-moves.ts';
import type { Iso } from '../tables.ts';

export interface ReadingsAsked {
  planId: string;
  kpi: string;
  from: Iso;
  to: Iso;
  limit: number;
}

/** The newest readings of a KPI in a time, both ends included, newest first. */
export async function newestReadings(records: Records, asked: ReadingsAsked): Promise<KpiReadingRow[]> {
  return records.select('kpi_readings', {
    where: [
      { column: 'plan_id', op: 'eq', value: asked.planId },
      { column: 'kpi', op: 'eq', value: asked.kpi },
      { column: 'observed_at', op: 'gte', value: asked.from },
      { column: 'observed_at', op: 'lte', value: asked.to },
    ],
    order: [{ column: 'observed_at', descending: true }],
    limit: asked.limit,
  });
}

/** The last reading of each day, in UTC, of every KPI of a plan, in the order of time; both ends included. */
export async function dailyReadings(
  records: Records,
  { planId, from, to }: Pick<ReadingsAsked, 'planId' | 'from' | 'to'>,
): Promise<Map<string, { observedAt: Iso; value: number }[]>> {
  const rows = await records.call<[kpi: string, atMs: number, value: number][]>('kpi_daily_readings', {
    p_plan_id: planId,
    p_from: from,
    p_to: to,
  });
  const byKpi = Map.groupBy(rows, ([kpi]) => kpi);
  return new Map(
    [...byKpi].map(([kpi, all]) => [kpi, all.map(([, atMs, value]) => ({ observedAt: iso(atMs), value }))]),
  );
}

/** What people were last told of each KPI of a plan, by KPI. */
export async function kpiAlerts(records: Records, planId: string): Promise<Map<string, KpiAlertRow>> {
  const rows = await records.select('kpi_alerts', {
    where: [{ column: 'plan_id', op: 'eq', value: planId }],
    order: [{ column: 'kpi' }],
  });
  return new Map(rows.map((row) => [row.kpi, row]));
}

export async function kpiAlert(records: Records, planId: string, kpi: string): Promise<KpiAlertRow | undefined> {
  const [row] = await records.select('kpi_alerts', {
    where: [
      { column: 'plan_id', op: 'eq', value: planId },
      { column: 'kpi', op: 'eq', value: kpi },
    ],
  });
  return row;
}
