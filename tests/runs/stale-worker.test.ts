import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';

let records: TestRecords;
let engine: ScriptedEngine;
beforeAll(async () => {
  records = await freshRecords();
  engine = await scriptedEngine({ '/api/prospect': () => ({ success: true, data: { saved: 1, cost: 0.1 } }) });
}, 60_000);
afterAll(async () => {
  await engine.close();
  await records.close();
});

test('a worker whose answer to "attempt begins" comes after its lease has lapsed does not call the engine', async () => {
  const clock = new TestClock();
  const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
  const begun = Promise.withResolvers<void>();
  const thaw = Promise.withResolvers<void>();
  let journals = 0;
  // What a frozen connection or a SIGSTOP does: the statement is committed, its answer comes late.
  const late = new Proxy(records, {
    get(target, key) {
      const value = Reflect.get(target, key, target) as unknown;
      if (key !== 'call' || typeof value !== 'function')
        return typeof value === 'function' ? value.bind(target) : value;
      return async (name: string, args: never) => {
        const answer = await target.call(name, args);
        if (name === 'journal_write' && (journals += 1) === 1) {
          begun.resolve();
          await thaw.promise;
        }
        return answer;
      };
    },
  });
  const a = new Harness({ records: late, clock, engines, worker: 'a' });
  const b = new Harness({ records, clock, engines, worker: 'b' });
  const campaign = await b.createCampaign({ name: 'Stale', steps: [{ engine: 'prospecting' }] });
  const { runId } = await a.runs.start(campaign.id, { force: false });
  await begun.promise;
  clock.set(clock.now() + 31_000);
  await records.pool.query('update campaign_runs set lease_until_at = null');
  await b.orchestrator.execute(runId);
  expect((await b.read(runId)).run.status).toBe('completed');
  expect(engine.requests).toHaveLength(1);
  thaw.resolve();
  await a.idle();
  expect(engine.requests).toHaveLength(1);
});
