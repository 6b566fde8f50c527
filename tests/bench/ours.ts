import { PgBoss } from 'pg-boss';
import { BudgetLedger } from '../../budget/ledger.ts';
import { parseDefinition } from '../../campaigns/schema.ts';
import { Claims } from '../../database/claims.ts';
import { Journal } from '../../database/journal.ts';
import { campaignsOfActive } from '../../database/queries/runs.ts';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import type { JsonObject } from '../../database/tables.ts';
import { makeModel } from '../../generation/model-layer.ts';
import { Orchestrator } from '../../orchestrator.ts';
import { EngineGate } from '../../runs/engine-gate.ts';
import { RunQueue } from '../../scheduler/run-queue.ts';
import { systemClock } from '../../shared/clock.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import type { EngineHttp } from '../../steps/step.ts';
import { NO_APPROVALS, NO_PLANNING } from '../support/planning.ts';
import { quietPool } from '../support/postgres.ts';
import { type Drain, measureDrain } from './measure.ts';

/** Of the campaigns that the runs belong to. */
export interface Money {
  /** What each step costs, and is estimated at, in dollars. */
  cost: number;
  /** Limits of each campaign. */
  budget: JsonObject;
}

const CAMPAIGNS = 100;

/** A definition of four steps as the service stores it. */
export function fourSteps({ cost, budget }: Money, schedule?: JsonObject): JsonObject {
  const config = loadConfig({ ENGINE_PROSPECTING_URL: 'http://127.0.0.1:3010' });
  const steps = ['one', 'two', 'three', 'four'].map((name) => ({
    name,
    engine: 'prospecting',
    params: { query: name },
    estimatedCost: cost,
  }));
  const environment = {
    origins: originPolicy(config),
    engines: config.engines,
    referenceNames: [],
    approvalGroups: [],
  };
  const parsed = parseDefinition({ name: 'Bench', budget, steps, ...(schedule ? { schedule } : {}) }, environment);
  if (!('definition' in parsed)) throw new Error(JSON.stringify(parsed.problems));
  return parsed.definition as unknown as JsonObject;
}

/** Runs in the queue as a schedule leaves them there, and their jobs. */
async function queueRuns(url: string, records: SqlRecords, runs: number, definition: JsonObject): Promise<string[]> {
  const campaigns = Array.from({ length: CAMPAIGNS }, () => newId());
  await records.insert(
    'campaigns',
    campaigns.map((id) => ({ id, name: 'Bench', config: definition })),
  );
  const ids = Array.from({ length: runs }, () => newId());
  for (let at = 0; at < runs; at += 500)
    await records.insert(
      'campaign_runs',
      ids.slice(at, at + 500).map((id, nth) => ({
        id,
        campaign_id: campaigns[(at + nth) % CAMPAIGNS] ?? '',
        trigger: 'manual' as const,
        definition,
        steps_total: 4,
        event_seq: 1,
      })),
    );
  const boss = new PgBoss({ connectionString: url, schedule: false });
  await boss.start();
  await boss.createQueue('runs', { policy: 'short', notify: true });
  for (let at = 0; at < runs; at += 1_000)
    await boss.insert(
      'runs',
      ids.slice(at, at + 1_000).map((runId) => ({ data: { runId }, singletonKey: runId })),
    );
  await boss.stop({ graceful: false, close: true });
  return ids;
}

/**
 * This service: the queue, the claim, four steps, each with its beginning and its end durable, the end of the run. Only the
 * engine is left out: it answers at once, so that what is measured is the service's own work.
 */
export async function drainWithOrchestrator(url: string, runs: number, inFlight: number, money: Money): Promise<Drain> {
  const pool = quietPool({ connectionString: url, max: 10, types: recordTypes });
  const records = new SqlRecords(pool);
  const config = loadConfig({ ENGINE_PROSPECTING_URL: 'http://127.0.0.1:3010' });
  const ids = await queueRuns(url, records, runs, fourSteps(money));
  const http: EngineHttp = {
    run: () => Promise.resolve({ dialect: 'json', payload: { success: true, data: { saved: 10, cost: money.cost } } }),
  };
  const orchestrator = new Orchestrator({
    records,
    http,
    model: makeModel(config.model, { clock: systemClock, logger: silentLogger, templates: {} }),
    config,
    journal: new Journal(records),
    claims: new Claims({ records, clock: systemClock, worker: 'bench', validMs: 60_000 }),
    planning: NO_PLANNING,
    approvals: NO_APPROVALS,
    gate: new EngineGate({ usual: 10_000, of: {} }),
    ledger: new BudgetLedger({ records, clock: systemClock, globalDailyLimit: null }),
    clock: systemClock,
    events: new EventBus(),
    logger: silentLogger,
    publicUrl: 'http://bench.test',
    enqueue: () => Promise.resolve(),
  });
  const done = Promise.withResolvers<void>();
  let queue: RunQueue | undefined;
  const drain = await measureDrain(runs, async (times) => {
    queue = new RunQueue({
      connection: { connectionString: url },
      campaignsOf: (runIds) => campaignsOfActive(records, runIds),
      maxConcurrentRuns: inFlight,
      logger: silentLogger,
      async execute(runId) {
        const begun = performance.now();
        await orchestrator.execute(runId);
        times.push(performance.now() - begun);
        if (times.length === runs) done.resolve();
      },
    });
    await queue.start();
    await done.promise;
  });
  await queue?.stop();
  const completed = await records.count('campaign_runs', [
    { column: 'status', op: 'eq', value: 'completed' },
    { column: 'id', op: 'in', value: ids },
  ]);
  if (completed !== runs) throw new Error(`only ${completed} of ${runs} runs completed`);
  await pool.end();
  return drain;
}
