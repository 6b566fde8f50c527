/** What a job carries: runs that are to be looked at. The version before knows the first only, and leaves the others to the sweep. */
export interface WakeUp {
  runId: string;
  others?: string[];
}

/** A job as the queue takes it. Of the same key, one waits to be fetched at most. */
export interface WakeUpJob {
  data: WakeUp;
  singletonKey: string;
}

/** Runs that start at the same time share jobs, so many each: a job costs the database as much as a claim. */
export const RUNS_A_JOB = 10;
/** But only when so many start: the version before hears of the first run of a job only, and its sweep finds the others later. */
const LEAST_SHARED = 20;

/** A job for each run, so that however often a run is woken one job waits for it. */
export function jobsOfWoken(runIds: readonly string[]): WakeUpJob[] {
  return jobsOf(runIds, 1);
}

/** Jobs for runs that have just been made; nobody has woken them before. */
export function jobsOfNew(runIds: readonly string[]): WakeUpJob[] {
  return jobsOf(runIds, runIds.length < LEAST_SHARED ? 1 : RUNS_A_JOB);
}

/** The runs of fetched jobs, each once. */
export function runsOf(jobs: readonly { data: WakeUp }[]): string[] {
  return [...new Set(jobs.flatMap(({ data: { runId, others = [] } }) => [runId, ...others]))];
}

function jobsOf(runIds: readonly string[], runsAJob: number): WakeUpJob[] {
  const left = [...new Set(runIds)];
  const jobs: WakeUpJob[] = [];
  while (left.length > 0) {
    const group = left.splice(0, runsAJob);
    const [runId = '', ...others] = group;
    jobs.push({ data: others.length === 0 ? { runId } : { runId, others }, singletonKey: group.join() });
  }
  return jobs;
}
