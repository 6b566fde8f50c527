import type { Records } from '../../database/records.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { firstIdAt } from '../../shared/ids.ts';
import type { Logger } from '../../shared/logger.ts';
import { Repeater } from '../../shared/repeater.ts';
import type { BriefRuns } from './brief-control.ts';
import { AUDIT, AUDIT_GIVEN_UP_MS, BRIEFS_CAMPAIGN_ID } from './definition.ts';

const EVERY_MS = 15_000;
const MOST_A_ROUND = 20;
/** Somebody else was first, or nothing may run just now: nothing that anybody has to know of. */
const IN_ORDER: readonly string[] = ['RETRY_EXISTS', 'CAMPAIGN_PAUSED', 'NOT_FOUND', 'RUN_ACTIVE', 'RUN_QUEUE_FULL'];

/** Has briefs audited whose audit could not be made when they were written: later, by itself, and once on all machines. */
export class AuditCatchUp {
  readonly #deps: { records: Records; runs: Pick<BriefRuns, 'retry'>; clock: Clock; logger: Logger };
  readonly #repeater: Repeater;

  constructor(dependencies: { records: Records; runs: Pick<BriefRuns, 'retry'>; clock: Clock; logger: Logger }) {
    this.#deps = dependencies;
    this.#repeater = new Repeater(() => this.runOnce(), {
      clock: dependencies.clock,
      everyMs: EVERY_MS,
      firstAfterMs: EVERY_MS,
      onFailure: (error) => dependencies.logger.warn('Briefs without an audit could not be looked for', { error }),
    });
  }

  start(): void {
    this.#repeater.start();
  }

  stop(): Promise<void> {
    return this.#repeater.stop();
  }

  /** Starts a run for each brief whose audit is due to be tried again; returns how many. */
  async runOnce(): Promise<number> {
    const { records, clock } = this.#deps;
    const now = clock.now();
    const due = await records.call<{ run_id: string }[]>('briefs_without_audit', {
      p_campaign_id: BRIEFS_CAMPAIGN_ID,
      p_now: iso(now),
      p_since: iso(now - AUDIT_GIVEN_UP_MS),
      p_from_id: firstIdAt(now - AUDIT_GIVEN_UP_MS),
      p_limit: MOST_A_ROUND,
    });
    let started = 0;
    for (const { run_id } of due) if (await this.#retry(run_id)) started += 1;
    return started;
  }

  /** Only the audit: what failed for good is not written, and paid for, again. */
  async #retry(run: string): Promise<boolean> {
    try {
      await this.#deps.runs.retry(run, {
        from: 'unsettled',
        definition: 'pinned',
        again: [AUDIT],
        force: false,
        once: true,
      });
      return true;
    } catch (error) {
      if (!(error instanceof AppError) || error.retryable) throw error;
      if (!IN_ORDER.includes(error.code))
        this.#deps.logger.warn('A brief could not be audited later', { runId: run, error });
      return false;
    }
  }
}
