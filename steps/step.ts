import type { z } from 'zod';
import type { JsonObject, StepStatus } from '../database/tables.ts';
import type { Model } from '../generation/model.ts';
import type { Question, Unanswered, Verdict, Work } from '../moves/work.ts';
import type { Clock } from '../shared/clock.ts';
import type { Micros } from '../shared/money.ts';

/** The counters of a run that a step may add to. */
export type Metric = 'prospects_generated' | 'leads_analyzed' | 'emails_composed' | 'emails_sent';
export const METRICS: readonly Metric[] = ['prospects_generated', 'leads_analyzed', 'emails_composed', 'emails_sent'];

export type Effect = 'repeatable' | 'once';
export type Protocol = 'auto' | 'json' | 'sse' | 'job';

/** An engine call as a step asks for it: the step's own fields with every default and reference filled in. */
export interface EngineCall {
  url: string;
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON (or as query parameters with GET). */
  params: JsonObject;
  protocol: Protocol;
  /** Where to ask for the state of queued jobs; made from the URL where the step does not say. */
  statusUrl?: string;
  /** Milliseconds between two looks at queued jobs. */
  pollInterval: number;
  /** Told to stop on time-out and cancel. */
  cancelUrl?: string;
  /** Names of the events that end a stream; replaces the step kind's own. */
  terminalEvents?: readonly string[];
}

/** What every step may use. It gets no database, no budget and no other way to the outside. */
export interface StepFacts {
  runId: string;
  campaignId: string;
  stepName: string;
  attempt: number;
  effect: Effect;
  /** The same on every retry of this step of this run: `<runId>/<stepName>`. */
  idempotencyKey: string;
  /** Aborts on time-out, cancel and stop. */
  signal: AbortSignal;
  /** When the time of this attempt is over, in milliseconds since the epoch. */
  deadline: number;
  clock: Clock;
  /** Shows progress to whoever watches; never stored, at most a few a second are passed on. */
  progress(facts: JsonObject): void;
  log: StepLog;
}

/** What a step that calls an engine may use. */
export interface StepContext extends StepFacts {
  call: EngineCall;
  http: EngineHttp;
}

/** An earlier step of the run, as a later one sees it. */
export interface PreviousStep {
  name: string;
  kind: string;
  status: StepStatus;
  output: JsonObject | null;
  error: { code: string; message: string } | null;
}

/** What a step that works with a model may use. */
export interface ModelStepContext extends StepFacts {
  /** The step's own, with references filled in. */
  params: JsonObject;
  model: Model;
  /** In the order of the definition; without the steps that run beside this one. */
  previous: readonly PreviousStep[];
  /** Asks people. A step whose question is pending ends with the outcome `waiting`, and is run again once there is an answer. */
  ask(question: Question): Promise<Verdict | Unanswered>;
  planning: Planning;
}

/** The parts of planning that steps run, by the kind of the step. */
export type PlanningKind = 'arc' | 'kpis' | 'move-assets' | 'moves' | 'pivot';
export type Planning = Readonly<Record<PlanningKind, Work>>;

export interface StepLog {
  info(message: string, facts?: Record<string, unknown>): void;
  warn(message: string, facts?: Record<string, unknown>): void;
}

/** What a step achieved. */
export interface StepResult {
  /** `empty`: done, and there was nothing to do. `waiting`: people have been asked, and the step is run again when they answer. */
  outcome: 'completed' | 'empty' | 'waiting';
  counts: Partial<Record<Metric, number>>;
  /** What the engine says it cost; null when it does not say. */
  costMicros: Micros | null;
  /** Whether `costMicros` is only the most that it can have been. */
  costUnknown?: boolean;
  /** What later steps may refer to; the engine's answer cut down to a bounded summary. */
  output: JsonObject;
  /** The engine only pretended (`dry_run`). */
  dryRun?: boolean;
}

export interface StepErrorOptions {
  retryable?: boolean;
  cause?: unknown;
  /** What the failed attempt cost, as the engine reported it. */
  costMicros?: Micros | null;
  /** Whether `costMicros` is only the most that it can have been. */
  costUnknown?: boolean;
  /**
   * Whether the engine may have worked: `no` (never reached, or refused), `maybe` (it was asked and nothing is
   * known). `maybe` without a cost charges the reservation, and makes a `once` step `unknown`.
   */
  worked?: 'no' | 'maybe';
  /** Milliseconds that the engine asked to wait before another try. */
  retryAfterMs?: number;
  /** Whether the engine's own answer settles that nothing was done or that it failed; a `once` step is then `failed`. */
  definite?: boolean;
  /** What there is although the step failed; kept with its row. */
  output?: JsonObject;
}

/** A step failed. `code` stands in docs/errors.md. */
export class StepError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly costMicros: Micros | null;
  readonly costUnknown: boolean;
  readonly worked: 'no' | 'maybe';
  readonly retryAfterMs: number | undefined;
  readonly definite: boolean;
  readonly output: JsonObject | null;

  constructor(code: string, message: string, options: StepErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'StepError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.costMicros = options.costMicros ?? null;
    this.costUnknown = options.costUnknown ?? false;
    this.worked = options.worked ?? 'maybe';
    this.retryAfterMs = options.retryAfterMs;
    this.definite = options.definite ?? true;
    this.output = options.output ?? null;
  }
}

/** How an engine ended: its final payload and what was seen on the way, whatever the dialect. */
export interface EngineAnswer {
  dialect: 'json' | 'sse' | 'job';
  /** The JSON body, the data of the terminal frame, or `{jobs, summary}` of the last poll. */
  payload: JsonObject;
  /** Name of the terminal event, for streams. */
  terminal?: string;
  /** How often each event name came, for streams; a lead's own `error` frames are counted here. */
  frames?: Record<string, number>;
  /** How many `complete` frames named a lead and did not say that it failed, for streams that have any. */
  itemsCompleted?: number;
  /** The engine found nothing to work on and reported that as an error; its words. */
  empty?: string;
}

/** Speaks the engines' dialects. Implemented by steps/engine-client.ts, handed to steps by the orchestrator. */
export interface EngineHttp {
  /**
   * Makes the call and resolves when the engine's work is complete.
   * @throws {StepError} for every way in which it can fail.
   */
  run(context: Omit<StepContext, 'http'>, traits: EngineTraits): Promise<EngineAnswer>;
}

/** What one engine does differently on the wire. */
export interface EngineTraits {
  terminalEvents: readonly string[];
  /** The step named the terminal events itself: then no `complete` is told from another by what it says. */
  exactTerminals?: boolean;
  /** Whether an `error` frame concerns one lead only (counted) rather than the whole call (failure). */
  errorFramesArePerItem: boolean;
  /** An event that follows the terminal one shortly and may add to it. */
  closingEvent?: string;
}

/** What there is to say about every kind of step: one file in steps/, one line in steps/registry.ts. */
interface KindFacts {
  kind: string;
  /** One sentence for the docs and the JSON Schema. */
  description: string;
  defaultEffect: Effect;
  /** Milliseconds. */
  defaultTimeout: number;
  /** Checks `params` before anything is stored; most kinds let every object through. */
  params: z.ZodType<JsonObject>;
}

/** A kind whose work an engine does. */
export interface EngineStepKind extends KindFacts {
  /** Which `ENGINE_*_URL` gives the address when the step names none, and the path there. */
  engine: 'prospecting' | 'analysis' | 'outreach';
  defaultPath: string;
  /** @throws {StepError} */
  execute(context: StepContext): Promise<StepResult>;
}

/** A kind whose work this service does with a model. It calls no engine, so it has no address and no dialect. */
export interface ModelStepKind extends KindFacts {
  engine: null;
  /**
   * Micro-dollars that one attempt may cost at most, repairs left out. The budget holds no less, unless the campaign gives an
   * `estimatedCost`.
   * @param waiting of a step that goes on after people have been asked, what it told of that; then the estimate alone counts
   */
  estimate(params: JsonObject, model: Model, previous: readonly PreviousStep[], waiting?: JsonObject): Micros;
  /** Kinds of which one has to come before: without it there is nothing to do. */
  follows?: readonly string[];
  /** Where in its params the terms of an approval stand, which name `groups`; left out by a kind that asks nobody. */
  approvalAt?: readonly string[];
  /** @throws {StepError} */
  execute(context: ModelStepContext): Promise<StepResult>;
}

export type StepKind = EngineStepKind | ModelStepKind;
