import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Records, TableName } from '../../database/records.ts';
import type { BudgetEntryRow, RunRow, RunStatus } from '../../database/tables.ts';
import { Retention } from '../../scheduler/retention.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { loadConfig } from '../../shared/config.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

// Later than any machine's clock, so that ids made now are old.
const NOW = Date.parse('2090-06-15T12:00:00.000Z');
const DAY = 86_400_000;
const ago = (days: number) => iso(NOW - days * DAY);

let records: TestRecords;
let now: number;
let pauses: number;
let told: ServiceEvent[];
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  now = NOW;
  pauses = 0;
  told = [];
});
afterAll(() => records.close());

/** A clock on which every pause is over at once. */
const hasty: Clock = {
  now: () => now,
  sleep: async () => {
    pauses += 1;
  },
};

function retention(env: Record<string, string> = {}, over: Partial<{ records: Records; clock: Clock }> = {}) {
  const events = new EventBus();
  events.subscribe((event) => told.push(event));
  return new Retention({ records, clock: hasty, events, logger: silentLogger, config: loadConfig(env), ...over });
}

async function campaign(totals: object = {}): Promise<string> {
  const id = newId();
  await records.insert('campaigns', [{ id, name: 'Campaign', config: { steps: [] }, ...totals }]);
  return id;
}

/** A run that ended so many days ago, or is still going on (null), with a step, two events, a settled cost and a decision. */
async function run(campaignId: string, endedDaysAgo: number | null, more: Partial<RunRow> = {}): Promise<string> {
  const id = newId();
  const at = ago(endedDaysAgo ?? 1_000);
  const status: RunStatus = endedDaysAgo === null ? 'waiting' : 'completed';
  const row = { id, campaign_id: campaignId, trigger: 'manual' as const, definition: {}, created_at: at, event_seq: 2 };
  await records.insert('campaign_runs', [
    { ...row, status, completed_at: endedDaysAgo === null ? null : at, total_cost_micros: 5, ...more },
  ]);
  await records.insert('run_steps', [
    { run_id: id, name: 'find', position: 0, kind: 'prospecting', effect: 'repeatable', status: 'completed' },
  ]);
  await records.insert(
    'run_events',
    ['run.queued', 'run.finished'].map((type, index) => ({ run_id: id, seq: index + 1, type, occurred_at: at })),
  );
  await cost(campaignId, id, at, { spent_micros: 0 });
  await records.insert('agent_decisions', [
    { id: newId(), agent: 'a', action: 'b', run_id: id, decided_at: at, reasoning: 'because', confidence: 1 },
  ]);
  return id;
}

async function cost(campaignId: string, runId: string, at: string, more: Partial<BudgetEntryRow> = {}): Promise<void> {
  const entry = { key: `${runId}/find/${newId()}`, campaign_id: campaignId, run_id: runId, step_name: 'find' };
  await records.insert('budget_entries', [
    { ...entry, state: 'settled', held_micros: 5, spent_micros: 5, periods: [], created_at: at, ...more },
  ]);
}

async function message(runId: string | null, daysOld: number, status: 'pending' | 'sending' | 'sent' | 'failed') {
  const id = newId();
  await records.insert('notifications', [
    {
      id,
      dedupe_key: id,
      kind: 'run.failed',
      notifier: 'email',
      recipient: 'a@example.test',
      run_id: runId,
      facts: {},
      status,
      next_attempt_at: ago(daysOld),
      created_at: ago(daysOld),
    },
  ]);
  return id;
}

async function fire(campaignId: string, daysOld: number, runId: string | null = null): Promise<string> {
  const id = newId();
  const at = ago(daysOld);
  await records.insert('campaign_fires', [
    {
      id,
      campaign_id: campaignId,
      scheduled_for: at,
      effective_for: at,
      outcome: runId ? 'ran' : 'skipped',
      run_id: runId,
    },
  ]);
  return id;
}

const count = (table: TableName) => records.count(table);
const runIds = async () => (await records.select('campaign_runs', { order: [{ column: 'id' }] })).map((row) => row.id);

test('answered approvals and uses of tools go after their run, and stay while it is there', async () => {
  const campaignId = await campaign();
  const runId = await run(campaignId, 10);
  const at = ago(91);
  for (const [id, ofRun] of [
    [newId(), runId],
    [newId(), newId()],
  ] as const) {
    const about = { campaign_id: campaignId, run_id: ofRun, step_name: 'find', created_at: at, expires_at: at };
    const question = { kind: 'step', title: 'May it?', summary: 'May it?', subject: {} };
    await records.insert('approvals', [{ id, ...about, ...question, state: 'approved', decided_at: at }]);
    await records.insert('tool_calls', [
      {
        id,
        run_id: ofRun,
        step_name: 'find',
        tool: 'research',
        arguments: {},
        outcome: 'completed',
        result: {},
        duration_ms: 1,
        called_at: at,
      },
    ]);
  }
  expect(await retention().runOnce()).toEqual({ approvals: 1, tool_calls: 1 });
  expect(await records.select('approvals')).toMatchObject([{ run_id: runId }]);
  expect(await records.select('tool_calls')).toMatchObject([{ run_id: runId }]);
});

describe('runs', () => {
  test('go when they are old, with all that belongs to them, and leave the totals of their campaign', async () => {
    const totals = { total_runs: 12, total_cost_micros: 345, last_run_at: ago(91) };
    const campaignId = await campaign(totals);
    const old = await run(campaignId, 91);
    const young = await run(campaignId, 89);
    await fire(campaignId, 91, old);
    const sent = await message(old, 10, 'sent');
    expect(await retention().runOnce()).toMatchObject({ runs: 1 });
    expect(await runIds()).toEqual([young]);
    for (const table of ['run_steps', 'budget_entries', 'agent_decisions'] as const)
      expect([table, await count(table)]).toEqual([table, 1]);
    expect(await records.select('campaigns')).toMatchObject([totals]);
    expect(await records.select('campaign_fires')).toMatchObject([{ outcome: 'ran', run_id: null }]);
    expect(await records.select('notifications')).toMatchObject([{ id: sent, run_id: null }]);
    expect(told.map(({ type, facts }) => [type, facts])).toEqual([['records.pruned', { run_events: 4, runs: 1 }]]);
    expect(await retention().runOnce()).toEqual({});
    expect(told).toHaveLength(1);
  });

  test('lose their events earlier, and only when they have ended', async () => {
    const campaignId = await campaign();
    const old = await run(campaignId, 31);
    const young = await run(campaignId, 29);
    const waiting = await run(campaignId, null);
    expect(await retention().runOnce()).toEqual({ run_events: 2 });
    expect(await runIds()).toEqual([old, young, waiting]);
    expect(new Set((await records.select('run_events')).map((event) => event.run_id))).toEqual(
      new Set([young, waiting]),
    );
    expect(await count('run_steps')).toBe(3);
  });

  type Need = [reason: string, make: (run: string, campaign: string) => Promise<unknown>, end: () => Promise<unknown>];
  const needs: Need[] = [
    [
      'somebody may still say what became of a step',
      (id) => records.update('run_steps', { status: 'unknown' }, [{ column: 'run_id', op: 'eq', value: id }]),
      () => records.update('run_steps', { status: 'failed' }, [{ column: 'status', op: 'eq', value: 'unknown' }]),
    ],
    [
      'a run that repeats them is there',
      (id, campaignId) => run(campaignId, 1, { retry_of: id }),
      () => records.update('campaign_runs', { retry_of: null }, [{ column: 'retry_of', op: 'is_not', value: null }]),
    ],
    [
      'they hold money',
      (id, campaignId) => cost(campaignId, id, ago(100), { state: 'held', spent_micros: 0 }),
      () => records.update('budget_entries', { state: 'settled' }, [{ column: 'state', op: 'eq', value: 'held' }]),
    ],
    [
      'a message about them is to be sent',
      (id) => message(id, 100, 'pending'),
      () => records.update('notifications', { status: 'sent' }, [{ column: 'status', op: 'eq', value: 'pending' }]),
    ],
    [
      'the expected cost of a step is learned from them',
      (id, campaignId) => cost(campaignId, id, ago(100)),
      () => records.update('campaigns', { deleted_at: ago(0) }, [{ column: 'deleted_at', op: 'is', value: null }]),
    ],
  ];
  test.each(needs)('stay while %s', async (_, make, end) => {
    const campaignId = await campaign();
    const id = await run(campaignId, 100);
    await make(id, campaignId);
    expect(await retention().runOnce()).not.toHaveProperty('runs');
    await end();
    // Looked at again only after a day, so that what stays costs nothing.
    now += DAY / 2;
    expect(await retention().runOnce()).not.toHaveProperty('runs');
    now += DAY / 2 + 1;
    expect(await retention().runOnce()).toMatchObject({ runs: 1 });
    expect(await runIds()).not.toContain(id);
  });

  test('that hold the last 20 known costs of a step stay, however old', async () => {
    const campaignId = await campaign();
    for (let days = 130; days > 100; days -= 1) {
      const id = await run(campaignId, days);
      await cost(campaignId, id, ago(days), { spent_micros: days * 10 });
    }
    const history = () =>
      records.call('budget_step_history', { p_steps: [{ campaign_id: campaignId, step_name: 'find' }] });
    expect(await history()).toEqual([1_200]);
    expect(await retention().runOnce()).toMatchObject({ runs: 10 });
    expect(await history()).toEqual([1_200]);
    expect(await count('campaign_runs')).toBe(20);
  });
});

describe('what else grows old', () => {
  test('fires go by their nominal time, except those whose run goes on', async () => {
    const campaignId = await campaign();
    await fire(campaignId, 401);
    const kept = [await fire(campaignId, 399), await fire(campaignId, 500, await run(campaignId, null))];
    expect(await retention().runOnce()).toEqual({ fires: 1 });
    expect((await records.select('campaign_fires', { order: [{ column: 'id' }] })).map((row) => row.id)).toEqual(kept);
  });

  test('decisions that concern no run go with the fires that they explain', async () => {
    const made = { agent: 'scheduler', action: 'skip_fire', reasoning: 'overlap', confidence: 1 };
    await records.insert('agent_decisions', [
      { ...made, id: newId(), decided_at: ago(401) },
      { ...made, id: newId(), decided_at: ago(399) },
    ]);
    expect(await retention().runOnce()).toEqual({ decisions: 1 });
    expect(await records.select('agent_decisions')).toMatchObject([{ decided_at: ago(399) }]);
  });

  test('messages go when nothing more becomes of them, episodes when they are over', async () => {
    for (const status of ['pending', 'sending', 'sent', 'failed'] as const) await message(null, 91, status);
    await message(null, 89, 'sent');
    const campaign_id = await campaign();
    await records.insert(
      'alert_episodes',
      [ago(91), ago(89), null].map((closed_at, index) => ({
        campaign_id,
        key: `${index}`,
        opened_at: ago(100),
        notified_at: ago(100),
        closed_at,
      })),
    );
    expect(await retention().runOnce()).toEqual({ notifications: 2, alert_episodes: 1 });
    expect((await records.select('notifications')).map((row) => row.status).toSorted()).toEqual([
      'pending',
      'sending',
      'sent',
    ]);
    expect((await records.select('alert_episodes')).map((row) => row.key)).toEqual(['1', '2']);
  });

  const period = (days: number, more: object = {}) => {
    const key = { scope: 'global', period: 'day' as const, starts_on: ago(days).slice(0, 10) };
    return { counter: { ...key, ...more }, alert: { ...key, percent: 50, limit_micros: 2, spent_micros: 1 } };
  };

  test('counters of past periods go with their alerts, unless money is held in them', async () => {
    const periods = [period(500), period(499, { held_micros: 1 }), period(401), period(0)];
    await records.insert(
      'budget_periods',
      periods.map(({ counter }) => counter),
    );
    await records.insert(
      'budget_alerts',
      [periods[0], periods[3]].flatMap((each) => (each ? [{ ...each.alert, raised_at: ago(0) }] : [])),
    );
    expect(await retention().runOnce()).toEqual({ budget_periods: 1, budget_alerts: 1 });
    // The month that began 401 days ago ended less than 400 days ago.
    expect(
      (await records.select('budget_periods', { order: [{ column: 'starts_on' }] })).map((row) => row.starts_on),
    ).toEqual(periods.slice(1).map(({ counter }) => counter.starts_on));
  });

  test('counters stay that a run which has not ended may still charge', async () => {
    await records.insert('budget_periods', [period(990).counter, period(1_100).counter]);
    await run(await campaign(), null);
    expect(await retention().runOnce()).toEqual({ budget_periods: 1 });
    expect(await records.select('budget_periods')).toMatchObject([{ starts_on: ago(990).slice(0, 10) }]);
  });

  test('sessions go that nobody has written for 400 days', async () => {
    const session = (id: string, daysOld: number) => {
      return { namespace: 'agent', id, state: '{}', digest: 'd', updated_at: ago(daysOld) };
    };
    await records.insert('session_memory', [session('old', 401), session('young', 399)]);
    expect(await retention().runOnce()).toEqual({ sessions: 1 });
    expect((await records.select('session_memory')).map(({ id }) => id)).toEqual(['young']);
    expect(await retention({ RETENTION_SESSIONS_DAYS: '0' }).runOnce()).toEqual({});
    expect(await retention({ RETENTION_SESSIONS_DAYS: '30' }).runOnce()).toEqual({ sessions: 1 });
  });

  test('kept answers go after a day', async () => {
    await records.insert('idempotency_keys', [
      { key: 'old', request_hash: 'h', created_at: ago(1.01) },
      { key: 'young', request_hash: 'h', created_at: ago(0.99) },
    ]);
    expect(await retention().runOnce()).toEqual({ idempotency_keys: 1 });
  });
});

test('an age of 0 keeps records for ever', async () => {
  const campaignId = await campaign();
  await fire(campaignId, 30_000, await run(campaignId, 30_000));
  await message(null, 30_000, 'sent');
  const names = ['RUNS', 'EVENTS', 'FIRES', 'NOTIFICATIONS'];
  const forever = Object.fromEntries(names.map((name) => [`RETENTION_${name}_DAYS`, '0']));
  expect(await retention(forever).runOnce()).toEqual({});
  expect(await retention({ ...forever, RETENTION_RUNS_DAYS: '1' }).runOnce()).toEqual({ runs: 1 });
  expect(await count('campaign_fires')).toBe(1);
});

/** Records that count what each call of a function removed. */
function counting(batches: number[], fail: (name: string) => Error | null = () => null): Records {
  return new Proxy<Records>(records, {
    get: (target, name) =>
      name === 'call'
        ? async (called: string, args: Record<string, unknown>) => {
            const failure = fail(called);
            if (failure) throw failure;
            const removed = await target.call<number | null>(called, args);
            if (removed !== null) batches.push(removed);
            return removed;
          }
        : Reflect.get(target, name),
  });
}

describe('a round', () => {
  const keys = (many: number) =>
    records.insert(
      'idempotency_keys',
      Array.from({ length: many }, (_, index) => ({ key: `${index}`, request_hash: 'h', created_at: ago(2) })),
    );

  test('takes small batches and pauses after each', async () => {
    await keys(1_200);
    const batches: number[] = [];
    expect(await retention({}, { records: counting(batches) }).runOnce()).toEqual({ idempotency_keys: 1_200 });
    expect([batches, pauses]).toEqual([[500, 500, 200], 3]);
  });

  test('goes on past runs that are all needed', async () => {
    const campaignId = await campaign();
    for (let index = 0; index < 60; index += 1) {
      const id = await run(campaignId, 100);
      if (index < 55) await message(id, 1, 'pending');
    }
    const batches: number[] = [];
    expect(await retention({ RETENTION_EVENTS_DAYS: '0' }, { records: counting(batches) }).runOnce()).toEqual({
      runs: 5,
    });
    expect(batches).toEqual([0, 5]);
  });

  test('is not hindered by one kind that fails, but ends with a database that is away', async () => {
    await keys(1);
    const refused = counting([], (name) => (name === 'prune_runs' ? new Error('refused') : null));
    expect(await retention({}, { records: refused }).runOnce()).toEqual({ idempotency_keys: 1 });
    await keys(1);
    const away = counting([], (name) => (name === 'prune_runs' ? new DatabaseUnavailableError(null) : null));
    await expect(retention({}, { records: away }).runOnce()).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(await count('idempotency_keys')).toBe(1);
  });

  test('comes three minutes after the start and then once an hour, and a stop ends it after its batch', async () => {
    await keys(1_200);
    const clock = new TestClock(NOW);
    const batches: number[] = [];
    const passed = async (want: number) => {
      while (batches.length < want) await new Promise((resolve) => setImmediate(resolve));
      await clock.untilSleeping();
    };
    const service = retention({}, { records: counting(batches), clock });
    service.start();
    await clock.advance(179_000);
    expect(batches).toEqual([]);
    await clock.advance(1_000);
    await passed(1);
    await clock.advance(250);
    await passed(2);
    expect(batches).toEqual([500, 500]);
    await service.stop();
    expect([batches, clock.sleeping]).toEqual([[500, 500], 0]);
  });
});
