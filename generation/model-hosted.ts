import type { z } from 'zod';
import type { Clock } from '../shared/clock.ts';
import type { ModelSettings } from '../shared/config-model.ts';
import type { Micros } from '../shared/money.ts';
import { ask, type Asked, type Asking, textsOf, withCostBefore } from './model-asking.ts';
import { type AnswerCache, cacheKey } from './model-cache.ts';
import { NO_USAGE } from './model-costs.ts';
import { checkJson, dataTurn, systemInstructionOf } from './model-prompt.ts';
import { responseSchemaOf } from './model-schema.ts';
import {
  type Embedded,
  type Generated,
  type GenerateRequest,
  type Model,
  type ModelCall,
  ModelError,
} from './model.ts';
import type { ProviderRequest } from './providers/provider.ts';

/** A short answer may have no less: a model that thinks needs some thousands of tokens for a single word. */
const LEAST_FOR_SHORT = 4_096;
/** Part of every key, so that answers kept by an older way of asking are left alone. */
const KEY_VERSION = 1;

export interface HostedModelOptions extends Asking {
  settings: Pick<ModelSettings, 'fast' | 'best' | 'embedding' | 'embeddingDimensions' | 'maxOutputTokens'>;
  cache: AnswerCache;
  clock: Clock;
}

/** A model behind a provider: asked, repaired, costed, limited and cached. */
export class HostedModel implements Model {
  readonly #options: HostedModelOptions;

  constructor(options: HostedModelOptions) {
    this.#options = options;
  }

  get provider() {
    return this.#options.provider.name;
  }

  async generate<T>(request: GenerateRequest<T>, call: ModelCall): Promise<Generated<T>> {
    call.signal.throwIfAborted();
    const began = this.#options.clock.now();
    const answer = await this.#answer(request, this.#prepare(request), call);
    return { ...answer, provider: this.provider, durationMs: this.#options.clock.now() - began };
  }

  /** At most what one call can cost; a repair is another call. */
  estimate(request: GenerateRequest<unknown>): Micros {
    const prepared = this.#prepare(request);
    const size = { sent: textsOf(prepared), maxOutputTokens: prepared.maxOutputTokens };
    return this.#options.costs.most(prepared.model, size);
  }

  /** The most that the vectors of these texts can cost. */
  estimateVectors(texts: readonly string[]): Micros {
    return this.#options.costs.mostForVectors(this.#options.settings.embedding, texts);
  }

  /** One request a text, as the present models want it; what was spent when one fails is told with the failure. */
  async embed(texts: readonly string[], call: ModelCall): Promise<Embedded> {
    const { signal } = call;
    signal.throwIfAborted();
    const { embedding: model, embeddingDimensions: dimensions } = this.#options.settings;
    // The first failure ends the rest: there is no use for some of the vectors.
    const failed = new AbortController();
    const either = { ...call, signal: AbortSignal.any([signal, failed.signal]) };
    let costMicros = 0;
    const vectors = texts.map(async (text) => {
      const { vector, cost } = await this.#vector(text, either);
      costMicros += cost;
      return vector;
    });
    try {
      return { vectors: await Promise.all(vectors), model, dimensions, costMicros };
    } catch (error) {
      failed.abort(error);
      await Promise.allSettled(vectors);
      signal.throwIfAborted();
      throw error instanceof ModelError ? withCostBefore(error, costMicros) : error;
    }
  }

  async #vector(text: string, call: ModelCall): Promise<{ vector: number[]; cost: Micros }> {
    const { limits, provider, costs, settings } = this.#options;
    const { embedding: model, embeddingDimensions: dimensions } = settings;
    const { vector, tokens } = await limits.run(model, 'embed', call, () =>
      provider.embed(text, { model, dimensions }, call.signal),
    );
    const cost =
      tokens === null ? costs.mostForVectors(model, [text]) : costs.of(model, { ...NO_USAGE, prompt: tokens });
    if (vector.length !== dimensions || !vector.every(Number.isFinite))
      throw new ModelError(
        'MODEL_OUTPUT_INVALID',
        `The model ${model} gave a vector of ${vector.length} dimensions, not ${dimensions}. Mend: set MODEL_EMBEDDING_DIMENSIONS to what it can give.`,
        { costMicros: cost },
      );
    return { vector, cost };
  }

  async #answer<T>(request: GenerateRequest<T>, prepared: ProviderRequest, call: ModelCall): Promise<Answer<T>> {
    const { cache } = this.#options;
    const make = (until: ModelCall) => ask(prepared, request, until, this.#options);
    // Who asks for chance wants another answer the next time.
    if ((request.temperature ?? 0) > 0) return made(request.schema, await make(call));
    // The data itself in the place of its text: a database gives its keys back in another order.
    const { task: _task, turns: _turns, ...content } = prepared;
    const { input } = request;
    const key = cacheKey({ version: KEY_VERSION, provider: this.provider, ...content, input });
    const cached = await cache.through(key, call, make);
    const paid = cached.source === 'made' ? cached.answer : null;
    const reading = await checkJson(cached.answer.json, request.schema);
    if (!('problems' in reading))
      return paid
        ? { ...answerOf(paid), value: reading.value }
        : { ...FREE, value: reading.value, model: cached.answer.model };
    // The key knows no refinements: a schema may want more than the one for which the answer was made.
    cache.reject(key, cached);
    const asked = await make(call);
    cache.keep(key, asked);
    return made(request.schema, { ...asked, costMicros: asked.costMicros + (paid?.costMicros ?? 0) });
  }

  #prepare(request: GenerateRequest<unknown>): ProviderRequest {
    const { maxOutputTokens: most } = this.#options.settings;
    const usual = request.isShort === true ? Math.max(LEAST_FOR_SHORT, Math.ceil(most / 2)) : most;
    return {
      task: request.task,
      model: this.#options.settings[request.tier],
      systemInstruction: systemInstructionOf(request.instructions),
      turns: [dataTurn(request.input)],
      responseSchema: responseSchemaOf(request.schema),
      maxOutputTokens: request.maxOutputTokens ?? usual,
      temperature: request.temperature,
    };
  }
}

type Answer<T> = Omit<Generated<T>, 'provider' | 'durationMs'>;

const FREE = { usage: NO_USAGE, costMicros: 0, fromCache: true, repairs: 0 };

const answerOf = ({ model, usage, costMicros, repairs }: Asked) => ({
  model,
  usage,
  costMicros,
  repairs,
  fromCache: false,
});

async function made<T>(schema: z.ZodType<T>, asked: Asked): Promise<Answer<T>> {
  const reading = await checkJson(asked.json, schema);
  if ('problems' in reading)
    throw new ModelError('MODEL_OUTPUT_INVALID', 'The schema took the answer once and not again.', {
      costMicros: asked.costMicros,
    });
  return { ...answerOf(asked), value: reading.value };
}
