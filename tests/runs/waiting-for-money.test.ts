import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';

let records: TestRecords;
let slow: ScriptedEngine;
let quick: ScriptedEngine;
const answer = Promise.withResolvers<void>();
beforeAll(async () => {
  records = await freshRecords();
  slow = await scriptedEngine({
    '/api/prospect': async () => {
      await answer.promise;
      return { success: true, data: { saved: 1, cost: 0.6 } };
    },
  });
  quick = await scriptedEngine({ '/api/analyze': () => ({ success: true, data: { analyzed: 1, cost: 0.6 } }) });
}, 60_000);
afterAll(async () => {
  await Promise.all([slow.close(), quick.close()]);
  await records.close();
});

test('a step that waits for money which others hold leaves its place at the engine to those who have theirs', async () => {
  const clock = new TestClock();
  const engines = { prospecting: slow.url, analysis: quick.url, outreach: quick.url };
  const harness = new Harness({ records, clock, engines, env: { ENGINE_CONCURRENCY: '1' } });
  const step = (engine: string) => ({ engine, estimatedCost: 0.6, protocol: 'json' });
  const poor = await harness.createCampaign({
    name: 'Poor',
    budget: { daily: 1 },
    steps: [{ parallel: [step('prospecting'), step('analysis')] }],
  });
  const rich = await harness.createCampaign({ name: 'Rich', steps: [step('analysis')] });
  const held = slow.asked('/api/prospect');
  const first = await harness.runs.start(poor.id, { force: false });
  await held;
  // The other member of the group has been refused and waits for its next try, and the timer of the first call runs.
  await clock.untilSleeping(2);
  const asked = quick.asked('/api/analyze');
  const second = await harness.runs.start(rich.id, { force: false });
  expect((await asked).headers['idempotency-key']).toContain(second.runId);
  answer.resolve();
  await harness.next('run.finished');
  while ((await harness.read(first.runId)).run.status === 'running') await clock.advance(250);
  await harness.idle();
  // 0.6 spent and 0.6 asked for do not fit into 1.
  expect((await harness.read(first.runId)).run.status).toBe('aborted');
  expect((await harness.read(second.runId)).run.status).toBe('completed');
  await harness.close();
});

test('the time for which a step waits for money begins when it has a place at its engine', async () => {
  const clock = new TestClock();
  const [cheap, free] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const found = await scriptedEngine({
    '/api/prospect': async () => {
      await cheap.promise;
      return { success: true, data: { saved: 1, cost: 0.1 } };
    },
  });
  const busy = await scriptedEngine({
    '/api/analyze': async () => {
      await free.promise;
      return { success: true, data: { analyzed: 1, cost: 0.6 } };
    },
  });
  const engines = { prospecting: found.url, analysis: busy.url, outreach: busy.url };
  const harness = new Harness({ records, clock, engines, env: { ENGINE_CONCURRENCY: '1' } });
  const step = (engine: string) => ({ engine, estimatedCost: 0.6, protocol: 'json' });
  const rich = await harness.createCampaign({ name: 'Rich', steps: [step('analysis')] });
  const poor = await harness.createCampaign({
    name: 'Poor',
    budget: { daily: 1 },
    steps: [{ parallel: [step('prospecting'), { ...step('analysis'), timeout: 1_000 }] }],
  });
  const taken = busy.asked('/api/analyze');
  await harness.runs.start(rich.id, { force: false });
  await taken;
  const held = found.asked('/api/prospect');
  const inLine = harness.next('step.progress');
  const { runId } = await harness.runs.start(poor.id, { force: false });
  await Promise.all([held, inLine]);
  await clock.advance(5_000);
  const waits = harness.next('step.progress');
  free.resolve();
  expect(await waits).toMatchObject({ facts: { message: 'waits for money that other steps hold' } });
  cheap.resolve();
  while ((await harness.read(runId)).run.status === 'running') await clock.advance(250);
  await harness.idle();
  expect((await harness.read(runId)).run.status).toBe('completed');
  await harness.close();
  await Promise.all([found.close(), busy.close()]);
});
