import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { type Records, RecordsError } from '../../database/records.ts';
import type { JsonObject } from '../../database/tables.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { scriptedEngine, type Script, type ScriptedEngine } from '../support/scripted-engine.ts';

const FOUND: JsonObject = { success: true, data: { saved: 20, verified: 20, found: 25, cost: 0.5 } };
const ANALYSED: JsonObject = { success: true, summary: { successful: 18, totalCost: 0.9 } };
const COMPOSED: JsonObject = { success: true, result: { processed_leads: 12, total_cost: 0.3 } };
const SENT: JsonObject = { success: true, results: { sent: ['a', 'b', 'c'], failed: [], skipped: [] } };

const steps = (changes: Record<string, JsonObject> = {}): JsonObject[] =>
  [
    { name: 'prospecting', engine: 'prospecting' },
    { name: 'analysis', engine: 'analysis' },
    { name: 'compose', engine: 'outreach' },
    { name: 'send', engine: 'sender' },
  ].map((step) => ({ retry: { attempts: 1, delay: 0 }, ...step, ...changes[step.name] }));

const hang: Script = () => undefined;
const fail =
  (status: number): Script =>
  (_, response) => {
    response.statusCode = status;
    return { error: `status ${status}` };
  };

let records: TestRecords;
let engine: ScriptedEngine;
let harness: Harness;
let clock: TestClock;
let scripts: Record<string, Script>;

beforeAll(async () => {
  records = await freshRecords();
});
afterAll(() => records.close());

beforeEach(async () => {
  scripts = {
    '/api/prospect': () => FOUND,
    '/api/analyze': () => ANALYSED,
    '/api/compose-batch': () => COMPOSED,
    '/api/send-batch': () => SENT,
  };
  engine = await scriptedEngine(scripts);
  clock = new TestClock('2026-03-02T09:00:00.000Z');
  harness = newHarness();
});
afterEach(async () => {
  await expectNothingHeld();
  await harness.close();
  await engine.close();
  await records.truncate();
});

/** Whatever happened, no run that has ended may hold money. */
async function expectNothingHeld(): Promise<void> {
  const ended = (await records.select('campaign_runs')).filter((run) => run.completed_at !== null).map((run) => run.id);
  const held = await records.select('budget_entries', { where: [{ column: 'state', op: 'eq', value: 'held' }] });
  expect(held.filter((entry) => ended.includes(entry.run_id))).toEqual([]);
}

function newHarness(worker = 'one', env: Record<string, string> = {}, through: Records = records): Harness {
  const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
  return new Harness({ records: through, clock, engines, worker, env });
}

const campaign = (changes: JsonObject = {}): JsonObject => ({ name: 'Weekly', steps: steps(), ...changes });
const calls = (path: string) => engine.requests.filter((request) => request.path === path).length;
const outbox = () => records.select('notifications', { order: [{ column: 'id' }] });

describe('a run', () => {
  test('goes through its steps in order and records counts, costs and totals', async () => {
    const { id } = await harness.createCampaign(campaign());
    const { run, steps: rows } = await harness.runToEnd(id);
    expect(run).toMatchObject({
      status: 'completed',
      steps_completed: 4,
      steps_failed: 0,
      prospects_generated: 20,
      leads_analyzed: 18,
      emails_composed: 12,
      emails_sent: 3,
      total_cost_micros: 1_700_000,
      errors: [],
    });
    expect(rows.map((row) => [row.name, row.status, row.attempts])).toEqual([
      ['prospecting', 'completed', 1],
      ['analysis', 'completed', 1],
      ['compose', 'completed', 1],
      ['send', 'completed', 1],
    ]);
    expect(engine.requests.map((request) => request.path)).toEqual(Object.keys(scripts));
    const [after] = await records.select('campaigns');
    expect(after).toMatchObject({ total_runs: 1, total_cost_micros: 1_700_000 });
  });

  test('writes numbered events that begin with queued and end with finished', async () => {
    const { id } = await harness.createCampaign(campaign());
    const { run } = await harness.runToEnd(id);
    const events = await records.select('run_events', { order: [{ column: 'seq' }] });
    expect(events.map((event) => event.seq)).toEqual(events.map((_, index) => index + 1));
    expect(events[0]?.type).toBe('run.queued');
    expect(events.at(-1)?.type).toBe('run.finished');
    expect(run.event_seq).toBe(events.length);
  });

  test('gives every call the idempotency key of its run and step, the same on a retry', async () => {
    scripts['/api/prospect'] = (request, response, earlier) =>
      earlier === 0 ? fail(503)(request, response, 0) : FOUND;
    const { id } = await harness.createCampaign(
      campaign({ steps: steps({ prospecting: { retry: { attempts: 2, delay: 0 } } }) }),
    );
    const { run } = await harness.runToEnd(id);
    expect(run.status).toBe('completed');
    const keys = engine.requests.slice(0, 2).map((request) => request.headers['idempotency-key']);
    expect(keys).toEqual([`${run.id}/prospecting`, `${run.id}/prospecting`]);
  });

  test('hands results of earlier steps to later ones', async () => {
    const { id } = await harness.createCampaign(
      campaign({
        steps: steps({
          analysis: { params: { limit: '{{ steps.prospecting.data.saved }}', note: 'of {{ run.id }}' } },
        }),
      }),
    );
    const { run } = await harness.runToEnd(id);
    expect(engine.requests[1]?.body).toEqual({ limit: 20, note: `of ${run.id}` });
  });

  test('fails a step whose reference is undefined before anything is called', async () => {
    const { id } = await harness.createCampaign(
      campaign({ steps: steps({ analysis: { params: { x: '{{ steps.prospecting.nowhere }}' } } }) }),
    );
    const { run } = await harness.runToEnd(id);
    expect(run.status).toBe('failed');
    expect(run.errors).toMatchObject([{ step: 'analysis', code: 'REFERENCE_UNDEFINED' }]);
    expect(calls('/api/analyze')).toBe(0);
  });

  test('runs the members of a parallel group together', async () => {
    let open = 0;
    let most = 0;
    let release = () => {};
    const both = new Promise<void>((resolve) => (release = resolve));
    scripts['/api/analyze'] = async () => {
      open += 1;
      most = Math.max(most, open);
      if (open === 2) release();
      await both;
      return ANALYSED;
    };
    const group = ['design', 'seo'].map((name) => ({ name, engine: 'analysis' }));
    const { id } = await harness.createCampaign({ name: 'Both', steps: [{ parallel: group }] });
    const { run } = await harness.runToEnd(id);
    expect(most).toBe(2);
    expect(run).toMatchObject({ status: 'completed', steps_completed: 2, leads_analyzed: 36 });
  });

  test('ends early and completed after a step with onSuccess abort', async () => {
    const { id } = await harness.createCampaign(campaign({ steps: steps({ analysis: { onSuccess: 'abort' } }) }));
    const { run, steps: rows } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'completed', steps_completed: 2 });
    expect(rows.map((row) => row.status)).toEqual(['completed', 'completed', 'skipped', 'skipped']);
  });
});

describe('a failing step', () => {
  test('with onFailure abort ends the run as failed and tells the failure recipients once', async () => {
    scripts['/api/analyze'] = fail(400);
    const notifications = { onFailure: { email: 'ops@example.com', slack: false } };
    const { id } = await harness.createCampaign(campaign({ notifications }));
    const { run, steps: rows } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'failed', steps_completed: 1, steps_failed: 1 });
    expect(run.errors).toMatchObject([{ step: 'analysis', error: expect.stringContaining('status 400') }]);
    expect(rows.map((row) => row.status)).toEqual(['completed', 'failed', 'skipped', 'skipped']);
    expect(await outbox()).toMatchObject([{ notifier: 'email', recipient: 'ops@example.com', status: 'pending' }]);
  });

  test('with onFailure continue or log lets the run go on and end partial', async () => {
    scripts['/api/analyze'] = fail(400);
    const { id } = await harness.createCampaign(campaign({ steps: steps({ analysis: { onFailure: 'continue' } }) }));
    const { run } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'partial', steps_completed: 3, steps_failed: 1, emails_sent: 3 });
  });

  test('is retried after growing delays, and not for a fault that a retry cannot mend', async () => {
    scripts['/api/prospect'] = fail(500);
    scripts['/api/analyze'] = fail(404);
    const retry = { attempts: 3, delay: 1_000, backoff: 'exponential' };
    const { id } = await harness.createCampaign(
      campaign({ steps: steps({ prospecting: { retry, onFailure: 'continue' }, analysis: { retry } }) }),
    );
    const ended = harness.runToEnd(id);
    await clock.untilSleeping();
    for (const wait of [1_000, 2_000]) {
      while (
        !harness.seen.some(
          (event) => event.type === 'step.attempt_failed' && event.facts['attempt'] === (wait === 1_000 ? 1 : 2),
        )
      )
        await harness.next('step.attempt_failed');
      await clock.untilSleeping();
      await clock.advance(wait);
    }
    const { steps: rows } = await ended;
    expect(rows.slice(0, 2).map((row) => row.attempts)).toEqual([3, 1]);
    expect(calls('/api/prospect')).toBe(3);
    expect(calls('/api/analyze')).toBe(1);
  });
});

describe('a step that runs out of time', () => {
  test('is given up after its own timeout', async () => {
    scripts['/api/prospect'] = hang;
    const { id } = await harness.createCampaign(campaign({ steps: steps({ prospecting: { timeout: 5_000 } }) }));
    const asked = engine.asked('/api/prospect');
    const ended = harness.runToEnd(id);
    await asked;
    await clock.advance(5_000);
    const { run } = await ended;
    expect(run.errors).toMatchObject([{ step: 'prospecting', code: 'STEP_TIMEOUT' }]);
  });

  test('is charged its estimate, since the engine may go on spending', async () => {
    scripts['/api/prospect'] = hang;
    const { id } = await harness.createCampaign(
      campaign({ steps: steps({ prospecting: { timeout: 5_000, estimatedCost: 0.4 } }) }),
    );
    const asked = engine.asked('/api/prospect');
    const ended = harness.runToEnd(id);
    await asked;
    await clock.advance(5_000);
    expect((await ended).run).toMatchObject({ total_cost_micros: 400_000, cost_unknown: true });
  });

  test('becomes unknown when it sends: never repeated, the run waits, a person is asked', async () => {
    scripts['/api/send-batch'] = hang;
    const notifications = { onFailure: { email: 'ops@example.com', slack: false } };
    const { id } = await harness.createCampaign(
      campaign({ notifications, steps: steps({ send: { timeout: 5_000, retry: { attempts: 3, delay: 0 } } }) }),
    );
    const asked = engine.asked('/api/send-batch');
    const ended = harness.runToEnd(id);
    await asked;
    await clock.advance(5_000);
    const { run, steps: rows } = await ended;
    expect(run.status).toBe('waiting');
    expect(rows.at(-1)).toMatchObject({ status: 'unknown', attempts: 1 });
    expect(calls('/api/send-batch')).toBe(1);
    expect(await outbox()).toMatchObject([{ kind: 'step.unknown', recipient: 'ops@example.com' }]);
  });
});

describe('a person decides about an unknown send', () => {
  async function waitingRun(): Promise<string> {
    scripts['/api/send-batch'] = (request, response, earlier) => (earlier === 0 ? undefined : SENT);
    const { id } = await harness.createCampaign(campaign({ steps: steps({ send: { timeout: 5_000 } }) }));
    const asked = engine.asked('/api/send-batch');
    const ended = harness.runToEnd(id);
    await asked;
    await clock.advance(5_000);
    return (await ended).run.id;
  }

  test('done: the run completes without another call', async () => {
    const runId = await waitingRun();
    await harness.runs.resolve(runId, 'send', { outcome: 'done', note: 'seen in the outbox', by: 'ann' });
    await harness.idle();
    expect((await harness.read(runId)).run.status).toBe('completed');
    expect(calls('/api/send-batch')).toBe(1);
  });

  test('failed: the run fails without another call', async () => {
    const runId = await waitingRun();
    await harness.runs.resolve(runId, 'send', { outcome: 'failed', note: 'nothing went out', by: 'ann' });
    await harness.idle();
    expect((await harness.read(runId)).run.status).toBe('failed');
    expect(calls('/api/send-batch')).toBe(1);
  });

  test('retry: the step is called once more and the run completes', async () => {
    const runId = await waitingRun();
    await harness.runs.resolve(runId, 'send', { outcome: 'retry', note: 'nothing went out', by: 'ann' });
    await harness.idle();
    const { run } = await harness.read(runId);
    expect(run).toMatchObject({ status: 'completed', emails_sent: 3 });
    expect(calls('/api/send-batch')).toBe(2);
  });

  test('a second word on the same step is refused', async () => {
    const runId = await waitingRun();
    await harness.runs.resolve(runId, 'send', { outcome: 'done', note: '', by: 'ann' });
    await harness.idle();
    const again = harness.runs.resolve(runId, 'send', { outcome: 'retry', note: '', by: 'bob' });
    await expect(again).rejects.toMatchObject({ code: 'STEP_NOT_UNKNOWN' });
  });
});

describe('cancel', () => {
  test('aborts the call in flight, ends the run and charges the estimate', async () => {
    scripts['/api/analyze'] = hang;
    const { id } = await harness.createCampaign(campaign({ steps: steps({ analysis: { estimatedCost: 0.2 } }) }));
    const asked = engine.asked('/api/analyze');
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    expect(await harness.runs.cancel(runId, 'changed my mind')).toEqual({ status: 'cancelling' });
    await harness.idle();
    const { run, steps: rows } = await harness.read(runId);
    expect(run).toMatchObject({ status: 'cancelled', status_reason: 'changed my mind', total_cost_micros: 700_000 });
    expect(rows.map((row) => row.status)).toEqual(['completed', 'cancelled', 'skipped', 'skipped']);
    expect(await outbox()).toEqual([]);
  });

  test('in the middle of a send leaves the send unknown and the run cancelled', async () => {
    scripts['/api/send-batch'] = hang;
    const { id } = await harness.createCampaign(campaign());
    const asked = engine.asked('/api/send-batch');
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    await harness.runs.cancel(runId);
    await harness.idle();
    const { run, steps: rows } = await harness.read(runId);
    expect(run.status).toBe('cancelled');
    expect(rows.at(-1)?.status).toBe('unknown');
  });

  test('of an ended run is refused', async () => {
    const { id } = await harness.createCampaign(campaign());
    const { run } = await harness.runToEnd(id);
    await expect(harness.runs.cancel(run.id)).rejects.toMatchObject({ code: 'RUN_FINISHED' });
  });
});

describe('retry of an ended run', () => {
  test('from the failed step carries finished steps over and runs only the rest', async () => {
    scripts['/api/analyze'] = (request, response, earlier) =>
      earlier === 0 ? fail(400)(request, response, 0) : ANALYSED;
    const { id } = await harness.createCampaign(campaign());
    const { run: first } = await harness.runToEnd(id);
    const { runId } = await harness.runs.retry(first.id, { from: 'failed', definition: 'pinned' });
    await harness.idle();
    const { run, steps: rows } = await harness.read(runId);
    expect(run).toMatchObject({
      status: 'completed',
      retry_of: first.id,
      prospects_generated: 20,
      total_cost_micros: 1_200_000,
    });
    expect(rows[0]).toMatchObject({ carried_from: first.id });
    expect(calls('/api/prospect')).toBe(1);
    expect(calls('/api/analyze')).toBe(2);
  });

  test('from the start runs everything again', async () => {
    const { id } = await harness.createCampaign(campaign());
    const { run: first } = await harness.runToEnd(id);
    await harness.runs.retry(first.id, { from: 'start', definition: 'pinned' });
    await harness.idle();
    expect(calls('/api/prospect')).toBe(2);
  });

  test('with the latest definition uses the campaign as it is now', async () => {
    scripts['/api/analyze'] = fail(400);
    const { id, version } = await harness.createCampaign(campaign());
    const { run: first } = await harness.runToEnd(id);
    const [row] = await records.select('campaigns');
    const config = row?.config as JsonObject;
    const changed = {
      ...config,
      steps: (config['steps'] as JsonObject[]).filter((step) => step['name'] !== 'analysis'),
    };
    await records.update('campaigns', { config: changed }, [{ column: 'version', op: 'eq', value: version }]);
    const { runId } = await harness.runs.retry(first.id, { from: 'failed', definition: 'latest' });
    await harness.idle();
    const { run, steps: rows } = await harness.read(runId);
    expect(run.status).toBe('completed');
    expect(rows.map((step) => step.name)).toEqual(['prospecting', 'compose', 'send']);
  });

  test('is refused while nothing is left to do', async () => {
    const { id } = await harness.createCampaign(campaign());
    const { run } = await harness.runToEnd(id);
    const retry = harness.runs.retry(run.id, { from: 'failed', definition: 'pinned' });
    await expect(retry).rejects.toMatchObject({ code: 'NOTHING_TO_RETRY' });
  });
});

describe('the budget', () => {
  test('refuses the step that does not fit, aborts the run and puts the campaign to sleep until the period turns', async () => {
    const { id } = await harness.createCampaign(
      campaign({
        budget: { daily: 1 },
        notifications: { onFailure: { email: 'ops@example.com', slack: false } },
        steps: steps({ analysis: { estimatedCost: 0.9 } }),
      }),
    );
    const { run, steps: rows } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'aborted', total_cost_micros: 500_000 });
    expect(run.errors).toMatchObject([{ code: 'BUDGET_EXCEEDED', error: expect.stringContaining('daily') }]);
    expect(rows.map((row) => row.status)).toEqual(['completed', 'skipped', 'skipped', 'skipped']);
    expect(calls('/api/analyze')).toBe(0);
    const [after] = await records.select('campaigns');
    expect(after).toMatchObject({ status: 'paused', paused_by: 'budget', resume_at: '2026-03-03T00:00:00.000Z' });
    expect(await outbox()).toMatchObject([{ kind: 'budget.exceeded' }]);
    const decisions = await records.select('agent_decisions');
    expect(decisions).toMatchObject([{ action: 'abort_run', run_id: run.id }]);
  });

  test('counts what failed attempts cost', async () => {
    scripts['/api/prospect'] = (_, response, earlier) => {
      if (earlier > 0) return FOUND;
      response.statusCode = 500;
      return { error: 'out of memory', cost: 0.25 };
    };
    const { id } = await harness.createCampaign(
      campaign({ steps: steps({ prospecting: { retry: { attempts: 2, delay: 0 } } }) }),
    );
    const { run, steps: rows } = await harness.runToEnd(id);
    expect(rows[0]).toMatchObject({ attempts: 2, cost_micros: 750_000 });
    expect(run.total_cost_micros).toBe(1_950_000);
  });

  test('lets two steps that run together and do not fit beside each other go one after the other', async () => {
    let open = 0;
    let most = 0;
    scripts['/api/analyze'] = async () => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      return { success: true, summary: { successful: 1, totalCost: 0.4 } };
    };
    const group = ['design', 'seo'].map((name) => ({ name, engine: 'analysis', estimatedCost: 0.6 }));
    const { id } = await harness.createCampaign({ name: 'Both', budget: { daily: 1 }, steps: [{ parallel: group }] });
    const first = harness.next('step.completed');
    const ended = harness.runToEnd(id);
    await first;
    while ((await harness.read((await records.select('campaign_runs'))[0]?.id ?? '')).run.status === 'running') {
      await clock.advance(250);
    }
    const { run } = await ended;
    expect(run).toMatchObject({ status: 'completed', total_cost_micros: 800_000 });
    expect(most).toBe(1);
  });

  test('stops a run whose leads have become too dear', async () => {
    const { id } = await harness.createCampaign(campaign({ budget: { perLead: 0.02 } }));
    const { run } = await harness.runToEnd(id);
    expect(run.status).toBe('aborted');
    const [after] = await records.select('campaigns');
    expect(after?.status).toBe('active');
  });

  test('tells of each threshold once', async () => {
    const { id } = await harness.createCampaign(campaign({ budget: { daily: 2 } }));
    await harness.runToEnd(id);
    const seen = harness.seen
      .filter((event) => event.type === 'budget.threshold')
      .map((event) => event.facts['percent']);
    expect(seen).toEqual([50, 80]);
  });
});

describe('after a crash', () => {
  /** A worker that stops answering in the middle of a step, its lease void as after a restart. */
  async function crashDuring(path: string): Promise<string> {
    const real = scripts[path] as Script;
    scripts[path] = (request, response, earlier) => (earlier === 0 ? undefined : real(request, response, earlier));
    const asked = engine.asked(path);
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    await records.update('campaign_runs', { lease_until_at: null }, [{ column: 'id', op: 'eq', value: runId }]);
    return runId;
  }

  test('another worker goes on at the step in flight and runs no finished step again', async () => {
    const runId = await crashDuring('/api/analyze');
    const second = newHarness('two');
    await second.orchestrator.execute(runId);
    const { run } = await second.read(runId);
    expect(run).toMatchObject({ status: 'completed', epoch: 2, emails_sent: 3 });
    expect(calls('/api/prospect')).toBe(1);
    expect(calls('/api/analyze')).toBe(2);
    harness.orchestrator.fence(runId);
    await harness.idle();
    await second.close();
  });

  test('a send found half done is unknown and not sent again', async () => {
    const runId = await crashDuring('/api/send-batch');
    const second = newHarness('two');
    await second.orchestrator.execute(runId);
    const { run, steps: rows } = await second.read(runId);
    expect(run.status).toBe('waiting');
    expect(rows.at(-1)?.status).toBe('unknown');
    expect(calls('/api/send-batch')).toBe(1);
    harness.orchestrator.fence(runId);
    await harness.idle();
    await second.close();
  });

  test('the worker that wakes up late writes nothing', async () => {
    let release: (value: JsonObject) => void = () => {};
    scripts['/api/analyze'] = (_, __, earlier) =>
      earlier === 0 ? new Promise((resolve) => (release = resolve)) : ANALYSED;
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    await records.update('campaign_runs', { lease_until_at: null }, [{ column: 'id', op: 'eq', value: runId }]);
    const second = newHarness('two');
    await second.orchestrator.execute(runId);
    const before = await second.read(runId);
    release({ success: true, summary: { successful: 999, totalCost: 9 } });
    await harness.idle();
    const after = await second.read(runId);
    expect(after.run).toEqual(before.run);
    expect(after.steps).toEqual(before.steps);
    expect(harness.seen.some((event) => event.type === 'run.fenced')).toBe(true);
    await second.close();
  });
});

describe('a stop', () => {
  test('lets the step in flight end and hands the rest of the run over', async () => {
    let release: (value: JsonObject) => void = () => {};
    scripts['/api/analyze'] = () => new Promise((resolve) => (release = resolve));
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    const stopped = harness.orchestrator.stop(60_000);
    release(ANALYSED);
    await harness.idle();
    await clock.advance(20);
    await stopped;
    const { run, steps: rows } = await harness.read(runId);
    expect(run).toMatchObject({ status: 'queued', claimed_by: null });
    expect(rows.map((row) => row.status)).toEqual(['completed', 'completed']);
    const next = newHarness('next');
    await next.orchestrator.execute(runId);
    expect((await next.read(runId)).run.status).toBe('completed');
    expect(calls('/api/analyze')).toBe(1);
    await next.close();
  });

  test('does not wait for a step that only waits for its next attempt', async () => {
    scripts['/api/analyze'] = (request, response, earlier) =>
      earlier === 0 ? fail(503)(request, response, 0) : ANALYSED;
    const retry = { attempts: 2, delay: 600_000 };
    const { id } = await harness.createCampaign(campaign({ steps: steps({ analysis: { retry } }) }));
    const failed = harness.next('step.attempt_failed');
    const { runId } = await harness.runs.start(id, { force: false });
    expect((await failed).facts).toMatchObject({ retryInMs: 600_000 });
    expect((await harness.read(runId)).steps[1]).toMatchObject({ status: 'running', error: { code: 'ENGINE_BUSY' } });
    await clock.untilSleeping();
    const stopped = harness.orchestrator.stop(60_000);
    await harness.idle();
    await clock.advance(20);
    await stopped;
    expect((await harness.read(runId)).run.status).toBe('queued');
    const next = newHarness('next');
    await next.orchestrator.execute(runId);
    const { run, steps: rows } = await next.read(runId);
    expect(run.status).toBe('completed');
    expect(rows[1]).toMatchObject({ attempts: 2, error: null });
    await next.close();
  });

  test('abandons a step that outlasts the grace, and the next start repeats it', async () => {
    scripts['/api/analyze'] = (_, __, earlier) => (earlier === 0 ? undefined : ANALYSED);
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    const stopped = harness.orchestrator.stop(1_000);
    await clock.advance(1_000);
    await harness.idle();
    await clock.advance(3_000);
    await stopped;
    expect((await harness.read(runId)).run.status).toBe('queued');
    const next = newHarness('next');
    await next.orchestrator.execute(runId);
    expect((await next.read(runId)).run).toMatchObject({ status: 'completed', emails_sent: 3 });
    await next.close();
  });
});

describe('a fault of the database in the middle', () => {
  /** The records with one function looked at, and stopped, before it is called. */
  function before(name: string, look: (args: Record<string, unknown>) => void): Records {
    return new Proxy(records, {
      get(target, property) {
        if (property === 'call')
          return (fn: string, args: Record<string, unknown>) => {
            if (fn === name) look(args);
            return target.call(fn, args);
          };
        const member: unknown = Reflect.get(target, property);
        return typeof member === 'function' ? (member.bind(target) as unknown) : member;
      },
    });
  }

  test('after a send leaves the send unknown and its money charged, never failed and sent again', async () => {
    let refused = false;
    const faulty = newHarness(
      'faulty',
      {},
      before('journal_write', (args) => {
        const keys = (args['p_charges'] as JsonObject[]).map((item) => item['key'] as string);
        if (refused || !keys.some((key) => key.includes('/send/'))) return;
        refused = true;
        throw new RecordsError('22P02', 'no such thing');
      }),
    );
    const { id } = await faulty.createCampaign(campaign({ steps: steps({ send: { estimatedCost: 0.5 } }) }));
    const { run, steps: rows } = await faulty.runToEnd(id);
    expect(refused).toBe(true);
    expect(run).toMatchObject({ status: 'waiting', total_cost_micros: 2_200_000 });
    expect(rows.at(-1)).toMatchObject({ status: 'unknown', attempts: 1 });
    expect(calls('/api/send-batch')).toBe(1);
    await faulty.close();
  });

  test('that refuses the last record ends the run with that reason and tells somebody', async () => {
    const faulty = newHarness(
      'faulty',
      {},
      before('journal_write', (args) => {
        const runs = args['p_runs'] as JsonObject[];
        if (runs.some((run) => run['status'] === 'completed')) throw new RecordsError('22003', 'out of range');
      }),
    );
    const notifications = { onFailure: { email: 'ops@example.com', slack: false } };
    const { id } = await faulty.createCampaign(campaign({ notifications }));
    const { run } = await faulty.runToEnd(id);
    expect(run).toMatchObject({ status: 'failed', status_reason: expect.stringContaining('out of range') });
    expect(await outbox()).toMatchObject([{ kind: 'run.failed' }]);
    await faulty.close();
  });

  test('counts beyond what a column holds are cut, and the run ends', async () => {
    scripts['/api/prospect'] = () => ({ success: true, data: { saved: 3_000_000_000, cost: 0.1 } });
    const { id } = await harness.createCampaign(campaign());
    const { run } = await harness.runToEnd(id);
    expect(run).toMatchObject({ status: 'completed', prospects_generated: 2_147_483_647 });
  });

  test('a cancel that comes before the engine is asked costs nothing and leaves nothing unknown', async () => {
    const cancelling = newHarness(
      'cancelling',
      {},
      before('journal_write', (args) => {
        const entries = args['p_entries'] as { i: number; run_id: string }[];
        for (const begin of args['p_begins'] as { i: number; name: string }[])
          if (begin.name === 'send') cancelling.orchestrator.cancel(entries[begin.i - 1]?.run_id ?? '', 'in time');
      }),
    );
    const { id } = await cancelling.createCampaign(campaign({ steps: steps({ send: { estimatedCost: 1 } }) }));
    const { run, steps: rows } = await cancelling.runToEnd(id);
    expect(run).toMatchObject({ status: 'cancelled', total_cost_micros: 1_700_000 });
    expect(rows.at(-1)?.status).toBe('cancelled');
    expect(calls('/api/send-batch')).toBe(0);
    await cancelling.close();
  });
});

describe('a cancel while nobody works on the run', () => {
  test('is honoured by the worker that takes the run over: nothing more is called', async () => {
    scripts['/api/analyze'] = hang;
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    const other = newHarness('other');
    await other.runs.cancel(runId, 'no longer wanted');
    await records.update('campaign_runs', { lease_until_at: null }, [{ column: 'id', op: 'eq', value: runId }]);
    await other.orchestrator.execute(runId);
    const { run, steps: rows } = await other.read(runId);
    expect(run).toMatchObject({ status: 'cancelled', status_reason: 'no longer wanted' });
    expect(rows.map((row) => row.status)).toEqual(['completed', 'cancelled', 'skipped', 'skipped']);
    expect(calls('/api/compose-batch')).toBe(0);
    harness.orchestrator.fence(runId);
    await harness.idle();
    await other.close();
  });

  test('of a run that a stop handed over keeps what was done and leaves no step running', async () => {
    scripts['/api/analyze'] = hang;
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;
    const stopped = harness.orchestrator.stop(1_000);
    await clock.advance(1_000);
    await harness.idle();
    await clock.advance(3_000);
    await stopped;
    const other = newHarness('other');
    expect(await other.runs.cancel(runId)).toEqual({ status: 'cancelled' });
    const { run, steps: rows } = await other.read(runId);
    expect(run).toMatchObject({ steps_completed: 1, prospects_generated: 20, total_cost_micros: 500_000 });
    expect(rows.map((row) => row.status)).toEqual(['completed', 'cancelled']);
    await other.close();
  });
});

describe('an edit of the campaign', () => {
  test('raises the limit for a retry of the old definition too', async () => {
    const { id } = await harness.createCampaign(campaign({ budget: { daily: 0.6 } }));
    const { run: first } = await harness.runToEnd(id);
    expect(first.status).toBe('aborted');
    const [row] = await records.select('campaigns');
    await records.update(
      'campaigns',
      { config: { ...row?.config, budget: { daily: 100 } }, status: 'active', paused_by: null, resume_at: null },
      [{ column: 'id', op: 'eq', value: id }],
    );
    const { runId } = await harness.runs.retry(first.id, { from: 'failed', definition: 'pinned' });
    await harness.idle();
    expect((await harness.read(runId)).run.status).toBe('completed');
  });
});

test('secrets that an engine echoes are not kept', async () => {
  scripts['/api/prospect'] = ({ body }) => ({ ...FOUND, echo: body });
  scripts['/api/analyze'] = ({ body }, response) => {
    response.statusCode = 400;
    return { error: `bad key ${String(body['key'])}` };
  };
  const own = newHarness('own', { SLACK_WEBHOOK_SALES: 'topsecretvalue' });
  const key = '{{ env.SLACK_WEBHOOK_SALES }}';
  const { id } = await own.createCampaign(
    campaign({ steps: steps({ prospecting: { params: { key } }, analysis: { params: { key } } }) }),
  );
  await own.runToEnd(id);
  expect(engine.requests[0]?.body).toEqual({ key: 'topsecretvalue' });
  const stored = await Promise.all([
    records.select('run_steps'),
    records.select('campaign_runs'),
    records.select('run_events'),
    records.select('notifications'),
  ]);
  expect(JSON.stringify(stored)).toContain('[secret]');
  expect(JSON.stringify([stored, own.seen])).not.toContain('topsecretvalue');
  await own.close();
});
