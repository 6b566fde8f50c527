import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { message, RunCalls, times } from '../support/run-calls.ts';

let server: TestPostgres;
let on: RunCalls;
beforeAll(async () => {
  server = await startPostgres();
  on = new RunCalls(await server.createDatabase());
}, 60_000);
afterAll(() => server.stop());

/** Every worker goes through the same rows, each round in an order of its own. */
async function workers(rounds: number, work: (worker: string, turned: boolean) => Promise<unknown>): Promise<void> {
  await Promise.all(
    times(6, async (worker) => {
      for (const round of times(rounds, (index) => index)) await work(`worker-${worker}`, (worker + round) % 2 === 1);
    }),
  );
  expect(await on.deadlocks()).toBe(0);
}

const turn = <T>(list: T[], turned: boolean) => (turned ? list.toReversed() : list);

test('endings of many campaigns in one statement never wait for each other in a ring', async () => {
  const ids = await Promise.all(times(8, () => on.campaign('allow')));
  await workers(12, async (worker, turned) => {
    const held = [];
    for (const id of ids) {
      const { run_id: runId } = await on.start(id, true);
      if (runId) held.push(await on.claim(runId, worker));
    }
    const entries = held.flatMap((run) => {
      if (!run) return [];
      const outbox = [message(run.campaign_id, { episode_key: 'trouble', repeat_after_ms: 0 })];
      const pause = { reason: 'budget', resume_at: '2026-01-06T00:00:00.000Z' };
      return [{ run_id: run.id, epoch: run.epoch, run: { status: 'failed' as const }, outbox, pause }];
    });
    return on.commit(...turn(entries, turned));
  });
}, 120_000);

test('a new run that replaces others, and what those others write, never wait for each other in a ring', async () => {
  const ids = await Promise.all(times(2, () => on.campaign('allow')));
  const runs = await Promise.all(ids.flatMap((id) => times(20, () => on.started(id))));
  const held = (await Promise.all(runs.map((id) => on.claim(id, 'one')))).flatMap((run) => run ?? []);
  await on.database.records.update('campaigns', { config: { overlap: 'cancel_previous', steps: [] } }, [
    { column: 'id', op: 'in', value: ids },
  ]);
  const progress = held.map((run) => ({
    run_id: run.id,
    epoch: run.epoch,
    events: [{ type: 'step.progress', data: {} }],
  }));
  await workers(15, async (worker, turned) => {
    const last = Number(worker.at(-1));
    if (last < 2) return on.commit(...turn(progress, turned));
    if (last < 4) return on.renew('one', turn(runs, turned));
    if (last < 5) return on.start(turned ? (ids[0] as string) : (ids[1] as string));
    return Promise.all(turn(runs, turned).map((id) => on.cancel(id)));
  });
}, 120_000);

test('the end of a run, its cancel and the next start of its campaign never wait for each other in a ring', async () => {
  const id = await on.campaign('cancel_previous');
  await workers(40, async (worker) => {
    const { run_id: runId } = await on.start(id);
    const run = runId ? await on.claim(runId, worker) : null;
    const end = run ? [on.commit({ run_id: run.id, epoch: run.epoch, run: { status: 'completed' } })] : [];
    return Promise.all([...end, on.start(id), ...(runId ? [on.cancel(runId)] : [])]);
  });
}, 120_000);
