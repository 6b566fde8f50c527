import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RecordsError, type Records } from '../../database/records.ts';
import { SupabaseRecords } from '../../database/supabase.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { freePort } from '../support/postgres.ts';

const KEY = 'a-secret-key';
const URL_OF_PROJECT = 'http://project.test';

interface Request {
  method: string;
  path: string;
  query: [string, string][];
  prefer: string[];
  body: unknown;
}

/** Records whose requests are kept and answered with what the test says. */
function recorded(...answers: (() => Response)[]): { records: Records; requests: Request[]; headers: Headers[] } {
  const requests: Request[] = [];
  const headers: Headers[] = [];
  const fetch = (input: string | URL | globalThis.Request, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input));
    const sent = new Headers(init?.headers);
    headers.push(sent);
    requests.push({
      method: init?.method ?? 'GET',
      path: url.pathname,
      query: [...url.searchParams],
      prefer: (sent.get('prefer') ?? '')
        .split(',')
        .filter(Boolean)
        .map((part) => part.trim()),
      body: typeof init?.body === 'string' ? (JSON.parse(init.body) as unknown) : undefined,
    });
    const answer = answers.shift() ?? (() => json(200, []));
    return Promise.resolve().then(answer);
  };
  const records = new SupabaseRecords({ url: URL_OF_PROJECT, serviceRoleKey: KEY }, { fetch });
  return { records, requests, headers };
}

const json = (status: number, body: unknown, more: Record<string, string> = {}) =>
  new Response(status === 204 ? null : JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/json', ...more },
  });

const KEY_COLUMNS = 'key,request_hash,status,response,created_at';
const stored = (key: string) => ({
  key,
  request_hash: 'h',
  status: null,
  response: null,
  created_at: '2026-01-05T09:00:00.123456+00:00',
});

describe('requests to the API', () => {
  test('carry the key and say nothing of it in their address', async () => {
    const { records, requests, headers } = recorded();
    await records.ping();
    expect(headers[0]?.get('apikey')).toBe(KEY);
    expect(headers[0]?.get('authorization')).toBe(`Bearer ${KEY}`);
    expect(JSON.stringify(requests)).not.toContain(KEY);
    expect(requests).toEqual([
      {
        method: 'GET',
        path: '/rest/v1/campaigns',
        query: [
          ['select', 'id'],
          ['limit', '1'],
        ],
        prefer: [],
        body: undefined,
      },
    ]);
  });

  test('insert: one POST, defaults for what a row leaves out, the rows come back', async () => {
    const { records, requests } = recorded(() => json(201, [stored('a'), stored('b')]));
    const rows = await records.insert('idempotency_keys', [
      { key: 'a', request_hash: 'h', response: { deep: [null] } },
      { key: 'b', request_hash: 'h', created_at: '2026-01-05T09:00:00.000Z' },
    ]);
    expect(requests).toEqual([
      {
        method: 'POST',
        path: '/rest/v1/idempotency_keys',
        query: [
          ['columns', '"key","request_hash","response","created_at"'],
          ['select', KEY_COLUMNS],
        ],
        prefer: ['missing=default', 'return=representation'],
        body: [
          { key: 'a', request_hash: 'h', response: { deep: [null] } },
          { key: 'b', request_hash: 'h', created_at: '2026-01-05T09:00:00.000Z' },
        ],
      },
    ]);
    expect(rows.map((row) => row.created_at)).toEqual(['2026-01-05T09:00:00.123Z', '2026-01-05T09:00:00.123Z']);
  });

  test('insert that ignores conflicts: on the primary key', async () => {
    const { records, requests } = recorded(() => json(201, []));
    await records.insert('run_events', [{ run_id: 'r', seq: 1, type: 't', occurred_at: 'now' }], {
      conflict: 'ignore',
    });
    expect(requests[0]?.query).toContainEqual(['on_conflict', 'run_id,seq']);
    expect(requests[0]?.prefer).toEqual(['resolution=ignore-duplicates', 'missing=default', 'return=representation']);
  });

  test('upsert: merges on the key given', async () => {
    const { records, requests } = recorded(() => json(200, []));
    await records.upsert(
      'alert_episodes',
      [{ campaign_id: 'c', key: 'k', opened_at: 'x', notified_at: 'x' }],
      ['campaign_id', 'key'],
    );
    expect(requests).toMatchObject([
      {
        method: 'POST',
        path: '/rest/v1/alert_episodes',
        prefer: ['resolution=merge-duplicates', 'return=representation'],
      },
    ]);
    expect(requests[0]?.query).toContainEqual(['on_conflict', 'campaign_id,key']);
  });

  test('update: one PATCH whose filters are the comparison', async () => {
    const { records, requests } = recorded(() => json(200, []));
    const lost = await records.update('idempotency_keys', { status: 200, response: [1] }, [
      { column: 'key', op: 'eq', value: 'a.b,"c"' },
      { column: 'status', op: 'is', value: null },
      { column: 'created_at', op: 'lt', value: '2026-01-05T09:00:00.000Z' },
    ]);
    expect(lost).toEqual([]);
    expect(requests).toEqual([
      {
        method: 'PATCH',
        path: '/rest/v1/idempotency_keys',
        query: [
          ['key', 'eq.a.b,"c"'],
          ['status', 'is.null'],
          ['created_at', 'lt.2026-01-05T09:00:00.000Z'],
          ['select', KEY_COLUMNS],
        ],
        prefer: ['return=representation'],
        body: { status: 200, response: [1] },
      },
    ]);
  });

  test('remove: counts what went', async () => {
    const { records, requests } = recorded(() => json(204, null, { 'content-range': '*/7' }));
    expect(await records.remove('idempotency_keys', [{ column: 'key', op: 'in', value: ['a', 'b"\\,)'] }])).toBe(7);
    expect(requests).toEqual([
      {
        method: 'DELETE',
        path: '/rest/v1/idempotency_keys',
        query: [['key', 'in.("a","b\\"\\\\,)")']],
        prefer: ['count=exact'],
        body: undefined,
      },
    ]);
  });

  test('count: a GET of one row, so that errors have a body', async () => {
    const { records, requests } = recorded(() =>
      json(206, [{ run_id: 'r', seq: 1 }], { 'content-range': '0-0/12345' }),
    );
    expect(await records.count('run_events', [{ column: 'seq', op: 'gte', value: 3 }])).toBe(12_345);
    expect(requests).toEqual([
      {
        method: 'GET',
        path: '/rest/v1/run_events',
        query: [
          ['select', 'run_id,seq'],
          ['seq', 'gte.3'],
          ['limit', '1'],
        ],
        prefer: ['count=exact'],
        body: undefined,
      },
    ]);
  });

  test('select with a limit: one request, the order made total by the primary key', async () => {
    const { records, requests } = recorded();
    await records.select('run_events', { order: [{ column: 'seq', descending: true }], limit: 50 });
    expect(requests).toEqual([
      {
        method: 'GET',
        path: '/rest/v1/run_events',
        query: [
          ['select', 'run_id,seq,type,occurred_at,data'],
          ['order', 'seq.desc,run_id.asc'],
          ['offset', '0'],
          ['limit', '50'],
        ],
        prefer: [],
        body: undefined,
      },
    ]);
  });

  test('select without a limit: pages until the count of the first is reached, also where pages are cut shorter', async () => {
    const page = (from: number, to: number) => () =>
      json(
        206,
        Array.from({ length: to - from }, (_, index) => stored(`k${from + index}`)),
        {
          'content-range': `${from}-${to - 1}/1500`,
        },
      );
    const { records, requests } = recorded(page(0, 700), page(700, 1_400), page(1_400, 1_500));
    const rows = await records.select('idempotency_keys');
    expect(rows.map((row) => row.key)).toEqual(Array.from({ length: 1_500 }, (_, index) => `k${index}`));
    expect(requests.map(({ query }) => Object.fromEntries(query)['offset'])).toEqual(['0', '700', '1400']);
    expect(requests.map(({ prefer }) => prefer)).toEqual([['count=exact'], [], []]);
  });

  test('select stops when rows vanish between two pages', async () => {
    const { records, requests } = recorded(() => json(206, [stored('a')], { 'content-range': '0-0/5' }));
    expect(await records.select('idempotency_keys')).toHaveLength(1);
    expect(requests).toHaveLength(2);
  });

  test('a function: one POST with named arguments', async () => {
    const { records, requests } = recorded(() => json(200, { admitted: true, resume_at: '2026-01-05T09:00:00+00:00' }));
    const args = { p_run: { id: 'r', list: [1] }, p_force: false, p_at: '2026-01-05T09:00:00.000Z' };
    expect(await records.call('start_run', { ...args, p_unused: undefined })).toEqual({
      admitted: true,
      resume_at: '2026-01-05T09:00:00.000Z',
    });
    expect(requests).toEqual([{ method: 'POST', path: '/rest/v1/rpc/start_run', query: [], prefer: [], body: args }]);
  });
});

describe('errors of the API', () => {
  const fails = async (answer: () => Response): Promise<unknown> => {
    const { records, requests } = recorded(answer);
    const error = await records.select('campaigns', { limit: 1 }).catch((thrown: unknown) => thrown);
    expect(requests).toHaveLength(1);
    return error;
  };

  test('a refusal is told by its SQLSTATE, whatever the status', async () => {
    const error = await fails(() => json(409, { code: '23505', message: 'duplicate key', details: null, hint: null }));
    expect(error).toBeInstanceOf(RecordsError);
    expect(error).toMatchObject({ sqlState: '23505', message: 'duplicate key', retryable: false });
    expect(await fails(() => json(500, { code: 'XX000', message: 'internal' }))).toMatchObject({ sqlState: 'XX000' });
  });

  test.each([
    [
      'the network',
      () => {
        throw new TypeError('fetch failed');
      },
    ],
    ['a database that PostgREST cannot reach', () => json(503, { code: 'PGRST000', message: 'connection' })],
    ['a pool that is used up', () => json(504, { code: 'PGRST003', message: 'timeout' })],
    ['a database that shuts down', () => json(500, { code: '57P01', message: 'terminating' })],
    ['too many connections', () => json(500, { code: '53300', message: 'too many' })],
    ['a gateway', () => new Response('<html>bad gateway</html>', { status: 502 })],
    ['a paused project', () => new Response('', { status: 540 })],
    ['a rate limit', () => json(429, { message: 'slow down' })],
  ])('%s is unavailable, and worth a retry by whoever asked', async (_, answer) => {
    const error = await fails(answer);
    expect(error).toBeInstanceOf(DatabaseUnavailableError);
    expect(error).toMatchObject({ retryable: true });
  });

  test.each([['[]'], [''], ['<html>']])('a 404 with the body %j is not a success', async (body) => {
    expect(await fails(() => new Response(body, { status: 404 }))).toMatchObject({ sqlState: 'HTTP404' });
  });

  test('an answer that is not JSON is not a success', async () => {
    expect(await fails(() => new Response('<html>sign in</html>', { status: 200 }))).toMatchObject({
      sqlState: 'HTTP200',
    });
  });

  test('nothing that is thrown holds the key', async () => {
    for (const answer of [() => json(401, { message: 'Invalid API key' }), () => new Response('', { status: 540 })]) {
      const error = (await fails(answer)) as Error;
      const text = JSON.stringify([error.message, error.stack, error.cause]);
      expect(text).not.toContain(KEY);
    }
  });
});

describe('the check at the start', () => {
  const check = (answer: () => Response) =>
    (recorded(answer).records as SupabaseRecords).checkSchema().then(
      () => 'fine',
      (error: unknown) => error,
    );

  test.each([
    ['SUPABASE_SCHEMA_MISSING', 404, 'PGRST202', /supabase db push/],
    ['SUPABASE_SCHEMA_MISSING', 404, 'PGRST205', /supabase db push/],
    ['SUPABASE_SCHEMA_MISSING', 400, '42703', /supabase db push/],
    ['SUPABASE_KEY_REFUSED', 403, '42501', /service_role/],
    ['SUPABASE_KEY_REFUSED', 401, undefined, /service_role/],
    ['DATABASE_REFUSED', 400, '22023', /refused a request/],
  ])('says %s for %d %s and how to mend it', async (code, status, sqlState, message) => {
    expect(await check(() => json(status, { code: sqlState, message: 'x' }))).toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  test('asks for every table by its columns', async () => {
    const { records, requests } = recorded(() => json(200, 100));
    await (records as SupabaseRecords).checkSchema();
    expect(requests.map(({ path }) => path.replace('/rest/v1/', ''))).toEqual([
      'rpc/fire_due',
      'agent_decisions',
      'alert_episodes',
      'budget_alerts',
      'budget_entries',
      'budget_periods',
      'campaign_fires',
      'campaign_runs',
      'campaigns',
      'idempotency_keys',
      'knowledge_claims',
      'knowledge_events',
      'knowledge_facts',
      'knowledge_ingests',
      'knowledge_lines',
      'knowledge_pending',
      'knowledge_problems',
      'knowledge_sources',
      'knowledge_spaces',
      'approvals',
      'arc_versions',
      'decision_chains',
      'kpi_alerts',
      'kpi_readings',
      'moves',
      'pivots',
      'plans',
      'tool_calls',
      'model_answers',
      'notifications',
      'run_events',
      'run_steps',
      'session_memory',
    ]);
  });
});

describe('over the network', () => {
  const servers: { close(): void; closeAllConnections(): void }[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  test('nobody listening is unavailable', async () => {
    const records = new SupabaseRecords({ url: `http://127.0.0.1:${await freePort()}`, serviceRoleKey: KEY });
    await expect(records.ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await records.close();
  });

  test.each(['no answer', 'half an answer'])(
    'a server that gives %s is unavailable when the time is up',
    async (kind) => {
      const server = createServer((_, response) => {
        if (kind === 'half an answer') response.writeHead(200, { 'content-type': 'application/json' }).write('[');
      });
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
      const records = new SupabaseRecords({ url, serviceRoleKey: KEY }, { timeoutMs: 100 });
      await expect(records.ping()).rejects.toBeInstanceOf(DatabaseUnavailableError);
      await records.close();
    },
  );
});
