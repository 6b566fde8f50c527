import type { Records } from '../../database/records.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { AppError } from '../../shared/errors.ts';
import { derivedId, firstIdAt } from '../../shared/ids.ts';
import type { Logger } from '../../shared/logger.ts';
import { Repeater } from '../../shared/repeater.ts';
import type { BriefRuns } from './brief-control.ts';
import { AUDIT, BRIEFS_CAMPAIGN_ID } from './definition.ts';

const EVERY_MS = 15_000;
/** A judge that has been away for a day is not waited for any more; the brief can still be retried by hand. */
const GIVE_UP_MS = 86_400_000;
const MOST_A_ROUND = 20;
const UNIQUE_VIOLATION = '23505';

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
    const due = await records.call<{ run_id: string; completed_at: string }[]>('briefs_without_audit', {
      p_campaign_id: BRIEFS_CAMPAIGN_ID,
      p_now: iso(now),
      p_since: iso(now - GIVE_UP_MS),
      p_from_id: firstIdAt(now - GIVE_UP_MS),
      p_limit: MOST_A_ROUND,
    });
    let started = 0;
    for (const { run_id, completed_at } of due) if (await this.#retry(run_id, Date.parse(completed_at))) started += 1;
    return started;
  }

  async #retry(run: string, endedAtMs: number): Promise<boolean> {
    // The same id on every machine: the second to come finds the run made.
    const runId = derivedId(`${run}/audit`, endedAtMs + 1);
    try {
      await this.#deps.runs.retry(run, { from: 'failed', definition: 'pinned', again: [AUDIT], runId });
      return true;
    } catch (error) {
      if (error instanceof Error && 'sqlState' in error && error.sqlState === UNIQUE_VIOLATION) return false;
      if (!(error instanceof AppError) || error.retryable) throw error;
      this.#deps.logger.warn('A brief could not be audited later', { runId: run, error });
      return false;
    }
  }
}
