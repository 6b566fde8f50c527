import type { JsonObject } from '../database/tables.ts';
import {
  boundedCount,
  chargeableCost,
  costOf,
  countAt,
  itemsOf,
  jobResult,
  jobsOf,
  jobSucceeded,
  outcomeOf,
} from './answer-fields.ts';
import { anyParams } from './engine-params.ts';
import { refuseIfAllFailed } from './items.ts';
import type { EngineAnswer, EngineStepKind, EngineTraits, StepContext, StepResult } from './step.ts';
import { outputOf } from './step-output.ts';

/** `complete` and `failed` come once a lead here, unless `complete` carries the totals. */
const traits: EngineTraits = {
  terminalEvents: ['summary', 'done'],
  closingEvent: 'done',
  errorFramesArePerItem: false,
};

const SUCCEEDED = ['successful', 'succeeded', 'leads_analyzed', 'analyzed', 'completed'];

/** Of jobs each stands for one lead, unless its result counts several. */
function analyzedByJobs(payload: JsonObject): number {
  const succeeded = jobsOf(payload).filter(jobSucceeded);
  return boundedCount(succeeded.reduce((sum, job) => sum + (countAt(jobResult(job), SUCCEEDED) ?? 1), 0));
}

/** How often `complete` came before the stream ended with another event. */
function completesOf({ terminal, frames }: EngineAnswer): number | undefined {
  return terminal === 'complete' ? undefined : frames?.['complete'];
}

function analyzed(answer: EngineAnswer): number | undefined {
  if (answer.dialect === 'job') return analyzedByJobs(answer.payload);
  const counted = countAt(answer.payload, SUCCEEDED);
  if (counted !== undefined) return counted;
  const items = itemsOf(answer.payload);
  if (items.length > 0) return items.filter((item) => item['success'] !== false).length;
  return answer.itemsCompleted ?? completesOf(answer) ?? countAt(answer.payload, ['results', 'total']);
}

async function execute(context: StepContext): Promise<StepResult> {
  const answer = await context.http.run(context, traits);
  const costMicros = costOf(answer.payload);
  const output = outputOf(answer);
  if (answer.empty !== undefined) return { outcome: 'empty', counts: { leads_analyzed: 0 }, costMicros, output };
  const done = analyzed(answer);
  if (answer.dialect !== 'job')
    refuseIfAllFailed('leads', { done, failed: countAt(answer.payload, ['failed']) }, answer.payload, costMicros);
  return {
    outcome: outcomeOf(done, context.log),
    counts: done === undefined ? {} : { leads_analyzed: done },
    costMicros: chargeableCost(costMicros, done === undefined || done > 0),
    output,
  };
}

export const analysis: EngineStepKind = {
  kind: 'analysis',
  description: 'Analyses leads and grades them.',
  engine: 'analysis',
  defaultPath: '/api/analyze',
  defaultEffect: 'repeatable',
  defaultTimeout: 600_000,
  params: anyParams,
  execute,
};
