import { readFile } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Ajv2020 } from 'ajv/dist/2020.js';
import request, { type Response } from 'supertest';
import { operations, openApiDocument } from '../../api/operations.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import type { JsonObject } from '../../shared/json.ts';
import { ConflictError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import { definition, insertCampaign, insertEvents, insertRun, makeApi } from '../support/api.ts';
import { arc, context as planContext, insertMoves, insertPlan } from '../moves/moves-support.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

const SNAPSHOT = join(PROJECT_ROOT, 'docs', 'openapi.json');
type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';
interface Described {
  responses: Record<string, { content?: Record<string, { schema: object }> }>;
}
const document = openApiDocument() as { paths: Record<string, Record<string, Described>> };

test('the committed docs/openapi.json is the present one (node api/write-openapi.ts writes it)', async () => {
  expect(JSON.parse(await readFile(SNAPSHOT, 'utf8'))).toEqual(document);
});

test('every operation tells how it fails, and has a name of its own', () => {
  expect(new Set(operations.map(({ id }) => id)).size).toBe(operations.length);
  for (const [path, methods] of Object.entries(document.paths))
    for (const described of Object.values(methods)) {
      const statuses = Object.keys(described.responses).map(Number);
      expect(statuses).toEqual(expect.arrayContaining([400, 403, 500]));
      if (path.includes('{id}')) expect(statuses).toContain(404);
      expect(statuses.some((status) => status < 300)).toBe(true);
    }
});

const BRIEF = {
  objective: 'Fill the tables on weekdays',
  audience: 'People who work nearby',
  product: 'A lunch menu',
  tone: 'warm',
};

describe('real answers are as the document says', () => {
  let records: TestRecords;
  let campaignId: string;
  let runId: string;
  const decisionId = newId();
  let briefId: string;
  let moveId: string;
  let planId: string;
  const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });
  ajv.addSchema(document, 'api');
  const covered = new Set<string>();

  /** Fails when the status, the media type or the body of an answer is not the documented one. */
  function check(method: Method, path: string, answer: Response): void {
    const described = document.paths[path]?.[method]?.responses[answer.status];
    if (!described) throw new Error(`${method} ${path} answers ${answer.status}, which is not documented`);
    covered.add(`${method} ${path} ${answer.status}`);
    const type = (answer.headers['content-type'] ?? '').split(';')[0] ?? '';
    if (!described.content) return expect(answer.text ?? '').toBe('');
    expect([...Object.keys(described.content), ...(described.content['*/*'] ? [type] : [])]).toContain(type);
    if (type !== 'application/json') return;
    const pointer = [path, method, 'responses', answer.status, 'content', type, 'schema']
      .map((part) => String(part).replaceAll('~', '~0').replaceAll('/', '~1'))
      .map(encodeURIComponent)
      .join('/');
    const validate = ajv.compile({ $ref: `api#/paths/${pointer}` });
    validate(answer.body);
    expect({ of: `${method} ${path}`, errors: validate.errors ?? [] }).toEqual({ of: `${method} ${path}`, errors: [] });
  }

  const ids: Record<string, () => string> = {
    '/api/runs': () => runId,
    '/api/briefs': () => briefId,
    '/api/decisions': () => decisionId,
    '/api/moves': () => moveId,
    '/api/plans': () => planId,
  };
  const idFor = (path: string) => Object.entries(ids).find(([start]) => path.startsWith(start))?.[1]() ?? campaignId;
  const fill = (path: string, id = idFor(path)) =>
    path.replace('{id}', id).replace('{name}', 'send').replace('{file}', 'swagger-ui.css');

  async function ask(
    app: RequestListener,
    method: Method,
    path: string,
    body?: object,
    query = '',
    id?: string,
  ): Promise<void> {
    check(
      method,
      path,
      await request(app)
        [method](`${fill(path, id)}${query}`)
        .send(body),
    );
  }

  beforeAll(async () => {
    records = await freshRecords();
    campaignId = (await insertCampaign(records)).id;
    await insertCampaign(records, { schedule_cron: null, next_run_at: null, status: 'paused', paused_by: 'budget' });
    const at = '2026-01-05T09:00:00.000Z';
    const error = { code: 'ENGINE_TIMEOUT', message: 'too slow', retryable: true };
    const run = await insertRun(records, campaignId, {
      status: 'partial',
      started_at: at,
      completed_at: at,
      errors: [{ step: 'send', code: 'ENGINE_TIMEOUT', error: 'too slow', at }],
    });
    runId = run.id;
    await insertEvents(records, runId, ['run.queued', 'run.finished']);
    await records.insert('run_steps', [
      {
        run_id: runId,
        name: 'send',
        position: 0,
        kind: 'sender',
        effect: 'once',
        status: 'failed',
        attempts: 1,
        started_at: at,
        completed_at: at,
        cost_micros: 12_345,
        counts: { emails_sent: 3 },
        output: { sent: 3 },
        error,
        attempt_log: [
          { attempt: 1, started_at: at, completed_at: at, cost_micros: 12_345, cost_unknown: false, error },
        ],
      },
    ]);
    await records.insert('agent_decisions', [
      {
        id: decisionId,
        agent: 'orchestrator',
        action: 'stop',
        run_id: runId,
        decided_at: at,
        reasoning: 'r',
        confidence: 0.75,
      },
    ]);
    planId = (await insertPlan(records)).id;
    moveId = (await insertMoves(records))[0]?.id ?? '';
    await records.insert('campaign_fires', [
      { id: newId(), campaign_id: campaignId, scheduled_for: at, effective_for: at, outcome: 'ran', run_id: runId },
    ]);
    await records.insert('notifications', [
      {
        id: newId(),
        dedupe_key: 'd',
        kind: 'run_failed',
        notifier: 'slack',
        recipient: 'https://hooks.slack.example/services/secret',
        facts: { a: 1 },
        next_attempt_at: at,
        created_at: at,
      },
    ]);
  });
  afterAll(() => records.close());

  test('where they succeed', async () => {
    const { app } = makeApi(records);
    await ask(app, 'post', '/api/campaigns', definition);
    await ask(app, 'post', '/api/campaigns/validate', definition);
    await ask(app, 'put', '/api/campaigns/{id}', { ...definition, description: 'changed' });
    await ask(app, 'put', '/api/campaigns/{id}/pause', { reason: 'because' });
    await ask(app, 'put', '/api/campaigns/{id}/resume');
    await ask(app, 'post', '/api/campaigns/{id}/run', { force: true });
    await ask(app, 'post', '/api/runs/{id}/cancel');
    await ask(app, 'post', '/api/runs/{id}/retry', { from: 'start' });
    await ask(app, 'post', '/api/runs/{id}/steps/{name}/resolve', { outcome: 'done', note: 'n', by: 'b' });
    await ask(app, 'post', '/api/schedules/preview', { cron: '@daily' });
    await ask(app, 'get', '/api/runs/{id}/events', undefined, '?format=json');
    await ask(app, 'get', '/api/runs/{id}/events', undefined, '?lastEventId=2');
    const brief = await request(app).post('/api/briefs').send(BRIEF);
    check('post', '/api/briefs', brief);
    briefId = brief.body.runId;
    await ask(app, 'post', '/api/briefs/{id}/cancel', { reason: 'enough' });
    await ask(app, 'put', '/api/memory/sessions/{id}', { state: { step: 1 }, version: null });
    await ask(app, 'patch', '/api/moves/{id}', { state: 'in_progress' });
    const entered = await request(app).post(`/api/plans/${planId}/kpis/leads/readings`).send({ value: 1 });
    check('post', '/api/plans/{id}/kpis/{kpi}/readings', entered);
    await knowledgeAnswers(app);
    await planAnswers(app);
    for (const { method, path } of operations) if (method === 'get') await ask(app, 'get', path);
    await ask(app, 'delete', '/api/memory/sessions/{id}');
    await ask(app, 'post', '/api/briefs/{id}/retry');
    await ask(app, 'delete', '/api/campaigns/{id}', undefined, '', (await insertCampaign(records)).id);
    const missing = operations.filter(
      ({ method, path }) => ![...covered].some((key) => key.startsWith(`${method} ${path} 2`)),
    );
    expect(missing.map(({ id }) => id)).toEqual([]);
  });

  async function planAnswers(app: RequestListener): Promise<void> {
    const { startsOn: _, ...asked } = planContext;
    const submitted = await request(app)
      .post('/api/plans')
      .send({ ...asked, name: 'Lunch', requestedBy: 'ana' });
    check('post', '/api/plans', submitted);
    const { plan, runId: planning } = submitted.body;
    const ended = { status: 'cancelled' as const, completed_at: '2026-01-05T09:00:00.000Z' };
    await records.update('campaign_runs', ended, [{ column: 'id', op: 'eq', value: planning }]);
    await ask(app, 'post', '/api/plans/{id}/replan', {}, '', plan.id);
    await ask(app, 'post', '/api/plans/{id}/pivots', {});
    const version = {
      plan_id: planId,
      arc_version: 1,
      arc: arc as unknown as JsonObject,
      reason: 'The first.',
      model: 'rules-v1',
    };
    await records.insert('arc_versions', [{ ...version, created_at: '2026-01-05T09:00:00.000Z' }]);
    check('get', '/api/plans/{id}/versions/{version}', await request(app).get(`/api/plans/${planId}/versions/1`));
    const at = '2026-01-05T09:00:00.000Z';
    const approvalId = newId();
    await records.update('campaign_runs', { status: 'waiting' }, [{ column: 'id', op: 'eq', value: runId }]);
    await records.insert('approvals', [
      {
        id: approvalId,
        campaign_id: campaignId,
        run_id: runId,
        step_name: 'ask',
        kind: 'step',
        title: 'May it?',
        summary: 'May it go out?',
        subject: { text: 'Hello' },
        context: { editable: ['text'] },
        created_at: at,
        expires_at: '2026-02-05T09:00:00.000Z',
      },
    ]);
    await ask(app, 'get', '/api/approvals/{id}', undefined, '', approvalId);
    const decision = { decision: 'approve', by: 'ben', reason: 'fine', edits: { text: 'Hi' } };
    await ask(app, 'post', '/api/approvals/{id}/decision', decision, '', approvalId);
    await ask(app, 'post', '/api/plans/{id}/end', { reason: 'enough' });
  }

  async function knowledgeAnswers(app: RequestListener): Promise<void> {
    const sent = await request(app).post('/api/knowledge').set('Content-Type', 'text/plain').send('We bake bread.');
    check('post', '/api/knowledge', sent);
    const { id } = sent.body.ingest;
    for (const path of ['', '/problems'])
      await ask(app, 'get', `/api/knowledge/ingests/{id}${path}`, undefined, '', id);
    await ask(app, 'post', '/api/knowledge/ingests/{id}/cancel', {}, '', id);
    await ask(app, 'get', '/api/knowledge/ingests/{id}/events', undefined, '', id);
    await ask(app, 'delete', '/api/knowledge/ingests/{id}', undefined, '', id);
    await ask(app, 'get', '/api/knowledge/search', undefined, '?q=bread&mode=words');
    const factId = newId();
    await records.insert('knowledge_facts', [
      {
        id: factId,
        collection: 'default',
        context: '',
        text: 'We bake bread.',
        type: 'product',
        type_rank: 1,
        suspicious: false,
        content_hash: factId,
        created_at: '2026-01-05T09:00:00.000Z',
      },
    ]);
    await ask(app, 'get', '/api/knowledge/facts/{id}', undefined, '', factId);
  }

  test('where they fail', async () => {
    const refuse = async () => {
      throw new ConflictError('RUN_ACTIVE', 'busy');
    };
    const { app } = makeApi(records, { runs: { start: refuse, cancel: refuse, retry: refuse, resolve: refuse } });
    const locked = makeApi(records, {}, { API_KEYS: 'read:reader-key-1', RATE_LIMIT_PER_MINUTE: '1' }).app;
    const broken = makeApi({} as never, {
      campaigns: {} as never,
      runs: {} as never,
      health: { ready: async () => ({ ready: false, checks: [{ name: 'queue', ok: false }] }) },
    }).app;
    const good = { outcome: 'done', note: 'n', by: 'b' };
    for (const { method, path, body, scope, id } of operations) {
      const payload = body && (id === 'resolveStep' ? good : id === 'previewSchedule' ? { cron: '@daily' } : {});
      if (scope !== 'open') check(method, path, await request(locked)[method](fill(path)).send(payload));
      if (scope !== 'open') check(method, path, await request(locked)[method](fill(path)).send(payload));
      check(method, path, await request(app)[method](fill(path)).set('Host', 'evil.example').send(payload));
      check(
        method,
        path,
        await request(broken)
          [method](fill(path))
          .send(id.endsWith('Campaign') ? definition : payload),
      );
      check(
        method,
        path,
        await request(app)
          [method](`${fill(path)}?unknown=1`)
          .send(payload),
      );
      if (path.includes('{id}'))
        await ask(makeApi(records).app, method, path, id === 'replaceCampaign' ? definition : payload, '', newId());
      if (method === 'post') check(method, path, await request(app).post(fill(path)).send(payload));
      if (body) {
        const sent = () => request(app)[method](fill(path));
        check(method, path, await sent().set('Content-Type', 'text/plain').send('x'));
        check(method, path, await sent().set('Content-Type', 'application/json').send('{'));
        check(method, path, await sent().send({ x: 'x'.repeat(1_100_000) }));
      }
    }
    for (const status of [400, 401, 403, 404, 409, 413, 415, 429, 500, 503])
      expect([...covered].filter((key) => key.endsWith(` ${status}`)).length).toBeGreaterThan(0);
  });
});
