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
