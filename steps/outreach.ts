import { chargeableCost, costOf, countAt, outcomeOf, resultsOf, sumCounts } from './answer-fields.ts';
import { anyParams } from './engine-params.ts';
import { refuseIfAllFailed } from './items.ts';
import type { EngineStepKind, EngineTraits, StepContext, StepResult } from './step.ts';
import { outputOf } from './step-output.ts';

/** An `error` frame concerns one lead; the others go on. */
const traits: EngineTraits = { terminalEvents: ['complete', 'summary', 'done'], errorFramesArePerItem: true };

const COMPOSED = ['completed', 'processed_leads', 'emails_composed', 'composed', 'successful', 'processed', 'emails'];

async function execute(context: StepContext): Promise<StepResult> {
  const answer = await context.http.run(context, traits);
  const costMicros = costOf(answer.payload);
  const output = outputOf(answer);
  if (answer.empty !== undefined) return { outcome: 'empty', counts: { emails_composed: 0 }, costMicros, output };
  const results = resultsOf(answer);
  const composed = sumCounts(results, (result) => countAt(result, COMPOSED)) ?? answer.itemsCompleted;
  const failed = sumCounts(results, (result) => countAt(result, ['failed'])) ?? answer.frames?.['error'];
  refuseIfAllFailed('leads', { done: composed, failed }, answer.payload, costMicros);
  return {
    outcome: outcomeOf(composed, context.log),
    counts: composed === undefined ? {} : { emails_composed: composed },
    costMicros: chargeableCost(costMicros, composed === undefined || composed > 0),
    output,
  };
}

export const outreach: EngineStepKind = {
  kind: 'outreach',
  description: 'Composes e-mails for analysed leads; sends nothing.',
  engine: 'outreach',
  defaultPath: '/api/compose-batch',
  defaultEffect: 'repeatable',
  defaultTimeout: 300_000,
  params: anyParams,
  execute,
};
