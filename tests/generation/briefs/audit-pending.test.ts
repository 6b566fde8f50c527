import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { AuditCatchUp } from '../../../generation/briefs/audit-catch-up.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../../generation/briefs/definition.ts';
import { ModelError } from '../../../generation/model.ts';
import { silentLogger } from '../../../shared/logger.ts';
import { freshRecords, type TestRecords } from '../../support/records.ts';
import { idsOf, Scene } from './scene.ts';

const MINUTE = 60_000;
const away = new ModelError('MODEL_UNAVAILABLE', 'The model is away.', { retryable: true });

let records: TestRecords;
let scene: Scene;
let catchUp: AuditCatchUp;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => {
  scene = new Scene(records);
  catchUp = catchUpOf(scene);
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

const catchUpOf = ({ clock, harness }: Scene) =>
  new AuditCatchUp({ records, clock, runs: harness.runs, logger: silentLogger });

/** A brief that is written while the judge is away, with the retries of its audit step waited for. */
async function unaudited(): Promise<string> {
  scene.model.script['audit.judge'] = [away];
  const runId = await scene.submit({ constraints: { prohibitedTerms: ['Trattoria'] } });
  while ((await scene.bundle(runId)).state !== 'partial') await scene.clock.advance(500);
  await scene.harness.idle();
  return runId;
}

describe('a brief that cannot be audited', () => {
  test('is there, with its audit pending and what was found without the judge', async () => {
    const bundle = await scene.bundle(await unaudited());
    expect(bundle).toMatchObject({ state: 'partial', missing: [], audit: { state: 'pending' } });
    expect(bundle.artifacts).toHaveLength(3);
    expect(bundle.audit.error).toMatchObject({ code: 'AUDIT_PENDING' });
    expect(bundle.audit.result).toMatchObject({ judged: 'pending', verdict: 'fail' });
    expect(bundle.audit.result?.['findings']).toEqual(
      expect.arrayContaining([expect.objectContaining({ gate: 'prohibited-terms' })]),
    );
  });

  test('is audited by itself when the judge is back, and keeps its artifacts', async () => {
    const runId = await unaudited();
    const before = await scene.bundle(runId);
    expect(await catchUp.runOnce()).toBe(0);
    scene.model.script['audit.judge'] = ['write'];
    await scene.clock.advance(MINUTE);
    expect(await catchUp.runOnce()).toBe(1);
    await scene.harness.idle();
    const after = await scene.bundle(runId);
    expect(after).toMatchObject({ state: 'completed', briefId: runId, audit: { state: 'completed', error: null } });
    expect(after.audit.result).toMatchObject({ judged: 'complete' });
    expect(idsOf(after)).toEqual(idsOf(before));
    expect(scene.model.asked('brief.copy')).toBe(1);
    await scene.clock.advance(60 * MINUTE);
    expect(await catchUp.runOnce()).toBe(0);
  });

  test('is tried again after waits that double, and given up after a day', async () => {
    const runId = await unaudited();
    const submitted = scene.clock.now();
    const waits: number[] = [];
    for (let last = submitted, step = MINUTE; scene.clock.now() < submitted + 30 * 60 * MINUTE;) {
      await scene.clock.advance(step);
      if ((await catchUp.runOnce()) === 0) continue;
      waits.push(scene.clock.now() - last);
      while ((await scene.bundle(runId)).state !== 'partial') await scene.clock.advance(500);
      await scene.harness.idle();
      last = scene.clock.now();
      step = Math.max(MINUTE, (last - submitted) / 4);
    }
    expect(waits.length).toBeGreaterThan(8);
    expect(waits.length).toBeLessThan(14);
    for (const [at, wait] of waits.slice(3).entries()) expect(wait).toBeGreaterThan(1.5 * (waits[at + 2] ?? 0));
    expect((await scene.bundle(runId)).runs).toHaveLength(waits.length + 1);
  });

  test('is audited once by two services that look at the same time', async () => {
    await unaudited();
    scene.model.script['audit.judge'] = ['write'];
    await scene.clock.advance(MINUTE);
    const started = await Promise.all([catchUp.runOnce(), catchUpOf(scene).runOnce()]);
    expect(started.toSorted()).toEqual([0, 1]);
    await scene.harness.idle();
    expect(await records.count('campaign_runs')).toBe(2);
  });

  test('is audited alone: what a writer failed at for good is not tried, and paid for, again', async () => {
    scene.model.script['brief.copy'] = [new ModelError('MODEL_REFUSED', 'no'), 'write'];
    const runId = await unaudited();
    scene.model.script['audit.judge'] = ['write'];
    await scene.clock.advance(MINUTE);
    expect(await catchUp.runOnce()).toBe(1);
    await scene.harness.idle();
    expect(await scene.bundle(runId)).toMatchObject({
      state: 'partial',
      audit: { state: 'completed', fromRun: null },
      missing: [{ agent: 'copy', reason: 'MODEL_REFUSED: no' }],
    });
    expect(scene.model.asked('brief.copy')).toBe(1);
    await scene.clock.advance(60 * MINUTE);
    expect(await catchUp.runOnce()).toBe(0);
  });

  test('waits while briefs are paused, and when there is no money for it, and keeps its findings all the while', async () => {
    const runId = await unaudited();
    const found = (await scene.bundle(runId)).audit.result;
    const campaign = `/api/campaigns/${BRIEFS_CAMPAIGN_ID}`;
    const put = (path: string, body: object) => request(scene.api.app).put(path).send(body);
    await put(`${campaign}/pause`, {});
    await scene.clock.advance(10 * MINUTE);
    expect(await catchUp.runOnce()).toBe(0);
    await put(`${campaign}/resume`, {});
    const [row] = await records.select('campaigns');
    expect((await put(campaign, { ...row?.config, budget: { daily: 0.04 } })).status).toBe(200);
    scene.model.script['audit.judge'] = ['write'];
    expect(await catchUp.runOnce()).toBe(1);
    await scene.harness.idle();
    expect(await scene.bundle(runId)).toMatchObject({
      state: 'aborted',
      audit: { state: 'pending', fromRun: runId, result: found },
    });
    await put(campaign, { ...row?.config, budget: { daily: 4 } });
    await put(`${campaign}/resume`, {});
    await scene.clock.advance(30 * MINUTE);
    expect(await catchUp.runOnce()).toBe(1);
    await scene.harness.idle();
    expect(await scene.bundle(runId)).toMatchObject({
      state: 'completed',
      audit: { state: 'completed', fromRun: null },
    });
  });

  test('is no longer pending when a day has passed, or when somebody gave it up; a retry still audits it', async () => {
    const runId = await unaudited();
    const answer = await scene.post(`/api/briefs/${runId}/cancel`, { reason: 'good enough' });
    expect([answer.status, answer.body.status]).toEqual([202, 'partial']);
    const given = await scene.bundle(runId);
    expect(given.audit).toMatchObject({
      state: 'cancelled',
      error: { code: 'AUDIT_CANCELLED', message: 'good enough' },
    });
    expect(given.audit.result).toMatchObject({ judged: 'pending' });
    await scene.clock.advance(10 * MINUTE);
    expect(await catchUp.runOnce()).toBe(0);
    expect((await scene.post(`/api/briefs/${runId}/cancel`)).body.error.code).toBe('RUN_FINISHED');
    const other = await unaudited();
    await scene.clock.advance(25 * 60 * MINUTE);
    expect((await scene.bundle(other)).audit.state).toBe('failed');
    scene.model.script['audit.judge'] = ['write'];
    for (const id of [runId, other]) expect((await scene.post(`/api/briefs/${id}/retry`)).status).toBe(202);
    await scene.harness.idle();
    for (const id of [runId, other]) expect((await scene.bundle(id)).audit.state).toBe('completed');
  });

  test('may be repaired by hand before that', async () => {
    const runId = await unaudited();
    scene.model.script['audit.judge'] = ['write'];
    expect((await scene.post(`/api/briefs/${runId}/retry`)).status).toBe(202);
    await scene.harness.idle();
    expect((await scene.bundle(runId)).audit.state).toBe('completed');
    await scene.clock.advance(MINUTE);
    expect(await catchUp.runOnce()).toBe(0);
  });
});
