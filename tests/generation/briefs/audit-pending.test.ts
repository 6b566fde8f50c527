import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AuditCatchUp } from '../../../generation/briefs/audit-catch-up.ts';
import { ModelError } from '../../../generation/model.ts';
import { silentLogger } from '../../../shared/logger.ts';
import { memoryRecords, type MemoryRecords } from '../../support/records.ts';
import { idsOf, Scene } from './scene.ts';

const MINUTE = 60_000;
const away = new ModelError('MODEL_UNAVAILABLE', 'The model is away.', { retryable: true });

let records: MemoryRecords;
let scene: Scene;
let catchUp: AuditCatchUp;
beforeAll(async () => {
  records = await memoryRecords();
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
