import type { Model } from '../generation/model.ts';
import type { Clock } from '../shared/clock.ts';
import type { JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';

/** Something that people are asked before it takes effect. */
export interface Question {
  /** Tells the questions of one step apart; the same name is the same question, however often it is asked. */
  name: string;
  /** Says how edits are checked. */
  kind: 'step' | 'arc' | 'moves' | 'pivot';
  /** The plan that it is about. */
  planId: string | null;
  title: string;
  /** In a few sentences, for a mail. */
  summary: string;
  /** What is to be approved. */
  subject: JsonObject;
  /** What edits are checked against. */
  context: JsonObject;
  groups: readonly string[];
  requestedBy: string | null;
  allowSelf: boolean;
  /** Milliseconds until it expires. */
  expiresInMs: number;
  onExpiry: 'approved' | 'rejected';
}

/** What people said, or that nobody did in time. */
export interface Verdict {
  approvalId: string;
  decision: 'approved' | 'rejected' | 'expired';
  by: string | null;
  reason: string | null;
  /** As it was edited on approving; else as it was asked. */
  subject: JsonObject;
  edited: boolean;
}

/** A question that has no answer yet. */
export interface Unanswered {
  approvalId: string;
  decision: 'pending';
  expiresAt: string;
}

/** What a step of planning may use, beside what its part was made with. */
export interface WorkContext {
  runId: string;
  campaignId: string;
  stepName: string;
  attempt: number;
  /** Aborts on time-out, cancel and stop. */
  signal: AbortSignal;
  /** When the time of this attempt is over, in milliseconds since the epoch. */
  deadline: number;
  clock: Clock;
  model: Model;
  /** Told each time that a request goes out to a model. */
  onSent(): void;
  /** Asks people. A step whose question is pending ends with the outcome `waiting`, and is run again once there is an answer. */
  ask(question: Question): Promise<Verdict | Unanswered>;
  progress(facts: JsonObject): void;
  log: {
    info(message: string, facts?: Record<string, unknown>): void;
    warn(message: string, facts?: Record<string, unknown>): void;
  };
}

export interface WorkResult {
  /** `waiting`: people have been asked. `empty`: there was nothing to do. */
  outcome: 'completed' | 'empty' | 'waiting';
  output: JsonObject;
  costMicros: Micros;
  costUnknown?: boolean;
}

/** A part of planning as a step runs it. @throws {WorkError} */
export type Work = (params: JsonObject, context: WorkContext) => Promise<WorkResult>;

/** The work of a step failed. `code` stands in docs/errors.md. */
export class WorkError extends Error {
  readonly code: string;
  readonly retryable: boolean;
  readonly costMicros: Micros | null;
  /** Kept with the step's row. */
  readonly output: JsonObject | null;
  /** Milliseconds that a provider asked to wait before another try. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: string,
    message: string,
    options: {
      retryable?: boolean;
      costMicros?: Micros | null;
      output?: JsonObject;
      retryAfterMs?: number;
      cause?: unknown;
    } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'WorkError';
    this.code = code;
    this.retryable = options.retryable ?? false;
    this.costMicros = options.costMicros ?? 0;
    this.output = options.output ?? null;
    this.retryAfterMs = options.retryAfterMs;
  }
}
