import { randomUUID } from 'node:crypto';
import { type Job, PgBoss } from 'pg-boss';
import { Batch } from '../../database/batch.ts';
import { quietPool } from '../support/postgres.ts';
import { type Drain, measureDrain } from './measure.ts';

const STEPS = [1, 2, 3, 4];
const RESULT = JSON.stringify({ ok: true, leads: 10 });

/** What is written of a step, in the order in which it is. */
type Writes = (write: (text: string, values: unknown[]) => Promise<unknown>, id: string, step: number) => Promise<void>;

/** A row for the result of each step: the least that lets a run go on where it was. */
export const resultRows: Writes = async (write, id, step) => {
  await write('insert into boss_steps (run_id, step, result) values ($1, $2, $3)', [id, step, RESULT]);
};

/** What this service writes too: that a step begins, durably before it does, what became of it, and an event for each. */
export const fullRecord: Writes = async (write, id, step) => {
  await write(
    `with begun as (insert into boss_steps (run_id, step) values ($1, $2))
     insert into boss_events (run_id, seq, data) values ($1, $3, $4)`,
    [id, step, step * 2, RESULT],
  );
  await write(
    `with ended as (update boss_steps set result = $4 where run_id = $1 and step = $2)
     insert into boss_events (run_id, seq, data) values ($1, $3, $4)`,
    [id, step, step * 2 + 1, RESULT],
  );
};

/**
 * What a careful user of pg-boss gets: runs are jobs, fetched in batches, and what happens in each run is written on its own,
 * committed before the next step begins.
 */
export async function drainWithPgBoss(url: string, runs: number, inFlight: number, writes: Writes): Promise<Drain> {
  const pool = quietPool({ connectionString: url, max: 10 });
  const boss = new PgBoss({ connectionString: url, max: 10, schedule: false, useListenNotify: true });
  boss.on('error', () => undefined);
  await boss.start();
  const queue = `bench-${randomUUID()}`;
  await boss.createQueue(queue, { notify: true });
  await pool.query(`
    create table if not exists boss_steps (run_id uuid, step int, result jsonb, primary key (run_id, step));
    create table if not exists boss_events (run_id uuid, seq int, data jsonb, primary key (run_id, seq))`);
  const ids = Array.from({ length: runs }, () => randomUUID());
  for (let at = 0; at < runs; at += 1_000)
    await boss.insert(
      queue,
      ids.slice(at, at + 1_000).map((id) => ({ data: { id } })),
    );
  const write = (text: string, values: unknown[]) => pool.query({ name: text.slice(0, 60), text, values });
  const one = async (id: string, times: number[]) => {
    const begun = performance.now();
    for (const step of STEPS) await writes(write, id, step);
    times.push(performance.now() - begun);
  };
  const drain = await measureDrain(runs, async (times) => {
    const done = Promise.withResolvers<void>();
    const take = async (jobs: Job<{ id: string }>[]) => {
      if (inFlight === 1) for (const job of jobs) await one(job.data.id, times);
      else await Promise.all(jobs.map((job) => one(job.data.id, times)));
      if (times.length === runs) done.resolve();
    };
    // Full batches follow one another without a pause while there is a backlog.
    for (let worker = 0; worker < inFlight / 50; worker += 1)
      await boss.work<{ id: string }>(
        queue,
        { batchSize: 50, pollingIntervalSeconds: 0.5, burstWhenBatchFull: true },
        take,
      );
    await done.promise;
  });
  await boss.stop({ graceful: false, close: true });
  await pool.end();
  return drain;
}

/**
 * The machine's limit: nothing but rows. A claim, four steps and an end a run, each durable before the next, written by
 * statements that all runs in flight share.
 */
export async function drainWithGroupCommit(url: string, runs: number, inFlight: number): Promise<Drain> {
  const pool = quietPool({ connectionString: url, max: 4 });
  await pool.query(`
    create table if not exists floor_runs (id uuid primary key, status int not null);
    create table if not exists floor_steps (run_id uuid, step int, result jsonb, primary key (run_id, step))`);
  const ids = Array.from({ length: runs }, () => randomUUID());
  await pool.query('insert into floor_runs select unnest($1::uuid[]), 0', [ids]);
  const writer = new Batch<{ id: string; step: number }, true>(async (items) => {
    const steps = items.filter(({ step }) => step >= 1 && step <= 4);
    const marks = items.filter(({ step }) => step < 1 || step > 4);
    await pool.query({
      name: 'floor',
      text: `with marked as (
          update floor_runs r set status = u.status from unnest($1::uuid[], $2::int[]) as u (id, status) where r.id = u.id)
        insert into floor_steps select u.id, u.step, $5::jsonb from unnest($3::uuid[], $4::int[]) as u (id, step)`,
      values: [
        marks.map(({ id }) => id),
        marks.map(({ step }) => (step === 0 ? 1 : 2)),
        steps.map(({ id }) => id),
        steps.map(({ step }) => step),
        RESULT,
      ],
    });
    return items.map(() => true);
  });
  const drain = await measureDrain(runs, async (times) => {
    const queue = ids.values();
    const worker = async () => {
      for (const id of queue) {
        const begun = performance.now();
        for (let step = 0; step <= 5; step += 1) await writer.add({ id, step });
        times.push(performance.now() - begun);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  });
  await pool.end();
  return drain;
}
