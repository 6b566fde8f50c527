import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { JsonObject } from '../../../database/tables.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../../generation/briefs/definition.ts';
import { ModelError } from '../../../generation/model.ts';
import { freshRecords, type TestRecords } from '../../support/records.ts';
import { BRIEF, Scene } from './scene.ts';

const CAMPAIGN = `/api/campaigns/${BRIEFS_CAMPAIGN_ID}`;
const refused = new ModelError('MODEL_REFUSED', 'The model said nothing.');

let records: TestRecords;
let scene: Scene;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => {
  scene = new Scene(records);
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

/** A brief whose copy the model refused to write. */
async function broken(): Promise<string> {
  scene.model.script['brief.copy'] = [refused, 'write'];
  return (await scene.write()).runId;
}

const put = (path: string, body: JsonObject) => request(scene.api.app).put(path).send(body);

async function change(changes: JsonObject): Promise<void> {
  const [campaign] = await records.select('campaigns');
  expect((await put(CAMPAIGN, { ...campaign?.config, ...changes })).status).toBe(200);
}

describe('repairing a brief', () => {
  test('twice at once makes one run; the other is told so', async () => {
    const runId = await broken();
    const answers = await Promise.all([1, 2, 3].map(() => scene.post(`/api/briefs/${runId}/retry`)));
    await scene.harness.idle();
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409]);
    const bundle = await scene.bundle(runId);
    expect(bundle).toMatchObject({ state: 'completed', runs: [runId, expect.any(String)] });
    expect(await records.count('campaign_runs')).toBe(2);
  });

  test('costs what all its runs cost', async () => {
    const runId = await broken();
    const before = await scene.bundle(runId);
    await scene.post(`/api/briefs/${runId}/retry`);
    await scene.harness.idle();
    const rows = await records.select('campaign_runs');
    const after = await scene.bundle(runId);
    expect(after.cost).toBeGreaterThan(before.cost);
    expect(after.cost).toBeCloseTo(rows.reduce((sum, row) => sum + row.total_cost_micros, 0) / 1e6, 6);
  });

  test('is refused while briefs are paused, with the way to resume them; nobody can force it', async () => {
    const runId = await broken();
    await put(`${CAMPAIGN}/pause`, { reason: 'holiday' });
    for (const answer of [await scene.post(`/api/briefs/${runId}/retry`), await scene.post('/api/briefs', BRIEF)]) {
      expect([answer.status, answer.body.error.code]).toEqual([409, 'CAMPAIGN_PAUSED']);
      expect(answer.body.error.details[0].mend).toContain(`PUT ${CAMPAIGN}/resume`);
      expect(answer.body.error.message).toContain('holiday');
      expect(JSON.stringify(answer.body)).not.toContain('force');
    }
    expect((await put(`${CAMPAIGN}/resume`, {})).status).toBe(200);
    expect((await scene.post(`/api/briefs/${runId}/retry`)).status).toBe(202);
    await scene.harness.idle();
  });

  test('goes by the way of briefs alone: a run that is started otherwise would not be one', async () => {
    const runId = await broken();
    for (const path of [`/api/runs/${runId}/retry`, `${CAMPAIGN}/run`]) {
      const answer = await scene.post(path, {});
      expect([answer.status, answer.body.error.code]).toEqual([409, 'RUN_OF_BRIEF']);
      expect(answer.body.error.details[0].mend).toContain('/api/briefs/{id}/retry');
    }
    expect(await records.count('campaign_runs')).toBe(1);
  });

  test('counts as one brief in the metrics, by how it ended', async () => {
    const runId = await broken();
    await scene.post(`/api/briefs/${runId}/retry`);
    await scene.harness.idle();
    const { body } = await request(scene.api.app).get('/api/briefs/metrics');
    expect(body.metrics).toMatchObject({ runs: 1, repairs: 1, completed: 1, partial: 0, successRate: 1 });
  });
});

describe('the campaign of all briefs', () => {
  test('that somebody removed comes back with the next brief, as paused as it was', async () => {
    const runId = await broken();
    await put(`${CAMPAIGN}/pause`, { reason: 'holiday' });
    expect((await request(scene.api.app).delete(CAMPAIGN)).status).toBe(200);
    expect((await scene.post('/api/briefs', BRIEF)).body.error.code).toBe('CAMPAIGN_PAUSED');
    await put(`${CAMPAIGN}/resume`, {});
    expect((await request(scene.api.app).delete(CAMPAIGN)).status).toBe(200);
    expect((await scene.post(`/api/briefs/${runId}/retry`)).status).toBe(202);
    await scene.harness.idle();
    expect((await scene.bundle(runId)).state).toBe('completed');
  });

  test('says whom to tell of each brief', async () => {
    await scene.write();
    expect(await records.count('notifications')).toBe(0);
    await change({ notifications: { onComplete: { email: ['team@example.com'] } } });
    await scene.write({ objective: 'Another one' });
    expect(await records.select('notifications')).toMatchObject([{ recipient: 'team@example.com' }]);
  });

  test('lets no two briefs work at once when its overlap says so, and the refusal tells how to change that', async () => {
    await scene.write();
    await change({ overlap: 'skip' });
    scene.model.script['brief.copy'] = ['hang'];
    const running = await scene.submit({ objective: 'First' });
    const second = await scene.post('/api/briefs', BRIEF);
    expect([second.status, second.body.error.code]).toEqual([409, 'RUN_ACTIVE']);
    expect(second.body.error.details[0].mend).toContain(`PUT ${CAMPAIGN}`);
    await scene.post(`/api/briefs/${running}/cancel`);
    await scene.harness.idle();
  });
});

test('what changed in the facts of a brief is told fact by fact, and long texts are not repeated', async () => {
  const long = (word: string) => ({ id: 'long', text: `${word} `.repeat(300).trim() });
  const facts = [
    { id: 'price', text: 'The lunch menu costs 14 euros.' },
    { id: 'seats', text: 'There are 40 seats.' },
  ];
  const first = await scene.write({ facts: [...facts, long('one')] });
  const second = await scene.write({
    priorRunId: first.runId,
    facts: [{ id: 'price', text: 'The lunch menu costs 15 euros.' }, facts[1] as JsonObject, long('two')],
    constraints: { prohibitedTerms: Array.from({ length: 90 }, (_, nth) => `${'w'.repeat(60)}${nth}`) },
  });
  expect(second.changes).toEqual([
    { field: 'constraints.prohibitedTerms', before: ['cheap'], after: expect.stringMatching(/^\(\d+ characters/) },
    { field: 'facts[long]', before: long('one'), after: long('two') },
    { field: 'facts[price]', before: facts[0], after: { id: 'price', text: 'The lunch menu costs 15 euros.' } },
  ]);
});
