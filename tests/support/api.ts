import { Registry } from 'prom-client';
import type { ApiDeps } from '../../api/deps.ts';
import { createApp } from '../../api/app.ts';
import { BudgetLedger } from '../../budget/ledger.ts';
import type { Records } from '../../database/records.ts';
import type { CampaignRow, JsonObject, RunRow } from '../../database/tables.ts';
import { BriefControl } from '../../generation/briefs/brief-control.ts';
import { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { SessionMemory } from '../../knowledge/memory/session-memory.ts';
import { KpiDesk } from '../../moves/kpi/kpi-desk.ts';
import { PlanControl } from '../../moves/plan-control.ts';
import { MoveControl } from '../../moves/move-control.ts';
import { ApprovalDesk } from '../../runs/approvals/approval-desk.ts';
import { checkStepEdits } from '../../runs/approvals/edits.ts';
import { RunControl } from '../../runs/run-control.ts';
import { loadConfig } from '../../shared/config.ts';
import { iso } from '../../shared/clock.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { CampaignControl } from '../../scheduler/campaign-control.ts';
import { TestClock } from './clock.ts';
import { wordEmbedder } from './embedder.ts';

/** The smallest definition that is complete. */
export const definition: JsonObject = {
  name: 'Weekly Restaurant Outreach',
  schedule: '0 9 * * MON',
  steps: [{ name: 'prospecting', engine: 'prospecting', params: { count: 1 } }],
  budget: { daily: 5 },
};

/** The API over real records, with runs that only take note. */
export function makeApi(records: Records, overrides: Partial<ApiDeps> = {}, env: Record<string, string> = {}) {
  const clock = new TestClock();
  const events = overrides.events ?? new EventBus();
  const config = overrides.config ?? loadConfig(env);
  const environment = {
    origins: originPolicy(config),
    engines: config.engines,
    referenceNames: Object.keys(config.references),
    approvalGroups: Object.keys(config.approvalGroups),
  };
  const started: { campaignId: string; force: boolean }[] = [];
  const stop = new AbortController();
  const deps: ApiDeps = {
    config,
    logger: silentLogger,
    records,
    clock,
    events,
    environment,
    campaigns: new CampaignControl({ records, clock, events, environment }),
    runs: {
      async start(campaignId, options) {
        const [campaign] = await records.select('campaigns', {
          where: [{ column: 'id', op: 'eq', value: campaignId }],
        });
        if (!campaign) throw new NotFoundError('campaign', campaignId);
        started.push({ campaignId, ...options });
        return { runId: newId() };
      },
      cancel: async (id) => {
        await mustExist(records, id);
        return { status: 'cancelling' };
      },
      retry: async (id) => {
        await mustExist(records, id);
        return { runId: newId() };
      },
      resolve: async (id) => {
        await mustExist(records, id);
        return { status: 'queued' };
      },
    },
    approvals: new ApprovalDesk({
      records,
      clock,
      events,
      config,
      publicUrl: 'http://orchestrator.test',
      checks: { step: checkStepEdits },
      enqueue: () => Promise.resolve(),
      onMessages: () => undefined,
      wake: () => undefined,
    }),
    briefs: new BriefControl({
      knowledge: { search: async () => ({ note: null, hits: [] }) },
      records,
      clock,
      runs: new RunControl({ records, clock, events, enqueue: () => Promise.resolve(), cancelHeld: () => undefined }),
    }),
    knowledge: new KnowledgeBase({
      records,
      clock,
      events,
      logger: silentLogger,
      worker: 'test',
      leaseMs: 30_000,
      isGone: () => false,
      embedder: wordEmbedder(),
    }),
    memory: new SessionMemory({ records, clock, events }),
    kpis: new KpiDesk({ records, clock }),
    plans: new PlanControl({
      origins: environment.origins,
      records,
      clock,
      config,
      runs: new RunControl({ records, clock, events, enqueue: () => Promise.resolve(), cancelHeld: () => undefined }),
    }),
    moves: new MoveControl({ records, clock, events }),
    budget: new BudgetLedger({ records, clock, globalDailyLimit: config.globalDailyBudget }),
    publicUrl: 'http://orchestrator.test',
    health: { ready: async () => ({ ready: true, checks: [{ name: 'database', ok: true }] }) },
    metrics: new Registry(),
    stopping: stop.signal,
    ...overrides,
  };
  return { app: createApp(deps), deps, clock, events, started, stop: () => stop.abort() };
}

async function mustExist(records: Records, runId: string): Promise<void> {
  const rows = await records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: runId }] });
  if (rows.length === 0) throw new NotFoundError('run', runId);
}

/** A campaign as a row, without going through the API. */
export async function insertCampaign(records: Records, fields: Partial<CampaignRow> = {}): Promise<CampaignRow> {
  const [row] = await records.insert('campaigns', [
    {
      id: newId(),
      name: 'Weekly Restaurant Outreach',
      config: {
        ...definition,
        schedule: {
          cron: '0 9 * * MON',
          timezone: 'UTC',
          enabled: true,
          overlap: 'skip',
          catchUp: 'last',
          catchUpWindow: 3_600_000,
          jitter: 0,
        },
      },
      schedule_cron: '0 9 * * MON',
      next_run_at: '2026-01-12T09:00:00.000Z',
      ...fields,
    },
  ]);
  return row as CampaignRow;
}

export async function insertRun(records: Records, campaignId: string, fields: Partial<RunRow> = {}): Promise<RunRow> {
  const [row] = await records.insert('campaign_runs', [
    { id: newId(), campaign_id: campaignId, trigger: 'manual', definition, ...fields },
  ]);
  return row as RunRow;
}

/** Appends to the events of a run, as the journal does. */
export async function insertEvents(records: Records, runId: string, types: readonly string[], fromSeq = 1) {
  await records.insert(
    'run_events',
    types.map((type, index) => ({
      run_id: runId,
      seq: fromSeq + index,
      type,
      occurred_at: iso(Date.UTC(2026, 0, 5, 9, 0, index)),
      data: { step: 'prospecting' },
    })),
  );
  await records.update('campaign_runs', { event_seq: fromSeq + types.length - 1 }, [
    { column: 'id', op: 'eq', value: runId },
  ]);
}
