import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { type HttpAccess } from '../../moves/kpi/connectors/http-fetch.ts';
import { httpConnector } from '../../moves/kpi/connectors/http-json.ts';
import { type HttpSource, kpiSourceSchema, placeOf } from '../../moves/kpi/source.ts';
import { WorkError } from '../../moves/work.ts';
import { originPolicy } from '../../shared/origins.ts';
import { TestClock } from '../support/clock.ts';
import { ENGINES, LOCAL } from './kpi-support.ts';

const NOW = '2026-01-20T09:00:00.000Z';

let servers: Server[];
let seen: IncomingMessage[];
beforeEach(() => {
  servers = [];
  seen = [];
});
afterEach(async () => {
  for (const server of servers) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<string> {
  const server = createServer((request, response) => {
    seen.push(request);
    answer(request, response);
  });
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const serveJson = (body: unknown) =>
  serve((_, response) => response.end(typeof body === 'string' ? body : JSON.stringify(body)));

function read(source: Partial<HttpSource>, access: Partial<HttpAccess> = {}, signal = new AbortController().signal) {
  const given = { type: 'http', value: '$.leads', ...source };
  // An address that the schema refuses: the connector does so by itself, too.
  const parsed = (kpiSourceSchema.safeParse(given).data ?? given) as HttpSource;
  return httpConnector({ origins: LOCAL, references: {}, timeoutMs: 5_000, ...access }).read(parsed, {
    kpi: 'leads',
    signal,
    clock: new TestClock(NOW),
  });
}

const refusal = (reading: Promise<unknown>) =>
  reading.then(
    () => {
      throw new Error('it was read');
    },
    (error: unknown) => {
      if (!(error instanceof WorkError)) throw error;
      return { code: error.code, retryable: error.retryable, message: error.message };
    },
  );

describe('a JSON document over HTTP', () => {
  test('gives one value, of now', async () => {
    const url = await serveJson({ data: { leads: 42 } });
    expect(await read({ url, value: '$.data.leads' })).toEqual({
      readings: [{ observedAt: NOW, value: 42 }],
      problems: [],
    });
  });

  test('gives values with their days, in whatever form JSON has them', async () => {
    const days = [
      { day: '2026-01-05', leads: 10 },
      { day: '2026-01-06', leads: '11.5' },
      { day: null, leads: 1 },
      { day: '2026-01-08', leads: null },
      { day: '2026-01-09', leads: 'many' },
      { day: '2026-01-10', leads: true },
      { day: 1768089600, leads: 12 },
      { day: 1768176000000, leads: 13 },
    ];
    const url = await serveJson({ days });
    const { readings, problems } = await read({ url, value: '$.days[*].leads', date: '$.days[*].day' });
    expect(readings).toEqual([
      { observedAt: '2026-01-05T00:00:00.000Z', value: 10 },
      { observedAt: '2026-01-06T00:00:00.000Z', value: 11.5 },
      { observedAt: '2026-01-11T00:00:00.000Z', value: 12 },
      { observedAt: '2026-01-12T00:00:00.000Z', value: 13 },
    ]);
    expect(problems).toEqual([
      { message: 'date 3 is no day or time such as 2026-03-02: "null"' },
      { message: expect.stringContaining('value 5 is no number') },
      { message: expect.stringContaining('value 6 is no number') },
    ]);
  });

  test('can be asked for the entry that has a field', async () => {
    const url = await serveJson([
      { name: 'cost', value: 9 },
      { name: 'leads', value: 12 },
    ]);
    expect((await read({ url, value: '$[?@.name=="leads"].value' })).readings).toMatchObject([{ value: 12 }]);
  });

  test('is asked for with a header whose secret stands in the environment, and which no other origin sees', async () => {
    const target = await serveJson({ leads: 7 });
    const url = await serve((_, response) => response.writeHead(302, { location: `${target}/real` }).end());
    const origins = originPolicy({ allowedOrigins: [url, target], engines: ENGINES, slackWebhookUrl: null });
    const source = { url, authorization: 'Bearer {{ env.KPI_TOKEN }}' };
    const access = { origins, references: { KPI_TOKEN: 's3cret' } };
    expect((await read(source, access)).readings).toMatchObject([{ value: 7 }]);
    expect(seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer s3cret', undefined]);
    expect(await refusal(read(source))).toMatchObject({ code: 'REFERENCE_UNDEFINED', retryable: false });
    const broken = read(source, { references: { KPI_TOKEN: 'a\r\nHost: evil' } });
    expect(await refusal(broken)).toMatchObject({ code: 'KPI_SOURCE_INVALID' });
    expect(seen).toHaveLength(2);
  });

  test('is followed to where a redirect leads, within the origin', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/old') response.writeHead(301, { location: '/new' }).end();
      else response.end('{"leads":5}');
    });
    expect((await read({ url: `${url}/old` })).readings).toMatchObject([{ value: 5 }]);
  });
});

describe('a JSON document over HTTP is refused', () => {
  test('when its origin is not allowed, before anything is asked', async () => {
    const url = await serveJson({ leads: 1 });
    const origins = originPolicy({
      allowedOrigins: ['https://kpis.example.com'],
      engines: ENGINES,
      slackWebhookUrl: null,
    });
    for (const forbidden of [url, 'http://169.254.169.254/latest', 'http://user:pass@127.0.0.1/'])
      expect(await refusal(read({ url: forbidden }, { origins }))).toMatchObject({
        code: 'KPI_SOURCE_FORBIDDEN',
        retryable: false,
      });
    expect(seen).toEqual([]);
  });

  test('when it redirects to another origin, in circles, or nowhere', async () => {
    const other = await serveJson({ leads: 1 });
    const url = await serve((request, response) => {
      const location = { '/away': `${other}/x`, '/circle': '/circle', '/file': 'file:///etc/passwd' }[
        request.url ?? ''
      ];
      response.writeHead(302, location === undefined ? {} : { location }).end();
    });
    expect(await refusal(read({ url: `${url}/away` }))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN' });
    expect(await refusal(read({ url: `${url}/file` }))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN' });
    expect(await refusal(read({ url: `${url}/circle` }))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN' });
    expect(await refusal(read({ url: `${url}/nowhere` }))).toMatchObject({ code: 'KPI_SOURCE_INVALID' });
    expect(seen.filter(({ headers }) => headers.host === new URL(other).host)).toEqual([]);
  });

  test.each([
    [404, 'KPI_SOURCE_MISSING', false],
    [401, 'KPI_SOURCE_UNREADABLE', false],
    [429, 'KPI_SOURCE_UNREADABLE', true],
    [503, 'KPI_SOURCE_UNREADABLE', true],
  ])('when it answers %i, as %s', async (status, code, retryable) => {
    const url = await serve((_, response) => response.writeHead(status).end('no'));
    const found = await refusal(read({ url: `${url}/kpi?key=hidden` }));
    expect(found).toMatchObject({ code, retryable });
    expect(found.message).not.toContain('hidden');
  });

  test.each([
    ['something else than JSON', '<html>\u0007Sign in</html>', '$.leads', 'something else than JSON'],
    ['a document without the value', { other: 1 }, '$.leads', 'finds nothing'],
    ['a value that is null', { leads: null }, '$.leads', 'is null'],
    ['several values and no days', { leads: [1, 2] }, '$.leads[*]', 'finds 2 values'],
    [
      'a document nested without end',
      `${'[{"a":'.repeat(50_000)}1${'}]'.repeat(50_000)}`,
      '$..leads',
      'nested too deep',
    ],
    ['far too many values', Array.from({ length: 20_000 }, () => 1), '$[*]', 'more than 10000 values'],
  ])('when it is %s', async (_, body, value, message) => {
    const url = await serveJson(body);
    const found = await refusal(read({ url, value }));
    expect(found).toMatchObject({ code: 'KPI_SOURCE_INVALID', retryable: false });
    expect(found.message).toContain(message);
    expect(found.message).not.toContain('\u0007');
  });

  test('when it has other numbers of values and of days', async () => {
    const url = await serveJson({ leads: [1, 2], days: ['2026-01-05'] });
    expect((await refusal(read({ url, value: '$.leads[*]', date: '$.days[*]' }))).message).toContain(
      'finds 2 values, and $.days[*] finds 1 dates',
    );
  });

  test('when it is larger than allowed, however little of it comes at a time', async () => {
    const url = await serve((_, response) => {
      response.write('"');
      const timer = setInterval(() => response.write('x'.repeat(200)), 1);
      response.on('close', () => clearInterval(timer));
    });
    expect(await refusal(read({ url }, { maxBytes: 1_000 }))).toMatchObject({ code: 'KPI_SOURCE_TOO_LARGE' });
  });

  test('when it is compressed, which would hide its size', async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('{"leads":1}')),
    );
    expect(await refusal(read({ url }))).toMatchObject({ code: 'KPI_SOURCE_INVALID' });
  });

  test('when nobody answers in time, or nobody is there', async () => {
    const silent = await serve((_, response) => response.write('{'));
    const found = await refusal(read({ url: silent }, { timeoutMs: 100 }));
    expect(found).toMatchObject({ code: 'KPI_SOURCE_UNREADABLE', retryable: true });
    expect(found.message).toContain('within 100 ms');
    const gone = await serveJson({});
    await new Promise((resolve) => servers.pop()?.close(resolve));
    expect(await refusal(read({ url: gone }))).toMatchObject({ code: 'KPI_SOURCE_UNREADABLE', retryable: true });
  });

  test('as soon as the work is broken off', async () => {
    const work = new AbortController();
    const url = await serve(() => work.abort(new Error('stop')));
    await expect(read({ url }, {}, work.signal)).rejects.toThrow('stop');
  });
});

describe('a source of a plan is refused', () => {
  const problemOf = (source: object) => kpiSourceSchema.safeParse(source).error?.issues[0]?.message ?? null;

  test.each([
    ['leads', 'is no JSONPath'],
    ['$[', 'is no JSONPath'],
    ['$[1,2]', 'list of selectors'],
    ['$..a..b', 'more than one ..'],
    ['$[?@[*]].x', 'looks at more than single fields'],
    ['$[?@[?@.x]].x', 'looks at more than single fields'],
    ['$[?match(@.a, "(a+)+$")].x', 'is no JSONPath'],
  ])('with the path %s', (value, message) => {
    expect(problemOf({ type: 'http', url: 'http://127.0.0.1/', value })).toContain(message);
  });

  test.each(['$.a', '$..a', '$["a..b"]..c', "$['?*'].x", '$[?@.x==$.y && @.z>1].v', '$.a[-1]', '$.a[0:9].b'])(
    'not with the path %s',
    (value) => {
      expect(problemOf({ type: 'http', url: 'http://127.0.0.1/', value })).toBeNull();
    },
  );

  test('with a secret written out, a file as address, or a table that is no KPI view', () => {
    const http = { type: 'http', url: 'http://127.0.0.1/', value: '$.a' };
    expect(problemOf({ ...http, authorization: 'Bearer abc' })).toContain('refer to a variable');
    expect(problemOf({ ...http, url: 'file:///etc/passwd' })).not.toBeNull();
    for (const view of ['plans', 'kpi_', 'kpi_a;drop', 'kpi_A', `kpi_${'a'.repeat(56)}`])
      expect(problemOf({ type: 'sql', view })).toContain('kpi_');
  });

  test('and its place is named without what may be secret', () => {
    const source = { type: 'http' as const, url: 'http://127.0.0.1:9/kpi?key=hidden#x', value: '$.a' };
    expect(placeOf(source)).toBe('http:http://127.0.0.1:9/kpi');
    expect(placeOf({ type: 'sql', view: 'kpi_sales', kpi: 'leads' })).toBe('sql:kpi_sales:leads');
  });
});
