import { findArcVersion } from '../../database/queries/plans.ts';
import type { Records } from '../../database/records.ts';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { Arc, KpiTarget } from '../arc.ts';
import type { Kpi, PlanContext } from '../context.ts';
import type { Reading } from './connectors/connector.ts';
import { type KpiStatus, kpiStatus } from './status.ts';

/** A KPI of a plan, with what the approved arc aims at. */
export interface AimedKpi {
  plan: PlanRow;
  kpi: Kpi;
  /** Undefined before there is an approved arc, and for a KPI of which it says nothing. */
  target: KpiTarget | undefined;
}

/** The KPIs of a plan. */
export async function aimedKpis(records: Records, plan: PlanRow): Promise<AimedKpi[]> {
  const version = plan.arc_version === 0 ? undefined : await findArcVersion(records, plan.id, plan.arc_version);
  // Both were checked against their schemas before they were stored.
  const { kpis: targets } = (version?.arc ?? { kpis: [] }) as unknown as Pick<Arc, 'kpis'>;
  const { kpis } = plan.context as unknown as PlanContext;
  return kpis.map((kpi) => ({ plan, kpi, target: targets.find((target) => target.kpi === kpi.name) }));
}

/** Where a KPI stands by these of its readings. */
export function standingOf({ plan, kpi, target }: AimedKpi, readings: readonly Reading[], now: number): KpiStatus {
  return kpiStatus({ kpi, target, startsOn: plan.starts_on, readings, now });
}
