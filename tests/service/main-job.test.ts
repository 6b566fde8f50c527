import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { JsonObject } from '../../database/tables.ts';
import { type MailCatcher, startMailCatcher } from '../../sandbox/mail-catcher.ts';
import { type SlackCatcher, startSlackCatcher } from '../../sandbox/slack-catcher.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { scriptedEngine, type Script, type ScriptedEngine } from '../support/scripted-engine.ts';
import { Service, temporaryFolder } from '../support/service.ts';

const WEEKLY = join(PROJECT_ROOT, 'campaigns', 'weekly-restaurant.json');

/** The prospecting engine of the documents: unnamed frames in the answer to the POST. */
const prospectingStream: Script = (_, response) => {
  response.setHeader('content-type', 'text/event-stream');
  for (const frame of [
    { type: 'started', runId: 'p-1' },
    { type: 'discovery_progress', found: 12 },
    { type: 'complete', data: { found: 25, verified: 22, saved: 20, cost: 2.5, timeMs: 10 } },
    { type: 'complete', data: { found: 25, verified: 22, saved: 99, cost: 99 } },
  ])
    response.write(`data: ${JSON.stringify(frame)}\n\n`);
  response.end();
  return undefined;
};

const analysisJobs: Script = (_, response) => {
  response.statusCode = 202;
  return { success: true, job_ids: ['a', 'b', 'c'] };
};

const analysisStatus: Script = (_, __, earlier) => ({
  jobs: ['a', 'b', 'c'].map((job_id, index) => ({
    job_id,
    state: earlier === 0 ? 'processing' : 'completed',
    result: earlier === 0 ? null : { success: index < 2, analysis_cost: 0.1 },
  })),
});

const composeStream: Script = (_, response) => {
  response.setHeader('content-type', 'text/event-stream');
  response.write('event: status\ndata: {"message":"composing"}\n\n');
  response.write('event: error\ndata: {"lead":"x","error":"no e-mail"}\n\n');
  response.write('event: complete\ndata: {"completed": 12, "total_cost": 0.4}\n\n');
  response.end();
  return undefined;
};

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let mail: MailCatcher;
let slack: SlackCatcher;
let prospecting: ScriptedEngine;
let analysis: ScriptedEngine;
let outreach: ScriptedEngine;
let service: Service;
const scripts: { send: Script } = {
  send: () => ({ success: true, results: { sent: ['1', '2', '3'], failed: ['4'], skipped: ['5', '6'] } }),
};

beforeAll(async () => {
  folder = await temporaryFolder();
  [mail, slack] = await Promise.all([startMailCatcher(), startSlackCatcher()]);
  prospecting = await scriptedEngine({ '/api/prospect': prospectingStream });
  analysis = await scriptedEngine({ '/api/analyze': analysisJobs, '/api/analyze-status': analysisStatus });
  outreach = await scriptedEngine({
    '/api/compose-batch': composeStream,
    '/api/send-batch': (...call) => scripts.send(...call),
  });
  await mkdir(join(folder.path, 'campaigns'));
  service = await Service.start({
    DATA_DIR: join(folder.path, 'data'),
    CAMPAIGNS_DIR: join(folder.path, 'campaigns'),
    ENGINE_ALLOWED_ORIGINS: [prospecting.url, analysis.url, outreach.url, slack.origin].join(','),
    SMTP_URL: mail.url,
    SLACK_WEBHOOK_URL: slack.url,
  });
}, 60_000);

afterAll(async () => {
  await service?.end();
  await Promise.all([mail, slack, prospecting, analysis, outreach].map((each) => each?.close()));
  await folder.remove();
}, 30_000);

/** Section 4 of the pipeline document with the engines' addresses of this test, and nothing else changed. */
async function weeklyRestaurant(): Promise<JsonObject> {
  const text = await readFile(WEEKLY, 'utf8');
  const { $schema: _, ...campaign } = JSON.parse(
    text
      .replaceAll('http://localhost:3010', prospecting.url)
      .replaceAll('http://localhost:3000', analysis.url)
      .replaceAll('http://localhost:3001', outreach.url),
  ) as JsonObject;
  return campaign;
}

describe('the campaign of the pipeline document', () => {
  let campaignId: string;

  test('is created with its next run at nine in New York', async () => {
    const { status, body } = await service.post('/api/campaigns', await weeklyRestaurant());
    expect(status).toBe(201);
    const campaign = body['campaign'] as JsonObject;
    expect(campaign).toMatchObject({ name: 'Weekly Restaurant Outreach - Philadelphia', status: 'active' });
    const local = new Date(String(campaign['nextRun'])).toLocaleString('en-GB', {
      timeZone: 'America/New_York',
      weekday: 'short',
      hour: '2-digit',
      minute: '2-digit',
    });
    expect(local).toMatch(/^Mon,? 09:00$/);
    campaignId = String(campaign['id']);
  });

  test('runs by hand over all three dialects, with right counts and costs', async () => {
    const started = await service.post(`/api/campaigns/${campaignId}/run`);
    expect(started).toMatchObject({ status: 202, body: { success: true, message: 'Campaign started' } });
    const run = await service.untilRun(String(started.body['runId']), ['completed', 'partial', 'failed', 'aborted']);
    expect(run['status']).toBe('completed');
    const { body } = await service.get(`/api/campaigns/${campaignId}/runs`);
    expect((body['runs'] as JsonObject[])[0]).toMatchObject({
      id: started.body['runId'],
      status: 'completed',
      steps_completed: 4,
      steps_failed: 0,
      prospects_generated: 20,
      leads_analyzed: 2,
      emails_sent: 3,
      total_cost: 3.2,
      errors: [],
    });
  }, 30_000);

  test('tells of its completion by a mail that names counts and cost', async () => {
    const received = await mail.waitForMail((each) => each.subject?.includes('completed') ?? false);
    expect(received.subject).toBe('Campaign "Weekly Restaurant Outreach - Philadelphia" completed');
    expect(received.envelope.to).toEqual(['your-email@example.com']);
    for (const fact of ['20', '2', '3', '$3.20']) expect(received.text).toContain(fact);
  }, 30_000);

  test('tells of a failure at the webhook and by mail', async () => {
    const campaign = await weeklyRestaurant();
    const steps = campaign['steps'] as JsonObject[];
    (steps[0] as JsonObject)['endpoint'] = `${prospecting.url}/api/nowhere`;
    const created = await service.post('/api/campaigns', { ...campaign, name: 'Broken' });
    const id = String((created.body['campaign'] as JsonObject)['id']);
    const started = await service.post(`/api/campaigns/${id}/run`);
    const run = await service.untilRun(String(started.body['runId']), ['failed', 'completed', 'partial']);
    expect(run['status']).toBe('failed');
    const post = await slack.waitForPost((each) => each.raw.includes('Broken'));
    expect(post.raw).toContain('prospecting');
    const received = await mail.waitForMail((each) => each.subject?.includes('"Broken" failed') ?? false);
    expect(received.text).toContain(String(started.body['runId']));
  }, 30_000);

  test('shows the run with steps, attempts and events, and streams them to the end', async () => {
    const { body } = await service.get(`/api/campaigns/${campaignId}/runs`);
    const id = String((body['runs'] as JsonObject[])[0]?.['id']);
    const events = await service.get(`/api/runs/${id}/events`, { accept: 'text/event-stream' });
    const text = String(events.body['text']);
    expect(text).toMatch(/id: 1\nevent: run\.queued/);
    expect(text.trimEnd().split('\n\n').at(-1)).toContain('event: run.finished');
    const seqs = [...text.matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    const resumed = await service.get(`/api/runs/${id}/events`, {
      'last-event-id': String(seqs[2]),
      accept: 'text/event-stream',
    });
    const rest = [...String(resumed.body['text']).matchAll(/^id: (\d+)$/gm)].map((match) => Number(match[1]));
    expect(rest).toEqual(seqs.slice(3));
  });
});

describe('a campaign file', () => {
  test('dropped into the folder is loaded, and a change updates it without a second campaign', async () => {
    const file = join(folder.path, 'campaigns', 'dropped.json');
    const definition = {
      name: 'Dropped',
      steps: [{ engine: 'prospecting', endpoint: `${prospecting.url}/api/prospect` }],
    };
    const named = async (name: string) =>
      ((await service.get('/api/campaigns?limit=200')).body['campaigns'] as JsonObject[]).filter(
        (row) => row['name'] === name,
      );
    await writeFile(file, JSON.stringify(definition));
    await service.until(async () => (await named('Dropped')).length === 1);
    const [before] = await named('Dropped');
    await writeFile(file, JSON.stringify({ ...definition, name: 'Dropped and changed' }));
    await service.until(async () => (await named('Dropped and changed')).length === 1);
    const [after] = await named('Dropped and changed');
    expect(after?.['id']).toBe(before?.['id']);
    expect(await named('Dropped')).toEqual([]);
  }, 60_000);
});

describe('a stop by SIGTERM in the middle of a run', () => {
  test('leaves rows from which the next start goes on, and runs nothing twice', async () => {
    let release = () => {};
    const held = new Promise<void>((resolve) => (release = resolve));
    const data = join(folder.path, 'restart');
    const calls = { find: 0, look: 0 };
    const engine = await scriptedEngine({
      '/api/prospect': () => {
        calls.find += 1;
        return { success: true, data: { saved: 5, cost: 0.1 } };
      },
      '/api/analyze': async () => {
        calls.look += 1;
        if (calls.look === 1) await held;
        return { success: true, summary: { successful: 5, totalCost: 0.1 } };
      },
    });
    const env = {
      DATA_DIR: data,
      CAMPAIGNS_DIR: join(folder.path, 'none'),
      ENGINE_PROSPECTING_URL: engine.url,
      ENGINE_ANALYSIS_URL: engine.url,
      STOP_GRACE_MS: '200',
    };
    const first = await Service.start(env);
    const created = await first.post('/api/campaigns', {
      name: 'Restarted',
      steps: [{ engine: 'prospecting' }, { engine: 'analysis' }],
    });
    const asked = engine.asked('/api/analyze');
    const started = await first.post(`/api/campaigns/${String((created.body['campaign'] as JsonObject)['id'])}/run`);
    await asked;
    expect(await first.end('SIGTERM')).toBe(0);
    release();
    const second = await Service.start(env);
    const run = await second.untilRun(String(started.body['runId']), ['completed', 'failed', 'partial']);
    expect(run).toMatchObject({ status: 'completed', steps_completed: 2 });
    expect(calls).toEqual({ find: 1, look: 2 });
    expect(await second.end('SIGTERM')).toBe(0);
    await engine.close();
  }, 90_000);

  test('kill -9 in the middle of a send asks a person instead of sending again', async () => {
    const engine = await scriptedEngine({ '/api/send-batch': () => undefined });
    const env = {
      DATA_DIR: join(folder.path, 'killed'),
      CAMPAIGNS_DIR: join(folder.path, 'none'),
      ENGINE_OUTREACH_URL: engine.url,
    };
    const first = await Service.start(env);
    const created = await first.post('/api/campaigns', { name: 'Killed', steps: [{ engine: 'sender' }] });
    const asked = engine.asked('/api/send-batch');
    const started = await first.post(`/api/campaigns/${String((created.body['campaign'] as JsonObject)['id'])}/run`);
    await asked;
    await first.end('SIGKILL');
    const second = await Service.start(env);
    const run = await second.untilRun(String(started.body['runId']), ['waiting', 'completed', 'failed', 'partial']);
    expect(run['status']).toBe('waiting');
    expect(engine.requests).toHaveLength(1);
    await second.end();
    await engine.close();
  }, 90_000);
});
