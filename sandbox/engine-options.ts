import type { Clock } from '../shared/clock.ts';

/** The kinds of work; compose and send are done by one engine, outreach. */
export type Work = 'prospecting' | 'analysis' | 'compose' | 'send';
export type EngineName = 'prospecting' | 'analysis' | 'outreach';
export type Dialect = 'json' | 'sse' | 'job';

/** What the next call to an engine meets instead of success. */
export type Fault =
  /** An HTTP status, with `{"error"}`; `retryAfter` as the header's text, `cost` in dollars. */
  | { kind: 'status'; status: number; retryAfter?: string; error?: string; cost?: number }
  /** Status 200, and the answer says that the engine failed: `success: false`, or an `error` frame. */
  | { kind: 'failure'; message: string; cost?: number }
  /** "No prospects match", said as an error. */
  | { kind: 'empty' }
  /** A stream that ends, or a body that is cut, half-way. */
  | { kind: 'early_end' }
  /** The connection breaks before the first byte of the answer. */
  | { kind: 'reset' }
  | { kind: 'garbage' }
  /** No answer ever, until the client leaves. */
  | { kind: 'hang' }
  | { kind: 'oversized'; bytes: number }
  | { kind: 'redirect'; to: string; status: number }
  /** Queued, and forgotten by a restart: every job reads `not_found`. */
  | { kind: 'lost_jobs' }
  /** Every item fails, and the answer still says success. */
  | { kind: 'all_failed' };

export interface SandboxOptions {
  /** Milliseconds for each item of work; 0 answers at once. */
  paceMs?: number;
  /** Share of calls that meet a fault which a retry gets over, 0 to 1. */
  faultShare?: number;
  /** Makes the faults of a share the same each time. */
  seed?: number;
  /** How each kind of work answers; streams for prospecting and compose, jobs for analysis, JSON for sending. */
  dialects?: Partial<Record<Work, Dialect>>;
  /** Items that succeed, whatever is asked for. */
  counts?: Partial<Record<Work, number>>;
  /** Dollars an item; null leaves the cost out of the answer. Sending never names one. */
  costs?: Partial<Record<Work, number | null>>;
  /** Prospecting sends its terminal `complete` twice, as one vintage does. */
  completesTwice?: boolean;
  /** 0 or absent: any free port. */
  ports?: Partial<Record<EngineName, number>>;
  clock?: Clock;
}

/** One request as an engine saw it. */
export interface EngineRequest {
  engine: EngineName;
  method: string;
  path: string;
  query: Record<string, string>;
  headers: Record<string, string>;
  /** The parsed body; null for none, the text where it is not JSON. */
  body: unknown;
  /** Milliseconds since the epoch. */
  at: number;
  /** The Idempotency-Key has been seen before on this path. */
  repeat: boolean;
}

/** Work that an engine really did and, except for sending, charges for. */
export interface WorkDone {
  work: Work;
  runId: string;
  key: string;
  items: number;
  dollars: number;
}
