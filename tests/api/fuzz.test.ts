import { once } from 'node:events';
import { Agent, createServer, request, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { operations } from '../../api/operations.ts';
import { RunControl } from '../../runs/run-control.ts';
import { definition, insertCampaign, insertEvents, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

const REQUESTS = 5_000;
/** The records are made anew after so many requests, since some of them delete. */
const RESEED_EVERY = 250;

let records: TestRecords;
let server: Server;
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const known = { campaign: '', run: '' };
/** What the service logged as an error. An unhandled rejection fails the test by itself: jest sees to that. */
const problems: unknown[] = [];
const onProblem = (problem: unknown) => problems.push(problem);

async function seed(): Promise<void> {
  await records.truncate();
  known.campaign = (await insertCampaign(records)).id;
  known.run = (await insertRun(records, known.campaign, { status: 'failed' })).id;
  await insertEvents(records, known.run, ['run.queued', 'run.finished']);
}

beforeAll(async () => {
  records = await freshRecords();
  const api = makeApi(
    records,
    {
      logger: {
        error: (message, fields) => onProblem([message, fields]),
        warn() {},
        info() {},
        debug() {},
        child: () => api.deps.logger,
      },
    },
    { RATE_LIMIT_PER_MINUTE: '10000000' },
  );
  const { clock, events } = api.deps;
  api.deps.runs = new RunControl({
    records,
    clock,
    events,
    enqueue: async () => undefined,
    cancelHeld: () => undefined,
  });
  server = createServer(api.app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  agent.destroy();
  server.closeAllConnections();
  server.close();
  await records.close();
});

const nasty = fc.constantFrom(
  '%00',
  '%',
  '%zz',
  '%ff',
  '%2e%2e%2f',
  '..',
  '%F0%9F%92%A9',
  '__proto__',
  'constructor',
  '0',
  '-1',
  '1e999',
  'NaN',
  "';--",
  '%25',
  '%0d%0aX:1',
  '*',
  '[]',
  '{}',
  'null',
  '2026-13-45T99:99:99Z',
  'ffffffff-ffff-ffff-ffff-ffffffffffff',
  'x'.repeat(3_000),
);
const word = fc.oneof(nasty, fc.stringMatching(/^[A-Za-z0-9._~!$&'()*+,;=:@%-]{1,20}$/));
const id = fc.oneof(
  { weight: 6, arbitrary: fc.constant('<campaign>') },
  { weight: 6, arbitrary: fc.constant('<run>') },
  { weight: 1, arbitrary: fc.uuid() },
  { weight: 2, arbitrary: word },
);
const path = fc.oneof(
  {
    weight: 9,
    arbitrary: fc
      .tuple(fc.constantFrom(...operations.map((operation) => operation.path)), id, word)
      .map(([template, one, other]) => template.replace('{id}', one).replace(/\{\w+\}/, other)),
  },
  { weight: 1, arbitrary: fc.array(word, { maxLength: 5 }).map((parts) => `/${parts.join('/')}`) },
);
/** Each holds the position of another kind of list, or none. */
const cursors = fc.constantFrom(
  'MDE5',
  'YQ',
  'MA',
  'AA',
  'aGVsbG8',
  'OTk5OTk5OTk5',
  'MjAyNi0wMS0wNVQwOTowMDowMC4wMDBa',
);
const parameter = fc.tuple(
  fc.constantFrom(
    'limit',
    'cursor',
    'status',
    'campaign',
    'format',
    'lastEventId',
    'outcome',
    '__proto__',
    'limit[]',
    'limit[a]',
    'x',
  ),
  fc.oneof(
    word,
    fc.constantFrom(
      '5',
      'paused',
      'failed',
      'json',
      'sse',
      'skipped',
      'MDE5',
      'YQ',
      'MA',
      'MjAyNi0wMS0wNVQwOTowMDowMC4wMDBa',
    ),
  ),
);
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  // One parameter that is nearly right gets further than several that are not.
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('limit', 'cursor', 'status', 'campaign', 'lastEventId'), fc.oneof(word, cursors))
      .map((pair) => `?${pair.join('=')}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .array(parameter, { maxLength: 3 })
      .map((pairs) => `?${pairs.map((pair) => pair.join('=')).join('&')}`),
  },
);
const fields = fc.dictionary(
  fc.constantFrom(
    'name',
    'schedule',
    'steps',
    'budget',
    'notifications',
    'metadata',
    'cron',
    'timezone',
    'from',
    'count',
    'force',
    'reason',
    'outcome',
    'note',
    'by',
    'definition',
    '__proto__',
    'engine',
    'params',
    'parallel',
  ),
  fc.oneof(
    fc.jsonValue({ maxDepth: 4 }),
    fc.constantFrom(
      '0 9 * * MON',
      '0 0 30 2 *',
      '* * * * *',
      'done',
      'failed',
      'start',
      'latest',
      '2026-03-08T00:00:00Z',
      'America/New_York',
      '\u0000',
      '{{ steps.a.b }}',
      'x'.repeat(5_000),
    ),
  ),
);
const body = fc.oneof(
  { weight: 3, arbitrary: fc.constant('') },
  { weight: 4, arbitrary: fields.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: fc.constant(JSON.stringify(definition)) },
  { weight: 2, arbitrary: fields.map((value) => JSON.stringify({ ...definition, ...value })) },
  {
    weight: 1,
    arbitrary: fields.map((value) =>
      JSON.stringify({ ...definition, steps: [{ name: 'a', engine: 'prospecting', ...value }] }),
    ),
  },
  {
    weight: 2,
    arbitrary: fc.oneof(
      fc.json(),
      fc.string(),
      fc.constantFrom('{', '[1', '"', 'nul', '['.repeat(100_000), '{"a":'.repeat(50_000), '{"a":1,"a":2}'),
    ),
  },
);
const header = fc.oneof(
  fc.tuple(
    fc.constant('content-type'),
    fc.constantFrom(
      'application/json',
      'text/plain',
      'application/json; charset=utf-7',
      '',
      ';;;',
      'multipart/form-data',
    ),
  ),
  fc.tuple(fc.constant('content-encoding'), fc.constantFrom('gzip', 'br', 'zstd', 'nonsense', 'identity')),
  fc.tuple(
    fc.constantFrom(
      'idempotency-key',
      'authorization',
      'x-api-key',
      'accept',
      'last-event-id',
      'x-request-id',
      'if-none-match',
      'range',
      'x-forwarded-for',
      'x-http-method-override',
    ),
    fc.stringMatching(/^[\x20-\x7e]{0,60}$/),
  ),
  fc.tuple(
    fc.constantFrom('origin', 'referer', 'forwarded'),
    fc.constantFrom('null', 'https://evil.example', '::::', 'for=;;'),
  ),
);
const method = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom('GET', 'POST', 'PUT') },
  { weight: 1, arbitrary: fc.constantFrom('DELETE', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND') },
);

interface Shot {
  method: string;
  target: string;
  headers: [string, string][];
  body: string;
}

/** Sends one request and resolves with the status; a stream is left as soon as it has begun. */
function shoot(shot: Shot): Promise<number> {
  const { port } = server.address() as AddressInfo;
  const target = shot.target.replaceAll('<campaign>', known.campaign).replaceAll('<run>', known.run);
  const headers = {
    'content-type': 'application/json',
    ...Object.fromEntries(shot.headers),
    // Without it Node sends the body of a GET outside of the request.
    'content-length': Buffer.byteLength(shot.body),
  };
  return new Promise((resolve, reject) => {
    const outgoing = request(
      { port, host: '127.0.0.1', agent, method: shot.method, path: target, headers },
      (answer) => {
        const status = answer.statusCode ?? 0;
        if (String(answer.headers['content-type']).startsWith('text/event-stream')) {
          outgoing.destroy();
          resolve(status);
        } else
          answer
            .resume()
            .once('end', () => resolve(status))
            .once('error', reject);
      },
    );
    outgoing.once('error', reject);
    outgoing.end(shot.body);
  });
}

test(`${REQUESTS} generated requests over all routes give no 5xx and no unhandled rejection`, async () => {
  const seen = new Map<number, number>();
  let sent = 0;
  const arbitrary = fc.record({
    method,
    target: fc.tuple(path, query).map((parts) => parts.join('')),
    headers: fc.array(header, { maxLength: 2 }),
    body,
  });
  await fc.assert(
    fc.asyncProperty(arbitrary, async (shot) => {
      if (sent % RESEED_EVERY === 0) await seed();
      sent += 1;
      const status = await shoot(shot);
      seen.set(status, (seen.get(status) ?? 0) + 1);
      expect(status).toBeLessThan(500);
      expect(problems.splice(0)).toEqual([]);
    }),
    { numRuns: REQUESTS },
  );
  expect(sent).toBeGreaterThanOrEqual(REQUESTS);
  // The requests are worth something only when they get past the first checks.
  const never = [200, 204, 400, 403, 404, 405, 415].filter((status) => !seen.has(status));
  expect(never).toEqual([]);
  // Each of these comes a few times in 5,000, so any one of them may be missing, but not all.
  expect([201, 202, 409].some((status) => seen.has(status))).toBe(true);
}, 240_000);
