import type { Json, JsonObject } from '../database/tables.ts';
import { isObject, objectAt } from './answer-fields.ts';
import { readText } from './bounded-body.ts';
import { parseObject } from './dialect-json.ts';
import { engineMessage, HttpStatusError, invalidAnswer, networkFailure } from './engine-errors.ts';
import { exchange, type Wire } from './http-call.ts';
import { StepError, type StepContext } from './step.ts';

/** So many ids a request keep every query string well under what servers accept. */
const IDS_A_REQUEST = 50;
/** Looks that may fail in a row: to ask the engine to start over would pay for the work twice. */
const MOST_FAILED_LOOKS = 10;
/** Looks in a row that may leave out a job before it counts as not found. */
const MOST_MISSING_LOOKS = 3;

export type JobContext = Omit<StepContext, 'http'>;

/** Spellings of the four final states. */
const FINAL_STATES = new Map([
  ['canceled', 'cancelled'],
  ['cancelled', 'cancelled'],
  ['complete', 'completed'],
  ['completed', 'completed'],
  ['error', 'failed'],
  ['failed', 'failed'],
  ['not_found', 'not_found'],
  ['succeeded', 'completed'],
]);

/** A job's id as text; null for what is none. */
export function idOf(value: Json): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value.toWellFormed() : null;
}

function withIds(url: string, ids: readonly string[]): string {
  const target = new URL(url);
  if (target.searchParams.has('job_ids') || target.searchParams.has('job_id')) return url;
  const query = `job_ids=${ids.map(encodeURIComponent).join(',')}`;
  return Object.assign(target, { search: target.search ? `${target.search}&${query}` : query }).href;
}

/**
 * The jobs that a look reports, by id, whichever way they are wrapped.
 * @throws {StepError} ENGINE_ANSWER_INVALID when it reports none
 */
function readJobs(payload: JsonObject, asked: readonly string[]): Map<string, JsonObject> {
  const data = objectAt(payload, 'data');
  const single = data ?? payload;
  const list = [payload['jobs'], data?.['jobs'], payload['data']].find(Array.isArray) ?? [single];
  if (list[0] === single && (single['state'] ?? single['status']) === undefined)
    throw invalidAnswer(`The status of the jobs has no jobs in it${said(payload)}.`);
  const jobs = new Map<string, JsonObject>();
  for (const job of list.filter(isObject)) {
    const id = idOf(job['job_id'] ?? job['jobId'] ?? job['id'] ?? null) ?? (asked.length === 1 ? asked[0] : undefined);
    const given = job['state'] ?? job['status'];
    const state = typeof given === 'string' ? given.toLowerCase() : 'unknown';
    if (id !== undefined) jobs.set(id, { ...job, job_id: id, state: FINAL_STATES.get(state) ?? state });
  }
  return jobs;
}

function said(payload: JsonObject): string {
  const message = engineMessage(payload);
  return message === null ? '' : `, but: ${message}`;
}

function isFinal(job: JsonObject | undefined): job is JsonObject {
  return typeof job?.['state'] === 'string' && FINAL_STATES.has(job['state']);
}

/** The jobs of one call, looked at until each has come to an end. */
export class JobWatch {
  readonly #wire: Wire;
  readonly #context: JobContext;
  readonly #headers: Record<string, string>;
  readonly #chunks: string[][];
  readonly #total: number;
  readonly #final = new Map<string, JsonObject>();
  readonly #missing = new Map<string, number>();
  #urls: string[];
  #summary: JsonObject | undefined;
  #failedLooks = 0;
  #hasLooked = false;

  constructor(
    wire: Wire,
    context: JobContext,
    headers: Record<string, string>,
    urls: string[],
    ids: readonly string[],
  ) {
    this.#wire = wire;
    this.#context = context;
    this.#headers = headers;
    this.#urls = urls;
    const unique = [...new Set(ids)];
    this.#total = unique.length;
    this.#chunks = Array.from({ length: Math.ceil(unique.length / IDS_A_REQUEST) }, (_, index) =>
      unique.slice(index * IDS_A_REQUEST, (index + 1) * IDS_A_REQUEST),
    );
  }

  async untilDone(): Promise<JsonObject> {
    while (this.#final.size < this.#total) {
      const wait = await this.#lookAtAll();
      this.#context.progress({ event: 'jobs', finished: this.#final.size, total: this.#total });
      if (this.#final.size < this.#total) await this.#wire.clock.sleep(wait, this.#context.signal);
    }
    const jobs = this.#chunks.flat().map((id) => this.#final.get(id) ?? { job_id: id, state: 'not_found' });
    return { jobs, ...(this.#summary ? { summary: this.#summary } : {}) };
  }

  /** Milliseconds until the next look. */
  async #lookAtAll(): Promise<number> {
    let wait = this.#context.call.pollInterval;
    for (const ids of this.#chunks) {
      if (ids.every((id) => this.#final.has(id))) continue;
      try {
        await this.#look(ids);
        this.#failedLooks = 0;
      } catch (error) {
        this.#context.signal.throwIfAborted();
        wait = Math.max(wait, this.#afterFailedLook(networkFailure(error, this.#urls[0] ?? '')));
        break;
      }
    }
    return wait;
  }

  async #look(ids: readonly string[]): Promise<void> {
    const payload = await this.#fetch(ids);
    const jobs = readJobs(payload, ids);
    for (const id of ids) {
      const job = jobs.get(id);
      const missing = job ? 0 : (this.#missing.get(id) ?? 0) + 1;
      this.#missing.set(id, missing);
      if (isFinal(job)) this.#final.set(id, job);
      else if (missing >= MOST_MISSING_LOOKS) this.#final.set(id, { job_id: id, state: 'not_found' });
    }
    // A summary tells of the jobs that were asked for; of several requests none has the whole.
    if (this.#chunks.length === 1) this.#summary = objectAt(payload, 'summary') ?? objectAt(payload, 'data', 'summary');
  }

  async #fetch(ids: readonly string[]): Promise<JsonObject> {
    const signal = AbortSignal.any([this.#context.signal, AbortSignal.timeout(this.#wire.pollLimitMs)]);
    for (;;) {
      try {
        const url = withIds(this.#urls[0] ?? '', ids);
        const look = { url, method: 'GET', headers: this.#headers, signal, effect: 'repeatable' } as const;
        const response = await exchange(this.#wire, look);
        const payload = parseObject(await readText(response.body, this.#wire.maxResponseBytes));
        this.#urls = this.#urls.slice(0, 1);
        this.#hasLooked = true;
        return payload;
      } catch (error) {
        const isMissing = error instanceof HttpStatusError && error.status === 404;
        // The address has answered before, so it is the jobs that are gone.
        if (isMissing && this.#hasLooked) return { jobs: ids.map((id) => ({ job_id: id, state: 'not_found' })) };
        if (!isMissing || this.#urls.length < 2) throw error;
        this.#urls = this.#urls.slice(1);
      }
    }
  }

  /**
   * Milliseconds that the engine asked to wait.
   * @throws {StepError} when looking again cannot help or has been tried often enough
   */
  #afterFailedLook(error: StepError): number {
    this.#failedLooks += 1;
    const mayPass = error.retryable || error.code === 'ENGINE_ANSWER_INVALID';
    if (mayPass && this.#failedLooks < MOST_FAILED_LOOKS) {
      this.#context.log.warn('Could not look at queued jobs', { code: error.code, error: error.message });
      return error.retryAfterMs ?? 0;
    }
    if (error.code === 'ENGINE_RESPONSE_TOO_LARGE') throw error;
    throw new StepError('ENGINE_STATUS_UNREACHABLE', `The state of the queued jobs cannot be read. ${error.message}`, {
      retryable: mayPass && this.#context.effect === 'repeatable',
      worked: 'maybe',
      definite: false,
      cause: error,
    });
  }
}
