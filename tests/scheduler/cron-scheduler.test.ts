import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Records } from '../../database/records.ts';
import type { CronScheduler } from '../../scheduler/cron-scheduler.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { SchedulerBench } from './bench.ts';

let records: TestRecords;
let bench: SchedulerBench;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  bench = new SchedulerBench(records, '2026-01-05T08:30:00.000Z');
});
afterAll(() => records.close());

const HOUR = 3_600_000;

describe('a campaign that is due', () => {
  test('fires once at its time and moves on to the next', async () => {
    const { id } = await bench.campaign();
    bench.clock.set('2026-01-05T08:59:59.999Z');
    expect(await bench.scheduler.runOnce()).toBe(0);
    bench.clock.set('2026-01-05T09:00:00.400Z');
    expect(await bench.scheduler.runOnce()).toBe(1);
    expect(await bench.scheduler.runOnce()).toBe(0);
    const [fire] = await bench.fires(id);
    expect(fire).toMatchObject({ outcome: 'ran', scheduled_for: '2026-01-05T09:00:00.000Z', reason: null });
    const runs = await records.select('campaign_runs');
    expect(runs).toMatchObject([
      {
        id: fire?.run_id,
        trigger: 'schedule',
        scheduled_for: '2026-01-05T09:00:00.000Z',
        status: 'queued',
        steps_total: 3,
      },
    ]);
    expect(bench.enqueued).toEqual([fire?.run_id]);
    expect(await bench.row(id)).toMatchObject({
      next_run_at: '2026-01-05T10:00:00.000Z',
      due_at: '2026-01-05T10:00:00.000Z',
    });
    expect(bench.said('fire.ran')).toMatchObject([{ campaignId: id, runId: fire?.run_id }]);
  });

  test('fires once when two schedulers tick at the same moment', async () => {
    const campaigns = [await bench.campaign(), await bench.campaign(), await bench.campaign()];
    const other = bench.makeScheduler();
    bench.clock.set('2026-01-05T09:00:00.000Z');
    const handled = await Promise.all([bench.scheduler.runOnce(), other.runOnce()]);
    expect(handled[0] + handled[1]).toBe(3);
    for (const { id } of campaigns) expect(await bench.told(id)).toEqual(['09:00 ran']);
    expect(new Set(bench.enqueued).size).toBe(3);
    expect(bench.enqueued).toHaveLength(3);
  });

  test('waits for its jitter, and its fire tells both times', async () => {
    const { id, due_at } = await bench.campaign({ jitter: 600_000 });
    const due = Date.parse(due_at ?? '');
    expect(due).toBeGreaterThan(Date.parse('2026-01-05T09:00:01Z'));
    bench.clock.set(due - 1);
    expect(await bench.scheduler.runOnce()).toBe(0);
    bench.clock.set(due);
    expect(await bench.scheduler.runOnce()).toBe(1);
    expect(await bench.fires(id)).toMatchObject([{ scheduled_for: '2026-01-05T09:00:00.000Z', effective_for: due_at }]);
  });

  test('is not held up by another whose schedule cannot be followed', async () => {
    const broken = await bench.campaign();
    await records.update(
      'campaigns',
      {
        config: {
          ...broken.config,
          schedule: { cron: '0 * * * *', timezone: 'Mars/Olympus', jitter: 0, enabled: true },
        },
      },
      [{ column: 'id', op: 'eq', value: broken.id }],
    );
    const { id } = await bench.campaign();
    bench.clock.set('2026-01-05T09:00:00.000Z');
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 ran']);
    expect(await bench.row(broken.id)).toMatchObject({ status: 'error', due_at: null });
  });

  test('fires on when its run cannot be put into the queue', async () => {
    const { id } = await bench.campaign();
    const scheduler = bench.makeScheduler({ enqueue: () => Promise.reject(new Error('queue away')) });
    bench.clock.set('2026-01-05T09:00:00.000Z');
    expect(await scheduler.runOnce()).toBe(1);
    expect(await bench.told(id)).toEqual(['09:00 ran']);
  });

  test('does not fire when it was removed', async () => {
    const { id } = await bench.campaign({}, { deleted_at: '2026-01-05T08:40:00.000Z' });
    bench.clock.set('2026-01-05T09:00:00.000Z');
    expect(await bench.scheduler.runOnce()).toBe(0);
    expect(await bench.told(id)).toEqual([]);
  });

  test('is found among more than a page of them, and it is told for how long there are so many', async () => {
    const told: [boolean, number][] = [];
    const scheduler = bench.makeScheduler({ onCrowd: (crowded) => told.push([crowded, bench.seen.length]) });
    await Promise.all(Array.from({ length: 1_100 }, () => bench.campaign()));
    bench.clock.set('2026-01-05T09:00:00.000Z');
    expect(await scheduler.runOnce()).toBe(1_100);
    expect(await records.count('campaign_runs')).toBe(1_100);
    expect([told[0], told.at(-1)]).toEqual([
      [true, 0],
      [false, bench.seen.length],
    ]);
    await scheduler.runOnce();
    expect(told.at(-1)?.[0]).toBe(false);
  }, 60_000);
});

test('a campaign that somebody else is just changing is fired in the same tick, when it is free', async () => {
  const [held, free] = [await bench.campaign(), await bench.campaign()];
  const scheduler = bench.makeScheduler({ records: answering(records, new Set([held.id]), { held: true }) });
  bench.clock.set('2026-01-05T09:00:00.000Z');
  expect(await scheduler.runOnce()).toBe(2);
  expect(await bench.told(held.id)).toEqual(['09:00 ran']);
  expect(await bench.told(free.id)).toEqual(['09:00 ran']);
  expect(bench.enqueued).toHaveLength(2);
});

describe('campaigns that cannot be fired', () => {
  test('hold up none of those behind them, come again, and are no crowd when they do', async () => {
    const told: boolean[] = [];
    const broken = new Set<string>();
    const scheduler = bench.makeScheduler({
      // As a database does that finds something wrong with them.
      records: answering(records, broken, { error: 'refused', state: 'XX000' }),
      onCrowd: (crowded) => told.push(crowded),
    });
    const many = await Promise.all(Array.from({ length: 1_010 }, () => bench.campaign()));
    // All are due at the same time, so that the page goes by their ids.
    const ids = many.map((row) => row.id).toSorted();
    for (const id of ids.slice(0, 1_005)) broken.add(id);
    bench.clock.set('2026-01-05T09:00:00.000Z');
    expect(await scheduler.runOnce()).toBe(5);
    expect(told).toEqual([true, false]);
    bench.clock.set('2026-01-05T09:00:01.000Z');
    expect(await scheduler.runOnce()).toBe(0);
    expect(told).toEqual([true, false, false]);
    broken.clear();
    bench.clock.set('2026-01-05T09:00:02.000Z');
    expect(await scheduler.runOnce()).toBe(1_005);
    expect(await records.count('campaign_runs')).toBe(1_010);
  }, 60_000);
});

describe('after the service was away', () => {
  test.each([
    ['last', ['09:00 skipped superseded', '10:00 skipped superseded', '11:00 caught_up']],
    ['none', ['09:00 skipped expired', '10:00 skipped expired', '11:00 skipped expired']],
    ['all', ['09:00 caught_up', '10:00 caught_up', '11:00 caught_up']],
  ] as const)('catchUp %j gives %j', async (catchUp, expected) => {
    const { id } = await bench.campaign({ catchUp, catchUpWindow: 5 * HOUR }, { overlap: 'allow' });
    bench.clock.set('2026-01-05T11:40:00.000Z');
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(expected);
    expect(await bench.row(id)).toMatchObject({ next_run_at: '2026-01-05T12:00:00.000Z' });
    const caughtUp = expected.filter((line) => line.endsWith('caught_up')).length;
    expect(bench.said('fire.caught_up')).toHaveLength(caughtUp);
    expect(bench.enqueued).toHaveLength(caughtUp);
    const runs = await records.select('campaign_runs');
    expect(runs.every((run) => run.trigger === 'catch_up')).toBe(true);
  });

  test('expired times are a decision on record, with their number', async () => {
    const { id } = await bench.campaign({ catchUp: 'none' });
    bench.clock.set('2026-01-05T11:40:00.000Z');
    await bench.scheduler.runOnce();
    expect(bench.said('fire.skipped')).toMatchObject([{ campaignId: id, reason: 'expired', count: 3 }]);
    expect(await records.select('agent_decisions')).toMatchObject([
      {
        agent: 'scheduler',
        action: 'skip_fire',
        campaign_id: id,
        confidence: 1,
        evidence: { reason: 'expired', count: 3 },
      },
    ]);
  });

  test('for years, an every-minute campaign leaves a thousand rows', async () => {
    const { id } = await bench.campaign({ cron: '* * * * *' });
    bench.clock.set('2029-01-05T09:00:00.000Z');
    await bench.scheduler.runOnce();
    const fires = await bench.fires(id);
    expect(fires).toHaveLength(1_000);
    expect(fires[0]?.missed_count).toBeGreaterThan(1_500_000);
  }, 60_000);
});

describe('while an earlier run is active', () => {
  async function secondFire(overlap: 'skip' | 'queue' | 'allow' | 'cancel_previous') {
    const { id } = await bench.campaign({}, { overlap });
    bench.clock.set('2026-01-05T09:00:00.000Z');
    await bench.scheduler.runOnce();
    bench.clock.set('2026-01-05T10:00:00.000Z');
    await bench.scheduler.runOnce();
    return { id, runs: await records.select('campaign_runs', { order: [{ column: 'id' }] }) };
  }

  test('"skip" starts nothing and the fire says which run was in the way', async () => {
    const { id, runs } = await secondFire('skip');
    expect(runs).toHaveLength(1);
    expect(await bench.told(id)).toEqual(['09:00 ran', '10:00 skipped overlap']);
    const [, skipped] = await bench.fires(id);
    expect(skipped?.detail).toContain(runs[0]?.id);
    expect(bench.said('fire.skipped')).toMatchObject([{ campaignId: id, reason: 'overlap', count: 1 }]);
    expect(await records.select('agent_decisions')).toMatchObject([
      { campaign_id: id, evidence: { reason: 'overlap' } },
    ]);
    await bench.endRuns();
    bench.clock.set('2026-01-05T11:00:00.000Z');
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 ran', '10:00 skipped overlap', '11:00 ran']);
  });

  test('"queue" starts one that waits', async () => {
    const { runs } = await secondFire('queue');
    expect(runs).toMatchObject([{ status: 'queued' }, { status: 'queued', waits_for_earlier: true }]);
  });

  test('"queue" lets a hundred wait and then says that the line is full', async () => {
    const { id } = await bench.campaign(
      { cron: '* * * * *', catchUp: 'all', catchUpWindow: 3 * HOUR },
      { overlap: 'queue' },
    );
    bench.clock.set('2026-01-05T10:30:30.000Z');
    await bench.scheduler.runOnce();
    expect(await records.count('campaign_runs')).toBe(100);
    expect((await bench.fires(id)).at(-1)).toMatchObject({
      outcome: 'skipped',
      reason: 'queue_full',
      detail: '100 runs were waiting already',
    });
  });

  test('"allow" starts one beside it', async () => {
    const { runs } = await secondFire('allow');
    expect(runs).toMatchObject([{ waits_for_earlier: false }, { waits_for_earlier: false }]);
  });

  test('"cancel_previous" asks the earlier one to stop', async () => {
    const { runs } = await secondFire('cancel_previous');
    expect(runs[0]?.cancel_requested_at).toBe('2026-01-05T10:00:00.000Z');
    expect(runs[1]).toMatchObject({ status: 'queued', cancel_requested_at: null });
  });
});

describe('a paused campaign', () => {
  test('leaves a row for each time, and no decision when a person paused it', async () => {
    const { id } = await bench.campaign({}, { status: 'paused', paused_by: 'operator' });
    for (const time of ['09', '10']) {
      bench.clock.set(`2026-01-05T${time}:00:00.000Z`);
      await bench.scheduler.runOnce();
    }
    expect(await bench.told(id)).toEqual(['09:00 skipped paused', '10:00 skipped paused']);
    expect(await records.count('campaign_runs')).toBe(0);
    expect(await records.count('agent_decisions')).toBe(0);
  });

  const budgetPause = {
    status: 'paused',
    paused_by: 'budget',
    status_reason: 'The daily budget is used up.',
    resume_at: '2026-01-05T10:30:00.000Z',
  } as const;

  test('goes on by itself when its budget turns, with a message, and fires nothing of the pause', async () => {
    const told: unknown[] = [];
    const scheduler = bench.makeScheduler({
      onResumed: (resumed) => {
        told.push(resumed);
        return [
          {
            id: newId(),
            dedupe_key: `resumed/${resumed.campaign.id}/${resumed.resumeAt}`,
            kind: 'budget.resumed',
            notifier: 'email',
            recipient: 'a@example.com',
            campaign_id: resumed.campaign.id,
            run_id: null,
            facts: {},
          },
        ];
      },
    });
    const { id } = await bench.campaign({}, budgetPause);
    bench.clock.set('2026-01-05T10:45:00.000Z');
    await scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 skipped budget', '10:00 skipped budget']);
    expect(await bench.row(id)).toMatchObject({
      status: 'active',
      paused_by: null,
      resume_at: null,
      status_reason: null,
      next_run_at: '2026-01-05T11:00:00.000Z',
    });
    expect(bench.said('campaign.resumed')).toMatchObject([{ campaignId: id, by: 'budget' }]);
    expect(told).toMatchObject([{ reason: 'The daily budget is used up.', resumeAt: budgetPause.resume_at }]);
    expect(await records.select('notifications')).toMatchObject([{ kind: 'budget.resumed', status: 'pending' }]);
    expect(await records.count('campaign_runs')).toBe(0);
    bench.clock.set('2026-01-05T11:00:00.000Z');
    await scheduler.runOnce();
    expect((await bench.told(id)).at(-1)).toBe('11:00 ran');
  });

  test('runs the time at which its budget turns', async () => {
    const { id } = await bench.campaign({}, { ...budgetPause, resume_at: '2026-01-05T10:00:00.000Z' });
    bench.clock.set('2026-01-05T10:00:00.700Z');
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 skipped budget', '10:00 ran']);
    expect(await bench.row(id)).toMatchObject({ status: 'active' });
  });

  test('stays paused by a person whatever the budget says', async () => {
    const { id } = await bench.campaign({}, { ...budgetPause, paused_by: 'operator', resume_at: null });
    bench.clock.set('2026-01-06T10:00:00.000Z');
    await bench.scheduler.runOnce();
    expect(await bench.row(id)).toMatchObject({ status: 'paused' });
  });
});

describe('when the database is away during a tick', () => {
  /** The records with a switch that takes them away. */
  function fragile(): { away: boolean; records: Records } {
    const state = {
      away: false,
      records: new Proxy<Records>(records, {
        get(target, name) {
          const member: unknown = Reflect.get(target, name, target);
          if (typeof member !== 'function') return member;
          return (...args: unknown[]) =>
            state.away
              ? Promise.reject(new DatabaseUnavailableError(new Error('connection refused')))
              : (Reflect.apply(member, target, args) as unknown);
        },
      }),
    };
    return state;
  }

  async function ticks(scheduler: CronScheduler, ...times: string[]): Promise<number[]> {
    const handled: number[] = [];
    for (const time of times) {
      bench.clock.set(`2026-01-05T${time}Z`);
      handled.push(await scheduler.runOnce());
    }
    return handled;
  }

  test('the tick gives up, and the first one after catches up', async () => {
    const { id } = await bench.campaign();
    const database = fragile();
    const scheduler = bench.makeScheduler({ records: database.records });
    database.away = true;
    expect(await ticks(scheduler, '08:59:59', '09:00:00', '09:00:01')).toEqual([0, 0, 0]);
    database.away = false;
    expect(await ticks(scheduler, '09:00:30', '09:00:31')).toEqual([1, 0]);
    expect(await bench.told(id)).toEqual(['09:00 ran']);
  });
});

test('ticks by itself once a second and stops when told', async () => {
  const { id } = await bench.campaign();
  bench.clock.set('2026-01-05T09:00:00.000Z');
  const fired = new Promise((resolve) =>
    bench.events.subscribe((event) => event.type === 'fire.ran' && resolve(event)),
  );
  bench.scheduler.start();
  await fired;
  await bench.scheduler.stop();
  expect(await bench.told(id)).toEqual(['09:00 ran']);
});

/** Records that answer for these campaigns, when they are due, with this and do nothing. */
function answering(base: Records, which: ReadonlySet<string>, answer: object): Records {
  return Object.assign(Object.create(base) as Records, {
    select: base.select.bind(base),
    insert: base.insert.bind(base),
    async call(name: string, args: { p_items: { campaign_id: string }[] }) {
      if (name !== 'fire_due') return base.call(name, args as never);
      const fit = args.p_items.filter((item) => !which.has(item.campaign_id));
      const answers = fit.length === 0 ? [] : await base.call<object[]>(name, { ...args, p_items: fit });
      return args.p_items.map(({ campaign_id: id }) => (which.has(id) ? answer : answers.shift()));
    },
  });
}
