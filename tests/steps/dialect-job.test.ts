import { describe, expect, test } from '@jest/globals';
import type { ServerResponse } from 'node:http';
import type { JsonObject } from '../../database/tables.ts';
import type { EngineCall, StepContext } from '../../steps/step.ts';
import {
  type Bench,
  failureOf,
  type Handler,
  makeBench,
  plainTraits,
  sendJson,
  startEngine,
  type TestEngine,
} from './harness.ts';

const job = (id: string, state: string, more: JsonObject = {}) => ({ job_id: id, state, ...more });
const done = (id: string, more: JsonObject = {}) => job(id, 'completed', { result: { success: true, ...more } });

/** What a look may meet instead of a JSON body. */
const MISHAPS: Record<string, (response: ServerResponse) => unknown> = {
  cut: (response) => response.socket?.destroy(),
  page: (response) => response.end('<html>gateway</html>'),
  silence: () => undefined,
};

/** An engine that queues the given jobs and then answers each look: a status, a mishap or a body; `count` starts at 1. */
function queueing(ids: readonly string[], look: (count: number, ids: string[]) => unknown): Handler {
  let looks = 0;
  return (request, response) => {
    if (request.method === 'POST') return sendJson(response, { success: true, job_ids: ids }, 202);
    looks += 1;
    const body = look(looks, (request.url.searchParams.get('job_ids') ?? '').split(','));
    if (typeof body === 'number') return sendJson(response, { error: `Status ${body}` }, body);
    if (typeof body === 'string') return MISHAPS[body]?.(response);
    return sendJson(response, body);
  };
}

function start(bench: Bench, engine: TestEngine, call: Partial<EngineCall> = {}, rest: Partial<StepContext> = {}) {
  return bench.client.run(bench.context({ url: `${engine.url}/api/analyze-queue`, ...call }, rest), plainTraits);
}

/** Runs a call against an engine, moving the clock by the poll interval as often as the call waits. */
async function runJobs(
  handler: Handler,
  call: Partial<EngineCall> = {},
  rest: Partial<StepContext> = {},
  pollLimitMs = 30_000,
) {
  await using engine = await startEngine(handler);
  await using bench = makeBench({ pollLimitMs });
  const from = bench.clock.now();
  const running = start(bench, engine, call, rest);
  const settled = running.then(
    () => 'settled',
    () => 'settled',
  );
  while ((await Promise.race([settled, bench.clock.untilSleeping()])) !== 'settled') await bench.clock.advance(1_000);
  const paths = engine.seen.slice(1).map(({ url }) => `${url.pathname}${url.search}`);
  return { answer: await running, seen: engine.seen, paths, waited: bench.clock.now() - from, bench };
}

describe('queued jobs', () => {
  test('are looked at until all have ended, the first time at once, then at the poll interval of the clock', async () => {
    await using engine = await startEngine(
      queueing(['a', 'b'], (count) => ({
        jobs: [done('a'), count < 3 ? job('b', 'active') : done('b')],
        summary: { total: 2, completed: count < 3 ? 1 : 2 },
      })),
    );
    await using bench = makeBench();
    const running = start(bench, engine, { pollInterval: 5_000 });
    await bench.clock.untilSleeping();
    expect(engine.seen).toHaveLength(2);
    expect(bench.clock.now()).toBe(Date.parse('2026-01-05T09:00:00.000Z'));
    await bench.clock.advance(4_999);
    expect(engine.seen).toHaveLength(2);
    await bench.clock.advance(1);
    await bench.clock.untilSleeping();
    expect(engine.seen).toHaveLength(3);
    await bench.clock.advance(5_000);
    const answer = await running;
    expect(answer).toEqual({
      dialect: 'job',
      payload: { jobs: [done('a'), done('b')], summary: { total: 2, completed: 2 } },
    });
    expect(engine.seen.map(({ method }) => method)).toEqual(['POST', 'GET', 'GET', 'GET']);
    expect(bench.progress.map(({ finished, total }) => [finished, total])).toEqual([
      [1, 2],
      [1, 2],
      [2, 2],
    ]);
  });

  test.each<[string, JsonObject, string]>([
    ['job_id', { job_id: 'a' }, 'a'],
    ['job_ids', { job_ids: ['a'] }, 'a'],
    ['a number', { job_id: 7 }, '7'],
    ['under data', { data: { job_ids: ['a'] } }, 'a'],
    ['camelCase', { jobId: 'a' }, 'a'],
  ])('are found by %s, with status 200 as with 202: merely accepted is not complete', async (_name, body, id) => {
    const { answer, paths } = await runJobs((request, response) =>
      request.method === 'POST'
        ? sendJson(response, { success: true, ...body })
        : sendJson(response, { jobs: [done(id)] }),
    );
    expect(answer).toMatchObject({ dialect: 'job', payload: { jobs: [{ job_id: id, state: 'completed' }] } });
    expect(paths).toEqual([`/api/analyze-status?job_ids=${id}`]);
  });

  test('of none, because there was nothing to queue, need no look', async () => {
    const { answer, paths } = await runJobs(queueing([], () => 500));
    expect(answer).toMatchObject({ payload: { jobs: [] }, empty: 'The engine queued no jobs.' });
    expect(paths).toEqual([]);
  });

  test('in a list without any id are an invalid answer, since what was queued cannot be followed', async () => {
    const failure = await failureOf(
      runJobs((_request, response) => sendJson(response, { success: true, job_ids: [null, ''] }, 202)),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_ANSWER_INVALID', definite: false });
  });

  test.each([
    ['/api/analyze-queue', '/api/analyze-status'],
    ['/api/compose-batch', '/api/compose-status'],
    ['/api/prospect', '/api/prospect-status'],
    ['/api/prospect/', '/api/prospect-status'],
  ])('of %s are asked for at %s', async (path, status) => {
    await using engine = await startEngine(queueing(['a'], () => ({ jobs: [done('a')] })));
    await using bench = makeBench();
    await start(bench, engine, { url: `${engine.url}${path}?v=1` });
    expect(engine.seen[1]?.url.pathname).toBe(status);
  });

  test('are asked for once more at <endpoint>-status where the first address is a 404', async () => {
    await using engine = await startEngine((request, response) => {
      if (request.method === 'POST') return sendJson(response, { job_id: 'a' }, 202);
      if (request.url.pathname !== '/api/compose-batch-status') return sendJson(response, { error: 'No route' }, 404);
      return sendJson(response, { jobs: [done('a')] });
    });
    await using bench = makeBench();
    await start(bench, engine, { url: `${engine.url}/api/compose-batch` });
    expect(engine.seen.map(({ url }) => url.pathname)).toEqual([
      '/api/compose-batch',
      '/api/compose-status',
      '/api/compose-batch-status',
    ]);
  });

  test('are asked for where the step says, with the ids appended to its query', async () => {
    await using engine = await startEngine(queueing(['a b', 'c,d'], () => ({ jobs: [done('a b'), done('c,d')] })));
    await using bench = makeBench();
    await start(bench, engine, { statusUrl: `${engine.url}/jobs?tenant=1` });
    expect(engine.seen[1]?.url.href).toContain('/jobs?tenant=1&job_ids=a%20b,c%2Cd');
  });

  test.each(['status_url', 'statusUrl', 'location'])('are asked for where the answer says by %s', async (where) => {
    const { paths } = await runJobs((request, response) => {
      if (request.method !== 'POST') return sendJson(response, { jobs: [done('a')] });
      const headers = where === 'location' ? { location: '/jobs/a' } : undefined;
      return sendJson(response, { job_id: 'a', ...(headers ? {} : { [where]: '/jobs/a' }) }, 202, headers);
    });
    expect(paths).toEqual(['/jobs/a?job_ids=a']);
  });

  test('are not asked for at a forbidden address that the answer names', async () => {
    const { paths } = await runJobs((request, response) =>
      request.method === 'POST'
        ? sendJson(response, { job_id: 'a', status_url: 'https://evil.example/jobs' }, 202)
        : sendJson(response, { jobs: [done('a')] }),
    );
    expect(paths).toEqual(['/api/analyze-status?job_ids=a']);
  });

  test('may be redirected to an allowed address only', async () => {
    const failure = await failureOf(
      runJobs((request, response) =>
        request.method === 'POST'
          ? sendJson(response, { job_id: 'a' }, 202)
          : response.writeHead(307, { location: 'https://evil.example/' }).end(),
      ),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_STATUS_UNREACHABLE', retryable: false, definite: false });
  });

  test('of long lists are asked for fifty at a time, and finished fifties not again', async () => {
    const ids = Array.from({ length: 120 }, (_, index) => `job-${index}`);
    const asked: number[] = [];
    const { answer } = await runJobs(
      queueing(ids, (count, wanted) => {
        asked.push(wanted.length);
        return { jobs: wanted.map((id) => (count === 3 ? job(id, 'queued') : done(id))), summary: { completed: 1 } };
      }),
    );
    expect(asked).toEqual([50, 50, 20, 20]);
    expect(answer.payload['jobs']).toHaveLength(120);
    expect(answer.payload['summary']).toBeUndefined();
  });

  test.each<[string, unknown]>([
    ['a list under data', { data: { jobs: [done('a')] } }],
    ['a list as data', { data: [done('a')] }],
    ['one bare job', { state: 'completed', result: { success: true } }],
    ['`status` and `id`', { jobs: [{ id: 'a', status: 'COMPLETED', result: { success: true } }] }],
  ])('are read in any wrapping: %s', async (_name, body) => {
    const { answer } = await runJobs(queueing(['a'], () => body));
    expect(answer.payload['jobs']).toMatchObject([{ job_id: 'a', state: 'completed' }]);
  });
});

describe('what becomes of jobs', () => {
  test('`state: "completed"` whose result.success is false is a failure of that item', async () => {
    const bad = job('a', 'completed', { result: { success: false, error: 'No website', analysis_cost: 0.02 } });
    const { answer } = await runJobs(queueing(['a', 'b'], () => ({ jobs: [bad, done('b')] })));
    expect(answer.payload['jobs']).toHaveLength(2);
    const failure = await failureOf(runJobs(queueing(['a'], () => ({ jobs: [bad] }))));
    expect(failure).toMatchObject({ code: 'ENGINE_ITEMS_FAILED', costMicros: 20_000, definite: true });
    expect(failure.message).toContain('No website');
  });

  test('cancelled and failed jobs fail the step when no other succeeded', async () => {
    const jobs = [job('a', 'cancelled'), job('b', 'failed', { error: 'Timed out' })];
    const failure = await failureOf(runJobs(queueing(['a', 'b'], () => ({ jobs }))));
    expect(failure).toMatchObject({ code: 'ENGINE_ITEMS_FAILED', retryable: false });
  });

  test.each([
    ['repeatable', true],
    ['once', false],
  ] as const)(
    'after an engine restart jobs read `not_found`: a failure, retryable only where the step is %s',
    async (effect, retryable) => {
      const jobs = [done('a', { analysis_cost: 0.05 }), job('b', 'not_found')];
      const failure = await failureOf(
        runJobs(
          queueing(['a', 'b'], () => ({ jobs })),
          {},
          { effect },
        ),
      );
      expect(failure).toMatchObject({ code: 'ENGINE_JOB_LOST', retryable, costMicros: 50_000, definite: false });
      expect(failure.message).toContain('1 of 2');
    },
  );

  test('jobs that an address which has answered before no longer knows (404) are lost', async () => {
    const failure = await failureOf(
      runJobs(queueing(['a'], (count) => (count === 1 ? { jobs: [job('a', 'active')] } : 404))),
    );
    expect(failure.code).toBe('ENGINE_JOB_LOST');
  });

  test('a job that three looks in a row leave out is lost; one that appears late is not', async () => {
    const failure = await failureOf(runJobs(queueing(['a'], () => ({ jobs: [] }))));
    expect(failure.code).toBe('ENGINE_JOB_LOST');
    const { answer } = await runJobs(queueing(['a'], (count) => ({ jobs: count < 3 ? [] : [done('a')] })));
    expect(answer.payload['jobs']).toHaveLength(1);
  });

  test('jobs that all say that nothing matched are empty', async () => {
    const jobs = [job('a', 'failed', { error: 'No leads match the filters' })];
    const { answer } = await runJobs(queueing(['a'], () => ({ jobs })));
    expect(answer.empty).toBe('No leads match the filters');
  });
});

describe('a look that fails', () => {
  test.each<[string, unknown]>([
    ['500', 500],
    ['429', 429],
    ['a broken connection', 'cut'],
    ['garbage', 'page'],
    ['an answer without jobs', { success: false, error: 'database is away' }],
  ])('is made again, since asking the engine to start over would pay twice: %s', async (_name, body) => {
    const { answer, seen, waited, bench } = await runJobs(
      queueing(['a'], (count) => (count < 4 ? body : { jobs: [done('a')] })),
    );
    expect(answer.payload['jobs']).toHaveLength(1);
    expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
    expect(waited).toBe(6_000);
    expect(bench.warnings).toHaveLength(3);
  });

  test('by silence is given up and made again', async () => {
    const { answer, seen, bench } = await runJobs(
      queueing(['a'], (count) => (count < 3 ? 'silence' : { jobs: [done('a')] })),
      {},
      {},
      50,
    );
    expect(answer.payload['jobs']).toHaveLength(1);
    expect(seen.filter(({ method }) => method === 'POST')).toHaveLength(1);
    expect(bench.warnings.length).toBeGreaterThanOrEqual(2);
  });

  test('ten times in a row gives up; a look that succeeds starts the count anew', async () => {
    const failure = await failureOf(runJobs(queueing(['a'], () => 503)));
    expect(failure).toMatchObject({
      code: 'ENGINE_STATUS_UNREACHABLE',
      retryable: true,
      worked: 'maybe',
      definite: false,
    });
    const { seen } = await runJobs(
      queueing(['a'], (count) =>
        count === 20 ? { jobs: [done('a')] } : count % 9 ? 503 : { jobs: [job('a', 'active')] },
      ),
    );
    expect(seen).toHaveLength(21);
  });

  test('for good is not made again, and the engine is told to stop', async () => {
    await using engine = await startEngine((request, response) => {
      if (request.url.pathname === '/cancel') return sendJson(response, {});
      return queueing(['a'], () => 403)(request, response, 0);
    });
    await using bench = makeBench();
    const failure = await failureOf(start(bench, engine, { cancelUrl: `${engine.url}/cancel` }));
    expect(failure).toMatchObject({ code: 'ENGINE_STATUS_UNREACHABLE', retryable: false });
    expect(failure.message).toContain('403');
    await bench.client.close();
    expect(engine.seen.map(({ url }) => url.pathname)).toEqual([
      '/api/analyze-queue',
      '/api/analyze-status',
      '/cancel',
    ]);
  });

  test('for a step that may not be repeated leaves the retry to a person', async () => {
    const failure = await failureOf(
      runJobs(
        queueing(['a'], () => 503),
        {},
        { effect: 'once' },
      ),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_STATUS_UNREACHABLE', retryable: false, definite: false });
  });

  test('waits as long as the engine asks', async () => {
    const { waited } = await runJobs((request, response, count) => {
      if (request.method === 'POST') return sendJson(response, { job_id: 'a' }, 202);
      if (count === 2) return sendJson(response, { error: 'slow down' }, 429, { 'retry-after': '30' });
      return sendJson(response, { jobs: [done('a')] });
    });
    expect(waited).toBe(30_000);
  });

  test('by its size fails: each look is bounded singly', async () => {
    const rows = 'x'.repeat(600_000);
    const { answer } = await runJobs(
      queueing(['a', 'b'], (count) => ({ jobs: [done('a'), count < 3 ? job('b', 'active') : done('b')], rows })),
    );
    expect(answer.payload['jobs']).toHaveLength(2);
    const failure = await failureOf(runJobs(queueing(['a'], () => ({ jobs: [], rows: rows + rows }))));
    expect(failure.code).toBe('ENGINE_RESPONSE_TOO_LARGE');
  });
});
