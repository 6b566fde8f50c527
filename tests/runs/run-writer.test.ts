import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { RecordsError } from '../../database/records.ts';
import type { JsonObject } from '../../database/tables.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { intercepted, type Interceptor } from '../support/intercept.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { scriptedEngine, type Script, type ScriptedEngine } from '../support/scripted-engine.ts';

let records: TestRecords;
let engine: ScriptedEngine;
let clock: TestClock;
let scripts: Record<string, Script>;
const opened: Harness[] = [];

beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());

beforeEach(async () => {
  scripts = {
    '/api/prospect': () => ({ success: true, data: { saved: 20, found: 25, cost: 0.5 } }),
    '/api/analyze': () => ({ success: true, summary: { successful: 18, totalCost: 0.9 } }),
    '/api/compose-batch': () => ({ success: true, result: { processed_leads: 12, total_cost: 0.3 } }),
    '/api/send-batch': () => ({ success: true, results: { sent: ['a', 'b', 'c'], failed: [], skipped: [] } }),
  };
  engine = await scriptedEngine(scripts);
  clock = new TestClock('2026-03-02T09:00:00.000Z');
});
afterEach(async () => {
  for (const harness of opened.splice(0)) await harness.close();
  await engine.close();
  await records.truncate();
});

/** One `journal_write` as it was called. */
interface Write {
  runs: JsonObject[];
  steps: JsonObject[];
  events: string[];
  begins: string[];
  charges: JsonObject[];
}

function writeOf(args: Record<string, unknown>): Write {
  const list = (name: string) => args[name] as JsonObject[];
  return {
    runs: list('p_runs'),
    steps: list('p_steps'),
    events: list('p_events').map((event) => String(event['type'])),
    begins: list('p_begins').map((begin) => String(begin['name'])),
    charges: list('p_charges'),
  };
}

/** A worker whose writes are looked at before they are made: whatever `look` returns is waited for, or thrown. */
function worker(look: (write: Write, number: number) => void | Promise<void> = () => undefined, name = 'one') {
  const writes: Write[] = [];
  return workerOver(async (fn, args, next) => {
    if (fn !== 'journal_write') return next();
    const write = writeOf(args);
    writes.push(write);
    await look(write, writes.length);
    return next();
  }, name).with({ writes });
}

function workerOver(interceptor: Interceptor, name: string) {
  const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
  const harness = new Harness({ records: intercepted(records, interceptor), clock, engines, worker: name });
  opened.push(harness);
  return { with: <More extends object>(more: More) => ({ harness, ...more }) };
}

const ALL: JsonObject[] = [
  { name: 'prospecting', engine: 'prospecting' },
  { name: 'analysis', engine: 'analysis' },
  { name: 'compose', engine: 'outreach' },
  { name: 'send', engine: 'sender' },
];
const campaign = (steps: JsonObject[] = ALL, more: JsonObject = {}): JsonObject => ({
  name: 'Weekly',
  steps: steps.map((step) => ({ retry: { attempts: 1, delay: 0 }, ...step })),
  ...more,
});
const asked = () => engine.requests.map((request) => request.path);
const ends = (step: string) => (write: Write) =>
  write.steps.some((row) => row['name'] === step && row['status'] === 'completed');
const byId = (id: string) => [{ column: 'run_id', op: 'eq', value: id }] as const;
const spent = async () =>
  (await records.select('budget_periods', { where: [{ column: 'period', op: 'eq', value: 'day' }] })).map(
    ({ spent_micros, held_micros }) => ({ spent: spent_micros, held: held_micros }),
  );

describe('the writes of one run', () => {
  test('the end of a step and the beginning of the next one are one commit', async () => {
    const { harness, writes } = worker();
    const { id } = await harness.createCampaign(campaign());
    const { run } = await harness.runToEnd(id);
    expect(run.status).toBe('completed');
    expect(writes.map((write) => write.events)).toEqual([
      ['step.started'],
      ['step.completed', 'step.started'],
      ['step.completed', 'step.started'],
      ['step.completed', 'step.started'],
      // The send, which must not be done twice, has its end to itself.
      ['step.completed'],
      ['run.finished'],
    ]);
  });

  test('money is held and charged in those same commits, and nothing else is called', async () => {
    const calls: string[] = [];
    const { harness } = workerOver((name, _, next) => {
      calls.push(name);
      return next();
    }, 'one').with({});
    const { id } = await harness.createCampaign(campaign(ALL.slice(0, 2), { budget: { daily: 5 } }));
    await harness.runToEnd(id);
    expect(calls).toEqual(['start_run', 'claim_runs', 'journal_write', 'journal_write', 'journal_write']);
    expect(await spent()).toEqual([{ spent: 1_400_000, held: 0 }]);
  });

  test('no engine is asked before the beginning of the attempt is committed', async () => {
    const reached = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const { harness } = worker(async (write) => {
      if (!write.begins.includes('analysis')) return;
      reached.resolve();
      await commit.promise;
    });
    const { id } = await harness.createCampaign(campaign());
    const running = harness.runToEnd(id);
    await reached.promise;
    // A round trip over the same loopback: whatever was on its way would have come before it.
    await fetch(`${engine.url}/round-trip`);
    expect(asked()).toEqual(['/api/prospect', '/round-trip']);
    commit.resolve();
    expect((await running).run.status).toBe('completed');
  });

  test('the end of a send is committed before anything else happens', async () => {
    const reached = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const { harness, writes } = worker(async (write) => {
      if (!ends('send')(write)) return;
      reached.resolve();
      await commit.promise;
    });
    const { id } = await harness.createCampaign(campaign([{ name: 'send', engine: 'sender' }, ...ALL.slice(0, 1)]));
    const running = harness.runToEnd(id);
    await reached.promise;
    expect(writes.at(-1)).toMatchObject({ begins: [], events: ['step.completed'], runs: [] });
    await fetch(`${engine.url}/round-trip`);
    expect(asked()).toEqual(['/api/send-batch', '/round-trip']);
    commit.resolve();
    expect((await running).run.status).toBe('completed');
  });
});

describe('a record that the database refuses', () => {
  const refuse = (step: string) => (write: Write) => {
    if (ends(step)(write)) throw new RecordsError('22P05', 'no such character');
  };
  const told = { onFailure: { email: 'ops@example.com', slack: false }, onComplete: { email: 'all@example.com' } };

  test.each([
    ['in the middle', 'prospecting', ALL.slice(0, 2)],
    ['at the end', 'analysis', ALL.slice(0, 2)],
  ])(
    'of a step that has ended, %s, fails the run: the step is failed, its money settled, somebody told',
    async (_, step, steps) => {
      const { harness } = worker(refuse(step));
      const { id } = await harness.createCampaign(
        campaign(
          steps.map((each) => ({ ...each, estimatedCost: 1 })),
          { notifications: told, budget: { daily: 50 } },
        ),
      );
      const { run, steps: rows } = await harness.runToEnd(id);
      expect(run).toMatchObject({ status: 'failed', status_reason: expect.stringContaining('no such character') });
      expect(rows.filter((row) => row.status === 'running')).toEqual([]);
      expect(rows.find((row) => row.name === step)).toMatchObject({
        status: 'failed',
        attempts: 1,
        error: { code: 'RECORDS_REFUSED' },
      });
      expect(asked()).toEqual(step === 'prospecting' ? ['/api/prospect'] : ['/api/prospect', '/api/analyze']);
      const entries = await records.select('budget_entries', { where: byId(run.id) });
      expect(entries.filter((entry) => entry.state === 'held')).toEqual([]);
      // What the refused step has cost is not on record; its estimate stands for it.
      expect(entries.find((entry) => entry.step_name === step)).toMatchObject({
        spent_micros: 1_000_000,
        cost_unknown: true,
      });
      expect(await records.select('notifications')).toMatchObject([{ kind: 'run.failed' }]);
      const events = await records.select('run_events', { where: byId(run.id), order: [{ column: 'seq' }] });
      expect(events.map((event) => event.seq)).toEqual(events.map((__, index) => index + 1));
      expect(events.filter((event) => event.type === 'run.finished')).toHaveLength(1);
    },
  );

  test('of one member of a parallel group leaves the end of the other on record', async () => {
    const { harness } = worker(refuse('analysis'));
    const group = { parallel: ALL.slice(1).map((step) => ({ retry: { attempts: 1, delay: 0 }, ...step })) };
    const { id } = await harness.createCampaign({ name: 'Weekly', steps: [group] });
    const { run, steps } = await harness.runToEnd(id);
    expect(run.status).toBe('failed');
    expect(steps.map((row) => [row.name, row.status])).toEqual([
      ['analysis', 'failed'],
      ['compose', 'completed'],
      ['send', 'completed'],
    ]);
  });
});

describe('a database that goes away in the middle', () => {
  test.each([
    ['before the write', false],
    ['after it, so that only the answer is lost', true],
  ])('%s is waited out, and nothing is written or done twice', async (_, committed) => {
    const away = new DatabaseUnavailableError(new Error('connection reset'));
    const lost = new Set<number>();
    const writes: Write[] = [];
    // Every write fails once.
    const { harness } = workerOver(async (name, args, next) => {
      if (name !== 'journal_write') return next();
      writes.push(writeOf(args));
      if (lost.has(writes.length - 1)) return next();
      lost.add(writes.length);
      if (committed) await next();
      void clock.untilSleeping().then(() => clock.advance(500));
      throw away;
    }, 'one').with({});
    const budget = { daily: 2 };
    const { id } = await harness.createCampaign(
      campaign(
        ALL.map((step) => ({ ...step, estimatedCost: 0.1 })),
        { budget, notifications: { onComplete: { email: 'all@example.com' } } },
      ),
    );
    const { run, steps } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'completed', total_cost_micros: 1_800_000, emails_sent: 3 });
    expect(steps.map((row) => [row.status, row.attempts])).toEqual(ALL.map(() => ['completed', 1]));
    expect(asked()).toEqual(Object.keys(scripts));
    expect(writes).toHaveLength(12);
    // The send says nothing of its cost.
    expect(await spent()).toEqual([{ spent: 1_800_000, held: 0 }]);
    const events = await records.select('run_events', { where: byId(run.id), order: [{ column: 'seq' }] });
    const count = (type: string) => events.filter((event) => event.type === type).length;
    expect(['run.started', 'step.started', 'step.completed', 'run.finished'].map(count)).toEqual([1, 4, 4, 1]);
    expect(events.map((event) => event.seq)).toEqual(events.map((__, index) => index + 1));
    expect(events.filter((event) => event.type === 'budget.threshold').map((event) => event.data['percent'])).toEqual([
      50, 80,
    ]);
    expect(run.event_seq).toBe(events.length);
    expect(await records.select('campaigns')).toMatchObject([{ total_runs: 1, total_cost_micros: 1_800_000 }]);
    expect(await records.select('notifications')).toHaveLength(1);
  });
});

describe('a worker that dies right after a commit', () => {
  /** Runs the send with a worker of which nothing is heard after the first commit that tells how the attempt ended, then another. */
  async function diesAfterTelling(answer: Script): Promise<Harness> {
    scripts['/api/send-batch'] = answer;
    const gone = Promise.withResolvers<void>();
    let dead = false;
    const { harness } = workerOver(async (name, args, next) => {
      if (dead) await new Promise(() => undefined);
      const result = await next();
      if (name === 'journal_write' && writeOf(args).events.some((type) => type !== 'step.started')) {
        dead = true;
        gone.resolve();
        await new Promise(() => undefined);
      }
      return result;
    }, 'one').with({});
    const { id } = await harness.createCampaign(campaign([{ ...(ALL[3] as JsonObject), retry: { attempts: 3 } }]));
    const { runId } = await harness.runs.start(id, { force: false });
    await gone.promise;
    await records.update('campaign_runs', { lease_until_at: null }, [{ column: 'id', op: 'eq', value: runId }]);
    const { harness: second } = worker(undefined, 'two');
    await second.orchestrator.execute(runId);
    harness.orchestrator.fence(runId);
    return second;
  }
  const theRun = async (harness: Harness) => harness.read((await records.select('campaign_runs'))[0]?.id ?? '');

  test('to a send of which nobody knows: it is not sent again, and a person is asked', async () => {
    const second = await diesAfterTelling((_, response) => void response.destroy());
    expect(asked()).toEqual(['/api/send-batch']);
    const { run, steps } = await theRun(second);
    expect(run.status).toBe('waiting');
    expect(steps).toMatchObject([{ status: 'unknown', attempts: 1 }]);
    expect(await records.select('notifications')).toMatchObject([{ kind: 'step.unknown' }]);
  });

  test('to a send that the engine says has failed: it is not sent again', async () => {
    const second = await diesAfterTelling(() => ({ success: false, error: 'half of them bounced' }));
    expect(asked()).toEqual(['/api/send-batch']);
    const { run, steps } = await theRun(second);
    expect(run.status).toBe('failed');
    expect(steps).toMatchObject([{ status: 'failed', attempts: 1 }]);
  });

  test('to a finished send: it is not sent again', async () => {
    const second = await diesAfterTelling(scripts['/api/send-batch'] as Script);
    expect(asked()).toEqual(['/api/send-batch']);
    expect(await theRun(second)).toMatchObject({ run: { status: 'completed', emails_sent: 3 } });
  });
});

test('a worker that wakes up after its run has gone on elsewhere does not touch the money of the other', async () => {
  const budget = { daily: 50 };
  const steps = ALL.slice(1, 2).map((step) => ({ ...step, estimatedCost: 1 }));
  const answers: ((answer: JsonObject) => void)[] = [];
  scripts['/api/analyze'] = () => new Promise<JsonObject>((resolve) => answers.push(resolve));
  const { harness: first } = worker();
  const { id } = await first.createCampaign(campaign(steps, { budget }));
  const began = engine.asked('/api/analyze');
  const { runId } = await first.runs.start(id, { force: false });
  await began;

  const free = () =>
    records.update('campaign_runs', { lease_until_at: null }, [{ column: 'id', op: 'eq', value: runId }]);
  await free();
  // The second stops for a while just before it looks at what the first has left.
  const stopped = Promise.withResolvers<void>();
  const wakes = Promise.withResolvers<void>();
  const slow = new Proxy(records, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property);
      if (typeof member !== 'function') return member;
      return async (...args: unknown[]) => {
        if (property === 'select' && args[0] === 'budget_entries') {
          stopped.resolve();
          await wakes.promise;
        }
        return (await Reflect.apply(member, target, args)) as unknown;
      };
    },
  });
  const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
  const second = new Harness({ records: slow, clock, engines, worker: 'two' });
  opened.push(second);
  const late = second.orchestrator.execute(runId);
  await stopped.promise;

  await free();
  const { harness: third } = worker(undefined, 'three');
  const again = engine.asked('/api/analyze');
  const working = third.orchestrator.execute(runId);
  await again;
  wakes.resolve();
  await late;
  answers[1]?.({ success: true, summary: { successful: 18, totalCost: 0.9 } });
  await working;
  expect((await third.read(runId)).run).toMatchObject({ status: 'completed', total_cost_micros: 1_900_000 });
  expect(await spent()).toEqual([{ spent: 1_900_000, held: 0 }]);
  first.orchestrator.fence(runId);
});
