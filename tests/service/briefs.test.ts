import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { createParser } from 'eventsource-parser';
import { join } from 'node:path';
import { fetch } from 'undici';
import type { JsonObject } from '../../database/tables.ts';
import type { Bundle } from '../../generation/briefs/bundle.ts';
import { templates } from '../../generation/rules/templates.ts';
import { startVertexSandbox, type VertexSandbox } from '../../sandbox/vertex.ts';
import { BRIEF, idsOf } from '../generation/briefs/scene.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { Service, temporaryFolder } from '../support/service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
const cleanups: (() => Promise<unknown>)[] = [];
let postgres: TestPostgres;
beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startPostgres();
}, 60_000);
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});
afterAll(async () => {
  await postgres.stop();
  await folder.remove();
});

async function vertex(): Promise<VertexSandbox> {
  const writer = (task: string) => (data: unknown) => templates[task]?.(data as JsonObject);
  const sandbox = await startVertexSandbox({
    writers: {
      'brief-copy': writer('brief.copy'),
      'brief-social': writer('brief.social'),
      'brief-poster': writer('brief.poster'),
      'audit-judge': () => ({ answer: false, quote: '', reason: 'Nothing of the kind.' }),
    },
  });
  cleanups.push(() => sandbox.close());
  return sandbox;
}

/** On a server: the embedded database takes seconds to be made, and the first test has one. */
const environment = async (
  name: string,
  provider: string,
  sandbox?: VertexSandbox,
): Promise<Record<string, string>> => ({
  DATABASE_URL: (await postgres.createDatabase()).url,
  DATA_DIR: join(folder.path, name),
  CAMPAIGNS_DIR: join(folder.path, 'none'),
  MODEL_PROVIDER: provider,
  ...(sandbox ? { GOOGLE_CLOUD_PROJECT: 'a-project', GOOGLE_VERTEX_BASE_URL: sandbox.url } : {}),
});

async function start(env: Record<string, string>): Promise<Service> {
  const service = await Service.start(env);
  cleanups.push(() => service.end());
  return service;
}

async function bundleOf(service: Service, runId: string, states: readonly string[]): Promise<Bundle> {
  let bundle: Bundle | undefined;
  await service.until(async () => {
    bundle = (await service.get(`/api/briefs/${runId}`)).body['brief'] as unknown as Bundle;
    return states.includes(bundle.state);
  });
  return bundle as Bundle;
}

async function submit(service: Service, body: JsonObject = BRIEF): Promise<string> {
  const answer = await service.post('/api/briefs', body);
  expect(answer.status).toBe(202);
  return String(answer.body['runId']);
}

test('without any key, a brief gives an audited bundle that says the offline writer wrote it', async () => {
  const service = await start({ DATA_DIR: join(folder.path, 'rules'), CAMPAIGNS_DIR: join(folder.path, 'none') });
  const bundle = await bundleOf(service, await submit(service), ['completed']);
  expect(bundle.artifacts).toHaveLength(3);
  for (const artifact of bundle.artifacts)
    expect(artifact).toMatchObject({ provider: 'rules', model: 'rules-v1', cost: 0 });
  expect(bundle.audit).toMatchObject({ state: 'completed', result: { verdict: expect.any(String) } });
  expect(bundle.cost).toBe(0);
  const metrics = (await service.get('/metrics')).body['text'] as string;
  expect(metrics).toMatch(/orchestrator_briefs_total\{status="completed"\} 1/);
  expect(metrics).toMatch(/orchestrator_brief_first_artifact_seconds_count 1/);
});

describe.each(['genai', 'vertexai'])('with a Vertex endpoint, through %s,', (provider) => {
  test('a brief is written, judged and priced by the model', async () => {
    const sandbox = await vertex();
    const service = await start(await environment(`whole-${provider}`, provider, sandbox));
    const bundle = await bundleOf(service, await submit(service), ['completed', 'partial', 'failed']);
    expect(bundle).toMatchObject({ state: 'completed', missing: [] });
    for (const artifact of bundle.artifacts) {
      expect(artifact).toMatchObject({ provider });
      expect(artifact.model).toMatch(/^gemini/);
      expect(artifact.cost).toBeGreaterThan(0);
    }
    expect(bundle.cost).toBeGreaterThan(0);
    expect(bundle.audit).toMatchObject({ state: 'completed', result: { judged: 'complete' } });
    expect(sandbox.requests.map(({ task }) => task)).toEqual(
      expect.arrayContaining(['brief-copy', 'brief-social', 'brief-poster', 'audit-judge']),
    );
    expect(service.log).not.toMatch(/"level":"error"/);
  });

  test('an agent that the model refuses leaves a partial brief; a retry repairs that part alone', async () => {
    const sandbox = await vertex();
    sandbox.script('brief-social', { kind: 'blocked_answer', reason: 'SAFETY' });
    const service = await start(await environment(`partial-${provider}`, provider, sandbox));
    const runId = await submit(service);
    const broken = await bundleOf(service, runId, ['completed', 'partial', 'failed']);
    expect(broken).toMatchObject({
      state: 'partial',
      missing: [{ agent: 'social', reason: expect.stringContaining('MODEL_BLOCKED') }],
    });
    const retried = await service.post(`/api/briefs/${runId}/retry`);
    const whole = await bundleOf(service, String(retried.body['runId']), ['completed']);
    expect(whole.missing).toEqual([]);
    expect(idsOf(whole)).toMatchObject(idsOf(broken));
    expect(sandbox.requests.filter(({ task }) => task === 'brief-copy')).toHaveLength(1);
  });
});

test('every event arrives within two seconds of the change it tells', async () => {
  const sandbox = await vertex();
  for (const [nth, task] of ['brief-copy', 'brief-social', 'brief-poster'].entries())
    sandbox.script(task, { kind: 'status', status: 503, delayMs: nth * 300 });
  const service = await start(await environment('events', 'genai', sandbox));
  const runId = await submit(service);
  const response = await fetch(`${service.url}/api/briefs/${runId}/events`);
  const lateness: number[] = [];
  const parser = createParser({
    onEvent({ id, data }) {
      if (id !== undefined) lateness.push(Date.now() - Date.parse((JSON.parse(data) as { at: string }).at));
    },
  });
  const begun = Date.now();
  for await (const chunk of response.body ?? []) parser.feed(Buffer.from(chunk as Uint8Array).toString());
  expect(lateness.length).toBeGreaterThanOrEqual(9);
  expect(Math.max(...lateness)).toBeLessThan(2_000);
  expect(Date.now() - begun).toBeLessThan(30_000);
});

test('a service that is killed while agents write goes on with them at its next start, and loses nothing', async () => {
  const sandbox = await vertex();
  sandbox.script('brief-poster', { kind: 'hang' });
  const env = await environment('killed', 'genai', sandbox);
  const first = await Service.start(env);
  const runId = await submit(first);
  let before: Bundle | undefined;
  await first.until(async () => {
    before = (await first.get(`/api/briefs/${runId}`)).body['brief'] as unknown as Bundle;
    return before.artifacts.length === 2 && sandbox.requests.some(({ task }) => task === 'brief-poster');
  });
  await first.end('SIGKILL');
  const second = await start(env);
  const whole = await bundleOf(second, runId, ['completed']);
  expect(idsOf(whole)).toMatchObject(idsOf(before as Bundle));
  expect(sandbox.requests.filter(({ task }) => task === 'brief-copy')).toHaveLength(1);
});
