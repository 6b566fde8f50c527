import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { detailsOf } from '../../api/mends.ts';
import { failuresOf } from '../../api/openapi.ts';
import { operations } from '../../api/operations.ts';
import { newId } from '../../shared/ids.ts';
import { definition, insertCampaign, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

/** These always come with details of their own. */
const EXACT = [
  'VALIDATION_FAILED',
  'HOST_FORBIDDEN',
  'ORIGIN_FORBIDDEN',
  'NOT_FOUND',
  'IDEMPOTENCY_KEY_REUSED',
  'MEMORY_CONFLICT',
  'RETRY_EXISTS',
  'RUN_OF_BRIEF',
];

let records: TestRecords;

beforeAll(async () => {
  records = await freshRecords();
});

afterAll(() => records.close());

describe('every refusal tells how to mend it', () => {
  const codes = operations.flatMap((operation) =>
    [...failuresOf(operation)].flatMap(([status, own]) => (status < 500 ? [...own] : [])),
  );

  test.each(
    [...new Set(codes), 'MALFORMED_REQUEST', 'HEADERS_TOO_LARGE', 'REQUEST_TIMEOUT'].filter(
      (code) => !EXACT.includes(code),
    ),
  )('%s', (code) => {
    expect(detailsOf({ code, details: [] })).toEqual([
      { path: expect.any(String), message: expect.stringMatching(/^[a-z]/), mend: expect.stringMatching(/\w/) },
    ]);
  });

  test.each([
    ['get', `/api/campaigns/${newId()}`, 404, 'GET /api/campaigns'],
    ['get', `/api/runs/${newId()}`, 404, 'GET /api/runs'],
    ['get', '/api/nothing', 404, '/openapi.json'],
    ['delete', '/api/campaigns', 405, 'use one of POST, GET'],
    ['post', '/api/campaigns', 400, 'send a JSON object as the body'],
    ['put', `/api/campaigns/${newId()}`, 400, 'send a JSON object as the body'],
    ['get', '/api/campaigns?limit=1&limit=2', 400, 'give it once'],
  ] as const)('%s %s', async (method, path, status, mend) => {
    const answer = await request(makeApi(records).app)[method](path);
    expect(answer.status).toBe(status);
    expect(answer.body.error.details).toEqual([
      { path: expect.any(String), message: expect.any(String), mend: expect.stringContaining(mend) },
    ]);
  });
});

test('a webhook that is written into a definition is whole for admins only', async () => {
  const webhook = 'http://localhost:9999/services/T0/hidden';
  const config = {
    ...definition,
    notifications: { onComplete: { email: [], slack: '#ops' }, onFailure: { email: [], slack: webhook } },
  };
  const { id } = await insertCampaign(records, { config });
  const run = await insertRun(records, id, { definition: config });
  const env = { API_KEYS: 'read:reader-key-1,operate:operator-key-1,admin:admin-key-1' };
  const paths = [`/api/campaigns/${id}`, `/api/runs/${run.id}`];
  const get = (path: string, key: string) =>
    request(makeApi(records, {}, env).app)
      .get(path)
      .set('X-API-Key', key);
  for (const path of paths) {
    for (const key of ['reader-key-1', 'operator-key-1']) {
      const { status, body } = await get(path, key);
      expect(status).toBe(200);
      expect(JSON.stringify(body)).not.toContain('hidden');
      expect((body.campaign?.config ?? body.run.definition).notifications).toEqual({
        onComplete: { email: [], slack: '#ops' },
        onFailure: { email: [], slack: 'http://localhost:9999/…' },
      });
    }
    expect(JSON.stringify((await get(path, 'admin-key-1')).body)).toContain(webhook);
    expect(JSON.stringify((await request(makeApi(records).app).get(path)).body)).toContain(webhook);
  }
});
