import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { type ConstructorOptions, type Db, PgBoss } from 'pg-boss';
import { Recovery } from '../../scheduler/recovery.ts';
import { RunQueue, type RunQueueDependencies } from '../../scheduler/run-queue.ts';
import { iso } from '../../shared/clock.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { embeddedRecords, type EmbeddedRecords } from '../support/records.ts';

let database: EmbeddedRecords;
const cleanups: (() => Promise<void>)[] = [];
beforeAll(async () => {
  database = await embeddedRecords();
}, 60_000);
beforeEach(async () => {
  await database.truncate();
  await database.pool.query('drop schema if exists pgboss cascade');
});
afterAll(() => database.close());
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** Records what is executed; a run ends when `release` is called. */
function slots() {
  const executed: string[] = [];
  const held = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  return {
    executed,
    started: started.promise,
    release: () => held.resolve(),
    execute: (runId: string): Promise<void> => {
      executed.push(runId);
      started.resolve();
      return held.promise;
    },
  };
}

async function startQueue(more: Partial<RunQueueDependencies> = {}): Promise<RunQueue> {
  const queue = new RunQueue({
    connection: database.queue,
    execute: () => Promise.resolve(),
    campaignsOf: (runIds) => Promise.resolve(new Map(runIds.map((runId) => [runId, 'campaign']))),
    maxConcurrentRuns: 1,
    logger: silentLogger,
    ...more,
  });
  cleanups.push(() => queue.stop());
  await queue.start();
  return queue;
}

const jobs = async (state: string): Promise<string[]> =>
  (
    await database.pool.query<{ run: string }>(
      `select jsonb_array_elements_text(jsonb_build_array(data -> 'runId') || coalesce(data -> 'others', '[]')) as run
       from pgboss.job where name = 'runs' and state = $1 order by 1`,
      [state],
    )
  ).rows.map(({ run }) => run);

const jobCount = async (): Promise<number> =>
  (await database.pool.query<{ count: number }>("select count(*)::int from pgboss.job where name = 'runs'")).rows[0]
    ?.count ?? 0;

async function queuedRuns(count: number, clock: TestClock): Promise<string[]> {
  const campaignId = newId();
  await database.insert('campaigns', [{ id: campaignId, name: 'Many', config: {} }]);
  const runs = Array.from({ length: count }, () => ({
    id: newId(),
    campaign_id: campaignId,
    trigger: 'manual' as const,
    definition: {},
    status: 'queued' as const,
    created_at: iso(clock.now()),
  }));
  await database.insert('campaign_runs', runs);
  return runs.map(({ id }) => id).toSorted();
}

test('however often the sweep comes while all slots are taken, at most one job waits for each run', async () => {
  const clock = new TestClock();
  const runIds = await queuedRuns(5, clock);
  const { execute, started, release, executed } = slots();
  const queue = await startQueue({ execute });
  const recovery = new Recovery({
    records: database,
    clock,
    logger: silentLogger,
    queue,
    sweepEveryMs: 5_000,
    validMs: 18_000,
    isGone: () => false,
  });
  for (let sweep = 0; sweep < 10; sweep++) expect(await recovery.runOnce(0)).toBe(5);
  await started;
  for (let sweep = 0; sweep < 10; sweep++) await recovery.runOnce(0);
  const waiting = await jobs('created');
  expect(waiting).toEqual([...new Set(waiting)]);
  expect(runIds).toEqual(expect.arrayContaining(waiting));
  expect(executed).toHaveLength(1);
  release();
});

test.each([
  [5, 5],
  [45, 5],
])('%i runs that start together are all taken up, with %i jobs', async (runs, expected) => {
  const runIds = await queuedRuns(runs, new TestClock());
  const done = Promise.withResolvers<void>();
  const executed: string[] = [];
  const execute = (runId: string) => {
    executed.push(runId);
    if (executed.length === runs) done.resolve();
    return Promise.resolve();
  };
  const queue = await startQueue({ execute, maxConcurrentRuns: 3 });
  await Promise.all(runIds.map((runId) => queue.enqueueNew(runId)));
  await done.promise;
  expect(executed.toSorted()).toEqual(runIds);
  expect(await jobCount()).toBe(expected);
});

test('a run whose job is being worked on can be woken again', async () => {
  const { execute, started, release } = slots();
  const queue = await startQueue({ execute });
  const [one, two] = [newId(), newId()];
  await queue.enqueueAll([one, two, two]);
  await started;
  expect(await jobs('created')).toEqual([]);
  await queue.enqueue(two);
  await queue.enqueue(two);
  expect(await jobs('created')).toEqual([two]);
  release();
});

test('a queue that was made with another policy is made anew', async () => {
  const before = new PgBoss({ ...database.queue, schedule: false });
  before.on('error', () => undefined);
  await before.start();
  await before.createQueue('runs', { notify: true });
  await before.send('runs', { runId: 'old' });
  await before.stop({ graceful: false });
  const { execute, started, release, executed } = slots();
  const queue = await startQueue({ execute });
  const { rows } = await database.pool.query("select policy from pgboss.queue where name = 'runs'");
  expect(rows).toEqual([{ policy: 'short' }]);
  const runId = newId();
  await queue.enqueue(runId);
  await started;
  expect(executed).toEqual([runId]);
  release();
});

test('a batch that arrives while the queue stops launches nothing', async () => {
  const fetched = Promise.withResolvers<void>();
  const handOver = Promise.withResolvers<void>();
  const { execute, executed } = slots();
  const db = database.queue.db as Db;
  const slow: Db = {
    ...db,
    async executeSql(text, values) {
      const result = await db.executeSql(text, values);
      if (JSON.stringify(result.rows).includes('runId')) {
        fetched.resolve();
        await handOver.promise;
      }
      return result;
    },
  };
  const connection: ConstructorOptions = { ...database.queue, db: slow };
  const queue = await startQueue({ connection, execute });
  await queue.enqueue(newId());
  await fetched.promise;
  const stopped = queue.stop();
  handOver.resolve();
  await stopped;
  // The worker's turn, on the same connection, comes before this answer.
  await database.ping();
  expect(executed).toEqual([]);
});

test('an absent database is told once, and the queue says that it does not answer', async () => {
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) };
  const db = database.queue.db as Db;
  let away = false;
  const cut: Db = {
    ...db,
    executeSql: (text, values) =>
      away
        ? Promise.reject(Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' }))
        : db.executeSql(text, values),
  };
  const queue = await startQueue({ connection: { ...database.queue, db: cut }, logger });
  await queue.ping();
  away = true;
  for (let time = 0; time < 5; time++) await queue.enqueue(newId());
  await expect(queue.ping()).rejects.toThrow('ECONNREFUSED');
  expect(warnings).toEqual(["The queue's database cannot be reached"]);
  away = false;
  await queue.ping();
});

test('what is handed over by a queue that takes up no more goes straight to another replica', async () => {
  const stopping = await startQueue();
  const runIds = Array.from({ length: 10 }, () => newId());
  const executed: string[] = [];
  const all = Promise.withResolvers<void>();
  await startQueue({
    maxConcurrentRuns: 10,
    execute: (runId) => {
      executed.push(runId);
      if (executed.length === runIds.length) all.resolve();
      return Promise.resolve();
    },
  });
  stopping.quiet();
  for (const runId of runIds) await stopping.enqueue(runId);
  await stopping.stop();
  await all.promise;
  expect(executed.toSorted()).toEqual(runIds.toSorted());
  // One job each: none was fetched by the first and given back.
  const { rows } = await database.pool.query("select 1 from pgboss.job where name = 'runs'");
  expect(rows).toHaveLength(runIds.length);
});

/** Executes runs until told to end one; notes in which order they came. */
function oneByOne(campaignOf: Map<string, string>) {
  const executed: string[] = [];
  const under: (() => void)[] = [];
  let watch: () => void = () => undefined;
  return {
    executed,
    execute: (runId: string): Promise<void> => {
      executed.push(campaignOf.get(runId) as string);
      watch();
      return new Promise((resolve) => under.push(resolve));
    },
    /** Ends the run that was taken up first. */
    end: () => under.shift()?.(),
    async until(condition: () => boolean): Promise<void> {
      while (!condition()) await new Promise<void>((resolve) => (watch = resolve));
    },
  };
}

test.each([
  ['in one batch with it', 1],
  ['in batches of their own', 2],
])(
  'a campaign with a hundred runs in the queue, %s, does not hold up another that has one',
  async (_, batches) => {
    const campaignOf = new Map<string, string>();
    const named = (campaign: string, count: number) =>
      Array.from({ length: count }, () => {
        const id = newId();
        campaignOf.set(id, campaign);
        return id;
      });
    const [many, one] = [named('many', 100), named('one', 1)];
    const heardOf = Promise.withResolvers<void>();
    const work = oneByOne(campaignOf);
    const queue = await startQueue({
      execute: work.execute,
      campaignsOf: (runIds) => {
        if (runIds.some((runId) => one.includes(runId))) heardOf.resolve();
        return Promise.resolve(new Map(runIds.map((runId) => [runId, campaignOf.get(runId) as string])));
      },
      maxConcurrentRuns: 4,
    });
    if (batches === 1) await queue.enqueueAll([...many, ...one]);
    else {
      await queue.enqueueAll(many);
      await work.until(() => work.executed.length === 4);
      await queue.enqueueAll(one);
    }
    await heardOf.promise;
    for (let ended = 0; ended < 2; ended += 1) {
      await work.until(() => work.executed.length === 4 + ended);
      work.end();
    }
    // Those that had a slot before it was heard of, and a turn.
    await work.until(() => work.executed.length === 6);
    expect(work.executed).toContain('one');
  },
  60_000,
);
