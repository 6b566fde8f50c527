import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { answerClientError } from '../../api/client-error.ts';
import { newId } from '../../shared/ids.ts';
import { makeApi } from '../support/api.ts';

const records = { select: async () => [], count: async () => 0, insert: async () => [] } as never;
const post = (path = '/api/campaigns') => request(makeApi(records).app).post(path);
/** supertest would write bytes as JSON. */
const asIs = (bytes: unknown) => bytes as string;
const json = (body: string) => post().set('Content-Type', 'application/json').send(body);

describe('a body', () => {
  test('that is not JSON is refused with line and column', async () => {
    const answer = await json('{\n  "name": "x",\n  "steps": [}\n}');
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      code: 'MALFORMED_JSON',
      message: expect.stringContaining('line 3, column 13'),
    });
  });

  test('with a name twice in one object is refused with the name and its place', async () => {
    const answer = await json('{\n  "name": "a",\n  "steps": [],\n  "name": "b"\n}');
    expect(answer.status).toBe(400);
    expect(answer.body.error).toMatchObject({
      code: 'MALFORMED_JSON',
      details: [{ message: 'the name "name" stands a second time at line 4, column 3', mend: 'remove one of the two' }],
    });
  });

  test('above 1 MiB is refused, also when it grows to that by decompression', async () => {
    const big = JSON.stringify({ name: 'x'.repeat(10 * 1_048_576) });
    expect((await json(big)).body.error.code).toBe('BODY_TOO_LARGE');
    const packed = await post()
      .set('Content-Type', 'application/json')
      .set('Content-Encoding', 'gzip')
      .serialize(asIs)
      .send(gzipSync(big));
    expect([packed.status, packed.body.error.code]).toEqual([413, 'BODY_TOO_LARGE']);
  });

  test.each([
    ['text/plain', '{}'],
    ['application/x-www-form-urlencoded', 'name=x'],
    ['application/json; charset=utf-16', '{}'],
    ['application/jsonp', '{}'],
  ])('of type %s is refused with what to send', async (type, body) => {
    const answer = await post().set('Content-Type', type).send(body);
    expect(answer.status).toBe(415);
    expect(answer.body.error.details[0].mend).toContain('application/json');
  });

  test.each(['application/json', 'APPLICATION/JSON; charset=UTF-8', 'application/vnd.campaign+json'])(
    'of type %s is read',
    async (type) => {
      const answer = await post().set('Content-Type', type).send('{}');
      expect(answer.body.error.code).toBe('VALIDATION_FAILED');
    },
  );

  test.each([
    ['a hundred thousand levels deep', '['.repeat(100_000) + ']'.repeat(100_000), '[0]'],
    ['with U+0000 in a text', '{"name":"a\\u0000b"}', 'name'],
    ['with half a surrogate pair', '{"steps":[{"name":"\\ud800"}]}', 'steps[0].name'],
    ['with U+0000 in a name', '{"a\\u0000":1}', ''],
  ])('%s is refused', async (_what, body, path) => {
    const answer = await json(body);
    expect(answer.status).toBe(400);
    expect(answer.body.error.details[0].path.startsWith(path)).toBe(true);
  });

  test.each(['"text"', 'null', '[]', '7', '{"__proto__":{"name":"x"}}', '{"constructor":1}'])(
    '%s is an ordinary invalid input',
    async (body) => {
      const answer = await json(body);
      expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    },
  );

  test('that is not what its encoding says is refused', async () => {
    const answer = await post().set('Content-Type', 'application/json').set('Content-Encoding', 'gzip').send('plain');
    expect([answer.status, answer.body.error.code]).toEqual([400, 'BODY_INCOMPLETE']);
    const latin = await post()
      .set('Content-Type', 'application/json')
      .serialize(asIs)
      .send(Buffer.from([0x22, 0xe9, 0x22]));
    expect(latin.body.error.code).toBe('MALFORMED_JSON');
  });

  test('may be left out where everything in it is optional', async () => {
    const answer = await post(`/api/campaigns/${newId()}/run`).set('Content-Type', 'text/plain');
    expect(answer.status).toBe(404);
  });

  test.each([
    ['neither length nor type, as `curl -X POST` sends it', ''],
    ['a length of 0', 'Content-Length: 0\r\n'],
    ['an empty chunked body', 'Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n'],
  ])('that is empty, with %s, starts a run', async (_what, headers) => {
    const started: unknown[] = [];
    const { app, deps } = makeApi(records);
    deps.runs.start = async (campaignId, options) => {
      started.push([campaignId, options]);
      return { runId: newId() };
    };
    const server = createServer(app).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const id = newId();
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
    const body = headers.includes('chunked') ? '0\r\n\r\n' : '';
    socket.write(
      `POST /api/campaigns/${id}/run HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${headers}\r\n${body}`,
    );
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    server.close();
    expect(answer).toMatch(/^HTTP\/1.1 202 /);
    expect(started).toEqual([[id, expect.anything()]]);
  });
});

describe('paths and methods', () => {
  const { app } = makeApi(records);

  test.each([
    ['/api/campaigns/%', 400, 'MALFORMED_PATH'],
    ['/api/campaigns/%ff', 400, 'MALFORMED_PATH'],
    ['/nothing', 404, 'ROUTE_NOT_FOUND'],
    ['/api', 404, 'ROUTE_NOT_FOUND'],
    ['/docs/package.json', 404, 'ROUTE_NOT_FOUND'],
    ['/docs/..%2fpackage.json', 404, 'ROUTE_NOT_FOUND'],
    ['/docs/__proto__', 404, 'ROUTE_NOT_FOUND'],
  ])('GET %s is %i %s', async (path, status, code) => {
    const answer = await request(app).get(path);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
  });

  test('a method that a path does not have is told which it has', async () => {
    const answer = await request(app).patch('/api/campaigns');
    expect([answer.status, answer.body.error.code, answer.headers['allow']]).toEqual([
      405,
      'METHOD_NOT_ALLOWED',
      'POST, GET, HEAD, OPTIONS',
    ]);
    expect((await request(app).options('/api/campaigns')).status).toBe(204);
    expect((await request(app).head('/api/campaigns')).status).toBe(200);
  });
});

describe('what is no HTTP', () => {
  let server: Server;
  afterEach(() => void server.close());

  test.each([
    ['garbage', 'NONSENSE\r\n\r\n', '400', 'MALFORMED_REQUEST'],
    [
      'huge headers',
      `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      '431',
      'HEADERS_TOO_LARGE',
    ],
    [
      'a target that is no path',
      'GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
      '404',
      'ROUTE_NOT_FOUND',
    ],
  ])('%s is answered in the shape of every failure', async (_what, text, status, code) => {
    server = createServer(makeApi(records).app).on('clientError', answerClientError).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').setEncoding('utf8');
    socket.write(text);
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    expect(answer).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(JSON.parse(answer.slice(answer.indexOf('\r\n\r\n') + 4)).error.code).toBe(code);
  });
});
