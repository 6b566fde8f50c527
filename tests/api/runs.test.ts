import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { ConflictError, DatabaseUnavailableError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { insertCampaign, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

const newRun = async () => insertRun(records, (await insertCampaign(records)).id, { status: 'failed' });

describe('GET /api/runs/:id', () => {
  test('shows steps in order with attempts, costs, errors and decisions', async () => {
    const { app } = makeApi(records);
    const run = await newRun();
    const error = { code: 'ENGINE_HTTP_ERROR', message: 'status 500', retryable: true };
    await records.insert('run_steps', [
      { run_id: run.id, name: 'second', position: 1, kind: 'analysis', effect: 'repeatable', status: 'skipped' },
      {
        run_id: run.id,
        name: 'first',
        position: 0,
        kind: 'prospecting',
        effect: 'repeatable',
        status: 'failed',
        attempts: 1,
        cost_micros: 1_500_000,
        error,
        attempt_log: [
          {
            attempt: 1,
            started_at: run.created_at,
            completed_at: null,
            cost_micros: 1_500_000,
            cost_unknown: true,
            error,
          },
        ],
      },
    ]);
    await records.insert('agent_decisions', [
      {
        id: newId(),
        agent: 'orchestrator',
        action: 'stop_run',
        run_id: run.id,
        decided_at: run.created_at,
        reasoning: 'the step failed',
        confidence: 1,
      },
    ]);
    const { body } = await request(app).get(`/api/runs/${run.id}`);
    expect(body.run.steps.map((step: { name: string }) => step.name)).toEqual(['first', 'second']);
    expect(body.run.steps[0]).toMatchObject({
      cost: 1.5,
      error,
      attempt_log: [{ attempt: 1, cost: 1.5, cost_unknown: true }],
    });
    expect(body.run.decisions).toEqual([expect.objectContaining({ action: 'stop_run', confidence: 1 })]);
    expect(body.run.campaign_name).toBe('Weekly Restaurant Outreach');
  });
});

describe('what a person can do with a run', () => {
  test('cancel, retry and resolve pass on what was asked, with defaults', async () => {
    const asked: unknown[] = [];
    const note =
      <T>(answer: T) =>
      async (...given: unknown[]) => {
        asked.push(given);
        return answer;
      };
    const runId = newId();
    const { app } = makeApi(records, {
      runs: {
        start: note({ runId }),
        cancel: note({ status: 'cancelling' }),
        retry: note({ runId }),
        resolve: note({ status: 'queued' }),
      },
    });
    const { id } = await newRun();
    const cancelled = await request(app).post(`/api/runs/${id}/cancel`).send({ reason: 'wrong list' });
    expect([cancelled.status, cancelled.body]).toEqual([202, { success: true, runId: id, status: 'cancelling' }]);
    const retried = await request(app).post(`/api/runs/${id}/retry`);
    expect([retried.status, retried.body.runId, retried.headers['location']]).toEqual([
      202,
      runId,
      `/api/runs/${runId}`,
    ]);
    const resolved = await request(app)
      .post(`/api/runs/${id}/steps/${encodeURIComponent('send e-mails/1')}/resolve`)
      .send({ outcome: 'done', note: 'seen in the mailbox', by: 'ana' });
    expect([resolved.status, resolved.body.status]).toEqual([200, 'queued']);
    await request(app).post(`/api/runs/${id}/steps/send/resolve`).send({ outcome: 'retry', note: 'nothing went out' });
    expect(asked).toEqual([
      [id, 'wrong list'],
      [id, { from: 'failed', definition: 'pinned' }],
      [id, 'send e-mails/1', { outcome: 'done', note: 'seen in the mailbox', by: 'ana' }],
      [id, 'send', { outcome: 'retry', note: 'nothing went out', by: 'operator' }],
    ]);
  });

  test('a refusal comes with its status and code', async () => {
    const refuse = async () => {
      throw new ConflictError('RUN_FINISHED', 'The run has ended.');
    };
    const { app } = makeApi(records, { runs: { start: refuse, cancel: refuse, retry: refuse, resolve: refuse } });
    const answer = await request(app).post(`/api/runs/${newId()}/cancel`);
    expect(answer.status).toBe(409);
    expect(answer.body).toEqual({
      success: false,
      error: {
        code: 'RUN_FINISHED',
        message: 'The run has ended.',
        details: [{ path: 'id', message: 'the run has ended', mend: expect.stringContaining('/retry') }],
      },
    });
  });

  test('a decision without its reasons is refused as a whole', async () => {
    const { app } = makeApi(records);
    const answer = await request(app)
      .post(`/api/runs/${newId()}/steps/send/resolve`)
      .send({ outcome: 'maybe', extra: 1 });
    expect(answer.status).toBe(400);
    expect(answer.body.error.details.map((problem: { path: string }) => problem.path).toSorted()).toEqual([
      'extra',
      'note',
      'outcome',
    ]);
  });
});

test('a database that is away is a 503 that says when to come back', async () => {
  const away = async () => {
    throw new DatabaseUnavailableError(new Error('ECONNREFUSED 10.0.0.7:5432'));
  };
  const { app } = makeApi({ select: away } as never);
  const answer = await request(app).get('/api/runs');
  expect(answer.status).toBe(503);
  expect(answer.headers['retry-after']).toBe('5');
  expect(JSON.stringify(answer.body)).not.toContain('10.0.0.7');
});

test('an unexpected error is a 500 that tells a reference and nothing else', async () => {
  const logged: unknown[] = [];
  const broken = async () => {
    throw new TypeError('secret detail');
  };
  const logger = { ...silentLogger, error: (...line: unknown[]) => void logged.push(line) };
  const { app } = makeApi({ select: broken } as never, { logger });
  const answer = await request(app).get('/api/runs');
  expect(answer.status).toBe(500);
  expect(answer.body.error).toMatchObject({ code: 'INTERNAL', reference: answer.headers['x-request-id'] });
  expect(JSON.stringify(answer.body)).not.toContain('secret detail');
  expect(logged).toEqual([
    ['unexpected error in a request', expect.objectContaining({ requestId: answer.body.error.reference })],
  ]);
});
