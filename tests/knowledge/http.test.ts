import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { wordEmbedder } from '../support/embedder.ts';
import { makeApi } from '../support/api.ts';
import type { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { type EmbeddedRecords, embeddedRecords } from '../support/records.ts';
import { baseOn } from './base-support.ts';

let records: EmbeddedRecords;
let api: ReturnType<typeof makeApi>;
let base: KnowledgeBase;
beforeAll(async () => {
  records = await embeddedRecords({ vectors: true });
});
beforeEach(async () => {
  await records.truncate();
  base = baseOn(records);
  api = makeApi(records, { knowledge: base });
  await base.embed();
});
afterAll(() => records.close());

const send = (body: string | Buffer, type = 'text/plain', query = '') =>
  request(api.app).post(`/api/knowledge${query}`).set('content-type', type).serialize(String).send(body.toString());
const work = async () => {
  await base.refine();
  await base.embed();
};
const get = async (path: string) => (await request(api.app).get(`/api/knowledge${path}`)).body;

test('a file is sent, worked on and asked for: by its ingest, its facts, a search and the whole', async () => {
  const sent = await send(
    'The Basic plan costs $29 a month.\nThe Basic plan costs $39 a month.\n',
    'text/plain; charset=utf-8',
    '?name=prices.txt&collection=acme',
  );
  expect(sent.status).toBe(202);
  const { id } = sent.body.ingest;
  expect(sent.headers['location']).toBe(`/api/knowledge/ingests/${id}`);
  expect(sent.body.ingest).toMatchObject({ state: 'queued', lines: 2, name: 'prices.txt', collection: 'acme' });
  await work();
  expect((await get(`/ingests/${id}`)).ingest).toMatchObject({
    state: 'completed',
    linesRead: 2,
    facts: { new: 2, repeated: 0, merged: 0, suspicious: 0 },
    pending: 0,
  });
  const { facts } = await get(`/facts?source=prices.txt&type=offer`);
  expect(facts).toHaveLength(2);
  const { fact } = await get(`/facts/${facts[0].id}`);
  expect(fact).toEqual(facts[0]);
  expect(fact).toMatchObject({
    sources: [{ ingestId: id, name: 'prices.txt', line: expect.any(Number) }],
    contradictions: [{ id: facts[1].id, here: expect.stringMatching(/29|39/), there: expect.stringMatching(/29|39/) }],
    embedding: { model: 'words-of-test', dimensions: 64 },
  });
  const found = await get('/search?q=basic+plan+cost&collection=acme&limit=1');
  expect(found).toMatchObject({
    success: true,
    mode: 'hybrid',
    note: null,
    hits: [
      {
        score: expect.any(Number),
        words: { rank: 1, matched: ['basic', 'cost', 'plan'] },
        meaning: { rank: expect.any(Number) },
      },
    ],
  });
  expect((await get('')).knowledge).toMatchObject({
    collections: [{ collection: 'acme', facts: 2, types: { offer: 2 } }],
    meaning: { possible: true, spaces: [{ state: 'active', pending: 0 }] },
  });
});

test('a search whose client has left ends', async () => {
  let given: AbortSignal | undefined;
  const asked = Promise.withResolvers<void>();
  const hanging = baseOn(records, {
    embedder: {
      ...wordEmbedder(),
      embed(_texts, signal) {
        given = signal;
        asked.resolve();
        return new Promise(() => undefined);
      },
    },
  });
  const server = createServer(makeApi(records, { knowledge: hanging }).app).listen(0, '127.0.0.1');
  try {
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write('GET /api/knowledge/search?q=bread HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n');
    await asked.promise;
    const ended = new Promise((resolve) => given?.addEventListener('abort', resolve));
    socket.destroy();
    await ended;
    expect(given?.aborted).toBe(true);
  } finally {
    server.close();
  }
});

test('broken rows are listed by line with a way to mend them, page by page', async () => {
  const sent = await send('name,price,note\nA,1\nB,2\nC,3,Costs three dollars a week.\n', 'text/csv');
  await work();
  const path = `/ingests/${sent.body.ingest.id}/problems?limit=1`;
  const first = await get(path);
  expect(first).toMatchObject({
    total: 2,
    problems: [
      { line: 2, code: 'CSV_COLUMNS', message: expect.stringContaining('2 of 3'), mend: expect.stringMatching(/./) },
    ],
  });
  const second = await get(`${path}&cursor=${first.nextCursor}`);
  expect(second).toMatchObject({ problems: [{ line: 3 }], nextCursor: null });
});

describe('what cannot be taken', () => {
  test.each([
    ['an unknown type', 'text', 'application/pdf', 415, 'UNSUPPORTED_MEDIA_TYPE', 'headers.content-type'],
    [
      'an unknown charset',
      'text',
      'text/plain; charset=klingon',
      415,
      'UNSUPPORTED_MEDIA_TYPE',
      'headers.content-type',
    ],
    ['an empty file', '', 'text/plain', 400, 'VALIDATION_FAILED', ''],
    ['blank lines', ' \n', 'text/html', 400, 'VALIDATION_FAILED', ''],
    ['one line of 5 MB', 'x'.repeat(5_000_000), 'text/csv', 400, 'VALIDATION_FAILED', 'lines[1]'],
    ['30,001 lines', 'a b\n'.repeat(30_001), 'text/plain', 413, 'KNOWLEDGE_TOO_LARGE', ''],
  ])('%s is refused with its place and a way to mend it', async (_name, body, type, status, code, path) => {
    const answer = await send(body, type);
    expect([answer.status, answer.body.error.code]).toEqual([status, code]);
    expect(answer.body.error.details[0]).toMatchObject({
      path,
      message: expect.stringMatching(/./),
      mend: expect.stringMatching(/./),
    });
    expect(await records.count('knowledge_ingests', [])).toBe(0);
  });

  test('too many bytes are refused before they are sent', async () => {
    const answer = await request(api.app)
      .post('/api/knowledge')
      .set({ 'content-type': 'text/plain', 'content-length': '52428801' })
      .send('x')
      .catch((error: { response?: { status: number } }) => error.response);
    expect(answer?.status).toBe(413);
  });

  test.each([
    '/search',
    '/search?q=',
    '/search?q=a&mode=guess',
    '/search?q=a&limit=51',
    '/search?q=a&collection=Not%20One',
    '/search?q=a&type=rumour',
    `/search?q=${'a'.repeat(1_001)}`,
    '/facts?cursor=x',
    '/facts?source=%00',
    '/facts/none',
    '/ingests/none',
  ])('GET %s is told what is wrong with it', async (path) => {
    const answer = await request(api.app).get(`/api/knowledge${path}`);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(answer.body.error.details[0].mend).toMatch(/./);
  });

  test.each(['/facts', '/ingests'])('an id of nothing in %s is not found', async (path) => {
    const answer = await request(api.app).get(`/api/knowledge${path}/00000000-0000-4000-8000-000000000000`);
    expect([answer.status, answer.body.error.code]).toEqual([404, 'NOT_FOUND']);
  });
});

test('a compressed file is read, and one that is not what its header says is refused', async () => {
  const post = () =>
    request(api.app)
      .post('/api/knowledge')
      .set({ 'content-type': 'text/plain', 'content-encoding': 'gzip' })
      .serialize((body: unknown) => body as string);
  const good = await post().send(gzipSync('Our bread is fresh every day.') as unknown as string);
  expect([good.status, good.body.ingest?.lines]).toEqual([202, 1]);
  const bad = await post().send(Buffer.from('Our bread is fresh every day.') as unknown as string);
  expect([bad.status, bad.body.error.code]).toEqual([400, 'BODY_INCOMPLETE']);
});

test('events are a stream that ends with the file and resumes behind Last-Event-ID', async () => {
  const sent = await send('Our bread is fresh every day.');
  await work();
  const path = `/api/knowledge/ingests/${sent.body.ingest.id}/events`;
  const types = (text: string) => [...text.matchAll(/^event: (.+)$/gm)].map(([, type]) => type);
  const whole = await request(api.app).get(path);
  expect(whole.headers['content-type']).toContain('text/event-stream');
  expect(types(whole.text)).toEqual([
    'ingest.received',
    'ingest.started',
    'ingest.refined',
    'ingest.embedding',
    'ingest.finished',
  ]);
  const rest = await request(api.app).get(path).set('Last-Event-ID', '3');
  expect(types(rest.text)).toEqual(['ingest.embedding', 'ingest.finished']);
  expect((await request(api.app).get(path).set('Last-Event-ID', '5')).status).toBe(204);
});

test('a file is cancelled once, and taken away with its facts', async () => {
  const sent = await send('Our bread is fresh every day.');
  const path = `/api/knowledge/ingests/${sent.body.ingest.id}`;
  const cancelled = await request(api.app).post(`${path}/cancel`).send({ reason: 'a mistake' });
  expect(cancelled.body.ingest).toMatchObject({ state: 'cancelled', stateReason: 'a mistake' });
  const again = await request(api.app).post(`${path}/cancel`);
  expect([again.status, again.body.error.code]).toEqual([409, 'KNOWLEDGE_FINISHED']);
  expect((await request(api.app).delete(path)).status).toBe(200);
  expect((await request(api.app).get(path)).status).toBe(404);
  expect((await get('/ingests')).ingests).toEqual([]);
});
