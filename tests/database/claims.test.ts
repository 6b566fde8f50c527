import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type ClaimedRun, Claims } from '../../database/claims.ts';
import type { JournalEntry } from '../../database/journal.ts';
import { journalArguments } from '../../database/journal-lists.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import { TestClock } from '../support/clock.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { AT, later, LEASE_MS, RunCalls, times } from '../support/run-calls.ts';

// On a real server: each of the pool's connections stands for a process of its own.
let server: TestPostgres;
let on: RunCalls;
beforeAll(async () => {
  server = await startPostgres();
  on = new RunCalls(await server.createDatabase());
}, 60_000);
afterAll(() => server.stop());

const claimAll = (runIds: readonly string[], worker = 'many', at = AT): Promise<ClaimedRun[]> =>
  on.call('claim_runs', { p_run_ids: runIds, p_worker: worker, p_now: at, p_lease_ms: LEASE_MS });
const write = (...entries: JournalEntry[]): Promise<unknown[]> => on.call('journal_write', journalArguments(entries));
const told = (run: RunRow, ...types: string[]): JournalEntry => ({
  run_id: run.id,
  campaign_id: run.campaign_id,
  epoch: run.epoch,
  at: AT,
  after_seq: run.event_seq,
  events: types.map((type) => ({ type, data: {} })),
});

/** A run in each of the states in which one may be found, by name. */
const states: Record<string, () => Promise<string>> = {
  queued: async () => on.started(await on.campaign()),
  'held by another': async () => (await on.heldRun('other')).runId,
  'held by one whose lease has lapsed': async () => {
    const runId = await on.started(await on.campaign());
    await on.claim(runId, 'other', later(-LEASE_MS));
    return runId;
  },
  'held by one whose lease was voided': async () => {
    const worker = `gone-${newId()}`;
    const { runId } = await on.heldRun(worker);
    await on.call('release_workers', { p_workers: [worker] });
    return runId;
  },
  'waiting for an earlier one': async () => {
    const campaignId = await on.campaign('queue');
    await on.started(campaignId);
    return on.started(campaignId);
  },
  'waiting for an earlier one that has ended': async () => {
    const campaignId = await on.campaign('queue');
    const earlier = await on.started(campaignId);
    const runId = await on.started(campaignId);
    await on.cancel(earlier);
    return runId;
  },
  'waiting for a person': async () => {
    const { runId, epoch } = await on.heldRun();
    await on.commit({ run_id: runId, epoch, run: { status: 'waiting' } });
    return runId;
  },
  ended: async () => {
    const { runId, epoch } = await on.heldRun();
    await on.commit({ run_id: runId, epoch, run: { status: 'completed' } });
    return runId;
  },
  unknown: () => Promise.resolve(newId()),
};

describe('a claim of many runs', () => {
  test('gets those, and only those, that a claim of each alone gets', async () => {
    const names = Object.keys(states);
    const each = await Promise.all(Object.values(states).map((make) => make()));
    const alone: string[] = [];
    for (const [at, runId] of each.entries()) if (await on.claim(runId, 'many')) alone.push(names[at] as string);
    expect(alone).toEqual([
      'queued',
      'held by one whose lease has lapsed',
      'held by one whose lease was voided',
      'waiting for an earlier one that has ended',
    ]);
    const together = await Promise.all(Object.values(states).map((make) => make()));
    // Each named twice, and in no order.
    const claimed = await claimAll([...together, ...together].toReversed());
    expect(claimed.map(({ run }) => names[together.indexOf(run.id)] ?? '').toSorted()).toEqual(alone.toSorted());
    for (const { run } of claimed) {
      expect(run).toMatchObject({ ...(await on.run(run.id)) });
      expect(run).toMatchObject({ status: 'running', claimed_by: 'many', lease_until_at: later(LEASE_MS) });
      expect(run.epoch).toBe(names[together.indexOf(run.id)]?.startsWith('held') ? 2 : 1);
    }
    for (const [at, runId] of together.entries())
      if (!alone.includes(names[at] as string) && names[at] !== 'unknown')
        expect((await on.run(runId)).claimed_by).not.toBe('many');
  });

  test('takes of several that wait for each other the first alone', async () => {
    const campaignId = await on.campaign('queue');
    const ids = [await on.started(campaignId), await on.started(campaignId), await on.started(campaignId)];
    expect((await claimAll(ids.toReversed())).map(({ run }) => run.id)).toEqual([ids[0]]);
  });

  test('tells of itself in the events of each: started, or resumed with its epoch', async () => {
    const [fresh, lapsed] = [await states['queued']?.(), await states['held by one whose lease has lapsed']?.()];
    await claimAll([fresh as string, lapsed as string]);
    expect(await on.eventsOf(fresh as string)).toEqual(['1 run.queued', '2 run.started']);
    expect(await on.eventsOf(lapsed as string)).toEqual(['1 run.queued', '2 run.resumed']);
    const events = await on.database.records.select('run_events', {
      where: [{ column: 'run_id', op: 'in', value: [fresh as string, lapsed as string] }],
    });
    expect(events.find((event) => event.type === 'run.started')?.data).toEqual({ trigger: 'manual', steps: 1 });
    expect(events.find((event) => event.type === 'run.resumed')?.data).toEqual({ epoch: 2 });
  });

  test('counts on from the events of a run whose own number is behind, and brings its steps in order', async () => {
    const runId = await on.started(await on.campaign());
    const [first] = await claimAll([runId], 'one');
    const run = (first as ClaimedRun).run;
    const step = (name: string, position: number) =>
      ({ name, position, kind: 'prospecting', effect: 'repeatable', status: 'completed' }) as StepRow;
    await write({ ...told(run, 'step.started', 'step.completed'), steps: [step('b', 1), step('a', 0)] });
    expect((await on.run(runId)).event_seq).toBe(2);
    const [second] = await claimAll([runId], 'two', later(LEASE_MS));
    expect(second).toMatchObject({ run: { epoch: 2, event_seq: 5 }, steps: [{ name: 'a' }, { name: 'b' }] });
    await write(told((second as ClaimedRun).run, 'step.started'));
    // The one way of old.
    expect(await on.claim(runId, 'three', later(2 * LEASE_MS))).toMatchObject({ epoch: 3, event_seq: 6 });
    expect(await on.eventsOf(runId)).toEqual([
      '1 run.queued',
      '2 run.started',
      '3 step.started',
      '4 step.completed',
      '5 run.resumed',
      '6 step.started',
    ]);
  });

  test('brings the terms of the budget as they are now, and what steps without an estimate cost lately', async () => {
    const campaignId = await on.campaign('allow');
    const steps = [
      { name: 'dear' },
      { name: 'estimated', estimatedCost: 1 },
      { parallel: [{ name: 'guessed' }, { name: 'never' }] },
    ];
    await on.database.records.update(
      'campaigns',
      {
        config: { overlap: 'allow', steps, budget: { daily: 5 } },
        schedule_timezone: 'Europe/Berlin',
        version: 7,
      },
      [{ column: 'id', op: 'eq', value: campaignId }],
    );
    const before = await on.started(campaignId);
    const settle = async (name: string, amounts: (number | null)[]) => {
      for (const [at, amount] of amounts.entries()) {
        const key = `${before}/${name}/${at}`;
        const about = { key, campaign_id: campaignId, run_id: before, step_name: name, at: later(at) };
        await on.call('budget_reserve', { p_requests: [{ ...about, amount: 50, periods: [] }] });
        await on.call('budget_settle', { p_items: [{ key, amount, at: later(at) }] });
      }
    };
    // The dearest is not among the last twenty.
    await settle('dear', [900, ...times(19, (at) => 100 + at), 300]);
    await settle('estimated', [77]);
    // Unknown costs, and attempts that cost nothing, say nothing.
    await settle('guessed', [null, 0]);
    const [claimed] = await claimAll([await on.started(campaignId)]);
    expect(claimed).toMatchObject({
      campaign: { version: 7, timezone: 'Europe/Berlin', budget: { daily: 5 } },
      history: { dear: 300, guessed: null, never: null },
      steps: [],
    });
    expect(Object.keys((claimed as ClaimedRun).history).toSorted()).toEqual(['dear', 'guessed', 'never']);
  });
});

describe('workers that claim the same runs at once', () => {
  test('get each run once between them', async () => {
    const campaignId = await on.campaign('allow');
    const ids = await Promise.all(times(60, () => on.started(campaignId)));
    const lists = times(6, (worker) => ids.toSorted(() => (worker % 2 === 0 ? 1 : -1) * (Math.random() - 0.5)));
    const got = await Promise.all(lists.map((list, worker) => claimAll(list.slice(0, 50), `worker-${worker}`)));
    const taken = got.flatMap((claimed) => claimed.map(({ run }) => run.id));
    expect(new Set(taken).size).toBe(taken.length);
    expect(taken.toSorted()).toEqual([...new Set(lists.flatMap((list) => list.slice(0, 50)))].toSorted());
    for (const [worker, claimed] of got.entries())
      for (const { run } of claimed)
        expect(await on.run(run.id)).toMatchObject({ claimed_by: `worker-${worker}`, epoch: 1 });
    expect(await on.deadlocks()).toBe(0);
  });

  test('from one process share a statement, and one that asks for a run that is being asked for gets none', async () => {
    const campaignId = await on.campaign('allow');
    const ids = await Promise.all(times(5, () => on.started(campaignId)));
    const sent: string[][] = [];
    const records = Object.assign(Object.create(on.database.records) as typeof on.database.records, {
      call: (name: string, args: Record<string, unknown>) => {
        sent.push(args['p_run_ids'] as string[]);
        return on.call(name, args);
      },
    });
    const claims = new Claims({ records, clock: new TestClock(AT), worker: 'one', validMs: LEASE_MS });
    const answers = await Promise.all([...ids, ids[0] as string].map((id) => claims.take(id)));
    expect(answers.map((claimed) => claimed?.run.id ?? null)).toEqual([...ids, null]);
    expect(sent).toEqual([ids]);
    expect(await claims.take(ids[0] as string)).toBeNull();
  });
});

test('a write that is repeated while the first try of it is about to commit waits for that and is not written again', async () => {
  const { runId, campaignId, epoch, seq } = await on.heldRun();
  const entry: JournalEntry = {
    run_id: runId,
    campaign_id: campaignId,
    epoch,
    at: AT,
    after_seq: seq,
    events: [{ type: 'step.completed', data: {} }],
  };
  const names = Object.keys(journalArguments([entry]));
  const text = `select journal_write(${names.map((name, at) => `${name} => $${at + 1}`).join(', ')}) as answer`;
  const values = (written: JournalEntry) =>
    Object.values(journalArguments([written])).map((list) => JSON.stringify(list));
  const first = await on.database.pool.connect();
  await first.query('begin');
  await first.query(text, values(entry));
  const second = on.database.pool.query<{ answer: unknown }>(text, values({ ...entry, again: true }));
  const waiting =
    "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database() and query like 'select journal_write%'";
  // Over another connection: within a transaction the view shows what it showed first.
  while ((await on.database.pool.query(waiting)).rowCount === 0) await new Promise((resolve) => setImmediate(resolve));
  await first.query('commit');
  first.release();
  expect((await second).rows[0]?.answer).toEqual([{ i: 1, seq: 2 }]);
  expect(await on.eventsOf(runId)).toEqual(['1 run.queued', '2 step.completed']);
});
