import { schedule, type ScheduledTask } from 'node-cron';
import { isOutage } from '../database/availability.ts';
import type { CampaignRow, UnchainedDecision } from '../database/tables.ts';
import { iso } from '../shared/clock.ts';
import { DatabaseUnavailableError, messageOf } from '../shared/errors.ts';
import { eachOf } from '../shared/each-of.ts';
import type { Logger } from '../shared/logger.ts';
import { type BudgetPauseDependencies, endBudgetPauses } from './budget-pauses.ts';
import { checkCron, checkTimezone } from './calendar.ts';
import { DUE_PAGE, dueCampaigns } from './due-campaigns.ts';
import { announceFires, definitionOf, factsOf, FireLedger, skipDecisions } from './fire-ledger.ts';
import { planFires } from './fire-plan.ts';

export interface CronSchedulerDependencies extends BudgetPauseDependencies {
  logger: Logger;
  /** Wakes a worker for a run that has been started. A lost call does no harm: the sweep finds the run. */
  enqueue: (runId: string) => Promise<void>;
  /** Told that more is due than is fired at a time, and that it has been fired. */
  onCrowd?: (crowded: boolean) => void;
}

/** Campaigns that are worked on at the same time; those that are written together share statements. */
const AT_ONCE = 200;
/** So many that can be fired, among the first that are due, are a crowd. */
const CROWD = DUE_PAGE / 2;

/**
 * Fires what is due. The truth is in the rows (`campaigns.due_at`), so any number of replicas may tick, and a restart
 * forgets nothing: each campaign is moved on by compare-and-set, and a nominal time has one row by its unique key.
 */
export class CronScheduler {
  readonly #deps: CronSchedulerDependencies;
  readonly #ledger: FireLedger;
  /** For campaigns that somebody else was just changing. */
  readonly #patient: FireLedger;
  /** The campaigns that could not be fired in the last tick: they come again with each, and are no crowd. */
  #failed = new Set<string>();
  #task: ScheduledTask | null = null;
  #ticking: Promise<unknown> = Promise.resolve();

  constructor(dependencies: CronSchedulerDependencies) {
    this.#deps = dependencies;
    this.#ledger = new FireLedger(dependencies, { leaveHeld: true });
    this.#patient = new FireLedger(dependencies, { leaveHeld: false });
  }

  /** Ticks once a second from now on; a tick that takes longer swallows the next ones. */
  start(): void {
    const { logger } = this.#deps;
    const quiet = (message: string | Error) => logger.debug('Note of the ticking clock', { note: messageOf(message) });
    this.#task ??= schedule('* * * * * *', () => this.runOnce(), {
      name: 'campaign-scheduler',
      noOverlap: true,
      suppressMissedWarning: true,
      logger: { info: quiet, warn: quiet, error: quiet, debug: quiet },
    });
  }

  /** Ends the ticking; resolves when the tick under way is done. */
  async stop(): Promise<void> {
    const task = this.#task;
    this.#task = null;
    await task?.destroy();
    await this.#ticking;
  }

  /**
   * One tick: handles every nominal time that is due, then ends the budget pauses whose time has come. Never rejects;
   * what fails is logged and comes again with the next tick. Returns how many nominal times were handled.
   */
  async runOnce(): Promise<number> {
    const tick = this.#tick();
    this.#ticking = tick;
    return tick;
  }

  async #tick(): Promise<number> {
    try {
      const handled = await this.#fireDue().finally(() => this.#deps.onCrowd?.(false));
      await endBudgetPauses(this.#deps);
      return handled;
    } catch (error) {
      // A database that is away is told of where it is noticed; every tick would only repeat it.
      if (!isOutage(error))
        this.#deps.logger.error('A tick of the schedule failed; the next one tries again', { error });
      return 0;
    }
  }

  async #fireDue(): Promise<number> {
    const { records, clock } = this.#deps;
    const failed = this.#failed;
    this.#failed = new Set();
    let crowded = false;
    let handled = 0;
    for await (const page of dueCampaigns(records, iso(clock.now()))) {
      if (!crowded && page.length === DUE_PAGE) {
        crowded = page.filter((row) => !failed.has(row.id)).length >= CROWD;
        if (crowded) this.#tellCrowd();
      }
      const decisions: UnchainedDecision[] = [];
      const held: CampaignRow[] = [];
      const count = (fired: number) => (handled += fired);
      await eachOf(page, AT_ONCE, async (row) => void count(await this.#fire(row, this.#ledger, decisions, held)));
      // Somebody else was just changing these; who has fired them, if it was that, is known once they are free.
      await eachOf(held, AT_ONCE, async (row) => void count(await this.#fire(row, this.#patient, decisions, [])));
      await this.#recordDecisions(decisions);
    }
    return handled;
  }

  #tellCrowd(): void {
    const atLeast = DUE_PAGE;
    this.#deps.logger.info('Very many campaigns are due; they start before runs under way go on', { atLeast });
    this.#deps.onCrowd?.(true);
  }

  /** One campaign; its own faults are its own, only a database that is away ends the tick. */
  async #fire(
    row: CampaignRow,
    ledger: FireLedger,
    decisions: UnchainedDecision[],
    held: CampaignRow[],
  ): Promise<number> {
    const { clock, events, logger, enqueue } = this.#deps;
    try {
      const facts = factsOf(row);
      if (!facts) return await this.#disable(row, 'it is due but has no schedule');
      const plan = planFires(facts, clock.now());
      const answer = await ledger.write(row, plan.fires, plan);
      if (answer.stale) {
        if (answer.held) held.push(row);
        return 0;
      }
      announceFires(events, row, answer.fires);
      decisions.push(...skipDecisions(row, answer.fires, clock.now()));
      for (const { run_id: runId } of answer.fires)
        if (runId !== null)
          await enqueue(runId).catch((error: unknown) =>
            logger.warn('A scheduled run could not be put into the queue; the sweep will find it', { runId, error }),
          );
      return answer.fires.length;
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      const { schedule: rule } = definitionOf(row);
      const fault = rule && (checkCron(rule.cron) ?? checkTimezone(rule.timezone));
      if (fault) return this.#disable(row, fault);
      this.#failed.add(row.id);
      logger.error('A campaign could not be fired', { campaignId: row.id, error });
      return 0;
    }
  }

  /** A stored schedule that no longer means anything, such as a zone that has left the database of zones. */
  async #disable(row: CampaignRow, reason: string): Promise<number> {
    const { records, clock, logger } = this.#deps;
    const patch = { status: 'error' as const, status_reason: `The schedule cannot be followed: ${reason}` };
    await records.update(
      'campaigns',
      { ...patch, next_run_at: null, due_at: null, version: row.version + 1, updated_at: iso(clock.now()) },
      [
        { column: 'id', op: 'eq', value: row.id },
        { column: 'version', op: 'eq', value: row.version },
      ],
    );
    logger.error('A schedule cannot be followed; the campaign is set to error', { campaignId: row.id, reason });
    return 0;
  }

  async #recordDecisions(decisions: UnchainedDecision[]): Promise<void> {
    if (decisions.length === 0) return;
    try {
      await this.#deps.records.insert('agent_decisions', decisions);
    } catch (error) {
      this.#deps.logger.warn('Decisions of the schedule could not be recorded', { count: decisions.length, error });
    }
  }
}
