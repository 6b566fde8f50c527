import { schedule, type ScheduledTask } from 'node-cron';
import type { CampaignDefinition } from '../campaigns/definition.ts';
import { isOutage } from '../database/availability.ts';
import type { OutboxRow } from '../database/journal.ts';
import type { Records } from '../database/records.ts';
import type { CampaignRow, Iso, UnchainedDecision } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { DatabaseUnavailableError, messageOf } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { checkCron, checkTimezone } from './calendar.ts';
import { announceFires, definitionOf, factsOf, FireLedger, nextColumns, skipDecisions } from './fire-ledger.ts';
import { nextOf, planFires } from './fire-plan.ts';

/** A campaign whose budget pause has ended. */
export interface ResumedCampaign {
  campaign: { id: string; definition: CampaignDefinition };
  /** Why it was paused. */
  reason: string | null;
  resumeAt: Iso;
  nextRunAt: Iso | null;
}

export interface CronSchedulerDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  /** Wakes a worker for a run that has been started. A lost call does no harm: the sweep finds the run. */
  enqueue: (runId: string) => Promise<void>;
  /** Told that more is due than is fired at a time, and that it has been fired. */
  onCrowd?: (crowded: boolean) => void;
  /** Makes the messages that tell of the end of a budget pause. */
  onResumed?: (resumed: ResumedCampaign) => OutboxRow[];
}

const PAGE = 500;
/** Campaigns that are worked on at the same time; those that are written together share statements. */
const AT_ONCE = 200;

/**
 * Fires what is due. The truth is in the rows (`campaigns.due_at`), so any number of replicas may tick, and a restart
 * forgets nothing: each campaign is moved on by compare-and-set, and a nominal time has one row by its unique key.
 */
export class CronScheduler {
  readonly #deps: CronSchedulerDependencies;
  readonly #ledger: FireLedger;
  #task: ScheduledTask | null = null;
  #ticking: Promise<unknown> = Promise.resolve();

  constructor(dependencies: CronSchedulerDependencies) {
    this.#deps = dependencies;
    this.#ledger = new FireLedger(dependencies);
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
      await this.#endPauses();
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
    const now = iso(clock.now());
    const seen = new Set<string>();
    let handled = 0;
    for (let from: Iso | null = null; ;) {
      const page: CampaignRow[] = await records.select('campaigns', {
        where: [
          { column: 'due_at', op: 'lte', value: now },
          { column: 'deleted_at', op: 'is', value: null },
          ...(from === null ? [] : [{ column: 'due_at' as const, op: 'gte' as const, value: from }]),
        ],
        order: [{ column: 'due_at' }, { column: 'id' }],
        limit: PAGE,
      });
      if (page.length === PAGE && from === null) {
        this.#deps.logger.info('Very many campaigns are due; they start before runs under way go on', {
          atLeast: PAGE,
        });
        this.#deps.onCrowd?.(true);
      }
      const fresh = page.filter((row) => !seen.has(row.id));
      for (const row of fresh) seen.add(row.id);
      const decisions: UnchainedDecision[] = [];
      await eachOf(fresh, async (row) => {
        const fired = await this.#fire(row, decisions);
        handled += fired;
      });
      await this.#recordDecisions(decisions);
      if (fresh.length === 0 || page.length < PAGE) return handled;
      from = page.at(-1)?.due_at ?? null;
    }
  }

  /** One campaign; its own faults are its own, only a database that is away ends the tick. */
  async #fire(row: CampaignRow, decisions: UnchainedDecision[]): Promise<number> {
    const { clock, events, logger, enqueue } = this.#deps;
    try {
      const facts = factsOf(row);
      if (!facts) return await this.#disable(row, 'it is due but has no schedule');
      const plan = planFires(facts, clock.now());
      const answer = await this.#ledger.write(row, plan.fires, plan);
      if (answer.stale) return 0;
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

  async #endPauses(): Promise<void> {
    const { records, clock } = this.#deps;
    const rows = await records.select('campaigns', {
      where: [
        { column: 'resume_at', op: 'lte', value: iso(clock.now()) },
        { column: 'deleted_at', op: 'is', value: null },
        { column: 'status', op: 'eq', value: 'paused' },
        { column: 'paused_by', op: 'eq', value: 'budget' },
      ],
      order: [{ column: 'resume_at' }, { column: 'id' }],
      limit: PAGE,
    });
    // A campaign whose times are still due, because its fire failed, keeps its pause until they are settled as skipped.
    await eachOf(
      rows.filter((row) => row.due_at === null || Date.parse(row.due_at) > clock.now()),
      (row) => this.#resume(row),
    );
  }

  async #resume(row: CampaignRow): Promise<void> {
    const { records, clock, events, onResumed } = this.#deps;
    const definition = definitionOf(row);
    const next =
      row.next_run_at === null && definition.schedule
        ? nextColumns(nextOf(row.id, definition.schedule, clock.now()))
        : { next_run_at: row.next_run_at, due_at: row.due_at };
    const resumeAt = row.resume_at ?? iso(clock.now());
    const campaign = { id: row.id, definition };
    const messages = onResumed?.({ campaign, reason: row.status_reason, resumeAt, nextRunAt: next.next_run_at }) ?? [];
    // First the messages: they carry a key, so a crash before the change repeats this without telling twice.
    if (messages.length > 0) await records.call('outbox_put', { p_rows: messages, p_now: iso(clock.now()) });
    const [resumed] = await records.update(
      'campaigns',
      {
        status: 'active',
        status_reason: null,
        paused_by: null,
        resume_at: null,
        ...next,
        version: row.version + 1,
        updated_at: iso(clock.now()),
      },
      [
        { column: 'id', op: 'eq', value: row.id },
        { column: 'version', op: 'eq', value: row.version },
      ],
    );
    if (resumed)
      events.emit('campaign.resumed', {
        campaignId: row.id,
        campaign: row.name,
        by: 'budget',
        nextRunAt: next.next_run_at,
      });
  }
}

/** Works through items a few at a time; rejects with the first failure when all under way have ended. */
async function eachOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  const ends = await Promise.allSettled(Array.from({ length: AT_ONCE }, worker));
  const failure = ends.find((end) => end.status === 'rejected');
  if (failure) throw failure.reason;
}
