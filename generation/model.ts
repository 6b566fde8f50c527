import type { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';
import type { Micros } from '../shared/money.ts';

export type ModelProvider = 'genai' | 'vertexai' | 'rules';

/** What a task asks of a model, which configuration turns into a model name: quick and cheap, or the best there is. */
export type ModelTier = 'fast' | 'best';

/** One piece of work for a model. */
export interface GenerateRequest<T> {
  /** Names the work, such as `brief.copy`: for metrics, for the log, and for the offline writer, which has one template a task. */
  task: string;
  tier: ModelTier;
  /** What the model is told to do, ours alone: no text from outside stands in it. */
  instructions: string;
  /** What the work is about: untrusted data, given to the model apart from the instructions and marked as data. */
  input: JsonObject;
  /** What the answer must be. Sent to the provider as JSON Schema, and checked here whatever the provider promises. */
  schema: z.ZodType<T>;
  /** Tokens of the answer at most, thoughts included; MODEL_MAX_OUTPUT_TOKENS when not set. */
  maxOutputTokens?: number;
  /** A sentence or two are wanted, not a text: half of MODEL_MAX_OUTPUT_TOKENS are allowed, since many such are asked for at once. */
  isShort?: boolean;
  /** 0 to 2; the provider's own when not set. */
  temperature?: number;
  /** How often the model is told what was wrong with its answer, 0 to 2; 2 when not set. */
  mostRepairs?: number;
}

/** Who asks, and until when. */
export interface ModelCall {
  /** Aborts on time-out, cancel and stop; the call then rejects with the signal's reason. */
  signal: AbortSignal;
  /**
   * When there is no more use for an answer, in milliseconds since the epoch. Nothing ends then by itself; a wait that is known to be
   * longer fails at once with MODEL_RATE_LIMITED.
   */
  deadline?: number;
  /** Told each time that a request goes out for this call: a call that is aborted before the first of them has cost nothing. */
  onSent?: () => void;
}

/** Tokens as the provider counts them. */
export interface ModelUsage {
  prompt: number;
  /** Of the prompt, what the provider had in its cache. */
  cached: number;
  /** What the model thought and did not say. */
  thoughts: number;
  /** What tools put into the prompt. */
  tool: number;
  output: number;
}

export interface Generated<T> {
  value: T;
  provider: ModelProvider;
  /** As the provider names it, with its version where it says one; `rules-v1` for the offline writer. */
  model: string;
  usage: ModelUsage;
  /** Of all calls that this answer took, repairs included; 0 from the cache. */
  costMicros: Micros;
  /** Whether it came from our own cache. */
  fromCache: boolean;
  /** How often the model had to be told what was wrong with its answer, 0 to 2. */
  repairs: number;
  durationMs: number;
}

/** Vectors of one space: only those of the same model and number of dimensions may be compared. */
export interface Embedded {
  vectors: number[][];
  model: string;
  dimensions: number;
  costMicros: Micros;
}

/** A language model behind one contract, whoever provides it. */
export interface Model {
  readonly provider: ModelProvider;
  /** @throws {ModelError} for every way in which it can fail, with what it cost until then; the signal's reason on abort */
  generate<T>(request: GenerateRequest<T>, call: ModelCall): Promise<Generated<T>>;
  /** At most what `generate` may cost, repairs left out, in micro-dollars: for the budget, before the call. */
  estimate<T>(request: GenerateRequest<T>): Micros;
  /** One vector a text, in the order of the texts. @throws like `generate` */
  embed(texts: readonly string[], call: ModelCall): Promise<Embedded>;
}

export type ModelErrorCode =
  | 'MODEL_BLOCKED'
  | 'MODEL_TRUNCATED'
  | 'MODEL_REFUSED'
  | 'MODEL_OUTPUT_INVALID'
  | 'MODEL_RATE_LIMITED'
  | 'MODEL_UNAVAILABLE'
  | 'MODEL_REJECTED'
  | 'MODEL_UNSUPPORTED';

/** A model call failed. `code` stands in docs/errors.md. */
export class ModelError extends Error {
  readonly code: ModelErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What the failed calls cost, as far as it is known; null when nobody knows. */
  readonly costMicros: Micros | null;
  /** Whether the cost is not known, or only as the most that it can be. */
  readonly costUnknown: boolean;
  /** Milliseconds that the provider asked to wait. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: ModelErrorCode,
    message: string,
    options: {
      retryable?: boolean;
      costMicros?: Micros | null;
      costUnknown?: boolean;
      retryAfterMs?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ModelError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.costMicros = options.costMicros === undefined ? 0 : options.costMicros;
    this.costUnknown = this.costMicros === null || options.costUnknown === true;
    this.retryAfterMs = options.retryAfterMs;
  }
}
