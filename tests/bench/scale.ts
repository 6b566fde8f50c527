import type { JsonObject } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import type { TestDatabase, TestPostgres } from '../support/postgres.ts';
import { percentile, processUse } from './measure.ts';
import { fourSteps } from './ours.ts';
import type { Stalls } from './stall-watch.ts';
import { type BenchEngine, type MeasuredService, startEngine, startMeasured } from './world.ts';

export interface HerdReport {
  campaigns: number;
  /** Seconds from the nominal time until the last run had started, and until the last had ended. */
  lastStartedSeconds: number;
  lastEndedSeconds: number;
  /** From the nominal time to the start of a run. */
  lagP50Ms: number;
  lagP99Ms: number;
  stalls: Stalls;
  peakMb: number;
}

export interface IdleReport {
  campaigns: number;
  startUpSeconds: number;
  corePercent: number;
  residentMb: number;
}

export interface OrdinaryReport {
  campaigns: number;
  lagP50Ms: number;
  lagP99Ms: number;
}

export interface RestartReport {
  runs: number;
  /** From ready to the first and to the last run whose step was called again. */
  firstSeconds: number;
  lastSeconds: number;
}

const YEARLY = { cron: '0 0 1 1 *', timezone: 'UTC', enabled: true };
const MOST_SETTLING_MS = 15_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Campaigns that are due at one instant, straight into the records: their making is not what is measured. */
async function insertCampaigns(database: TestDatabase, count: number, dueAt: number | null): Promise<void> {
  const config = fourSteps({ cost: 0, budget: { daily: 100 } }, YEARLY);
  const at = dueAt === null ? null : new Date(dueAt).toISOString();
  for (let from = 0; from < count; from += 1_000)
    await database.pool.query(
      `insert into campaigns (id, name, config, schedule_cron, next_run_at, due_at)
       select u.id, 'Bench ' || u.id, $2, '0 0 1 1 *', coalesce($3::timestamptz, '2100-01-01Z'), coalesce($3::timestamptz, '2100-01-01Z')
       from unnest($1::uuid[]) as u (id)`,
      [Array.from({ length: Math.min(1_000, count - from) }, () => newId()), JSON.stringify(config), at],
    );
  await database.pool.query('analyze campaigns');
}

/** Makes campaigns due at one instant soon, and returns it in milliseconds since the epoch. */
async function dueSoon(database: TestDatabase, count: number, inMs: number): Promise<number> {
  const at = Math.ceil((Date.now() + inMs) / 1_000) * 1_000;
  await database.pool.query(
    `update campaigns set next_run_at = $1, due_at = $1, version = version + 1
     where id in (select id from campaigns order by id limit $2)`,
    [new Date(at).toISOString(), count],
  );
  return at;
}

async function untilEnded(database: TestDatabase, runs: number, sinceMs: number): Promise<void> {
  for (let last = ''; ;) {
    const { rows } = await database.pool.query<{ n: number; all: number }>(
      `select count(*) filter (where status = 'completed') as n, count(*) as all from campaign_runs where created_at >= $1`,
      [new Date(sinceMs).toISOString()],
    );
    const state = JSON.stringify(rows[0]);
    if (rows[0]?.n === runs) return;
    if (Date.now() - sinceMs > 300_000) throw new Error(`runs do not end: ${state}, before ${last}`);
    last = state;
    await pause(500);
  }
}

async function lags(database: TestDatabase, atMs: number) {
  const { rows } = await database.pool.query<{ lag: number; ended: number }>(
    `select extract(epoch from started_at)::float8 * 1000 - $1 as lag, extract(epoch from completed_at)::float8 * 1000 - $1 as ended
     from campaign_runs where scheduled_for = to_timestamp($1::float8 / 1000)`,
    [atMs],
  );
  return { starts: rows.map((row) => row.lag), ends: rows.map((row) => row.ended) };
}

const envOf = (database: TestDatabase, engine: BenchEngine): Record<string, string> => ({
  DATABASE_URL: database.url,
  ENGINE_PROSPECTING_URL: engine.url,
  CAMPAIGNS_DIR: import.meta.dirname,
});

async function idle(service: MeasuredService, campaigns: number, seconds: number): Promise<IdleReport | null> {
  const before = await processUse(service.pid);
  await pause(seconds * 1_000);
  const after = await processUse(service.pid);
  if (!before || !after) return null;
  return {
    campaigns,
    startUpSeconds: service.readyMs / 1_000,
    corePercent: ((after.cpuSeconds - before.cpuSeconds) / seconds) * 100,
    residentMb: after.residentMb,
  };
}

/**
 * One service process with so many campaigns: its start, its rest, an ordinary minute in which a few are due, and all of them
 * due at once, through a real engine over HTTP.
 */
export async function measureScale(
  postgres: TestPostgres,
  campaigns: number,
  idleSeconds: number,
): Promise<{ idle: IdleReport | null; ordinary: OrdinaryReport; herd: HerdReport }> {
  const database = await postgres.createDatabase();
  const engine = await startEngine();
  await insertCampaigns(database, campaigns, null);
  const service = await startMeasured(envOf(database, engine));
  try {
    // What a start leaves to be done, like compiling, is not rest.
    await pause(Math.min(MOST_SETTLING_MS, idleSeconds * 1_000));
    const idleReport = await idle(service, campaigns, idleSeconds);
    const few = Math.ceil(campaigns / 100);
    const ordinaryAt = await dueSoon(database, few, 2_000);
    await untilEnded(database, few, ordinaryAt);
    const ordinary = await lags(database, ordinaryAt);
    await service.stalls();
    const herdAt = await dueSoon(database, campaigns, 3_000);
    await untilEnded(database, campaigns, herdAt);
    const stalls = await service.stalls();
    const herd = await lags(database, herdAt);
    const use = await processUse(service.pid);
    return {
      idle: idleReport,
      ordinary: {
        campaigns: few,
        lagP50Ms: percentile(ordinary.starts, 0.5),
        lagP99Ms: percentile(ordinary.starts, 0.99),
      },
      herd: {
        campaigns,
        lastStartedSeconds: percentile(herd.starts, 1) / 1_000,
        lastEndedSeconds: percentile(herd.ends, 1) / 1_000,
        lagP50Ms: percentile(herd.starts, 0.5),
        lagP99Ms: percentile(herd.starts, 0.99),
        stalls,
        peakMb: use?.peakMb ?? Number.NaN,
      },
    };
  } finally {
    await service.end('SIGKILL');
    engine.close();
  }
}

/** Runs in the middle of a step when their process is killed: how soon they go on once a new process is ready. */
export async function measureRestart(postgres: TestPostgres, runs: number): Promise<RestartReport> {
  const database = await postgres.createDatabase();
  const engine = await startEngine();
  await insertCampaigns(database, runs, null);
  await database.pool.query(
    `update campaigns set config = jsonb_set(config, '{steps,0,endpoint}', to_jsonb('/hang'::text))`,
  );
  // Longer than anybody would wait: it is not the lease that lets the runs go on.
  const env: JsonObject & Record<string, string> = { ...envOf(database, engine), RUN_LEASE_MS: '300000' };
  const first = await startMeasured(env);
  await dueSoon(database, runs, 1_000);
  while (engine.hanging.length < runs) await pause(50);
  await first.end('SIGKILL');
  engine.hanging.splice(0);
  const second = await startMeasured(env);
  const readyAt = Date.now();
  try {
    while (engine.hanging.length < runs) await pause(20);
    const times = engine.hanging.map(({ at }) => at - readyAt);
    return { runs, firstSeconds: Math.min(...times) / 1_000, lastSeconds: Math.max(...times) / 1_000 };
  } finally {
    await second.end('SIGKILL');
    engine.close();
  }
}
