import type { Json, JsonObject } from '../database/tables.ts';
import { costOf, isObject, jobSucceeded, jobsOf, objectAt } from './answer-fields.ts';
import { readText } from './bounded-body.ts';
import { parseObject } from './dialect-json.ts';
import { engineMessage, HttpStatusError, networkFailure, saysNothingToDo } from './engine-errors.ts';
import { exchange, header, type Wire, type WireResponse } from './http-call.ts';
import { type EngineAnswer, StepError, type StepContext } from './step.ts';

/** So many ids a request keep every query string well under what servers accept. */
const IDS_A_REQUEST = 50;
/** Looks that may fail in a row: to ask the engine to start over would pay for the work twice. */
const MOST_FAILED_LOOKS = 10;
/** Looks in a row that may leave out a job before it counts as not found. */
const MOST_MISSING_LOOKS = 3;

type JobContext = Omit<StepContext, 'http'>;

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

/** The jobs that an answer says are queued: null when it speaks of none, `[]` when there was nothing to queue. */
export function jobIdsOf(payload: JsonObject): string[] | null {
  for (const holder of [payload, objectAt(payload, 'data')]) {
    const many = holder?.['job_ids'] ?? holder?.['jobIds'];
    if (Array.isArray(many)) return many.map(idOf).filter((id) => id !== null);
    const one = idOf(holder?.['job_id'] ?? holder?.['jobId'] ?? null);
    if (one !== null) return [one];
  }
  return null;
}

function idOf(value: Json): string | null {
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value.toWellFormed() : null;
}

/**
 * Where to ask for the state of jobs, in the order in which to try: the step's own address; else the one in the answer; else the
 * endpoint with its `-queue` or `-batch` replaced by `-status`, and the endpoint with `-status` added.
 */
export function statusUrls(wire: Wire, context: JobContext, response: WireResponse, payload: JsonObject): string[] {
  if (context.call.statusUrl !== undefined) return [context.call.statusUrl];
  const data = objectAt(payload, 'data') ?? {};
  for (const given of [
    payload['status_url'],
    payload['statusUrl'],
    data['status_url'],
    data['statusUrl'],
    header(response, 'location'),
  ]) {
    const url = typeof given === 'string' ? URL.parse(given, response.url)?.href : undefined;
    if (url !== undefined && wire.origins.allowsRedirect(context.call.url, url)) return [url];
  }
  const endpoint = new URL(context.call.url);
  const path = endpoint.pathname.replace(/\/+$/, '');
  const at = (pathname: string) => Object.assign(new URL(endpoint.origin), { pathname }).href;
  return [...new Set([at(`${path.replace(/-(queue|batch)$/, '')}-status`), at(`${path}-status`)])];
}

function withIds(url: string, ids: readonly string[]): string {
  const target = new URL(url);
  if (target.searchParams.has('job_ids') || target.searchParams.has('job_id')) return url;
  const query = `job_ids=${ids.map(encodeURIComponent).join(',')}`;
  return Object.assign(target, { search: target.search ? `${target.search}&${query}` : query }).href;
}

/** The jobs that a look reports, by id, whichever way they are wrapped. */
function readJobs(payload: JsonObject, asked: readonly string[]): Map<string, JsonObject> {
  const data = objectAt(payload, 'data');
  const list = [payload['jobs'], data?.['jobs'], payload['data']].find(Array.isArray) ?? [data ?? payload];
  const jobs = new Map<string, JsonObject>();
  for (const job of list.filter(isObject)) {
    const id = idOf(job['job_id'] ?? job['jobId'] ?? job['id'] ?? null) ?? (asked.length === 1 ? asked[0] : undefined);
    const given = job['state'] ?? job['status'];
    const state = typeof given === 'string' ? given.toLowerCase() : 'unknown';
    if (id !== undefined) jobs.set(id, { ...job, job_id: id, state: FINAL_STATES.get(state) ?? state });
  }
  return jobs;
}

function isFinal(job: JsonObject | undefined): job is JsonObject {
  return typeof job?.['state'] === 'string' && FINAL_STATES.has(job['state']);
}

/** The jobs of one call, looked at until each has come to an end. */
class JobWatch {
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
        const response = await exchange(this.#wire, { url, method: 'GET', headers: this.#headers, signal });
        const payload = parseObject(await readText(response.body, this.#wire.maxResponseBytes));
        this.#urls = this.#urls.slice(0, 1);
        return payload;
      } catch (error) {
        const isMissing = error instanceof HttpStatusError && error.status === 404;
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

function reasonOf(job: JsonObject): string {
  const result = objectAt(job, 'result');
  return engineMessage(job) ?? (result ? engineMessage(result) : null) ?? `it is ${JSON.stringify(job['state'])}`;
}

/** @throws {StepError} ENGINE_JOB_LOST when the engine no longer knows a job, ENGINE_ITEMS_FAILED when none succeeded */
function checkJobs(payload: JsonObject, effect: StepContext['effect']): string | null {
  const jobs = jobsOf(payload);
  const costMicros = costOf(payload);
  const lost = jobs.filter((job) => job['state'] === 'not_found').length;
  if (lost > 0)
    throw new StepError(
      'ENGINE_JOB_LOST',
      `The engine no longer knows ${lost} of ${jobs.length} jobs; it was probably restarted.`,
      {
        retryable: effect === 'repeatable',
        costMicros,
        worked: 'maybe',
        definite: false,
      },
    );
  const failed = jobs.filter((job) => !jobSucceeded(job));
  const first = failed[0];
  if (!first || failed.length < jobs.length) return null;
  const reason = reasonOf(first);
  if (failed.every((job) => saysNothingToDo(reasonOf(job)))) return reason;
  throw new StepError('ENGINE_ITEMS_FAILED', `All ${jobs.length} jobs failed; the first: ${reason}`, { costMicros });
}

/**
 * The queued dialect: looks at the jobs until all have come to an end, the first time at once.
 * @throws {StepError} ENGINE_JOB_LOST, ENGINE_ITEMS_FAILED, ENGINE_STATUS_UNREACHABLE; or the signal's reason
 */
export async function answerFromJobs(
  wire: Wire,
  context: JobContext,
  headers: Record<string, string>,
  urls: string[],
  ids: readonly string[],
): Promise<EngineAnswer> {
  const payload = await new JobWatch(wire, context, headers, urls, ids).untilDone();
  const empty = checkJobs(payload, context.effect);
  return { dialect: 'job', payload, ...(empty === null ? {} : { empty }) };
}
