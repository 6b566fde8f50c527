import type { JsonObject } from '../database/tables.ts';
import { costOf, jobSucceeded, jobsOf, objectAt } from './answer-fields.ts';
import { engineMessage, invalidAnswer, saysNothingToDo } from './engine-errors.ts';
import { header, type Wire, type WireResponse } from './http-call.ts';
import { idOf, type JobContext, JobWatch } from './job-watch.ts';
import { type EngineAnswer, StepError, type StepContext } from './step.ts';

/**
 * The jobs that an answer says are queued: null when it speaks of none, `[]` when there was nothing to queue.
 * @throws {StepError} ENGINE_ANSWER_INVALID for a list in which nothing is an id
 */
export function jobIdsOf(payload: JsonObject): string[] | null {
  for (const holder of [payload, objectAt(payload, 'data')]) {
    const many = holder?.['job_ids'] ?? holder?.['jobIds'];
    if (Array.isArray(many)) {
      const ids = many.map(idOf).filter((id) => id !== null);
      if (ids.length === 0 && many.length > 0) throw invalidAnswer("The engine's list of jobs has no id in it.");
      return ids;
    }
    const one = idOf(holder?.['job_id'] ?? holder?.['jobId'] ?? null);
    if (one !== null) return [one];
  }
  return null;
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
  const empty = ids.length === 0 ? 'The engine queued no jobs.' : checkJobs(payload, context.effect);
  return { dialect: 'job', payload, ...(empty === null ? {} : { empty }) };
}
