import { Agent } from 'undici';
import type { Json, JsonObject } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import { AppError, messageOf } from '../shared/errors.ts';
import type { OriginPolicy } from '../shared/origins.ts';
import { readText } from './bounded-body.ts';
import { answerFromJobs, jobIdsOf, statusUrls } from './dialect-job.ts';
import { checkOutcome, parseObject } from './dialect-json.ts';
import { answerFromStream } from './dialect-sse.ts';
import { HttpStatusError, invalidAnswer, networkFailure, protocolMismatch, saysNothingToDo } from './engine-errors.ts';
import { exchange, header, type Wire, type WireRequest, type WireResponse } from './http-call.ts';
import type { EngineAnswer, EngineHttp, EngineTraits, StepContext, StepError } from './step.ts';

type CallContext = Omit<StepContext, 'http'>;

export interface EngineClientOptions {
  origins: OriginPolicy;
  /** Bytes of one whole answer, all frames of a stream together. */
  maxResponseBytes: number;
  clock: Clock;
  pollLimitMs?: number;
  cancelLimitMs?: number;
  closingLimitMs?: number;
}

/** After these the engine may go on working for nobody. */
const LEFT_BEHIND = new Set(['ENGINE_RESPONSE_TOO_LARGE', 'ENGINE_STATUS_UNREACHABLE']);

/**
 * Whether the engine goes on for nobody. A run that another worker took over has asked the same engine again under the same
 * id: to stop that would stop the new holder's work.
 */
function isLeftBehind(signal: AbortSignal, failure: StepError): boolean {
  if (!signal.aborted) return LEFT_BEHIND.has(failure.code);
  const reason: unknown = signal.reason;
  return !(reason instanceof AppError && reason.code === 'RUN_FENCED');
}

/** A header takes printable ASCII; anything else, and the percent sign itself, is percent-encoded, so keys stay distinct. */
function headerSafe(text: string): string {
  return text.toWellFormed().replaceAll(/[^\x21-\x7e]|%/gu, encodeURIComponent);
}

function headersFor(context: CallContext): Record<string, string> {
  return {
    accept: 'application/json, text/event-stream',
    'accept-encoding': 'identity',
    'idempotency-key': headerSafe(context.idempotencyKey),
    'user-agent': 'pipeline-orchestrator',
    'x-run-id': headerSafe(context.runId),
  };
}

function withQuery(url: string, params: JsonObject): string {
  const target = URL.parse(url);
  if (!target) return url;
  for (const [name, value] of Object.entries(params))
    if (value !== null)
      target.searchParams.append(name, typeof value === 'object' ? JSON.stringify(value) : String(value));
  return target.href;
}

function requestFor(context: CallContext): WireRequest {
  const { call, signal, effect } = context;
  const headers = headersFor(context);
  if (call.method === 'GET') return { url: withQuery(call.url, call.params), method: 'GET', headers, signal, effect };
  return {
    url: call.url,
    method: call.method,
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify(call.params),
    signal,
    effect,
  };
}

/** A 404 by which an engine says that no lead matches is an answer, not a wrong address. */
function emptyAnswer(error: unknown): EngineAnswer | null {
  if (!(error instanceof HttpStatusError) || error.status !== 404 || !saysNothingToDo(error.said)) return null;
  return { dialect: 'json', payload: { message: error.said }, empty: error.said };
}

/** One call from asking to the end of the work, with what is needed to stop it. */
class EngineCallInProgress {
  readonly #wire: Wire;
  readonly #context: CallContext;
  readonly #traits: EngineTraits;
  jobIds: string[] = [];

  constructor(wire: Wire, context: CallContext, traits: EngineTraits) {
    this.#wire = wire;
    this.#context = context;
    const { terminalEvents } = context.call;
    this.#traits = terminalEvents ? { ...traits, terminalEvents, exactTerminals: true } : traits;
  }

  async answer(): Promise<EngineAnswer> {
    let response: WireResponse;
    try {
      response = await exchange(this.#wire, requestFor(this.#context));
    } catch (error) {
      const empty = emptyAnswer(error);
      if (empty) return empty;
      throw error;
    }
    try {
      return await this.#read(response);
    } finally {
      response.body.destroy();
    }
  }

  async #read(response: WireResponse): Promise<EngineAnswer> {
    const encoding = header(response, 'content-encoding') ?? 'identity';
    if (encoding !== 'identity')
      throw invalidAnswer(`The engine's answer is compressed (${encoding}) though identity was asked for.`);
    const { protocol } = this.#context.call;
    const isStream = /^text\/event-stream\b/i.test(header(response, 'content-type') ?? '');
    if (isStream) {
      if (protocol !== 'auto' && protocol !== 'sse')
        throw protocolMismatch(`The step expects ${protocol}, the engine answered with an event stream.`);
      return answerFromStream(this.#wire, response, this.#traits, (facts) => this.#context.progress(facts));
    }
    const payload = parseObject(await readText(response.body, this.#wire.maxResponseBytes));
    const empty = checkOutcome(payload);
    if (empty !== null) return { dialect: 'json', payload, empty };
    return this.#continueFrom(response, payload);
  }

  async #continueFrom(response: WireResponse, payload: JsonObject): Promise<EngineAnswer> {
    const { protocol } = this.#context.call;
    if (protocol === 'json') return { dialect: 'json', payload };
    if (protocol === 'sse') throw protocolMismatch('The step expects an event stream, the engine answered with JSON.');
    const ids = jobIdsOf(payload);
    if (ids === null) {
      if (protocol === 'job')
        throw protocolMismatch('The step expects queued jobs, the answer has no job_id or job_ids.');
      if (response.status === 202)
        throw protocolMismatch('The engine accepted the work (202) without a job id, so its end cannot be followed.');
      return { dialect: 'json', payload };
    }
    this.jobIds = ids;
    const urls = statusUrls(this.#wire, this.#context, response, payload);
    return answerFromJobs(this.#wire, this.#context, headersFor(this.#context), urls, ids);
  }
}

class UndiciEngineClient implements EngineHttp {
  readonly #wire: Wire;
  readonly #agents: readonly Agent[];
  /** Calls that tell an engine to stop; nobody waits for them but `close`. */
  readonly #farewells = new Set<Promise<void>>();

  constructor(options: EngineClientOptions) {
    // Engines are silent for minutes and send no keep-alive: the step's own time-out is the only one. Connections are not
    // limited, since a call that waits for a free one would spend the step's time on nothing; runs are limited elsewhere.
    const patience = { headersTimeout: 0, bodyTimeout: 0, connectTimeout: 10_000, allowH2: false };
    const kept = new Agent(patience);
    // No pipelining means no keep-alive: a connection a request.
    const fresh = new Agent({ ...patience, pipelining: 0 });
    this.#agents = [kept, fresh];
    this.#wire = {
      kept,
      fresh,
      origins: options.origins,
      clock: options.clock,
      maxResponseBytes: options.maxResponseBytes,
      pollLimitMs: options.pollLimitMs ?? 30_000,
      cancelLimitMs: options.cancelLimitMs ?? 5_000,
      closingLimitMs: options.closingLimitMs ?? 1_000,
    };
  }

  async run(context: CallContext, traits: EngineTraits): Promise<EngineAnswer> {
    context.signal.throwIfAborted();
    const call = new EngineCallInProgress(this.#wire, context, traits);
    try {
      return await call.answer();
    } catch (error) {
      const failure = networkFailure(error, context.call.url);
      if (isLeftBehind(context.signal, failure)) this.#tellToStop(context, call.jobIds);
      context.signal.throwIfAborted();
      throw failure;
    }
  }

  /** A client that disconnects does not stop an engine: it has to be told, and whether it listens changes nothing. */
  #tellToStop(context: CallContext, jobIds: readonly string[]): void {
    const url = context.call.cancelUrl;
    if (url === undefined) return;
    const body: Record<string, Json> = { runId: context.runId, ...(jobIds.length > 0 ? { job_ids: [...jobIds] } : {}) };
    const farewell = exchange(this.#wire, {
      url,
      method: 'POST',
      headers: { ...headersFor(context), 'content-type': 'application/json' },
      body: JSON.stringify(body),
      effect: 'repeatable',
      signal: AbortSignal.timeout(this.#wire.cancelLimitMs),
    })
      .then((response) => response.body.dump())
      .then(() => context.log.info('Told the engine to stop'))
      .catch((error: unknown) => context.log.warn('Could not tell the engine to stop', { error: messageOf(error) }))
      .finally(() => this.#farewells.delete(farewell));
    this.#farewells.add(farewell);
  }

  async close(): Promise<void> {
    await Promise.all(this.#farewells);
    await Promise.all(this.#agents.map((agent) => agent.destroy()));
  }
}

/**
 * The client through which steps speak to engines, on connections of its own.
 * @returns the client, with `close()` that waits for stop calls on their way and ends every connection
 */
export function makeEngineClient(options: EngineClientOptions): EngineHttp & { close(): Promise<void> } {
  return new UndiciEngineClient(options);
}
