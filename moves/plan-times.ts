import type { Records } from '../database/records.ts';
import type { PlanRow } from '../database/tables-moves.ts';
import type { Clock } from '../shared/clock.ts';
import { ARC_WEEKS, dayOf, weekNumber } from './calendar.ts';
import type { ToldPlan } from './plan-outcome.ts';
import type { WorkContext } from './work.ts';

export type Weeks = readonly number[] | 'all' | 'next' | 'current' | 'first';

interface Surroundings {
  records: Records;
  clock: Clock;
}

/** When the run of a step was made, in milliseconds since the epoch. */
export async function beginOf(
  { runId }: Pick<WorkContext, 'runId'>,
  { records, clock }: Surroundings,
): Promise<number> {
  const [run] = await records.select('campaign_runs', {
    columns: ['id', 'created_at'],
    where: [{ column: 'id', op: 'eq', value: runId }],
  });
  return run ? Date.parse(run.created_at) : clock.now();
}

/**
 * Which weeks of a plan are meant, of those that are left. `next` and `current` are seen from the day on which the run began: people may
 * take the weekend to approve what it is about.
 */
export async function weeksOf(
  { starts_on: startsOn }: Pick<PlanRow, 'starts_on'>,
  weeks: Weeks,
  { work, ...around }: Surroundings & { work: Pick<WorkContext, 'runId'> },
): Promise<number[]> {
  const isOfNow = weeks === 'all' || weeks === 'first';
  const now = weekNumber(startsOn, dayOf(isOfNow ? around.clock.now() : await beginOf(work, around)));
  const left = Array.from({ length: ARC_WEEKS }, (_, at) => at + 1).filter((week) => week >= now);
  if (isOfNow) return left;
  if (weeks === 'next') return left.filter((week) => week === Math.max(1, now + 1));
  if (weeks === 'current') return left.filter((week) => week === now);
  return left.filter((week) => weeks.includes(week));
}

/** What a step told of each plan when it began to wait for people; null when it has not just waited. */
export async function toldBefore(
  { runId, stepName }: Pick<WorkContext, 'runId' | 'stepName'>,
  records: Records,
): Promise<ToldPlan[] | null> {
  const [step] = await records.select('run_steps', {
    columns: ['run_id', 'name', 'attempt_log', 'output'],
    where: [
      { column: 'run_id', op: 'eq', value: runId },
      { column: 'name', op: 'eq', value: stepName },
    ],
  });
  if (!step?.attempt_log.at(-2)?.waited) return null;
  return (step.output?.['plans'] ?? []) as unknown as ToldPlan[];
}
