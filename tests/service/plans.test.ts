import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { appendFile, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fetch } from 'undici';
import type { JsonObject } from '../../database/tables.ts';
import { type MailCatcher, startMailCatcher } from '../../sandbox/mail-catcher.ts';
import { SAMPLE_CONTEXT, sampleContext } from '../../sandbox/sample-context.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { Service, temporaryFolder } from '../support/service.ts';
import { expectWellFormed } from '../support/xml.ts';
import { KilledService, repeated } from './plans-support.ts';

const TEAM = 'team@example.com';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let mail: MailCatcher;
/** A server of its own: the embedded database takes seconds to open, and here it would be opened again and again. */
let postgres: TestPostgres;
let killed: KilledService;

beforeAll(async () => {
  folder = await temporaryFolder();
  mail = await startMailCatcher();
  postgres = await startPostgres();
}, 60_000);

afterAll(async () => {
  await mail?.close();
  await postgres?.stop();
  await folder.remove();
}, 30_000);

afterEach(async () => {
  await killed?.end();
});

const environment = async (name: string): Promise<Record<string, string>> => ({
  DATABASE_URL: (await postgres.createDatabase()).url,
  DATA_DIR: join(folder.path, name),
  KPI_DIR: join(folder.path, name, 'kpis'),
  CAMPAIGNS_DIR: join(folder.path, 'none'),
  SMTP_URL: mail.url,
});

async function learn(name: string): Promise<void> {
  const text = await readFile(join(SAMPLE_CONTEXT, name), 'utf8');
  const answer = await fetch(`${killed.now.url}/api/knowledge?name=${name}&collection=ferry-lane`, {
    method: 'POST',
    headers: { 'content-type': 'text/markdown' },
    body: text,
  });
  const { ingest } = (await answer.json()) as { ingest: JsonObject };
  await killed.now.until(async () => {
    const now = (await killed.get(`/api/knowledge/ingests/${String(ingest['id'])}`))['ingest'] as JsonObject;
    return now['state'] === 'completed';
  });
}

const verdicts = async (planId: string) =>
  (await killed.approvals(planId)).map(({ kind, state }) => `${kind} ${state}`).toSorted();

/** Nothing of a plan may stand there twice, and nothing of it may be missing. */
async function expectOnce(planId: string, runs: readonly string[]): Promise<void> {
  const approvals = await killed.approvals(planId);
  expect(repeated(approvals.map(({ kind, runId }) => `${kind}/${runId}`))).toEqual([]);
  const moves = await killed.all(`/api/moves?planId=${planId}`, 'moves');
  expect(repeated(moves.map(({ week, title }) => `${String(week)}/${String(title)}`))).toEqual([]);
  for (const runId of runs) {
    const [approval] = approvals.filter((one) => one.kind === 'moves' && one.runId === runId);
    if (!approval) continue;
    const { subject } = (await killed.get(`/api/approvals/${approval.id}`))['approval'] as JsonObject;
    const approved = (subject as JsonObject)['moves'] as unknown[];
    expect(moves.filter((move) => move['approvalId'] === approval.id)).toHaveLength(approved.length);
  }
  const withAssets = moves.filter(({ assets }) => (assets as unknown[]).length > 0);
  for (const { assets } of withAssets) expect(assets).toHaveLength(1);
  const decisions = await killed.all(`/api/decisions?planId=${planId}`, 'decisions');
  const keys = decisions.map(({ runId, action, evidence }) =>
    [runId, action, (evidence as JsonObject)['move'] ?? ''].map(String).join('/'),
  );
  expect(repeated(keys)).toEqual([]);
  expect(keys.filter((key) => key.includes('/move.write_asset/'))).toHaveLength(withAssets.length);
  expect(await killed.get('/api/decisions/verify')).toMatchObject({ valid: true });
  for (const runId of runs)
    expect((await killed.eventsOf(runId)).filter((type) => type === 'run.finished')).toHaveLength(1);
}

/** Each of these messages is on its way once. What was being sent when its sender died comes again, minutes later, under the same Message-ID. */
async function expectTold(subjects: readonly string[]): Promise<void> {
  let rows: JsonObject[] = [];
  await killed.now.until(async () => {
    rows = await killed.all('/api/notifications', 'notifications');
    return rows.every(({ status }) => status === 'sent' || status === 'sending');
  });
  expect(rows).toHaveLength(subjects.length);
  const told = [...new Map(mail.mails.map((each) => [each.messageId, each.subject ?? ''])).values()];
  expect(repeated(told)).toEqual([]);
  expect(subjects).toEqual(expect.arrayContaining(told));
  expect(told.length).toBeGreaterThanOrEqual(rows.filter(({ status }) => status === 'sent').length);
}

describe('a plan of the sample context, whose service is killed between every two steps,', () => {
  test('is requested, approved, written for, shown, and changed by a pivot, each exactly once', async () => {
    const env = await environment('story');
    killed = await KilledService.start(env);
    await learn('business-context.md');
    const request = (await sampleContext(env['KPI_DIR'] as string, Date.now())) as JsonObject;
    const notify = { email: [TEAM] };
    const requested = await killed.post('/api/plans', { ...request, notify });
    const { id } = requested['plan'] as { id: string };
    const runId = String(requested['runId']);
    await killed.kill();

    const arc = await killed.asked(id, 'arc');
    await killed.kill();
    expect((await killed.approvals(id)).map((one) => [one.id, one.state])).toEqual([[arc.id, 'pending']]);
    expect(await killed.plan(id)).toMatchObject({ state: 'planning', arcVersion: 0, moves: {} });
    const refused = await killed.now.post(`/api/approvals/${arc.id}/decision`, { decision: 'approve', by: 'Nora' });
    expect(refused).toMatchObject({ status: 403, body: { error: { code: 'APPROVAL_SELF' } } });
    await killed.decide(arc.id, 'ben');
    await killed.kill();

    const moves = await killed.asked(id, 'moves');
    await killed.kill();
    expect(await killed.plan(id)).toMatchObject({ state: 'active', arcVersion: 1, moves: {} });
    await killed.decideAndDie(moves.id, 'ben', 15);

    await killed.now.until(async () => {
      const run = (await killed.get(`/api/runs/${runId}`))['run'] as { status: string; steps: JsonObject[] };
      return run.status === 'completed' || run.steps.some(({ name }) => name === 'move-assets');
    });
    await killed.kill();
    expect(await killed.run(runId)).toMatchObject({ status: 'completed', steps_completed: 3, steps_failed: 0 });
    const first = (await killed.all(`/api/moves?planId=${id}&sort=week`, 'moves')).filter(
      ({ week }, _, [earliest]) => week === earliest?.['week'],
    );
    expect(first.length).toBeGreaterThan(0);
    for (const { assets } of first)
      expect(assets).toMatchObject([{ provider: 'rules', model: 'rules-v1', verdict: expect.any(String) }]);
    await killed.kill();

    const svg = (await killed.now.get(`/api/plans/${id}/timeline.svg`)).body['text'] as string;
    expectWellFormed(svg);
    expect(svg).toContain('Ferry Lane Coffee');

    const calm = await killed.post(`/api/plans/${id}/pivots`, { notify });
    await killed.kill();
    expect(await killed.run(String(calm['runId']))).toMatchObject({ status: 'completed' });
    expect(await killed.get(`/api/plans/${id}/kpis`)).toMatchObject({
      kpis: [{ colour: 'green' }, { colour: 'green' }],
    });
    expect(await killed.get(`/api/plans/${id}/pivots`)).toMatchObject({ pivots: [] });

    const today = new Date().toISOString().slice(0, 10);
    await appendFile(join(env['KPI_DIR'] as string, 'subscriptions.csv'), `${today},128,51\n`);
    const wanted = await killed.post(`/api/plans/${id}/pivots`, { notify });
    const pivotRun = String(wanted['runId']);
    await killed.kill();
    const pivot = await killed.asked(id, 'pivot');
    expect(pivot.runId).toBe(pivotRun);
    await killed.kill();
    expect(await killed.get(`/api/plans/${id}/kpis`)).toMatchObject({ kpis: [{ colour: 'red' }, { colour: 'green' }] });
    expect(await killed.plan(id)).toMatchObject({ arcVersion: 1 });
    await killed.decide(pivot.id, 'ben');
    await killed.kill();
    expect(await killed.run(pivotRun)).toMatchObject({ status: 'completed' });
    await killed.kill();

    const { version } = (await killed.get(`/api/plans/${id}/versions/2`)) as { version: JsonObject };
    expect(version).toMatchObject({ approvedBy: 'ben', runId: pivotRun, writtenBy: 'rules-v1' });
    expect(version['changes']).toEqual(
      expect.arrayContaining([expect.stringMatching(/^Channel email: budget share 45 % → \d+ %$/)]),
    );
    expect(version['diff']).toEqual(
      expect.arrayContaining([expect.objectContaining({ path: '/channels/0/budgetShare' })]),
    );
    expect(await killed.plan(id)).toMatchObject({
      state: 'active',
      arcVersion: 2,
      versions: [{ version: 1 }, { version: 2 }],
    });
    expect((await killed.all(`/api/plans/${id}/pivots`, 'pivots')).map(({ state }) => state)).toEqual(['approved']);
    expect(await killed.all('/api/plans', 'plans')).toHaveLength(1);
    expect(await verdicts(id)).toEqual(['arc approved', 'moves approved', 'pivot approved']);
    await expectOnce(id, [runId, String(calm['runId']), pivotRun]);
    await expectTold([
      ...[arc, moves, pivot].map(({ title }) => `Campaign "Plans" asks for approval: ${title}`),
      'KPI "Active subscriptions" of plan "Ferry Lane Coffee: subscriptions" is red (was green)',
    ]);
    expect(killed.now.log).not.toContain('"level":"error"');
  }, 300_000);
});

/** Numbers from 0 to 1 that are the same in every run of the test. */
function numbersFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 4_294_967_296;
  };
}

describe('a plan whose service is killed at once', () => {
  beforeEach(async () => {
    killed = await KilledService.start(await environment('instants'));
  }, 60_000);

  test('is there once or not at all when it was killed while it was asked for', async () => {
    const request = (await sampleContext(join(folder.path, 'kpis'), Date.now())) as JsonObject;
    const next = numbersFrom(4);
    for (const nth of [1, 2, 3]) {
      const name = `Asked ${nth}`;
      const answer = await killed.killDuring(next() * 40, (service) =>
        service.post('/api/plans', { ...request, name }),
      );
      const there = (await killed.all('/api/plans', 'plans')).filter((plan) => plan['name'] === name);
      expect(there.length).toBeLessThanOrEqual(1);
      if (answer !== null) expect(there).toHaveLength(1);
      const [plan] = there as { id: string; runId: string | null }[];
      // Without a run it was left between two writes, and whoever asked has no answer: it is failed after a while.
      if (!plan || plan.runId === null) continue;
      await killed.asked(plan.id, 'arc');
      expect(await killed.approvals(plan.id)).toHaveLength(1);
    }
  }, 240_000);
});

describe('the campaigns that ship', () => {
  test('end quietly where there is no plan', async () => {
    const service = await Service.start({
      ...(await environment('shipped')),
      CAMPAIGNS_DIR: join(PROJECT_ROOT, 'campaigns'),
    });
    try {
      const { body } = await service.get('/api/campaigns?limit=100');
      const campaigns = body['campaigns'] as { id: string; name: string }[];
      for (const name of ['Weekly Moves', 'Plan Monitoring']) {
        const id = campaigns.find((campaign) => campaign.name === name)?.id;
        const started = await service.post(`/api/campaigns/${String(id)}/run`);
        const run = await service.untilRun(String(started.body['runId']), [
          'completed',
          'partial',
          'failed',
          'aborted',
        ]);
        expect(run).toMatchObject({ status: 'completed', steps: [{ status: 'empty' }, { status: 'empty' }] });
      }
      expect(await service.get('/api/notifications')).toMatchObject({ body: { notifications: [] } });
    } finally {
      await service.end();
    }
  }, 60_000);
});
