import type { Clock } from '../shared/clock.ts';
import type { Plan } from './engine-work.ts';

interface Job {
  runId: string;
  doneAt: number;
  result: { success: boolean; error?: string; analysis_cost?: number };
  cancelled: boolean;
}

/** The queue of an engine that works in jobs, one a lead; each is done one pace after the one before. */
export class JobBook {
  readonly #clock: Clock;
  readonly #jobs = new Map<string, Job>();
  #count = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  queue(runId: string, plan: Plan, paceMs: number): string[] {
    const each = plan.dollars === null || plan.done === 0 ? undefined : plan.dollars / plan.done;
    return Array.from({ length: plan.done + plan.failed }, (_, index) => {
      const id = `job-${++this.#count}`;
      const succeeds = index < plan.done;
      this.#jobs.set(id, {
        runId,
        doneAt: this.#clock.now() + (index + 1) * paceMs,
        cancelled: false,
        result: succeeds
          ? { success: true, ...(each === undefined ? {} : { analysis_cost: each }) }
          : { success: false, error: 'Site is down' },
      });
      return id;
    });
  }

  status(ids: readonly string[]): object {
    const jobs = ids.map((id) => this.#stateOf(id));
    const completed = jobs.filter(({ state }) => state === 'completed').length;
    return { success: true, jobs, summary: { total: jobs.length, completed } };
  }

  #stateOf(id: string): { job_id: string; state: string; result?: Job['result'] } {
    const job = this.#jobs.get(id);
    if (!job) return { job_id: id, state: 'not_found' };
    if (job.cancelled) return { job_id: id, state: 'cancelled' };
    if (job.doneAt > this.#clock.now()) return { job_id: id, state: 'active' };
    return { job_id: id, state: 'completed', result: job.result };
  }

  cancel(runId: string): void {
    for (const job of this.#jobs.values())
      if (job.runId === runId && job.doneAt > this.#clock.now()) job.cancelled = true;
  }

  /** As after a restart. */
  forget(ids?: readonly string[]): void {
    for (const id of ids ?? [...this.#jobs.keys()]) this.#jobs.delete(id);
  }
}
