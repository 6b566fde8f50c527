import type { JsonObject } from '../shared/json.ts';
import type { Planned } from './graph/planning-graph.ts';
import { WorkError, type WorkResult } from './work.ts';

/** What became of one plan in a step of planning. Costs are those of this attempt, in micro-dollars. */
export type PlanOutcome = { planId: string; costMicros: number } & (
  | { state: 'applied'; result: JsonObject }
  | { state: 'waiting'; approvalId: string; expiresAt: string }
  | { state: 'nothing_to_do'; reason: string }
  | { state: 'turned_down'; error: WorkError }
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
      throw outcome.error;
    default:
      return outcome satisfies never;
  }
}

/**
 * The result of a step that planned for several plans. While one waits, the step waits; the others have taken effect.
 * @throws {WorkError} when each was turned down
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
  const turnedDown = outcomes.filter((outcome) => outcome.state === 'turned_down');
  if (turnedDown.length > 0 && turnedDown.length === outcomes.length) {
    const said = turnedDown.map(({ planId, error }) => `${planId}: ${error.message}`).join('; ');
    throw new WorkError(turnedDown[0]?.error.code ?? 'APPROVAL_REJECTED', said, { costMicros, output });
  }
  const isEmpty = outcomes.every(({ state }) => state === 'nothing_to_do');
  return { outcome: isEmpty ? 'empty' : 'completed', output, costMicros };
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
    default:
      return outcome satisfies never;
  }
}
