import type { Records } from '../database/records.ts';
import type { ArcVersionRow, PlanRow, PlanState } from '../database/tables-moves.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { WorkError } from './work.ts';

type NewArcVersion = Omit<ArcVersionRow, 'created_at'>;

/**
 * Makes an approved arc the plan's own. Done again with the same approval, it changes nothing.
 * @throws {WorkError} PLAN_CHANGED when the plan has another arc by now than the one that this was made for, PLAN_NOT_ACTIVE when
 *   it has ended
 */
export async function applyArc(records: Records, clock: Clock, version: NewArcVersion): Promise<void> {
  const { plan_id: planId, arc_version: number } = version;
  const state = await records.call<'applied' | 'changed' | 'ended'>('apply_arc', {
    p_version: version,
    p_at: iso(clock.now()),
  });
  if (state === 'ended')
    throw new WorkError('PLAN_NOT_ACTIVE', `Plan ${planId} has ended; nothing of it is changed any more.`);
  if (state === 'changed')
    throw new WorkError(
      'PLAN_CHANGED',
      `Plan ${planId} has got arc version ${number} by another way meanwhile; what was approved was made for the version before.`,
    );
}

/** Notes what became of planning; a plan that has an arc stays as it is. */
export async function notePlanState(
  records: Records,
  clock: Clock,
  planId: string,
  note: Pick<Partial<PlanRow>, 'run_id'> & { state: PlanState; state_reason: string | null },
): Promise<void> {
  await records.update('plans', { ...note, updated_at: iso(clock.now()) }, [
    { column: 'id', op: 'eq', value: planId },
    { column: 'arc_version', op: 'eq', value: 0 },
  ]);
}
