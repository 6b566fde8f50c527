import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { JsonObject } from '../../database/tables.ts';
import { CampaignControl } from '../../scheduler/campaign-control.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { SchedulerBench } from './bench.ts';
import { testEnvironment } from './environment.ts';

let records: TestRecords;
let bench: SchedulerBench;
let control: CampaignControl;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  bench = new SchedulerBench(records, '2026-01-05T08:30:00.000Z');
  control = new CampaignControl({ records, clock: bench.clock, events: bench.events, environment: testEnvironment() });
});
afterAll(() => records.close());

function definition(more: JsonObject = {}): JsonObject {
  return {
    name: 'Weekly restaurants',
    schedule: { cron: '0 * * * *', timezone: 'UTC', enabled: true },
    steps: [{ name: 'find', engine: 'prospecting', params: {} }],
    ...more,
  };
}

async function tickAt(time: string): Promise<void> {
  bench.clock.set(`2026-01-05T${time}Z`);
  await bench.scheduler.runOnce();
}

describe('creating', () => {
  test('stores the definition with its next fire', async () => {
    const projectId = newId();
    const row = await control.create(definition({ description: 'every hour', metadata: { project_id: projectId } }));
    expect(row).toMatchObject({
      name: 'Weekly restaurants',
      description: 'every hour',
      status: 'active',
      schedule_cron: '0 * * * *',
      schedule_timezone: 'UTC',
      next_run_at: '2026-01-05T09:00:00.000Z',
      due_at: '2026-01-05T09:00:00.000Z',
      project_id: projectId,
      version: 1,
    });
    expect(await control.get(row.id)).toEqual(row);
    expect(bench.said('campaign.changed')).toMatchObject([{ campaignId: row.id, change: 'created' }]);
  });

  test('takes a project id only when it is one', async () => {
    const row = await control.create(definition({ metadata: { project_id: 'uuid-here' } }));
    expect(row.project_id).toBeNull();
    expect(row.config['metadata']).toEqual({ project_id: 'uuid-here' });
  });

  test('has no next fire without a schedule, or with one that is switched off', async () => {
    const { schedule: _, ...bare } = definition();
    expect(await control.create(bare)).toMatchObject({ schedule_cron: null, next_run_at: null, due_at: null });
    const off = await control.create(definition({ schedule: { cron: '@daily', timezone: 'UTC', enabled: false } }));
    expect(off).toMatchObject({ schedule_cron: '@daily', next_run_at: null, due_at: null });
  });

  test('refuses a definition with problems and stores nothing', async () => {
    await expect(control.create({ name: '' })).rejects.toBeInstanceOf(ValidationError);
    expect(await records.count('campaigns')).toBe(0);
  });
});

describe('replacing', () => {
  test('takes effect at once: another schedule counts from now', async () => {
    const { id } = await control.create(definition());
    await control.replace(id, definition({ schedule: '*/5 * * * *', name: 'Often' }));
    expect(await control.get(id)).toMatchObject({ name: 'Often', next_run_at: '2026-01-05T08:35:00.000Z', version: 2 });
    await tickAt('08:35:00');
    expect(await bench.told(id)).toEqual(['08:35 ran']);
  });

  test('keeps the next fire, even one that is due, while the schedule is the same', async () => {
    const { id } = await control.create(definition());
    bench.clock.set('2026-01-05T09:00:00.300Z');
    await control.replace(id, definition({ description: 'edited at nine' }));
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 ran']);
  });

  test('tells of a time that was due under the old schedule, and does not fire it', async () => {
    const { id } = await control.create(definition());
    bench.clock.set('2026-01-05T09:00:00.300Z');
    await control.replace(id, definition({ schedule: '30 * * * *' }));
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 skipped superseded']);
    expect(await control.get(id)).toMatchObject({ next_run_at: '2026-01-05T09:30:00.000Z' });
  });

  test('stops the schedule when it is switched off, and starts it again', async () => {
    const { id } = await control.create(definition());
    await control.replace(id, definition({ schedule: { cron: '0 * * * *', timezone: 'UTC', enabled: false } }));
    await tickAt('09:00:00');
    expect(await bench.told(id)).toEqual([]);
    bench.clock.set('2026-01-05T09:30:00.000Z');
    await control.replace(id, definition());
    await tickAt('10:00:00');
    expect(await bench.told(id)).toEqual(['10:00 ran']);
  });

  test('keeps id, totals and a pause', async () => {
    const { id } = await control.create(definition());
    await records.update('campaigns', { total_runs: 7, total_cost_micros: 1_500_000 }, [
      { column: 'id', op: 'eq', value: id },
    ]);
    await control.pause(id, 'holidays');
    const row = await control.replace(id, definition({ name: 'Other' }));
    expect(row).toMatchObject({ id, name: 'Other', total_runs: 7, status: 'paused', status_reason: 'holidays' });
  });

  test('changes nothing when the new definition has problems', async () => {
    const before = await control.create(definition());
    await expect(control.replace(before.id, { name: 1 })).rejects.toBeInstanceOf(ValidationError);
    expect(await control.get(before.id)).toEqual(before);
  });
});

describe('pausing and resuming', () => {
  test('never fires what passed in the pause', async () => {
    const { id } = await control.create(definition());
    await control.pause(id, 'holidays');
    await tickAt('09:00:00');
    bench.clock.set('2026-01-05T11:20:00.000Z');
    await control.resume(id);
    await bench.scheduler.runOnce();
    expect(await bench.told(id)).toEqual(['09:00 skipped paused', '10:00 skipped paused', '11:00 skipped paused']);
    expect(await control.get(id)).toMatchObject({ status: 'active', next_run_at: '2026-01-05T12:00:00.000Z' });
    await tickAt('12:00:00');
    expect((await bench.told(id)).at(-1)).toBe('12:00 ran');
    expect(await records.count('campaign_runs')).toBe(1);
  });

  test('a time that passed but waits for its jitter is past too', async () => {
    const { id } = await control.create(
      definition({ schedule: { cron: '0 * * * *', timezone: 'UTC', jitter: 1_800_000 } }),
    );
    await control.pause(id);
    bench.clock.set('2026-01-05T09:00:00.001Z');
    await control.resume(id);
    expect(await bench.told(id)).toEqual(['09:00 skipped paused']);
    expect(await control.get(id)).toMatchObject({ next_run_at: '2026-01-05T10:00:00.000Z' });
  });

  test('takes effect between two ticks of the same second', async () => {
    const { id } = await control.create(definition());
    bench.clock.set('2026-01-05T08:59:59.990Z');
    await control.pause(id);
    await tickAt('09:00:00');
    expect(await bench.told(id)).toEqual(['09:00 skipped paused']);
  });

  test('can be asked for twice', async () => {
    const { id } = await control.create(definition());
    const once = await control.pause(id, 'holidays');
    expect(once).toMatchObject({ status: 'paused', paused_by: 'operator', status_reason: 'holidays' });
    expect(await control.pause(id, 'again')).toEqual(once);
    const resumed = await control.resume(id);
    expect(resumed).toMatchObject({ status: 'active', paused_by: null, status_reason: null });
    expect(await control.resume(id)).toEqual(resumed);
    expect(bench.said('campaign.paused')).toHaveLength(1);
    expect(bench.said('campaign.resumed')).toHaveLength(1);
  });

  test('a budget pause ends by itself, unless a person pauses too', async () => {
    const { id } = await control.create(definition());
    const { id: other } = await control.create(definition());
    for (const campaign of [id, other])
      await records.update(
        'campaigns',
        {
          status: 'paused',
          paused_by: 'budget',
          status_reason: 'The daily budget is used up.',
          resume_at: '2026-01-05T10:00:00.000Z',
        },
        [{ column: 'id', op: 'eq', value: campaign }],
      );
    await control.pause(other, 'and by me');
    await tickAt('10:00:00');
    expect(await control.get(id)).toMatchObject({ status: 'active' });
    expect(await control.get(other)).toMatchObject({ status: 'paused', paused_by: 'operator', resume_at: null });
    expect(await bench.told(id)).toEqual(['09:00 skipped budget', '10:00 ran']);
  });
});

describe('a pause and runs that stand in line', () => {
  test('cancels them and lets the running one go on', async () => {
    const { id } = await control.create(definition({ overlap: 'queue' }));
    const runIds = [newId(), newId(), newId()];
    for (const runId of runIds)
      await records.call('start_run', {
        p_campaign_id: id,
        p_run: { id: runId, trigger: 'manual' },
        p_force: false,
        p_at: '2026-01-05T08:30:00.000Z',
      });
    await records.call('claim_run', {
      p_run_id: runIds[0],
      p_worker: 'one',
      p_now: '2026-01-05T08:30:00.000Z',
      p_lease_ms: 30_000,
    });
    await control.pause(id);
    const runs = await records.select('campaign_runs', { order: [{ column: 'id' }] });
    expect(runs.map((run) => run.status)).toEqual(['running', 'cancelled', 'cancelled']);
  });
});

describe('another budget for a campaign that sleeps for its budget', () => {
  const asleep = {
    status: 'paused',
    paused_by: 'budget',
    status_reason: 'The daily budget is used up.',
    resume_at: '2026-01-06T00:00:00.000Z',
  } as const;

  test('wakes it, and what passed meanwhile is not fired', async () => {
    const { id } = await control.create(definition({ budget: { daily: 1 } }));
    await records.update('campaigns', asleep, [{ column: 'id', op: 'eq', value: id }]);
    bench.clock.set('2026-01-05T09:30:00.000Z');
    const row = await control.replace(id, definition({ budget: { daily: 5 } }));
    expect(row).toMatchObject({ status: 'active', paused_by: null, resume_at: null, status_reason: null });
    expect(row.next_run_at).toBe('2026-01-05T10:00:00.000Z');
    expect(await bench.told(id)).toEqual(['09:00 skipped budget']);
  });

  test('is what wakes it: any other edit leaves it asleep', async () => {
    const { id } = await control.create(definition({ budget: { daily: 1 } }));
    await records.update('campaigns', asleep, [{ column: 'id', op: 'eq', value: id }]);
    const row = await control.replace(id, definition({ budget: { daily: 1 }, description: 'edited' }));
    expect(row).toMatchObject({ status: 'paused', paused_by: 'budget' });
  });
});

describe('removing', () => {
  test('stops future fires, cancels what has not begun, leaves what runs and keeps the history', async () => {
    const { id } = await control.create(definition({ overlap: 'allow' }));
    await tickAt('09:00:00');
    await tickAt('10:00:00');
    const [running, queued] = await records.select('campaign_runs', { order: [{ column: 'id' }] });
    await records.call('claim_run', {
      p_run_id: running?.id,
      p_worker: 'w',
      p_now: '2026-01-05T10:00:01Z',
      p_lease_ms: 30_000,
    });
    await control.remove(id);
    await tickAt('11:00:00');
    expect(await bench.told(id)).toEqual(['09:00 ran', '10:00 ran']);
    const runs = await records.select('campaign_runs', { order: [{ column: 'id' }] });
    expect(runs.map((run) => run.status)).toEqual(['running', 'cancelled']);
    expect(bench.said('run.finished')).toMatchObject([{ runId: queued?.id, status: 'cancelled' }]);
    await expect(control.get(id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(control.remove(id)).rejects.toBeInstanceOf(NotFoundError);
  });
});

test('unknown ids are not found, whatever they look like', async () => {
  for (const id of [newId(), 'nonsense', '', "'; drop table campaigns"]) {
    await expect(control.pause(id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(control.replace(id, definition())).rejects.toBeInstanceOf(NotFoundError);
  }
});

test('changes made at the same moment all come through', async () => {
  const { id, version } = await control.create(definition());
  await Promise.all([
    control.pause(id),
    control.replace(id, definition({ name: 'Other' })),
    control.replace(id, definition({ name: 'Other' })),
  ]);
  expect(await control.get(id)).toMatchObject({ status: 'paused', name: 'Other', version: version + 3 });
});

test('gives up with a conflict when others are always first', async () => {
  const { id } = await control.create(definition());
  const busy = new CampaignControl({
    records: new Proxy(records, {
      get: (target, name) =>
        name === 'update'
          ? () => Promise.resolve([])
          : (Reflect.get(target, name, target) as () => unknown).bind(target),
    }),
    clock: bench.clock,
    events: bench.events,
    environment: testEnvironment(),
  });
  await expect(busy.pause(id)).rejects.toMatchObject({ code: 'CAMPAIGN_BUSY', status: 409 });
  await expect(busy.pause(id)).rejects.toBeInstanceOf(ConflictError);
});
