import type { CampaignDefinition, NotificationTargets } from '../../campaigns/definition.ts';
import type { Records } from '../../database/records.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import { type Config, loadConfig } from '../../shared/config.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import type { Logger } from '../../shared/logger.ts';
import type { OutboxRow } from '../../database/journal.ts';

export const PUBLIC_URL = 'http://127.0.0.1:3020';
export const NOW = Date.parse('2026-01-05T14:45:23.000Z');
const NOBODY: NotificationTargets = { email: [], slack: false };

export function makeDefinition(change: Partial<CampaignDefinition> = {}): CampaignDefinition {
  const step = (
    name: string,
    kind: string,
    onFailure: 'abort' | 'continue' | 'log',
    effect: 'once' | 'repeatable',
  ) => ({
    name,
    engine: kind,
    kind,
    endpoint: `http://127.0.0.1:3001/api/${kind}?token=hidden`,
    method: 'POST' as const,
    params: {},
    timeout: 1_000,
    retry: { attempts: 3, delay: 0, backoff: 'fixed' as const },
    onSuccess: 'continue' as const,
    onFailure,
    effect,
    protocol: 'auto' as const,
    pollInterval: 1_000,
  });
  return {
    name: 'Weekly Restaurant Outreach',
    schedule: {
      cron: '0 9 * * MON',
      timezone: 'America/New_York',
      enabled: true,
      catchUp: 'last',
      catchUpWindow: 3_600_000,
      jitter: 0,
    },
    overlap: 'skip',
    budget: { daily: 5 },
    steps: [
      step('prospecting', 'prospecting', 'abort', 'repeatable'),
      step('analysis', 'analysis', 'continue', 'repeatable'),
      step('send-emails', 'sender', 'abort', 'once'),
    ],
    notifications: {
      onComplete: { email: ['done@example.com'], slack: false },
      onFailure: { email: ['trouble@example.com'], slack: false },
    },
    metadata: {},
    ...change,
  };
}

export function notify(onComplete: Partial<NotificationTargets>, onFailure: Partial<NotificationTargets>) {
  return makeDefinition({
    notifications: { onComplete: { ...NOBODY, ...onComplete }, onFailure: { ...NOBODY, ...onFailure } },
  });
}

export function makeRun(change: Partial<RunRow> = {}): RunRow {
  return {
    id: newId(NOW),
    campaign_id: newId(NOW),
    trigger: 'schedule',
    scheduled_for: null,
    retry_of: null,
    definition: {},
    status: 'completed',
    status_reason: null,
    waits_for_earlier: false,
    epoch: 1,
    claimed_by: null,
    lease_until_at: null,
    cancel_requested_at: null,
    cancel_reason: null,
    created_at: '2026-01-05T14:00:00.000Z',
    started_at: '2026-01-05T14:00:00.000Z',
    completed_at: '2026-01-05T14:45:23.000Z',
    steps_total: 3,
    steps_completed: 3,
    steps_failed: 0,
    prospects_generated: 20,
    leads_analyzed: 18,
    emails_composed: 12,
    emails_sent: 12,
    total_cost_micros: 3_850_000,
    cost_unknown: false,
    dry_run: false,
    results: {},
    errors: [],
    event_seq: 1,
    ages_from_at: null,
    events_pruned: false,
    ...change,
  };
}

export function makeStep(name: string, change: Partial<StepRow> = {}): StepRow {
  return {
    run_id: '',
    name,
    position: 0,
    kind: name,
    effect: 'repeatable',
    status: 'completed',
    attempts: 1,
    started_at: '2026-01-05T14:00:00.000Z',
    completed_at: '2026-01-05T14:00:12.000Z',
    cost_micros: 1_200_000,
    cost_unknown: false,
    counts: {},
    output: null,
    error: null,
    attempt_log: [],
    carried_from: null,
    ...change,
  };
}

export function failedStep(
  name: string,
  code = 'ENGINE_ERROR',
  message = 'The engine answered 500: out of memory',
): StepRow {
  return makeStep(name, { status: 'failed', attempts: 3, error: { code, message, retryable: true } });
}

/** A stored campaign and run, which outbox rows point to. */
export async function storeRun(records: Records): Promise<{ campaignId: string; runId: string }> {
  const campaignId = newId(NOW);
  const runId = newId(NOW);
  await records.insert('campaigns', [{ id: campaignId, name: 'Weekly', config: {} }]);
  await records.insert('campaign_runs', [{ id: runId, campaign_id: campaignId, trigger: 'manual', definition: {} }]);
  return { campaignId, runId };
}

/** A message as messages.ts would make it, to one recipient. */
export function outboxRow(
  ids: { campaignId: string; runId: string },
  notifier: 'email' | 'slack',
  recipient: string,
  change: Partial<OutboxRow> = {},
): OutboxRow {
  const id = newId();
  return {
    id,
    dedupe_key: `test:${id}`,
    kind: 'budget.resumed',
    notifier,
    recipient,
    campaign_id: ids.campaignId,
    run_id: ids.runId,
    facts: {
      campaignId: ids.campaignId,
      campaign: 'Weekly',
      timezone: 'UTC',
      publicUrl: PUBLIC_URL,
      reason: null,
      resumedAt: '2026-01-06T00:00:00.000Z',
      nextRunAt: null,
    },
    ...change,
  };
}

export function testConfig(env: Record<string, string> = {}): Config {
  return loadConfig({ NOTIFY_FROM: 'Orchestrator <orchestrator@example.com>', ...env });
}

/** Events and log lines as they come. */
export function watchers() {
  const events = new EventBus();
  const seen: ServiceEvent[] = [];
  events.subscribe((event) => seen.push(event));
  const lines: { message: string; fields: Record<string, unknown> }[] = [];
  const note = (message: string, fields: Record<string, unknown> = {}) => void lines.push({ message, fields });
  const logger: Logger = { error: note, warn: note, info: note, debug: note, child: () => logger };
  return { events, seen, logger, lines };
}
