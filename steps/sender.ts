import type { JsonObject } from '../database/tables.ts';
import { chargeableCost, costOf, countAt, flagAt, outcomeOf, resultsOf, sumCounts } from './answer-fields.ts';
import { anyParams } from './engine-params.ts';
import { refuseIfAllFailed } from './items.ts';
import type { EngineTraits, StepContext, StepKind, StepResult } from './step.ts';
import { outputOf } from './step-output.ts';

const traits: EngineTraits = { terminalEvents: ['complete', 'summary', 'done'], errorFramesArePerItem: true };

const DRY_RUN = ['dry_run', 'dryRun'];

/** Whether the step asked the engine only to pretend. */
function asksForDryRun(params: JsonObject): boolean {
  return (
    params['actualSend'] === false || params['actual_send'] === false || DRY_RUN.some((name) => params[name] === true)
  );
}

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
  const counted = isDryRun ? 0 : sent;
  return {
    outcome: outcomeOf(sent, context.log),
    counts: counted === undefined ? {} : { emails_sent: counted },
    costMicros: chargeableCost(costMicros, !isDryRun && (sent === undefined || sent > 0)),
    output,
    ...dryRun,
  };
}

export const sender: StepKind = {
  kind: 'sender',
  description: 'Sends composed e-mails. Never repeated by itself: a send whose end is unknown asks a person.',
  engine: 'outreach',
  defaultPath: '/api/send-batch',
  defaultEffect: 'once',
  defaultTimeout: 600_000,
  params: anyParams,
  execute,
};
