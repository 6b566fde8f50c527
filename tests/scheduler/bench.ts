import type { CampaignDefinition, ScheduleDefinition } from '../../campaigns/definition.ts';
import type { Filter, Records } from '../../database/records.ts';
import type { CampaignRow, FireRow, JsonObject } from '../../database/tables.ts';
import { CronScheduler, type CronSchedulerDependencies } from '../../scheduler/cron-scheduler.ts';
import { nextColumns } from '../../scheduler/fire-ledger.ts';
import { nextOf } from '../../scheduler/fire-plan.ts';
import { iso } from '../../shared/clock.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';

/** A scheduler (or several) over one database, with everything that it says and starts on record. */
export class SchedulerBench {
  readonly records: Records;
  readonly clock: TestClock;
  readonly events = new EventBus();
  readonly seen: ServiceEvent[] = [];
  readonly enqueued: string[] = [];
  readonly scheduler: CronScheduler;

  constructor(records: Records, start: string) {
    this.records = records;
    this.clock = new TestClock(start);
    this.events.subscribe((event) => this.seen.push(event));
    this.scheduler = this.makeScheduler();
  }

  makeScheduler(more: Partial<CronSchedulerDependencies> = {}): CronScheduler {
    return new CronScheduler({
      records: this.records,
      clock: this.clock,
      events: this.events,
      logger: silentLogger,
      enqueue: (runId) => {
        this.enqueued.push(runId);
        return Promise.resolve();
      },
      ...more,
    });
  }

  /** Stores a campaign as validation and campaign control would. */
  async campaign(
    schedule: Partial<ScheduleDefinition> = {},
    more: Partial<CampaignRow> & { overlap?: CampaignDefinition['overlap'] } = {},
  ): Promise<CampaignRow> {
    const { overlap = 'skip', ...columns } = more;
    const id = columns.id ?? newId(this.clock.now());
    const full = {
      cron: '0 * * * *',
      timezone: 'UTC',
      enabled: true,
      catchUp: 'last',
      catchUpWindow: 3_600_000,
      jitter: 0,
    };
    const definition = {
      name: 'Weekly restaurants',
      schedule: { ...full, ...schedule },
      overlap,
      budget: {},
      steps: [{ name: 'prospecting' }, { parallel: [{ name: 'a' }, { name: 'b' }] }],
      notifications: { onComplete: { email: [], slack: null }, onFailure: { email: [], slack: null } },
      metadata: {},
    };
    const [row] = await this.records.insert('campaigns', [
      {
        id,
        name: definition.name,
        config: definition as unknown as JsonObject,
        schedule_cron: definition.schedule.cron,
        schedule_timezone: definition.schedule.timezone,
        ...nextColumns(nextOf(id, definition.schedule as ScheduleDefinition, this.clock.now())),
        created_at: iso(this.clock.now()),
        ...columns,
      },
    ]);
    if (!row) throw new Error('the campaign was not stored');
    return row;
  }

  async row(id: string): Promise<CampaignRow> {
    const [row] = await this.records.select('campaigns', { where: [{ column: 'id', op: 'eq', value: id }] });
    if (!row) throw new Error('no such campaign');
    return row;
  }

  async fires(campaignId: string): Promise<FireRow[]> {
    const where: Filter<'campaign_fires'>[] = [{ column: 'campaign_id', op: 'eq', value: campaignId }];
    return this.records.select('campaign_fires', { where, order: [{ column: 'scheduled_for' }] });
  }

  /** Every fire as `09:00 ran`, `10:00 skipped overlap`. */
  async told(campaignId: string): Promise<string[]> {
    return (await this.fires(campaignId)).map(
      ({ scheduled_for, outcome, reason }) => `${scheduled_for.slice(11, 16)} ${outcome}${reason ? ` ${reason}` : ''}`,
    );
  }

  /** Ends every run that has not ended. */
  async endRuns(): Promise<void> {
    await this.records.update('campaign_runs', { status: 'completed' }, [
      { column: 'status', op: 'in', value: ['queued', 'running', 'waiting'] },
    ]);
  }

  said(type: ServiceEvent['type']): ServiceEvent['facts'][] {
    return this.seen.filter((event) => event.type === type).map((event) => event.facts);
  }
}
