import { chargeableCost, costOf, countAt, outcomeOf, resultsOf, sumCounts } from './answer-fields.ts';
import { anyParams } from './engine-params.ts';
import type { EngineStepKind, EngineTraits, StepContext, StepResult } from './step.ts';
import { outputOf } from './step-output.ts';

const traits: EngineTraits = { terminalEvents: ['complete', 'done'], errorFramesArePerItem: false };

/** Saved prospects are what later steps find; engines that do not save report what they verified, or found. */
const COUNTS = ['saved', 'verified', 'found', 'prospects_generated', 'prospects', 'count', 'total'];

async function execute(context: StepContext): Promise<StepResult> {
  const answer = await context.http.run(context, traits);
  const costMicros = costOf(answer.payload);
  const output = outputOf(answer);
  if (answer.empty !== undefined) return { outcome: 'empty', counts: { prospects_generated: 0 }, costMicros, output };
  const results = resultsOf(answer);
  const generated = sumCounts(results, (result) => countAt(result, COUNTS));
  const seen = COUNTS.map((name) => sumCounts(results, (result) => countAt(result, [name])) ?? 0);
  return {
    outcome: outcomeOf(generated, context.log),
    counts: generated === undefined ? {} : { prospects_generated: generated },
    costMicros: chargeableCost(costMicros, generated === undefined || Math.max(...seen) > 0),
    output,
  };
}

export const prospecting: EngineStepKind = {
  kind: 'prospecting',
  description: 'Finds prospects for a brief and saves them.',
  engine: 'prospecting',
  defaultPath: '/api/prospect',
  defaultEffect: 'repeatable',
  defaultTimeout: 300_000,
  params: anyParams,
  execute,
};
