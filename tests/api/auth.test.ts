import { describe, expect, test } from '@jest/globals';
import type { RequestListener } from 'node:http';
import request from 'supertest';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { makeApi } from '../support/api.ts';

/** Nothing here gets as far as the database. */
const records = { select: async () => [], count: async () => 0, insert: async () => [] } as never;
const KEYS = { API_KEYS: 'read:reader-key-1,operate:operator-key-1,admin:admin-key-1' };
const withKeys = () => makeApi(records, {}, KEYS).app;
const bearer = (app: RequestListener, key: string, method: 'get' | 'post' | 'delete', path: string) =>
  request(app)[method](path).set('Authorization', `Bearer ${key}`);

describe('with API_KEYS', () => {
  test('a request without a key, or with a wrong one, is told to bring one', async () => {
    const app = withKeys();
    for (const answer of [
      await request(app).get('/api/campaigns'),
      await bearer(app, 'reader-key-2', 'get', '/api/campaigns'),
      await request(app).get('/api/campaigns').set('Authorization', 'Basic cmVhZGVyLWtleS0x'),
      await request(app).get('/metrics'),
    ]) {
      expect(answer.status).toBe(401);
      expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(answer.body.error.code).toBe('UNAUTHENTICATED');
    }
  });

  test('either header carries the key', async () => {
    const app = withKeys();
    expect((await bearer(app, 'reader-key-1', 'get', '/api/campaigns')).status).toBe(200);
    expect((await request(app).get('/api/campaigns').set('X-API-Key', 'reader-key-1')).status).toBe(200);
  });

  test('each scope reaches as far as it says and no further', async () => {
    const app = withKeys();
    const paths = [
      ['get', '/api/runs'],
      ['post', `/api/runs/${newId()}/cancel`],
      ['delete', `/api/campaigns/${newId()}`],
    ] as const;
    const reached = async (key: string) => {
      const codes = [];
      for (const [method, path] of paths)
        codes.push((await bearer(app, key, method, path)).body.error?.code === 'INSUFFICIENT_SCOPE' ? 'no' : 'yes');
      return codes.join(' ');
    };
    expect(await reached('reader-key-1')).toBe('yes no no');
    expect(await reached('operator-key-1')).toBe('yes yes no');
    expect(await reached('admin-key-1')).toBe('yes yes yes');
  });

  test('health, readiness and the documentation are open', async () => {
    const app = withKeys();
    for (const path of ['/', '/api/health', '/api/ready', '/openapi.json', '/docs'])
      expect((await request(app).get(path)).status).toBe(200);
  });

  test('any host name is answered', async () => {
    const answer = await bearer(withKeys(), 'reader-key-1', 'get', '/api/campaigns').set(
      'Host',
      'campaigns.example.com',
    );
    expect(answer.status).toBe(200);
  });
});

describe('without API_KEYS', () => {
  test.each(['localhost', 'localhost:3020', '127.0.0.1:3020', '[::1]:3020', '127.9.9.9'])(
    'answers to %s',
    async (host) => {
      expect((await request(makeApi(records).app).get('/api/health').set('Host', host)).status).toBe(200);
    },
  );

  test.each(['evil.example', 'localhost.evil.example', '10.0.0.1:3020', 'localhost@evil.example', '127.0.0.1.nip.io'])(
    'does not answer to %s, a name that a web page may have pointed here',
    async (host) => {
      const answer = await request(makeApi(records).app).get('/api/health').set('Host', host);
      expect(answer.status).toBe(403);
      expect(answer.body.error.code).toBe('HOST_FORBIDDEN');
    },
  );

  test('refuses what pages of other origins send, and takes its own', async () => {
    const { app } = makeApi(records);
    const from = (origin: string) =>
      request(app).get('/api/campaigns').set('Host', 'localhost:3020').set('Origin', origin);
    for (const origin of ['https://evil.example', 'http://localhost:8080', 'null']) {
      const answer = await from(origin);
      expect([answer.status, answer.body.error?.code]).toEqual([403, 'ORIGIN_FORBIDDEN']);
    }
    expect((await from('http://localhost:3020')).status).toBe(200);
  });
});

describe('the request limit', () => {
  test('counts by key, says when to go on, and spares the probes', async () => {
    const { app } = makeApi(records, {}, { ...KEYS, RATE_LIMIT_PER_MINUTE: '2' });
    const ask = (key: string) => bearer(app, key, 'get', '/api/campaigns');
    await ask('reader-key-1');
    await ask('reader-key-1');
    const refused = await ask('reader-key-1');
    expect(refused.status).toBe(429);
    expect(refused.body.error.code).toBe('RATE_LIMITED');
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect((await ask('admin-key-1')).status).toBe(200);
    expect((await request(app).get('/api/health')).status).toBe(200);
    expect((await bearer(app, 'reader-key-1', 'get', '/metrics')).status).toBe(200);
  });
});

describe('the request log', () => {
  test('has one line with the template of the path and no secrets', async () => {
    const lines: [string, Record<string, unknown>?][] = [];
    const logger = { ...silentLogger, info: (...line: [string, Record<string, unknown>?]) => void lines.push(line) };
    const { app } = makeApi(records, { logger }, KEYS);
    const id = newId();
    const answer = await bearer(app, 'reader-key-1', 'get', `/api/runs/${id}?token=hidden`).set(
      'X-Request-Id',
      'trace-7',
    );
    expect(answer.headers['x-request-id']).toBe('trace-7');
    expect(lines).toEqual([
      [
        'request',
        expect.objectContaining({
          method: 'GET',
          route: '/api/runs/{id}',
          runId: id,
          status: 400,
          requestId: 'trace-7',
        }),
      ],
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/hidden|reader-key-1/);
  });

  test('a request id that could forge a log line is replaced', async () => {
    const answer = await request(makeApi(records).app).get('/').set('X-Request-Id', 'a b');
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
  });
});
