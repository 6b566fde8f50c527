import { describe, expect, jest, test } from '@jest/globals';
import { createServer } from 'node:net';
import { AppError } from '../../shared/errors.ts';
import { StepError } from '../../steps/step.ts';
import {
  failureOf,
  loopbackOrigins,
  makeBench,
  openStream,
  plainTraits,
  sendJson,
  startEngine,
  unnamed,
} from './harness.ts';

describe('a call to an engine', () => {
  test('carries JSON, the same Idempotency-Key on every retry, and the run', async () => {
    await using engine = await startEngine((_request, response) => sendJson(response, { success: true }));
    await using bench = makeBench();
    const call = { url: `${engine.url}/api/prospect`, params: { brief: { city: 'Philadelphia, PA' } } };
    await bench.client.run(bench.context(call, { attempt: 1 }), plainTraits);
    await bench.client.run(bench.context(call, { attempt: 2 }), plainTraits);
    for (const seen of engine.seen) {
      expect(seen.method).toBe('POST');
      expect(JSON.parse(seen.body)).toEqual(call.params);
      expect(seen.headers).toMatchObject({
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'accept-encoding': 'identity',
        'idempotency-key': 'run-1/step',
        'x-run-id': 'run-1',
      });
    }
    expect(engine.seen).toHaveLength(2);
  });

  test.each([
    ['run-1/send e-mails', 'run-1/send%20e-mails'],
    ['run-1/étape ✉\ud800', 'run-1/%C3%A9tape%20%E2%9C%89%EF%BF%BD'],
    ['run-1/100%', 'run-1/100%25'],
    ['run-1/a\r\nx-evil: 1', 'run-1/a%0D%0Ax-evil:%201'],
  ])('writes the key %j so that it fits a header', async (idempotencyKey, expected) => {
    await using engine = await startEngine((_request, response) => sendJson(response, { success: true }));
    await using bench = makeBench();
    await bench.client.run(bench.context({ url: engine.url }, { idempotencyKey }), plainTraits);
    expect(engine.seen[0]?.headers['idempotency-key']).toBe(expected);
    expect(engine.seen[0]?.headers['x-evil']).toBeUndefined();
  });

  test('sends the params of a GET as its query', async () => {
    await using engine = await startEngine((_request, response) => sendJson(response, { success: true }));
    await using bench = makeBench();
    const params = { count: 2, city: 'A & B', nothing: null, tags: ['x', 'y'] };
    await bench.client.run(bench.context({ url: `${engine.url}/api/x?v=1`, method: 'GET', params }), plainTraits);
    expect(engine.seen[0]).toMatchObject({ method: 'GET', body: '' });
    expect(Object.fromEntries(engine.seen[0]?.url.searchParams ?? [])).toEqual({
      v: '1',
      count: '2',
      city: 'A & B',
      tags: '["x","y"]',
    });
  });

  test('that may not be repeated never shares a connection which the engine may be closing', async () => {
    const ports: (number | undefined)[] = [];
    await using engine = await startEngine((_request, response) => {
      ports.push(response.socket?.remotePort);
      sendJson(response, { success: true });
    });
    await using bench = makeBench();
    const runs = async (effect: 'repeatable' | 'once', count: number) => {
      for (let call = 0; call < count; call++)
        await bench.client.run(bench.context({ url: engine.url }, { effect }), plainTraits);
      return new Set(ports.splice(0));
    };
    const kept = await runs('repeatable', 6);
    expect(kept.size).toBeLessThan(6);
    const fresh = await runs('once', 3);
    expect(fresh.size).toBe(3);
    expect(kept.isDisjointFrom(fresh)).toBe(true);
  });

  test('outlasts minutes of silence without keep-alive, before the answer and in it: only the step limits it', async () => {
    let answer: (() => void) | undefined;
    await using engine = await startEngine((_request, response) => {
      answer = () => {
        openStream(response, unnamed({ type: 'started' }));
        answer = () => void response.end(unnamed({ type: 'complete', found: 1 }));
      };
    });
    await using bench = makeBench();
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'clearImmediate', 'queueMicrotask'] });
    try {
      const started = new Promise<void>((resolve) => (bench.progress.push = () => (resolve(), 0)));
      const call = bench.client.run(bench.context({ url: engine.url }), plainTraits);
      await engine.untilSeen(1);
      await jest.advanceTimersByTimeAsync(1_200_000);
      answer?.();
      await started;
      await jest.advanceTimersByTimeAsync(1_200_000);
      answer?.();
      await expect(call).resolves.toMatchObject({ payload: { found: 1 } });
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('an address', () => {
  test('of an origin that is not allowed is never called', async () => {
    await using bench = makeBench();
    for (const url of ['https://evil.example/api', 'file:///etc/passwd', 'http://user:pw@127.0.0.1/', 'nonsense'])
      expect(await failureOf(bench.client.run(bench.context({ url }), plainTraits))).toMatchObject({
        code: 'ENGINE_ORIGIN_FORBIDDEN',
        retryable: false,
        worked: 'no',
      });
  });

  test('that a redirect points to is forbidden unless it is allowed by name, loopback or not', async () => {
    await using other = await startEngine((_request, response) => sendJson(response, { success: true }));
    await using engine = await startEngine((_request, response) =>
      response.writeHead(307, { location: `${other.url}/api/prospect` }).end(),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_REDIRECT_FORBIDDEN', retryable: false, worked: 'no' });
    expect(other.seen).toEqual([]);
  });

  test.each([307, 308])('that %i points to gets the same method and body', async (status) => {
    await using engine = await startEngine((request, response) =>
      request.url.pathname === '/old'
        ? response.writeHead(status, { location: '/new' }).end()
        : sendJson(response, { success: true, seen: request.body }),
    );
    await using bench = makeBench();
    const answer = await bench.client.run(bench.context({ url: `${engine.url}/old` }), plainTraits);
    expect(answer.payload).toMatchObject({ seen: '{"count":2}' });
    expect(engine.seen.map(({ method, headers }) => [method, headers['idempotency-key']])).toEqual([
      ['POST', 'run-1/step'],
      ['POST', 'run-1/step'],
    ]);
  });

  test('is followed three times and no further', async () => {
    await using engine = await startEngine((request, response) =>
      response.writeHead(308, { location: `${request.url.pathname}x` }).end(),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: `${engine.url}/x` }), plainTraits));
    expect(failure.code).toBe('ENGINE_REDIRECT_FORBIDDEN');
    expect(engine.seen).toHaveLength(4);
  });

  test.each([
    [301, 'no'],
    [302, 'no'],
    [303, 'maybe'],
  ])('that %i points to would turn a POST into a GET, so it is a failure', async (status, worked) => {
    await using engine = await startEngine((_request, response) =>
      response.writeHead(status, { location: '/new' }).end(),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_REDIRECT_FORBIDDEN', worked });
    expect(failure.message).toContain('/new');
    expect(engine.seen).toHaveLength(1);
  });

  test('that a GET is moved to is followed', async () => {
    await using engine = await startEngine((request, response) =>
      request.url.pathname === '/old'
        ? response.writeHead(302, { location: '/new' }).end()
        : sendJson(response, { success: true }),
    );
    await using bench = makeBench();
    const answer = await bench.client.run(bench.context({ url: `${engine.url}/old`, method: 'GET' }), plainTraits);
    expect(answer.payload).toEqual({ success: true });
  });
});

describe('an HTTP failure', () => {
  test.each([
    [{ error: 'brief.icp is required' }, 'The engine answered 400: brief.icp is required'],
    [{ error: { code: 'BAD', message: 'No such model' } }, 'The engine answered 400: No such model'],
    [{ message: 'Nope' }, 'The engine answered 400: Nope'],
    [{ errors: [{ message: 'first' }, { message: 'second' }] }, 'The engine answered 400: first'],
    [{}, 'The engine answered 400'],
  ])('4xx with {"error"} and no success is not retried, and its message is shown: %j', async (body, message) => {
    await using engine = await startEngine((_request, response) => sendJson(response, body, 400));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_REFUSED', message, retryable: false, worked: 'no', definite: true });
  });

  test.each([
    [401, 'ENGINE_REFUSED', false, 'no', true],
    [404, 'ENGINE_REFUSED', false, 'no', true],
    [409, 'ENGINE_REFUSED', false, 'no', true],
    [422, 'ENGINE_REFUSED', false, 'no', true],
    [408, 'ENGINE_BUSY', true, 'no', true],
    [425, 'ENGINE_BUSY', true, 'no', true],
    [429, 'ENGINE_BUSY', true, 'no', true],
    [503, 'ENGINE_BUSY', true, 'no', true],
    [500, 'ENGINE_ERROR', true, 'maybe', true],
    [502, 'ENGINE_ERROR', true, 'maybe', false],
    [504, 'ENGINE_ERROR', true, 'maybe', false],
  ])('status %i is %s, retryable %s, worked %s, definite %s', async (status, code, retryable, worked, definite) => {
    await using engine = await startEngine((_request, response) => sendJson(response, { error: 'so it is' }, status));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code, retryable, worked, definite, costMicros: null });
  });

  test.each([
    ['once', 503, '', {}, 'maybe', false],
    ['once', 503, '<h1>Service Temporarily Unavailable</h1>', {}, 'maybe', false],
    ['once', 503, '{"success":false}', {}, 'maybe', false],
    ['once', 408, '', {}, 'maybe', false],
    ['once', 503, '{"error":"too many jobs"}', {}, 'no', true],
    ['once', 503, '', { 'retry-after': '5' }, 'no', true],
    ['once', 408, '{"message":"too slow"}', {}, 'no', true],
    ['once', 429, '', {}, 'no', true],
    ['once', 425, '', {}, 'no', true],
    ['repeatable', 503, '', {}, 'no', true],
    ['repeatable', 408, '', {}, 'no', true],
  ] as const)(
    'of a %s step: status %i with %j and %j may be that of a proxy or is an engine (worked: %s)',
    async (effect, status, body, headers, worked, definite) => {
      await using engine = await startEngine((_request, response) => response.writeHead(status, headers).end(body));
      await using bench = makeBench();
      const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }, { effect }), plainTraits));
      expect(failure).toMatchObject({ code: 'ENGINE_BUSY', retryable: true, worked, definite });
    },
  );

  test('of 500 without the words of an engine leaves open what was done', async () => {
    await using engine = await startEngine((_request, response) => response.writeHead(500).end('<h1>Oops</h1>'));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_ERROR', definite: false, message: 'The engine answered 500' });
  });

  test.each([
    ['7', 7_000],
    ['1.5', 1_500],
    ['Mon, 05 Jan 2026 09:00:30 GMT', 30_000],
    ['Mon, 05 Jan 2026 08:00:00 GMT', 0],
    ['999999', 3_600_000],
    ['soon', undefined],
    ['', undefined],
  ])('asks for a wait of %j, read on the clock', async (value, expected) => {
    await using engine = await startEngine((_request, response) =>
      sendJson(response, { error: 'busy' }, 429, { 'retry-after': value }),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure.retryAfterMs).toBe(expected);
  });

  test.each([
    [500, { error: 'crashed', cost: 0.25 }],
    [500, { error: 'crashed', data: { cost: '0.25' } }],
    [200, { success: false, error: 'crashed', summary: { totalCost: 0.25 } }],
  ])('with status %i tells what it cost all the same: %j', async (status, body) => {
    await using engine = await startEngine((_request, response) => sendJson(response, body, status));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure.costMicros).toBe(250_000);
  });
});

describe('a network failure', () => {
  test('before the engine was reached is retryable, and no work was done', async () => {
    const engine = await startEngine(() => undefined);
    await engine[Symbol.asyncDispose]();
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_UNREACHABLE', retryable: true, worked: 'no', definite: true });
    expect(failure.message).toContain('ECONNREFUSED');
  });

  test('of a name that nobody knows is retryable, and no work was done', async () => {
    await using bench = makeBench({ origins: { ...loopbackOrigins, allows: () => true } });
    const failure = await failureOf(bench.client.run(bench.context({ url: 'http://engine.invalid/' }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_UNREACHABLE', retryable: true, worked: 'no' });
  });

  test.each([
    ['before the first byte of the answer', false],
    ['in the middle of the answer', true],
  ])('after the request was sent, %s, leaves open what was done', async (_when, midway) => {
    await using engine = await startEngine(async (_request, response) => {
      if (midway) {
        response.writeHead(200, { 'content-type': 'application/json' });
        await new Promise<void>((resolve) => response.write('{"success": tr', () => resolve()));
      }
      response.socket?.destroy();
    });
    await using bench = makeBench();
    const failure = await failureOf(
      bench.client.run(bench.context({ url: engine.url }, { effect: 'once' }), plainTraits),
    );
    expect(failure).toMatchObject({
      code: 'ENGINE_CONNECTION_LOST',
      retryable: true,
      worked: 'maybe',
      definite: false,
    });
    expect(engine.seen).toHaveLength(1);
  });

  test('of something that does not speak HTTP is an invalid answer', async () => {
    const server = createServer((socket) => socket.on('data', () => socket.end('220 mail.example ESMTP\r\n')));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => new Promise((resolve) => server.close(() => resolve())));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: `http://127.0.0.1:${port}/` }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_ANSWER_INVALID', retryable: false, definite: false });
  });
});

describe('the plain dialect', () => {
  test('`success: false` with status 200 is a failure with the message of the engine', async () => {
    await using engine = await startEngine((_request, response) =>
      sendJson(response, { success: false, error: 'Quota used up' }),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({
      code: 'ENGINE_FAILED',
      message: 'Quota used up',
      retryable: false,
      worked: 'maybe',
    });
  });

  test.each([
    [{ data: { success: false, error: 'inner' } }],
    [{ result: { success: false, message: 'inner' } }],
    [{ error: 'inner' }],
    [{ error: { message: 'inner' } }],
  ])('so is a failure one level down, or an error that does not say success: %j', async (body) => {
    await using engine = await startEngine((_request, response) => sendJson(response, body));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', message: 'inner' });
  });

  test('a success may carry an error beside it', async () => {
    await using engine = await startEngine((_request, response) =>
      sendJson(response, { success: true, error: 'one of ten failed' }),
    );
    await using bench = makeBench();
    await expect(bench.client.run(bench.context({ url: engine.url }), plainTraits)).resolves.toBeDefined();
  });

  test.each([
    ['<html>It works!</html>', 'text/html'],
    ['{"success": tru', 'application/json'],
    ['', 'application/json'],
    ['[1, 2]', 'application/json'],
    ['null', 'application/json'],
    ['"ok"', 'application/json'],
  ])('garbage is an invalid answer: %j', async (body, type) => {
    await using engine = await startEngine((_request, response) =>
      response.writeHead(200, { 'content-type': type }).end(body),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({
      code: 'ENGINE_ANSWER_INVALID',
      retryable: false,
      worked: 'maybe',
      definite: false,
    });
  });

  test('an answer without a content type, or with a byte order mark, is read', async () => {
    await using engine = await startEngine((_request, response) => response.writeHead(200).end('\ufeff{"found": 1}'));
    await using bench = makeBench();
    const answer = await bench.client.run(bench.context({ url: engine.url }), plainTraits);
    expect(answer).toEqual({ dialect: 'json', payload: { found: 1 } });
  });

  test('a compressed answer, which was not asked for, is refused', async () => {
    await using engine = await startEngine((_request, response) =>
      sendJson(response, {}, 200, { 'content-encoding': 'gzip' }),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure.code).toBe('ENGINE_ANSWER_INVALID');
  });

  test('merely accepted is not complete: 202 without a job id is a failure', async () => {
    await using engine = await startEngine((_request, response) => sendJson(response, { success: true }, 202));
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_PROTOCOL_MISMATCH', worked: 'maybe', definite: false });
    const call = bench.context({ url: engine.url, protocol: 'json' });
    await expect(bench.client.run(call, plainTraits)).resolves.toMatchObject({ dialect: 'json' });
  });

  test.each([
    ['sse', { success: true }, 'event stream'],
    ['job', { success: true }, 'job_id'],
    ['json', null, 'event stream'],
    ['job', null, 'event stream'],
  ] as const)('protocol %s does not take an answer of another: %j', async (protocol, body, words) => {
    await using engine = await startEngine((_request, response) =>
      body ? sendJson(response, body) : openStream(response, unnamed({ type: 'complete' })),
    );
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url, protocol }), plainTraits));
    expect(failure.code).toBe('ENGINE_PROTOCOL_MISMATCH');
    expect(failure.message).toContain(words);
  });
});

describe('the size of an answer', () => {
  test.each(['json', 'sse'])('is bounded over the whole of it, in the %s dialect', async (dialect) => {
    const filler = 'x'.repeat(600);
    await using engine = await startEngine((_request, response) =>
      dialect === 'json'
        ? sendJson(response, { rows: filler + filler })
        : openStream(response, unnamed({ type: 'progress', filler }), unnamed({ type: 'progress', filler })),
    );
    await using bench = makeBench({ maxResponseBytes: 1_024 });
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_RESPONSE_TOO_LARGE', retryable: false, worked: 'maybe' });
    expect(failure.message).toContain('MAX_ENGINE_RESPONSE_BYTES');
  });

  test('stops an endless answer, and tells the engine to stop', async () => {
    await using engine = await startEngine((request, response) => {
      if (request.url.pathname === '/cancel') return sendJson(response, { success: true });
      openStream(response);
      const more = () => {
        while (!response.destroyed && response.write(unnamed({ type: 'progress', filler: 'x'.repeat(10_000) })));
        if (!response.destroyed) response.once('drain', more);
      };
      more();
    });
    await using bench = makeBench();
    const call = bench.context({ url: engine.url, cancelUrl: `${engine.url}/cancel` });
    expect(await failureOf(bench.client.run(call, plainTraits))).toMatchObject({ code: 'ENGINE_RESPONSE_TOO_LARGE' });
    await bench.client.close();
    expect(engine.seen.map(({ url }) => url.pathname)).toEqual(['/', '/cancel']);
  });

  test('of one frame can be megabytes, since it carries all rows', async () => {
    const rows = Array.from({ length: 20_000 }, (_, id) => ({ id, name: `Trattoria ${id}`, note: 'ü'.repeat(60) }));
    await using engine = await startEngine((_request, response) =>
      openStream(response, unnamed({ type: 'complete', data: { saved: rows.length, rows } })),
    );
    await using bench = makeBench({ maxResponseBytes: 16 * 1_024 * 1_024 });
    const answer = await bench.client.run(bench.context({ url: engine.url }), plainTraits);
    expect(answer.payload).toMatchObject({ data: { saved: 20_000 } });
    expect(JSON.stringify(answer.payload).length).toBeGreaterThan(2_000_000);
  });
});

describe('an abort', () => {
  const timeout = new StepError('STEP_TIMEOUT', 'No result within 1000 ms.', { retryable: true, definite: false });

  test('a client that disconnects does not stop the engine, so its cancelEndpoint is called', async () => {
    await using engine = await startEngine((request, response) => {
      if (request.url.pathname === '/api/cancel') sendJson(response, { success: true });
      else openStream(response, unnamed({ type: 'started' }));
    });
    await using bench = makeBench();
    const control = new AbortController();
    const call = { url: `${engine.url}/api/prospect`, cancelUrl: `${engine.url}/api/cancel` };
    const running = bench.client.run(bench.context(call, { signal: control.signal }), plainTraits);
    await engine.untilSeen(1);
    control.abort(timeout);
    await expect(running).rejects.toBe(timeout);
    await bench.client.close();
    expect(engine.seen[1]).toMatchObject({ method: 'POST', headers: { 'x-run-id': 'run-1' } });
    expect(JSON.parse(engine.seen[1]?.body ?? '')).toEqual({ runId: 'run-1' });
  });

  test('a send that timed out may have sent: it fails with the reason of the abort, after one request only', async () => {
    await using engine = await startEngine(() => undefined);
    await using bench = makeBench();
    const control = new AbortController();
    const context = bench.context({ url: `${engine.url}/api/send-batch` }, { signal: control.signal, effect: 'once' });
    const running = bench.client.run(context, plainTraits);
    await engine.untilSeen(1);
    control.abort(timeout);
    expect(await failureOf(running)).toMatchObject({ code: 'STEP_TIMEOUT', worked: 'maybe', definite: false });
    await bench.client.close();
    expect(engine.seen).toHaveLength(1);
  });

  test('names the queued jobs to the cancelEndpoint', async () => {
    await using engine = await startEngine((request, response) =>
      request.method === 'GET'
        ? sendJson(response, { jobs: [{ job_id: 'a', state: 'active' }] })
        : sendJson(response, { success: true, job_ids: ['a', 'b'] }, 202),
    );
    await using bench = makeBench();
    const control = new AbortController();
    const call = { url: `${engine.url}/api/analyze-queue`, cancelUrl: `${engine.url}/api/cancel` };
    const running = bench.client.run(bench.context(call, { signal: control.signal }), plainTraits);
    await bench.clock.untilSleeping();
    control.abort(timeout);
    await expect(running).rejects.toBe(timeout);
    await bench.client.close();
    expect(JSON.parse(engine.seen.at(-1)?.body ?? '')).toEqual({ runId: 'run-1', job_ids: ['a', 'b'] });
  });

  test.each([
    ['forbidden', 'https://evil.example/cancel'],
    ['failing', '/500'],
    ['silent', '/silent'],
  ])('is not held up by a %s cancelEndpoint', async (_kind, cancel) => {
    await using engine = await startEngine((request, response) => {
      if (request.url.pathname === '/500') sendJson(response, { error: 'no' }, 500);
    });
    await using bench = makeBench({ cancelLimitMs: 20 });
    const control = new AbortController();
    const cancelUrl = new URL(cancel, engine.url).href;
    const context = bench.context({ url: `${engine.url}/api`, cancelUrl }, { signal: control.signal });
    const running = bench.client.run(context, plainTraits);
    await engine.untilSeen(1);
    control.abort(timeout);
    await expect(running).rejects.toBe(timeout);
    await bench.client.close();
    expect(bench.warnings).toEqual(['Could not tell the engine to stop']);
  });

  test('before the call asks nobody anything', async () => {
    await using engine = await startEngine((_request, response) => sendJson(response, {}));
    await using bench = makeBench();
    const context = bench.context({ url: engine.url, cancelUrl: engine.url }, { signal: AbortSignal.abort(timeout) });
    await expect(bench.client.run(context, plainTraits)).rejects.toBe(timeout);
    expect(engine.seen).toEqual([]);
  });

  test('of a run that another worker has taken over leaves the engine to that worker', async () => {
    await using engine = await startEngine(() => undefined);
    await using bench = makeBench();
    const control = new AbortController();
    const context = bench.context({ url: engine.url, cancelUrl: engine.url }, { signal: control.signal });
    const running = bench.client.run(context, plainTraits);
    await engine.untilSeen(1);
    control.abort(new AppError('RUN_FENCED', 409, 'Run run-1 is no longer held by this worker.'));
    await expect(running).rejects.toThrow('no longer held');
    await bench.client.close();
    expect(engine.seen).toHaveLength(1);
  });
});
