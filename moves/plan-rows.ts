import { findPlan } from '../database/queries/plans.ts';
import type { Records } from '../database/records.ts';
import type { PlanRow } from '../database/tables-moves.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { JsonObject } from '../shared/json.ts';
import { nextMonday } from './calendar.ts';
import type { PlanContext, PlanRequest } from './context.ts';

export interface NewPlan {
  id: string;
  request: PlanRequest;
  /** Who asks for it, where the request does not say. */
  requestedBy: string;
  runId: string | null;
}

/** Puts a plan on record that is about to be planned; one that is there already stays as it is. */
export async function insertPlan(records: Records, clock: Clock, plan: NewPlan): Promise<PlanRow> {
  const { id, runId } = plan;
  const { name, workspace, requestedBy = plan.requestedBy, startsOn, ...rest } = plan.request;
  const now = clock.now();
  const context: PlanContext = { ...rest, startsOn: startsOn ?? nextMonday(now) };
  const row: Partial<PlanRow> = {
    id,
    workspace,
    name,
    state: 'planning',
    context: context as unknown as JsonObject,
    starts_on: context.startsOn,
    requested_by: requestedBy,
    run_id: runId,
    created_at: iso(now),
    updated_at: iso(now),
  };
  const [inserted] = await records.insert('plans', [row], { conflict: 'ignore' });
  return inserted ?? ((await findPlan(records, id)) as PlanRow);
}
