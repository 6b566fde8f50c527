import type { Records } from '../../database/records.ts';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { Arc, KpiTarget } from '../../moves/arc.ts';
import { planContextSchema } from '../../moves/context.ts';
import { KpiMonitor, type KpiMonitorDependencies } from '../../moves/kpi/monitor.ts';
import type { KpiSource } from '../../moves/kpi/source.ts';
import type { WorkContext } from '../../moves/work.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { tellOfKpis } from '../../notifications/kpi-messages.ts';
import { notify } from '../notifications/support.ts';
import type { TestClock } from '../support/clock.ts';

/** A Monday; the last day is 2026-04-04. */
export const STARTS_ON = '2026-01-05';
export const ENGINES = {
  prospecting: 'http://localhost:3010',
  analysis: 'http://localhost:3000',
  outreach: 'http://localhost:3001',
};
/** Every port of this machine. */
export const LOCAL = originPolicy({ allowedOrigins: null, engines: ENGINES, slackWebhookUrl: null });

interface KpiGiven {
  name: string;
  baseline?: number;
  target?: number;
  source?: KpiSource;
}

/** An active plan with these KPIs; `targets` make an approved arc. */
export async function storePlan(
  records: Records,
  kpis: readonly KpiGiven[],
  given: Partial<PlanRow> & { targets?: Partial<KpiTarget>[] } = {},
): Promise<PlanRow> {
  const { targets, ...columns } = given;
  const context = planContextSchema.parse({
    objective: 'Fill the tables.',
    startsOn: STARTS_ON,
    cohorts: [{ name: 'Office workers', description: 'They work nearby.' }],
    foundation: { brand: 'Sole', promise: 'Lunch in 30 minutes.', products: ['A menu'] },
    channels: ['email'],
    budget: 900,
    owners: ['Ana'],
    kpis: kpis.map((kpi) => ({ unit: 'leads', baseline: 0, target: 890, ...kpi })),
  });
  const [plan] = await records.insert('plans', [
    {
      id: newId(),
      workspace: 'default',
      name: 'Spring',
      state: 'active',
      context: context as unknown as JsonObject,
      starts_on: STARTS_ON,
      arc_version: targets ? 1 : 0,
      requested_by: 'ana',
      created_at: '2026-01-04T00:00:00.000Z',
      updated_at: '2026-01-04T00:00:00.000Z',
      ...columns,
    },
  ]);
  if (!plan) throw new Error('no plan');
  if (targets) {
    const arc: Pick<Arc, 'kpis'> = {
      kpis: targets.map((target) => ({
        kpi: 'leads',
        target: 890,
        green: 0.95,
        amber: 0.8,
        why: { text: 'So.', facts: [] },
        ...target,
      })),
    };
    await records.insert('arc_versions', [
      {
        plan_id: plan.id,
        arc_version: 1,
        arc: arc as unknown as JsonObject,
        reason: 'first',
        model: 'rules-v1',
        created_at: '2026-01-04T00:00:00.000Z',
      },
    ]);
  }
  return plan;
}

/** A run of a campaign that tells ops@example.com of trouble. */
export async function storeMonitoringRun(records: Records): Promise<{ runId: string; campaignId: string }> {
  const definition = notify({}, { email: ['ops@example.com'] }) as unknown as JsonObject;
  const campaignId = newId();
  const runId = newId();
  await records.insert('campaigns', [{ id: campaignId, name: 'Watch', config: definition }]);
  await records.insert('campaign_runs', [{ id: runId, campaign_id: campaignId, trigger: 'manual', definition }]);
  return { runId, campaignId };
}

/** A monitor with what it saw and said. */
export function makeMonitor(records: Records, clock: TestClock, change: Partial<KpiMonitorDependencies> = {}) {
  const events = new EventBus();
  const seen: ServiceEvent[] = [];
  events.subscribe((event) => seen.push(event));
  const tell = tellOfKpis({ records, clock, slackConfigured: false, publicUrl: 'http://127.0.0.1:3020' });
  const monitor = new KpiMonitor({
    records,
    clock,
    events,
    logger: silentLogger,
    kpiDir: '/nowhere',
    origins: LOCAL,
    references: {},
    tell,
    ...change,
  });
  return { monitor, seen };
}

export function workContext(
  run: { runId: string; campaignId: string },
  clock: TestClock,
  signal?: AbortSignal,
): WorkContext {
  const refuse = () => Promise.reject(new Error('KPIs need no model and no people'));
  return {
    ...run,
    stepName: 'kpis',
    attempt: 1,
    signal: signal ?? new AbortController().signal,
    deadline: clock.now() + 300_000,
    clock,
    model: new Proxy({}, { get: () => refuse }) as WorkContext['model'],
    onSent: () => undefined,
    ask: refuse,
    progress: () => undefined,
    log: { info: () => undefined, warn: () => undefined },
  };
}
