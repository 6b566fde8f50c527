import type { Clock } from '../shared/clock.ts';
import type { ModelSettings } from '../shared/config-model.ts';
import { type Problem, ValidationError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import type { Micros } from '../shared/money.ts';
import { AnswerCache, type CacheStats, type ModelCacheStore } from './model-cache.ts';
import { ModelCosts } from './model-costs.ts';
import { HostedModel } from './model-hosted.ts';
import { type LaneState, ModelLimits } from './model-limits.ts';
import {
  type Embedded,
  type Generated,
  type GenerateRequest,
  type Model,
  type ModelCall,
  ModelError,
} from './model.ts';
import { loadPrices } from './prices.ts';
import { type Credentials, credentialsFor } from './providers/credentials.ts';
import { LoadedProvider } from './providers/loaded-provider.ts';
import type { Provider } from './providers/provider.ts';
import { RulesModel, type RulesTemplates } from './providers/rules.ts';
import { baseUrlOf, VertexTransport } from './providers/vertex-transport.ts';

export interface ModelDependencies {
  clock: Clock;
  logger: Logger;
  /** What the offline writer knows; unused by the other providers. */
  templates: RulesTemplates;
  /** Where answers are kept beyond the process; without one they are kept in memory only. */
  store?: ModelCacheStore;
  /** Bytes of answers in memory at most; 32 MiB when not set. */
  cacheBytes?: number;
  /** Other credentials than Application Default Credentials. */
  credentials?: Credentials;
}

/** Counted since the start. */
export interface ModelStats {
  answers: number;
  repairs: number;
  /** Of answers, vectors and failures, as far as it is known. */
  costMicros: Micros;
  /** By their code. */
  failures: Partial<Record<ModelError['code'], number>>;
  cache: CacheStats;
  /** By model. */
  limits: Record<string, LaneState>;
}

/** The model that was configured, and what can be seen of it. */
export interface ModelLayer extends Model {
  /** At most what `embed` may cost for these texts, in micro-dollars. */
  estimateVectors(texts: readonly string[]): Micros;
  stats(): ModelStats;
  /** Ends connections, and waits for answers that are being kept. Calls under way fail. */
  close(): Promise<void>;
}

/** A provider's model, or the offline writer, with what only the layer can say of it. */
interface Inner {
  model: Model;
  estimateVectors(texts: readonly string[]): Micros;
  cache: AnswerCache;
  limits: ModelLimits;
  close(): Promise<void>;
}

/**
 * The one entry: the model that the configuration names, never another one in its place. Connects to nothing yet.
 * @throws {ValidationError} when a model has no price, or the file of prices has problems
 */
export function makeModel(settings: ModelSettings, dependencies: ModelDependencies): ModelLayer {
  const { clock, logger } = dependencies;
  const limits = new ModelLimits({
    concurrency: settings.concurrency,
    perMinute: settings.requestsPerMinute,
    clock,
  });
  const cache = new AnswerCache({ store: dependencies.store, logger, maxBytes: dependencies.cacheBytes });
  const inner =
    settings.provider === 'rules'
      ? offline(dependencies, cache, limits)
      : hosted(settings, settings.provider, dependencies, cache, limits);
  const { provider, fast, best, embedding, location } = settings;
  logger.info('Model chosen', provider === 'rules' ? { provider } : { provider, fast, best, embedding, location });
  return new CountedModel(inner);
}

function offline({ templates, clock }: ModelDependencies, cache: AnswerCache, limits: ModelLimits): Inner {
  const model = new RulesModel({ templates, clock });
  return { model, estimateVectors: () => 0, cache, limits, close: () => cache.close() };
}

function hosted(
  settings: ModelSettings,
  name: Provider['name'],
  dependencies: ModelDependencies,
  cache: AnswerCache,
  limits: ModelLimits,
): Inner {
  const { clock, logger } = dependencies;
  const { project, location } = settings;
  if (project === null) throw new RangeError('a hosted model needs a project, which the configuration has checked');
  const costs = new ModelCosts({ prices: loadPrices(settings.pricesFile), location, clock });
  refuseUnpriced(settings, costs);
  const baseUrl = settings.baseUrl ?? baseUrlOf(location);
  const credentials = dependencies.credentials ?? credentialsFor(baseUrl, project);
  const transport = new VertexTransport({ baseUrl, credentials, clock });
  const provider = new LoadedProvider(name, { project, location, transport });
  const model = new HostedModel({ provider, limits, costs, cache, clock, logger, settings });
  return {
    model,
    estimateVectors: (texts) => model.estimateVectors(texts),
    cache,
    limits,
    async close() {
      await provider.close();
      await cache.close();
    },
  };
}

/** A model of unknown price would be charged nothing and pass every budget. */
function refuseUnpriced(settings: ModelSettings, costs: ModelCosts): void {
  const names = { MODEL_FAST: settings.fast, MODEL_BEST: settings.best, MODEL_EMBEDDING: settings.embedding };
  const problems: Problem[] = Object.entries(names)
    .filter(([, model]) => !costs.knows(model))
    .map(([path, model]) => ({
      path,
      message: `names ${model}, of which no price is known`,
      mend: 'name another model, or give its price in a file that MODEL_PRICES_FILE names',
    }));
  if (problems.length > 0) throw new ValidationError('The configuration has problems.', problems);
}

/** Counts what a model does. */
class CountedModel implements ModelLayer {
  readonly #inner: Inner;
  readonly #counts = { answers: 0, repairs: 0, costMicros: 0 };
  readonly #failures: ModelStats['failures'] = {};

  constructor(inner: Inner) {
    this.#inner = inner;
  }

  get provider() {
    return this.#inner.model.provider;
  }

  async generate<T>(request: GenerateRequest<T>, call: ModelCall): Promise<Generated<T>> {
    const generated = await this.#counted(this.#inner.model.generate(request, call));
    this.#counts.answers += 1;
    this.#counts.repairs += generated.repairs;
    return generated;
  }

  embed(texts: readonly string[], call: ModelCall): Promise<Embedded> {
    return this.#counted(this.#inner.model.embed(texts, call));
  }

  estimate<T>(request: GenerateRequest<T>): Micros {
    return this.#inner.model.estimate(request);
  }

  estimateVectors(texts: readonly string[]): Micros {
    return this.#inner.estimateVectors(texts);
  }

  stats(): ModelStats {
    const { cache, limits } = this.#inner;
    return { ...this.#counts, failures: { ...this.#failures }, cache: cache.stats(), limits: limits.state() };
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #counted<R extends { costMicros: Micros }>(work: Promise<R>): Promise<R> {
    try {
      const result = await work;
      this.#counts.costMicros += result.costMicros;
      return result;
    } catch (error) {
      if (error instanceof ModelError) {
        this.#failures[error.code] = (this.#failures[error.code] ?? 0) + 1;
        this.#counts.costMicros += error.costMicros ?? 0;
      }
      throw error;
    }
  }
}
