import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import type pg from 'pg';
import type { Records } from '../../database/records.ts';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import { SupabaseRecords } from '../../database/supabase.ts';
import type { WorkError } from '../../moves/work.ts';
import { newId } from '../../shared/ids.ts';
import { TestClock } from '../support/clock.ts';
import { intercepted } from '../support/intercept.ts';
import { quietPool, startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { freshRecords } from '../support/records.ts';
import { PlanScene } from './planner-support.ts';
import { but, NOW, PlanningModel, planningParts, planRow } from './planning-parts.ts';
import { approve, undecided, workContext } from './work-context.ts';

let postgres: TestPostgres;
let database: TestDatabase;
const ends = new AsyncDisposableStack();
beforeAll(async () => {
  postgres = await startPostgres({ supabaseRoles: true });
  database = await postgres.createDatabase();
}, 60_000);
afterAll(async () => {
  await ends.disposeAsync();
  await postgres.stop();
});

let scenes: PlanScene[] = [];
afterEach(async () => {
  for (const scene of scenes) await scene.close();
  scenes = [];
});

function poolOf({ url }: { url: string }): pg.Pool {
  const pool = quietPool({ connectionString: url, max: 4, types: recordTypes });
  ends.defer(() => pool.end());
  return pool;
}

/** Two workers of one service, each with connections of its own. */
function replicas(over: (records: Records) => Records = (records) => records) {
  const clock = new TestClock(NOW);
  const model = new PlanningModel();
  const [one, two] = ['one', 'two'].map((worker) => {
    const pool = poolOf(database);
    const records = new SqlRecords(pool, () => Promise.resolve());
    return new PlanScene(worker === 'one' ? over(records) : records, { clock, model, worker, pool });
  }) as [PlanScene, PlanScene];
  scenes.push(one, two);
  return { one, two, model };
}

const unique = (list: readonly unknown[]) => new Set(list).size === list.length;

describe('planning by several replicas', () => {
  test('goes on at whichever one is told of the decision, and takes effect once', async () => {
    const { one, two, model } = replicas();
    const { planId, runId } = await one.submit();
    expect((await two.read(runId)).run.status).toBe('waiting');
    await two.decide(planId);
    expect(await one.versions(planId)).toHaveLength(1);
    await one.decide(planId);
    const { run, steps } = await two.read(runId);
    expect([run.status, run.errors]).toEqual(['completed', []]);
    expect(steps.map(({ name, status, cost_micros: cost }) => [name, status, cost])).toEqual([
      ['arc', 'completed', 20_000],
      ['moves', 'completed', 20_000],
      ['move-assets', 'completed', expect.any(Number)],
    ]);
    expect(model.asked('plan.arc') + model.asked('plan.moves')).toBe(2);
    expect(unique((await one.decisions(planId)).map(({ id }) => id))).toBe(true);
    expect((await one.plan(planId)).arc_version).toBe(1);
  });

  test('takes effect once although a worker that lost its run goes on with it', async () => {
    const { one, two, model } = replicas();
    const plan = await planRow(database.records);
    const runId = newId();
    const approval = { groups: [], expiresIn: 1_000, onExpiry: 'reject', allowSelf: false };
    const results = await Promise.allSettled(
      [one, two, one].map(({ parts, clock }) => {
        const { work } = workContext({ clock, model, runId, answer: approve });
        return parts.works.arc({ plan: plan.id, approval }, work);
      }),
    );
    expect(results).toEqual(results.map(() => expect.objectContaining({ status: 'fulfilled' })));
    expect(await one.versions(plan.id)).toHaveLength(1);
    expect(unique((await one.decisions(plan.id)).map(({ action }) => action))).toBe(true);
    expect(await database.records.call('verify_decisions', { p_workspace: 'default' })).toMatchObject({ valid: true });
  });

  test('goes on from the highest attempt, although a lower one has come back and written since', async () => {
    const { one, two } = replicas();
    const { clock } = one;
    const plan = await planRow(database.records);
    const runId = newId();
    const terms = { groups: [], expiresIn: 1_000, onExpiry: 'reject', allowSelf: false };
    const begun = Promise.withResolvers<void>();
    const released = Promise.withResolvers<void>();
    const tried = ({ parts }: PlanScene, attempt: number, summary: string, answer = undecided) => {
      const draft = but<{ summary: { text: string } }>((arc) => {
        arc.summary.text = summary;
      });
      const model = new PlanningModel({ 'plan.arc': [draft] });
      const generate = model.generate.bind(model);
      if (attempt === 2)
        model.generate = async (...asked) => {
          begun.resolve();
          await released.promise;
          return generate(...asked);
        };
      const { work } = workContext({ clock, model, runId, attempt, answer });
      return { model, done: parts.works.arc({ plan: plan.id, approval: terms }, work) };
    };
    const second = tried(two, 2, 'What people are asked about.');
    await begun.promise;
    await clock.advance(1_000);
    expect(await tried(one, 1, 'What nobody is asked about.').done).toMatchObject({ outcome: 'waiting' });
    released.resolve();
    expect(await second.done).toMatchObject({ outcome: 'waiting' });
    const third = tried(two, 3, 'What is not asked for.', approve);
    await third.done;
    expect(third.model.requests).toEqual([]);
    const [version] = await one.versions(plan.id);
    expect(version?.arc).toMatchObject({ summary: { text: 'What people are asked about.' } });
  });

  test('keeps no more checkpoints than somebody may come back to', async () => {
    const { one, two } = replicas();
    const plan = await planRow(database.records);
    const runId = newId();
    const clock = new TestClock(NOW);
    for (let attempt = 1; attempt <= 5; attempt += 1) {
      const { parts } = attempt % 2 === 0 ? one : two;
      const { work } = workContext({ clock, model: new PlanningModel(), runId, attempt });
      await parts.works.arc(
        { plan: plan.id, approval: { groups: [], expiresIn: 1_000, onExpiry: 'reject', allowSelf: false } },
        work,
      );
    }
    const { rows } = await database.pool.query<{ attempt: string }>(
      `select distinct split_part(split_part(thread_id, '/', 4), '-', 1) as attempt from langgraph.checkpoints
       where thread_id like $1 order by 1`,
      [`${runId}/%`],
    );
    expect(rows.map((row) => Number(row.attempt))).toEqual([4, 5]);
  });

  test('makes the tables of the checkpoints, whoever comes first', async () => {
    const empty = await postgres.createDatabase();
    const clock = new TestClock(NOW);
    const plans = await Promise.all(Array.from({ length: 6 }, () => planRow(empty.records)));
    const results = await Promise.all(
      plans.map(async ({ id }) => {
        const { works } = planningParts(empty.records, poolOf(empty), { clock });
        const { work } = workContext({ clock, model: new PlanningModel(), runId: newId() });
        const approval = { groups: [], expiresIn: 1_000, onExpiry: 'reject', allowSelf: false };
        return works.arc({ plan: id, approval }, work).catch((error: unknown) => error as WorkError);
      }),
    );
    expect(results).toEqual(plans.map(() => expect.objectContaining({ outcome: 'waiting' })));
  });

  test('is decided while the first try is still running', async () => {
    let decided: Promise<unknown> | undefined;
    const { one, two } = replicas((records) =>
      intercepted(records, async (name, args, next) => {
        const answer = await next();
        if (name === 'ask_approval' && !decided) {
          const { id } = args['p_approval'] as { id: string };
          decided = two.decideOn(id);
          await decided;
        }
        return answer;
      }),
    );
    const { planId, runId } = await one.submit();
    expect((await one.read(runId)).steps[0]).toMatchObject({ name: 'arc', status: 'completed', attempts: 1 });
    expect(await one.versions(planId)).toHaveLength(1);
    expect(await one.pending(planId)).toEqual([expect.objectContaining({ kind: 'moves' })]);
  });

  test('is decided between the end of the first try and the record that it waits', async () => {
    let decided = false;
    const { one, two, model } = replicas((records) =>
      intercepted(records, async (name, args, next) => {
        if (!decided && name.startsWith('journal') && JSON.stringify(args).includes('"run.waiting"')) {
          decided = true;
          // Of the runs that are spoken of: other tests have left questions of the same instant.
          const named = JSON.stringify(args).match(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g) ?? [];
          const [pending] = await database.records.select('approvals', {
            where: [
              { column: 'state', op: 'eq', value: 'pending' },
              { column: 'run_id', op: 'in', value: [...new Set(named)] },
            ],
          });
          await two.decideOn(String(pending?.id));
        }
        return next();
      }),
    );
    const { planId, runId } = await one.submit();
    await one.harness.keeper.runOnce();
    await one.harness.idle();
    expect(decided).toBe(true);
    expect((await one.read(runId)).steps[0]).toMatchObject({ name: 'arc', status: 'completed', cost_micros: 20_000 });
    expect(await one.versions(planId)).toHaveLength(1);
    expect(model.asked('plan.arc')).toBe(1);
  });
});

test("plans through Supabase's API, with the checkpoints beside it", async () => {
  const api = await startPostgrest(database.pool);
  const queue = await freshRecords();
  const records = new SupabaseRecords({ url: api.url, serviceRoleKey: api.key });
  ends.defer(async () => {
    await records.close();
    await queue.close();
    await api.close();
  });
  const scene = new PlanScene(records, { pool: queue.pool });
  scenes.push(scene);
  const { planId, runId } = await scene.submit();
  await scene.decide(planId);
  await scene.decide(planId);
  const { run } = await scene.read(runId);
  expect([run.status, run.errors]).toEqual(['completed', []]);
  expect(await scene.moves(planId)).not.toHaveLength(0);
  expect(await database.records.call('verify_decisions', { p_workspace: 'default' })).toMatchObject({ valid: true });
});
