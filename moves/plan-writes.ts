import { findArcVersion, findPlan } from '../database/queries/plans.ts';
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
  const now = iso(clock.now());
  const { plan_id: planId, arc_version: number } = version;
  const hasEnded = async () => (await findPlan(records, planId))?.state === 'ended';
  const ended = () => new WorkError('PLAN_NOT_ACTIVE', `Plan ${planId} has ended; nothing of it is changed any more.`);
  if (await hasEnded()) throw ended();
  await records.insert('arc_versions', [{ ...version, created_at: now }], { conflict: 'ignore' });
  const stored = await findArcVersion(records, planId, number);
  if (stored?.approval_id !== version.approval_id)
    throw new WorkError(
      'PLAN_CHANGED',
      `Plan ${planId} has got arc version ${number} by another way meanwhile; what was approved was made for the version before.`,
    );
  const changed = await records.update(
    'plans',
    { arc_version: number, state: 'active', state_reason: null, updated_at: now },
    [
      { column: 'id', op: 'eq', value: planId },
      { column: 'arc_version', op: 'eq', value: number - 1 },
      { column: 'state', op: 'in', value: ['planning', 'active', 'rejected', 'failed'] },
    ],
  );
  if (changed.length === 0 && (await hasEnded())) throw ended();
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
