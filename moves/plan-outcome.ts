import { ModelError } from '../generation/model.ts';
import type { JsonObject } from '../shared/json.ts';
import type { Planned } from './graph/planning-graph.ts';
import { WorkError, type WorkResult } from './work.ts';

/** What became of one plan in a step of planning. Costs are those of this attempt, in micro-dollars. */
export type PlanOutcome = { planId: string; costMicros: number } & (
  | { state: 'applied'; result: JsonObject }
  | { state: 'waiting'; approvalId: string; expiresAt: string }
  | { state: 'nothing_to_do'; reason: string }
  | { state: 'turned_down' | 'failed'; error: WorkError }
);

/** There is nothing to plan for it now. */
export function nothingToDo(planId: string, reason: string): PlanOutcome {
  return { planId, state: 'nothing_to_do', reason, costMicros: 0 };
}

/** How far a graph came with a plan. */
export function outcomeOf(planId: string, planned: Planned): PlanOutcome {
  const { costMicros } = planned;
  if (planned.how === 'waits') {
    const { approvalId, expiresAt } = planned;
    return { planId, costMicros, state: 'waiting', approvalId, expiresAt };
  }
  const { approvalId, decision, by, reason, edited } = planned.verdict;
  const verdict = { approvalId, decision, by, reason, edited };
  if (planned.how === 'applied')
    return { planId, costMicros, state: 'applied', result: { ...planned.result, approval: verdict } };
  const [code, message] =
    decision === 'rejected'
      ? ['APPROVAL_REJECTED', `Rejected by ${by ?? 'its expiry'}${reason === null ? '' : `: ${reason}`}`]
      : ['APPROVAL_NOT_GIVEN', 'Nobody decided in time, which counts as a rejection.'];
  const output = { planId, approval: verdict };
  return { planId, costMicros, state: 'turned_down', error: new WorkError(code, message, { costMicros, output }) };
}

/** What of planning failed for one plan, while others may be planned; null for what concerns them all. */
export function failedFor(planId: string, error: unknown): PlanOutcome | null {
  const failure = error instanceof ModelError ? asWorkError(error) : error;
  if (!(failure instanceof WorkError)) return null;
  return { planId, state: 'failed', error: failure, costMicros: failure.costMicros ?? 0 };
}

function asWorkError(error: ModelError): WorkError {
  const { code, message, retryable, costMicros, retryAfterMs } = error;
  const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new WorkError(code, message, { retryable, costMicros, cause: error, ...pause });
}

/** The result of a step that planned for one plan. @throws {WorkError} when people turned it down */
export function settledOne(outcome: PlanOutcome): WorkResult {
  const { planId, costMicros } = outcome;
  switch (outcome.state) {
    case 'waiting':
      return {
        outcome: 'waiting',
        output: { planId, approvals: [outcome.approvalId], expiresAt: outcome.expiresAt },
        costMicros,
      };
    case 'applied':
      return { outcome: 'completed', output: outcome.result, costMicros };
    case 'nothing_to_do':
      return { outcome: 'empty', output: { planId, reason: outcome.reason }, costMicros };
    case 'turned_down':
    case 'failed':
      throw outcome.error;
    default:
      return outcome satisfies never;
  }
}

/**
 * The result of a step that planned for several plans. While one waits, the step waits; the others have taken effect. What failed for
 * some of them and may succeed is tried again, once nothing waits.
 * @throws {WorkError} when nothing came of any of those that there was something to do for, or a failure is to be tried again
 */
export function settledAll(outcomes: readonly PlanOutcome[]): WorkResult {
  const costMicros = outcomes.reduce((sum, outcome) => sum + outcome.costMicros, 0);
  const waiting = outcomes.filter((outcome) => outcome.state === 'waiting');
  const output = { plans: outcomes.map(shown) };
  const [first] = waiting.map(({ expiresAt }) => expiresAt).toSorted();
  if (first !== undefined) {
    const approvals = waiting.map(({ approvalId }) => approvalId);
    return { outcome: 'waiting', output: { ...output, approvals, expiresAt: first }, costMicros };
  }
  const lost = outcomes.flatMap((outcome) => ('error' in outcome ? [outcome] : []));
  const told = lost.find(({ error }) => error.retryable) ?? lost[0];
  const isApplied = outcomes.some(({ state }) => state === 'applied');
  if (told && (told.error.retryable || !isApplied)) {
    const { code, retryable, retryAfterMs } = told.error;
    const said = lost.map(({ planId, error }) => `${planId}: ${error.message}`).join('; ');
    const pause = retryAfterMs === undefined ? {} : { retryAfterMs };
    throw new WorkError(code, said, { retryable, costMicros, output, ...pause });
  }
  return { outcome: isApplied ? 'completed' : 'empty', output, costMicros };
}

/** What a step has told of a plan. */
export interface ToldPlan {
  planId: string;
  state: PlanOutcome['state'];
  code?: string;
  reason?: string;
  retryable?: boolean;
}

/**
 * What became of a plan, for a step that goes on because people have answered: only what they were asked about is gone on with, since
 * for more no money is held. Null for that.
 */
export function laterOutcome(planId: string, told: readonly ToldPlan[]): PlanOutcome | null {
  const before = told.find((plan) => plan.planId === planId);
  if (before === undefined) return nothingToDo(planId, 'it was not planned for when people were asked');
  const { state, code = '', reason = '', retryable = false } = before;
  if (state === 'nothing_to_do') return nothingToDo(planId, reason);
  if (state !== 'failed') return null;
  return { planId, state, error: new WorkError(code, reason, { retryable }), costMicros: 0 };
}

function shown(outcome: PlanOutcome): JsonObject {
  const { planId, state } = outcome;
  switch (outcome.state) {
    case 'applied':
      return { planId, state, ...outcome.result };
    case 'waiting':
      return { planId, state, approvalId: outcome.approvalId };
    case 'nothing_to_do':
      return { planId, state, reason: outcome.reason };
    case 'turned_down':
      return { planId, state, code: outcome.error.code, reason: outcome.error.message };
    case 'failed': {
      const { code, message, retryable } = outcome.error;
      return { planId, state, code, reason: message, retryable };
    }
    default:
      return outcome satisfies never;
  }
}
