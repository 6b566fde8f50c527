import type { Json, JsonObject } from '../database/tables.ts';
import {
  chargeableCost,
  costOf,
  countAt,
  flagAt,
  isObject,
  objectAt,
  outcomeOf,
  resultsOf,
  sumCounts,
} from './answer-fields.ts';
import { engineMessage, invalidAnswer } from './engine-errors.ts';
import { anyParams } from './engine-params.ts';
import { refuseIfAllFailed } from './items.ts';
import type { EngineAnswer, EngineStepKind, EngineTraits, StepContext, StepResult } from './step.ts';
import { outputOf } from './step-output.ts';

const traits: EngineTraits = { terminalEvents: ['complete', 'summary', 'done'], errorFramesArePerItem: true };

const DRY_RUN = ['dry_run', 'dryRun'];

/** Whether the step asked the engine only to pretend. */
function asksForDryRun(params: JsonObject): boolean {
  return (
    params['actualSend'] === false || params['actual_send'] === false || DRY_RUN.some((name) => params[name] === true)
  );
}

/** What an answer has that tells of a send; `status` and `ok` are how some engines write success. */
const TELLING = ['success', 'ok', 'status', 'results', 'result', 'jobs'];
const COUNTS = ['sent', 'emails_sent', 'successful', 'failed', 'skipped', 'processed', 'queued', 'count', 'total'];

function isSaid(value: Json | undefined): boolean {
  if (isObject(value)) return Object.keys(value).length > 0;
  return value !== undefined && value !== null && value !== '';
}

/** Whether a plain answer says nothing at all of the mails: then nobody knows whether they went out. */
function saysNothing({ dialect, payload }: EngineAnswer): boolean {
  if (dialect !== 'json' || engineMessage(payload) !== null || countAt(payload, COUNTS) !== undefined) return false;
  const places = [payload, objectAt(payload, 'data'), objectAt(payload, 'result')];
  return !places.some((place) => place && TELLING.some((name) => Object.hasOwn(place, name) && isSaid(place[name])));
}

/** @throws {StepError} ENGINE_ANSWER_INVALID for an answer without a word about the mails */
async function execute(context: StepContext): Promise<StepResult> {
  const answer = await context.http.run(context, traits);
  const costMicros = costOf(answer.payload);
  const results = resultsOf(answer);
  const isDryRun = asksForDryRun(context.call.params) || results.some((result) => flagAt(result, DRY_RUN));
  const dryRun = isDryRun ? { dryRun: true } : {};
  const output = outputOf(answer);
  if (answer.empty !== undefined)
    return { outcome: 'empty', counts: { emails_sent: 0 }, costMicros, output, ...dryRun };
  const sent = sumCounts(results, (result) => countAt(result, ['sent', 'emails_sent', 'successful']));
  const failed = sumCounts(results, (result) => countAt(result, ['failed']));
  refuseIfAllFailed('e-mails', { done: sent, failed }, answer.payload, costMicros);
  if (!isDryRun && saysNothing(answer))
    throw invalidAnswer('The answer of the engine does not say whether anything was sent.');
  const counted = isDryRun ? 0 : sent;
  return {
    outcome: outcomeOf(sent, context.log),
    counts: counted === undefined ? {} : { emails_sent: counted },
    costMicros: chargeableCost(costMicros, !isDryRun && (sent === undefined || sent > 0)),
    output,
    ...dryRun,
  };
}

export const sender: EngineStepKind = {
  kind: 'sender',
  description: 'Sends composed e-mails. Never repeated by itself: a send whose end is unknown asks a person.',
  engine: 'outreach',
  defaultPath: '/api/send-batch',
  defaultEffect: 'once',
  defaultTimeout: 600_000,
  params: anyParams,
  execute,
};
