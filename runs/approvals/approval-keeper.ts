import { isOutage } from '../../database/availability.ts';
import type { Records } from '../../database/records.ts';
import type { ApprovalRow } from '../../database/tables-moves.ts';
import type { CampaignDefinition } from '../../campaigns/definition.ts';
import { approvalReminder } from '../../notifications/approval-messages.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import type { EventBus } from '../../shared/events.ts';
import type { Logger } from '../../shared/logger.ts';
import { Repeater } from '../../shared/repeater.ts';

export interface ApprovalKeeperDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  config: Pick<Config, 'slackWebhookUrl'>;
  publicUrl: string;
  /** Hands a run to the workers. */
  enqueue: (runId: string) => Promise<void>;
  /** Messages have been put into the outbox. */
  onMessages: () => void;
}

const EVERY_MS = 2_000;
const MOST = 100;

interface Tended {
  expired: { id: string; run_id: string; campaign_id: string; step: string; state: string; resumed: boolean }[];
  /** Runs that go on. */
  resumed: string[];
  /** Of whom people are to be reminded. */
  due: string[];
}

/** Looks after questions that nobody has answered: reminds people, decides by expiry, wakes runs whose answer is there. */
export class ApprovalKeeper {
  readonly #deps: ApprovalKeeperDependencies;
  readonly #looking: Repeater;

  constructor(dependencies: ApprovalKeeperDependencies) {
    this.#deps = dependencies;
    const { clock, logger } = dependencies;
    this.#looking = new Repeater(() => this.runOnce(), {
      clock,
      everyMs: EVERY_MS,
      onFailure: (error) => {
        if (!isOutage(error)) logger.warn('The look at approvals failed; it will be repeated', { error });
      },
    });
  }

  start(): void {
    this.#looking.start();
  }

  stop(): Promise<void> {
    return this.#looking.stop();
  }

  /** Looks now. */
  wake(): void {
    this.#looking.wake();
  }

  /** One look: what is due is done. */
  async runOnce(): Promise<void> {
    const { records, clock } = this.#deps;
    const now = iso(clock.now());
    const {
      expired,
      resumed: decided,
      due,
    } = await records.call<Tended>('tend_approvals', { p_at: now, p_limit: MOST });
    for (const { id, run_id: runId, campaign_id: campaignId, step, state, resumed } of expired) {
      this.#deps.events.emit('approval.expired', { approvalId: id, runId, campaignId, step, decision: state });
      if (resumed) await this.#deps.enqueue(runId);
    }
    for (const runId of decided) await this.#deps.enqueue(runId);
    await this.#remind(due);
  }

  async #remind(ids: readonly string[]): Promise<void> {
    const { records, onMessages } = this.#deps;
    if (ids.length === 0) return;
    const rows = await records.select('approvals', { where: [{ column: 'id', op: 'in', value: ids }] });
    for (const row of rows) await this.#remindOf(row);
    onMessages();
  }

  async #remindOf(approval: ApprovalRow): Promise<void> {
    const { records, clock, config, publicUrl, events } = this.#deps;
    const { id, run_id: runId, campaign_id: campaignId, step_name: step, reminders } = approval;
    const [run] = await records.select('campaign_runs', {
      columns: ['id', 'definition'],
      where: [{ column: 'id', op: 'eq', value: runId }],
    });
    if (!run) return;
    const occasion = {
      campaign: { id: campaignId, definition: run.definition as unknown as CampaignDefinition },
      approval,
      slackConfigured: config.slackWebhookUrl !== null,
      publicUrl,
      nowMs: clock.now(),
    };
    // One commit for the messages and the note that they are there: neither a crash nor another keeper makes it none or two.
    const done = await records.call<boolean>('remind_approval', {
      p_id: id,
      p_reminders: reminders,
      p_messages: approvalReminder(occasion, reminders + 1),
      p_at: iso(clock.now()),
    });
    if (done) events.emit('approval.reminded', { approvalId: id, runId, campaignId, step, times: reminders + 1 });
  }
}
