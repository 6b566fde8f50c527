import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseCampaignText } from '../../campaigns/load.ts';
import { PLANS_CAMPAIGN_ID } from '../../moves/plan-definition.ts';
import { loadConfig } from '../../shared/config.ts';
import { originPolicy } from '../../shared/origins.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { PlanScene } from './planner-support.ts';
import { NOW, PLAN } from './planning-parts.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

const RED = { value: 41 };
const MIDDLE = Date.parse(NOW) + 40 * 86_400_000;

/** An active plan in its middle, with a KPI that is far behind. */
async function behind(): Promise<{ scene: PlanScene; planId: string }> {
  const scene = new PlanScene(records);
  const { planId } = await scene.active();
  await scene.clock.advance(MIDDLE - scene.clock.now());
  await scene.post(`/api/plans/${planId}/kpis/leads/readings`, { ...RED, by: 'Ana' });
  return { scene, planId };
}

async function pivot(scene: PlanScene, planId: string, body: object = {}): Promise<string> {
  const answer = await scene.post(`/api/plans/${planId}/pivots`, body);
  await scene.harness.idle();
  return String(answer.body.runId);
}

const stepOf = async (scene: PlanScene, runId: string, name: string) =>
  (await scene.harness.read(runId)).steps.find((step) => step.name === name);

describe('planning a plan anew', () => {
  test('begins once, however many ask for it at the same time', async () => {
    const scene = new PlanScene(records);
    const { planId } = await scene.submit();
    await scene.decide(planId, { decision: 'reject', reason: 'too bold' });
    const answers = await Promise.all([1, 2, 3, 4].map(() => scene.post(`/api/plans/${planId}/replan`)));
    await scene.harness.idle();
    expect(answers.map(({ status }) => status).toSorted((a, b) => a - b)).toEqual([202, 409, 409, 409]);
    expect(await scene.pending(planId)).toHaveLength(1);
  });

  test('is refused to an older run that is retried beside it', async () => {
    const scene = new PlanScene(records);
    const { planId, runId } = await scene.submit();
    await scene.decide(planId, { decision: 'reject' });
    await scene.post(`/api/plans/${planId}/replan`);
    await scene.harness.idle();
    const retried = await scene.post(`/api/runs/${runId}/retry`);
    await scene.harness.idle();
    expect(await stepOf(scene, retried.body.runId, 'arc')).toMatchObject({ error: { code: 'PLAN_CHANGED' } });
    expect(await scene.pending(planId)).toHaveLength(1);
  });
});

describe('a pivot', () => {
  test('is not proposed again on the readings on which one was approved', async () => {
    const { scene, planId } = await behind();
    await pivot(scene, planId);
    await scene.decide(planId);
    expect(await scene.versions(planId)).toHaveLength(2);
    const again = await pivot(scene, planId);
    expect(await stepOf(scene, again, 'pivot')).toMatchObject({
      status: 'empty',
      output: { reason: expect.stringContaining('was approved on the same evidence') },
    });
    await scene.post(`/api/plans/${planId}/kpis/leads/readings`, { value: 42, by: 'Ana' });
    await pivot(scene, planId);
    expect(await scene.pending(planId)).toHaveLength(1);
  });

  test('cannot be approved by whoever requested the plan, or asked for the pivot', async () => {
    const { scene, planId } = await behind();
    const decide = async (by: string) => {
      const [asked] = await scene.pending(planId);
      return (await scene.post(`/api/approvals/${asked?.id}/decision`, { decision: 'approve', by })).status;
    };
    await pivot(scene, planId);
    expect(await decide('ana')).toBe(403);
    await scene.decide(planId, { decision: 'reject' });
    await scene.post(`/api/plans/${planId}/kpis/leads/readings`, { value: 43, by: 'Ana' });
    await pivot(scene, planId, { requestedBy: 'Chris' });
    expect([await decide('Chris'), await decide('Ana')]).toEqual([403, 200]);
    await scene.harness.idle();
  });

  test('is withdrawn with the end of its plan, and nobody is asked any more', async () => {
    const { scene, planId } = await behind();
    await pivot(scene, planId);
    expect((await scene.post(`/api/plans/${planId}/end`, { reason: 'sold' })).status).toBe(200);
    await scene.harness.keeper.runOnce();
    await scene.harness.idle();
    expect(await scene.pending(planId)).toEqual([]);
    expect(await scene.pivots(planId)).toMatchObject([{ state: 'withdrawn', reason: 'The plan was ended.' }]);
    expect(await scene.versions(planId)).toHaveLength(1);
  });
});

describe('what cannot be', () => {
  test.each([
    ['a day that there is not', { startsOn: '2026-13-01' }, 'startsOn'],
    [
      'a password in an address',
      { research: [{ url: 'http://u:p@127.0.0.1:9/', question: 'What?' }] },
      'research[0].url',
    ],
    [
      'an origin that nobody allows',
      { research: [{ url: 'http://169.254.169.254/latest', question: 'What?' }] },
      'research[0].url',
    ],
    [
      'a file outside of its folder',
      { kpis: [{ name: 'a', unit: 'b', baseline: 1, target: 2, source: { type: 'csv', file: '../secret.csv' } }] },
      'kpis[0].source.file',
    ],
  ])('%s is refused at once, and named', async (_, changes, path) => {
    const scene = new PlanScene(records);
    const answer = await scene.post('/api/plans', { ...PLAN, ...changes });
    expect(answer.status).toBe(400);
    expect(answer.body.error.details.map((detail: { path: string }) => detail.path)).toContain(path);
    expect(await records.count('plans')).toBe(0);
  });

  test('while plans are paused, the refusal says how to resume them', async () => {
    const scene = new PlanScene(records);
    const { planId } = await scene.submit();
    await records.update('campaigns', { status: 'paused', paused_by: 'operator' }, [
      { column: 'id', op: 'eq', value: PLANS_CAMPAIGN_ID },
    ]);
    const answer = await scene.post('/api/plans', PLAN);
    expect(answer).toMatchObject({ status: 409, body: { error: { code: 'CAMPAIGN_PAUSED' } } });
    expect(answer.body.error.details[0].mend).toContain(`PUT /api/campaigns/${PLANS_CAMPAIGN_ID}/resume`);
    expect((await scene.get('/api/plans')).body.plans.map((plan: { id: string }) => plan.id)).toEqual([planId]);
  });

  test('a query of an address, in which a key may stand, is not shown', async () => {
    const scene = new PlanScene(records);
    const source = { type: 'http', url: 'http://127.0.0.1:9/leads?key=s3cret', value: '$.leads' };
    const kpis = [{ name: 'leads', unit: 'leads', baseline: 40, target: 120, source }];
    const { planId } = await scene.submit({ kpis });
    const shown = await scene.get(`/api/plans/${planId}`);
    expect(JSON.stringify(shown.body)).not.toContain('s3cret');
    expect(shown.body.plan.context.kpis[0].source.url).toBe('http://127.0.0.1:9/leads?…');
  });

  test('a campaign file with such a day is told of, like any other', () => {
    const { startsOn: _, ...rest } = PLAN;
    const steps = [{ engine: 'arc', params: { request: { ...rest, startsOn: '2026-13-01' } } }];
    const bytes = new TextEncoder().encode(JSON.stringify({ name: 'C', steps }));
    const config = loadConfig({});
    const env = { origins: originPolicy(config), engines: config.engines, referenceNames: [], approvalGroups: [] };
    expect(parseCampaignText({ file: 'a.json', hash: '', bytes }, env)).toMatchObject({
      problems: [{ path: 'steps[0].params.request.startsOn' }],
    });
  });
});
