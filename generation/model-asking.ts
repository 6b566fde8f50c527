import type { Logger } from '../shared/logger.ts';
import type { Micros } from '../shared/money.ts';
import { addUsage, type ModelCosts, NO_USAGE } from './model-costs.ts';
import type { CachedAnswer } from './model-cache.ts';
import type { ModelLimits } from './model-limits.ts';
import { inWords, readJson, repairTurn, type Turn } from './model-prompt.ts';
import { type GenerateRequest, type ModelCall, ModelError, type ModelUsage } from './model.ts';
import { refusalIn } from './providers/answer.ts';
import type { Provider, ProviderAnswer, ProviderRequest } from './providers/provider.ts';

/** How often a model is told what was wrong with its answer, where the request does not want less. */
const MOST_REPAIRS = 2;
/** Characters of what it is told then, which quotes what it wrote. */
const LONGEST_REPAIR = 4_000;

/** An answer that fits, with all that it took. */
export interface Asked extends CachedAnswer {
  usage: ModelUsage;
  repairs: number;
}

export interface Asking {
  provider: Provider;
  limits: ModelLimits;
  costs: ModelCosts;
  logger: Logger;
}

/** What has been spent on one answer until now. */
interface Spent {
  micros: Micros;
  usage: ModelUsage;
}

/** Everything that is sent with a request and costs. */
export const textsOf = (request: ProviderRequest): string[] => [
  request.systemInstruction,
  ...request.turns.map((turn) => turn.text),
  JSON.stringify(request.responseSchema),
];

/**
 * Asks until the answer fits the schema, at most {@link MOST_REPAIRS} times more, or as often as the request allows. Nothing else is repeated here: a step has its own
 * retry, which the budget knows of.
 * @throws {ModelError} with what all calls cost together; the signal's reason on abort
 */
export async function ask(
  request: ProviderRequest,
  { schema, mostRepairs = MOST_REPAIRS }: Pick<GenerateRequest<unknown>, 'schema' | 'mostRepairs'>,
  until: ModelCall,
  asking: Asking,
): Promise<Asked> {
  const spent: Spent = { micros: 0, usage: NO_USAGE };
  let turns: readonly Turn[] = request.turns;
  for (let repairs = 0; ; repairs++) {
    const sent = { ...request, turns };
    const answer = await call(sent, until, asking, spent);
    charge(sent, answer, asking, spent);
    const refusal = refusalIn(answer, spent.micros, request.maxOutputTokens);
    if (refusal) throw told(refusal, request, asking.logger);
    const reading = await readJson(answer.text, schema);
    if (!('problems' in reading))
      return { json: reading.json, model: answer.model, costMicros: spent.micros, usage: spent.usage, repairs };
    const { problems } = reading;
    asking.logger.warn('Answer of a model does not fit', {
      task: request.task,
      model: answer.model,
      repairs,
      problems: problems.length,
      first: problems[0] === undefined ? undefined : inWords(problems[0]).slice(0, 300),
    });
    if (repairs >= mostRepairs) {
      const said = problems.slice(0, 3).map(inWords).join('; ');
      const message = `The model's answer did not fit after ${repairs} repairs: ${said}`.slice(0, 1_000);
      throw new ModelError('MODEL_OUTPUT_INVALID', message, { costMicros: spent.micros });
    }
    turns = [...turns, { role: 'model', text: answer.text }, bounded(repairTurn(problems))];
  }
}

/** An answer that is cut off often is a matter of the configuration, and nobody sees those that another model makes up for. */
function told(refusal: ModelError, { task, maxOutputTokens }: ProviderRequest, logger: Logger): ModelError {
  if (refusal.code === 'MODEL_TRUNCATED')
    logger.warn('Answer of a model was cut off', { task, maxOutputTokens, error: refusal.message });
  return refusal;
}

const bounded = (turn: Turn): Turn => ({ ...turn, text: turn.text.slice(0, LONGEST_REPAIR).toWellFormed() });

async function call(
  request: ProviderRequest,
  until: ModelCall,
  { provider, limits }: Asking,
  spent: Spent,
): Promise<ProviderAnswer> {
  try {
    return await limits.run(request.model, request.task, until, () => provider.generate(request, until.signal));
  } catch (error) {
    throw error instanceof ModelError ? withCostBefore(error, spent.micros) : error;
  }
}

function charge(request: ProviderRequest, answer: ProviderAnswer, { costs, logger }: Asking, spent: Spent): void {
  if (answer.usage) {
    spent.micros += costs.of(request.model, answer.usage);
    spent.usage = addUsage(spent.usage, answer.usage);
    return;
  }
  spent.micros += costs.assumed(request.model, textsOf(request), answer.text);
  logger.warn('Model did not say what it used', { task: request.task, model: answer.model });
}

/** The same failure with what was spent before it; what nobody knows stays so. @param isBound whether that is only the most it can be */
export function withCostBefore(error: ModelError, beforeMicros: Micros, isBound = false): ModelError {
  if (beforeMicros === 0 || error.costMicros === null) return error;
  const wait = error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs };
  const costMicros = error.costMicros + beforeMicros;
  const { code, message, retryable, costUnknown } = error;
  return new ModelError(code, message, {
    retryable,
    costMicros,
    costUnknown: costUnknown || isBound,
    cause: error,
    ...wait,
  });
}
