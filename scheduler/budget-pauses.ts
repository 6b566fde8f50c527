import type { CampaignDefinition } from '../campaigns/definition.ts';
import type { OutboxRow } from '../database/journal.ts';
import type { Records } from '../database/records.ts';
import type { CampaignRow, Iso } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { eachOf } from '../shared/each-of.ts';
import type { EventBus } from '../shared/events.ts';
import { definitionOf, nextColumns } from './fire-ledger.ts';
import { nextOf } from './fire-plan.ts';

/** A campaign whose budget pause has ended. */
export interface ResumedCampaign {
  campaign: { id: string; definition: CampaignDefinition };
  /** Why it was paused. */
  reason: string | null;
  resumeAt: Iso;
  nextRunAt: Iso | null;
}

export interface BudgetPauseDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  /** Makes the messages that tell of the end of a budget pause. */
  onResumed?: (resumed: ResumedCampaign) => OutboxRow[];
}

/** Campaigns of one call. */
const MOST = 500;
const AT_ONCE = 200;

/**
 * Ends the budget pauses whose time has come, of some hundred campaigns at most: the others wait for the next call.
 * @throws {DatabaseUnavailableError}
 */
export async function endBudgetPauses(dependencies: BudgetPauseDependencies): Promise<void> {
  const { records, clock } = dependencies;
  const rows = await records.select('campaigns', {
    where: [
      { column: 'resume_at', op: 'lte', value: iso(clock.now()) },
      { column: 'deleted_at', op: 'is', value: null },
      { column: 'status', op: 'eq', value: 'paused' },
      { column: 'paused_by', op: 'eq', value: 'budget' },
    ],
    order: [{ column: 'resume_at' }, { column: 'id' }],
    limit: MOST,
  });
  // A campaign whose times are still due, because its fire failed, keeps its pause until they are settled as skipped.
  await eachOf(
    rows.filter((row) => row.due_at === null || Date.parse(row.due_at) > clock.now()),
    AT_ONCE,
    (row) => resume(row, dependencies),
  );
}

async function resume(row: CampaignRow, dependencies: BudgetPauseDependencies): Promise<void> {
  const { records, clock, events, onResumed } = dependencies;
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
