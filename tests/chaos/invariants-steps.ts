import { type EngineCall, groupBy, stepKey } from './engine-records.ts';
import type { Evidence, StepState } from './evidence.ts';
import { timeOf } from './invariants-fires.ts';

/** The engines' clock counts whole milliseconds, the database's finer ones. */
const TOLERANCE_MS = 2;
/** The longest time from the commit of an attempt's beginning to the first byte of its call, on a busy machine. */
const LOOK_TO_CALL_MS = 15;
const DONE: ReadonlySet<string> = new Set(['completed', 'empty']);

/** The state that a step's row was in when a call for it began; in doubt the one that allows the call. */
function stateAt(states: readonly StepState[], beganAt: number): StepState | undefined {
  const before = states.findLast(({ at }) => at < beganAt - TOLERANCE_MS);
  const during = states.filter(({ at }) => Math.abs(at - beganAt) <= TOLERANCE_MS);
  return during.find(({ status }) => status === 'running') ?? before;
}

function callsIn(
  evidence: Evidence,
  isWrong: (state: StepState | undefined) => boolean,
  cutShort: boolean = false,
): string[] {
  return evidence.calls.flatMap((call) => {
    const states = evidence.history.get(stepKey(call.runId, call.step)) ?? [];
    const state = stateAt(states, call.beganAt);
    if (!isWrong(state) || wasCutShort(evidence, call, states) !== cutShort) return [];
    return [`${describe(call)}; its row was ${stateText(state)}`];
  });
}

/**
 * Whether the caller was paused in the moment between its last look at its lease and the first byte of the call. No caller can
 * exclude that; an engine can, by the Idempotency-Key. All that is let pass is a pause right after a beginning was committed.
 */
function wasCutShort({ pauses }: Evidence, { replica, beganAt }: EngineCall, states: readonly StepState[]): boolean {
  const paused = (pauses.get(replica) ?? []).findLast((at) => at <= beganAt);
  if (paused === undefined) return false;
  return states.some(({ status, at }) => status === 'running' && at <= paused + 1 && paused - at < LOOK_TO_CALL_MS);
}

function describe({ key, replica, beganAt, endedAt, answered }: EngineCall): string {
  return `${key} by ${replica} at ${timeOf(beganAt)} (${answered} after ${(endedAt ?? beganAt) - beganAt} ms)`;
}

function stateText(state: StepState | undefined): string {
  return state ? `${state.status} since ${timeOf(state.at)} (attempt ${state.attempts})` : 'not there';
}

/** An engine was called for a step after its row had been settled as done, or such a row was opened again. */
export function finishedStepsRunAgain(evidence: Evidence): string[] {
  const reopened = [...evidence.history].flatMap(([key, states]) => {
    const done = states.findIndex(({ status }) => DONE.has(status));
    const after = done === -1 ? undefined : states.slice(done).find(({ status }) => !DONE.has(status));
    return after ? [`${key} was ${states[done]?.status} and became ${stateText(after)}`] : [];
  });
  return [...callsIn(evidence, (state) => state !== undefined && DONE.has(state.status)), ...reopened];
}

/** An engine was called for a step that was given up, or of which a person had been asked and had not said "retry". */
export function settledStepsCalled(evidence: Evidence): string[] {
  return callsIn(evidence, (state) => state !== undefined && state.status !== 'running' && !DONE.has(state.status));
}

/** An engine was called before the step was on record. */
export function stepsCalledUnrecorded(evidence: Evidence): string[] {
  return callsIn(evidence, (state) => state === undefined);
}

/** Calls that no caller could have held back, for the report. */
export function callsAfterPause(evidence: Evidence): string[] {
  return callsIn(evidence, (state) => state !== undefined && state.status !== 'running', true);
}

function sendsOf({ calls }: Evidence): Map<string, EngineCall[]> {
  return groupBy(
    calls.filter(({ sent }) => sent),
    ({ runId, step }) => stepKey(runId, step),
  );
}

/** Mails went out twice for one run, and no person had said "retry". */
export function sentTwice(evidence: Evidence): string[] {
  return [...sendsOf(evidence)].flatMap(([key, sends]) => {
    const retries = (evidence.decisions.get(key as `${string}/${string}`) ?? []).filter(
      ({ outcome }) => outcome === 'retry',
    );
    if (sends.length < 2 || retries.length > 0) return [];
    return [sends.map(describe).join('; and ')];
  });
}

/** Sends that a person asked for again though the first one came late; for the report. */
export function sentAgainOnRequest(evidence: Evidence): string[] {
  return [...sendsOf(evidence)].flatMap(([key, sends]) =>
    sends.length > 1 && evidence.decisions.has(key as `${string}/${string}`)
      ? [sends.map(describe).join('; and ')]
      : [],
  );
}

/** The record says that mails went out, and the engine knows nothing of it. */
export function sendsOnlyOnRecord(evidence: Evidence): string[] {
  const sends = sendsOf(evidence);
  return evidence.steps.flatMap(({ runId, name, effect, status }) =>
    effect === 'once' && status === 'completed' && !sends.has(stepKey(runId, name))
      ? [`${runId}/${name} is completed, and the engine sent nothing`]
      : [],
  );
}

/** What the engines charged a campaign passed its limit; estimates are exact here, so there is no allowance. */
export function budgetsPassed({ campaigns, calls }: Evidence): string[] {
  const charges = groupBy(calls, ({ campaignId }) => campaignId);
  return campaigns.flatMap(({ id, campaign }) => {
    const dollars = (charges.get(id) ?? []).reduce((sum, call) => sum + call.dollars, 0);
    return campaign.daily !== null && dollars > campaign.daily + 1e-9
      ? [`${campaign.definition.name}: engines charged $${dollars.toFixed(2)} of $${campaign.daily.toFixed(2)}`]
      : [];
  });
}
