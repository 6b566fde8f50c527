import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { insertCampaign, insertEvents, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';

let records: TestRecords;
let server: Server | undefined;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  server = undefined;
});
afterAll(() => records.close());

const aRun = async (status: 'running' | 'completed' = 'running') =>
  insertRun(records, (await insertCampaign(records)).id, { status });

/** A reader of one stream, frame by frame. */
async function listen(api: ReturnType<typeof makeApi>, path: string, headers: Record<string, string> = {}) {
  server ??= createServer(api.app).listen(0, '127.0.0.1');
  if (!server.listening) await once(server, 'listening');
  const leave = new AbortController();
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, signal: leave.signal });
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = '';
  return {
    response,
    leave: () => leave.abort(),
    /** The next frame, or null at the end of the stream. */
    async next(): Promise<string | null> {
      while (!buffer.includes('\n\n')) {
        const chunk = await reader?.read();
        if (!chunk || chunk.done) return null;
        buffer += chunk.value;
      }
      const end = buffer.indexOf('\n\n');
      const frame = buffer.slice(0, end);
      buffer = buffer.slice(end + 2);
      return frame;
    },
  };
}

const idOf = (frame: string | null) => Number(/^id: (\d+)$/m.exec(frame ?? '')?.[1]);

describe('the events of a run as a stream', () => {
  test('begin with what is stored, go on with what happens, and end with the run', async () => {
    const api = makeApi(records);
    const run = await aRun();
    await insertEvents(records, run.id, ['run.queued', 'run.started']);
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    expect(reader.response.headers.get('content-type')).toContain('text/event-stream');
    expect(await reader.next()).toBe('retry: 2000');
    const first = await reader.next();
    expect(first?.split('\n').slice(0, 2)).toEqual(['id: 1', 'event: run.queued']);
    expect(JSON.parse(first?.split('data: ')[1] ?? '')).toEqual({
      step: 'prospecting',
      runId: run.id,
      at: '2026-01-05T09:00:00.000Z',
    });
    expect(idOf(await reader.next())).toBe(2);

    await api.clock.untilSleeping();
    api.events.emit('step.progress', { runId: 'another', found: 1 });
    api.events.emit('step.progress', { runId: run.id, found: 12 });
    const progress = await reader.next();
    expect(progress).toMatch(/^event: step\.progress\ndata: .*"found":12/);

    await insertEvents(records, run.id, ['run.finished', 'campaign.paused'], 3);
    api.events.emit('run.finished', { runId: run.id });
    expect(await reader.next()).toContain('event: run.finished');
    expect(await reader.next()).toContain('event: campaign.paused');
    expect(await reader.next()).toBeNull();
  });

  test('finds within a second what another replica wrote', async () => {
    const api = makeApi(records);
    const run = await aRun();
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    await api.clock.untilSleeping();
    await insertEvents(records, run.id, ['run.queued']);
    await api.clock.advance(1_000);
    expect(idOf(await reader.next())).toBe(1);
  });

  test.each([
    ['2', [3]],
    ['0', [1, 2, 3]],
    ['99', [1, 2, 3]],
    ['nonsense', [1, 2, 3]],
    ['-1', [1, 2, 3]],
    ['99999999999999999999', [1, 2, 3]],
  ])('resume after Last-Event-ID %s', async (last, expected) => {
    const api = makeApi(records);
    const run = await aRun('completed');
    await insertEvents(records, run.id, ['run.queued', 'run.started', 'run.finished']);
    const reader = await listen(api, `/api/runs/${run.id}/events`, { 'Last-Event-ID': last });
    const ids = [];
    await reader.next();
    for (let frame = await reader.next(); frame !== null; frame = await reader.next()) ids.push(idOf(frame));
    expect(ids).toEqual(expected);
  });

  test('tell the end of a run whose events are pruned, so that nobody waits for it', async () => {
    const api = makeApi(records);
    const run = await aRun('completed');
    await records.update('campaign_runs', { event_seq: 9, completed_at: '2026-01-05T09:00:00.000Z' }, [
      { column: 'id', op: 'eq', value: run.id },
    ]);
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    const frame = await reader.next();
    expect(frame?.split('\n').slice(0, 2)).toEqual(['id: 9', 'event: run.finished']);
    expect(JSON.parse(frame?.split('data: ')[1] ?? '')).toEqual({
      status: 'completed',
      reason: null,
      runId: run.id,
      at: '2026-01-05T09:00:00.000Z',
    });
    expect(await reader.next()).toBeNull();
    expect((await request(api.app).get(`/api/runs/${run.id}/events?lastEventId=9`)).status).toBe(204);
    const list = await request(api.app).get(`/api/runs/${run.id}/events?format=json`);
    expect(list.body).toEqual({ success: true, events: [], nextCursor: null });
    expect((await request(api.app).get(`/api/runs/${run.id}`)).status).toBe(200);
  });

  test('tell a reader that has seen everything not to come back', async () => {
    const api = makeApi(records);
    const run = await aRun('completed');
    await insertEvents(records, run.id, ['run.queued', 'run.finished']);
    const answer = await request(api.app).get(`/api/runs/${run.id}/events?lastEventId=2`);
    expect(answer.status).toBe(204);
  });

  test('keep the connection alive when nothing happens', async () => {
    const api = makeApi(records);
    const run = await aRun();
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    for (let second = 0; second < 15; second += 1) {
      await api.clock.untilSleeping();
      await api.clock.advance(1_000);
    }
    expect(await reader.next()).toBe(': keep-alive');
  });

  test('outlive a database that is away for a while', async () => {
    let away = false;
    const flaky = new Proxy(records, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'select') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (...given: Parameters<TestRecords['select']>) =>
          away ? Promise.reject(new DatabaseUnavailableError(new Error('away'))) : target.select(...given);
      },
    });
    const api = makeApi(flaky);
    const run = await aRun();
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    await api.clock.untilSleeping();
    away = true;
    await api.clock.advance(1_000);
    await api.clock.untilSleeping();
    away = false;
    await insertEvents(records, run.id, ['run.queued']);
    await api.clock.advance(1_000);
    expect(idOf(await reader.next())).toBe(1);
  });

  test('end when the service stops', async () => {
    const api = makeApi(records);
    const run = await aRun();
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    api.stop();
    expect(await reader.next()).toBeNull();
  });

  test('leave nothing behind when the reader goes', async () => {
    const api = makeApi(records);
    let listeners = 0;
    const subscribe = api.events.subscribe.bind(api.events);
    api.events.subscribe = (listener) => {
      listeners += 1;
      const end = subscribe(listener);
      return () => {
        listeners -= 1;
        end();
        if (listeners === 0) gone.resolve();
      };
    };
    const gone = Promise.withResolvers<void>();
    const run = await aRun();
    const readers = await Promise.all([1, 2, 3].map(() => listen(api, `/api/runs/${run.id}/events`)));
    for (const reader of readers) await reader.next();
    await api.clock.untilSleeping(3);
    expect(listeners).toBe(3);
    for (const reader of readers) reader.leave();
    await gone.promise;
    expect([listeners, api.clock.sleeping]).toEqual([0, 0]);
  });

  test('reach a slow reader whole, with progress left out rather than heaped up', async () => {
    const api = makeApi(records);
    const run = await aRun();
    const reader = await listen(api, `/api/runs/${run.id}/events`);
    await reader.next();
    await api.clock.untilSleeping();
    for (let index = 0; index < 5_000; index += 1)
      api.events.emit('step.progress', { runId: run.id, filler: 'x'.repeat(10_000) });
    await insertEvents(records, run.id, ['run.finished']);
    api.events.emit('run.finished', { runId: run.id });
    let progress = 0;
    let finished = false;
    for (let frame = await reader.next(); frame !== null; frame = await reader.next())
      if (frame.includes('step.progress')) progress += 1;
      else finished ||= frame.includes('run.finished');
    expect(finished).toBe(true);
    expect(progress).toBeLessThan(1_000);
  });
});

describe('the events of a run as a list', () => {
  test.each([
    ['?format=json', {}],
    ['', { Accept: 'application/json' }],
  ])('with %s %j', async (query, headers) => {
    const { app } = makeApi(records);
    const run = await aRun();
    await insertEvents(records, run.id, ['run.queued', 'run.started', 'step.started']);
    const path = `/api/runs/${run.id}/events${query}`;
    const first = await request(app).get(path).set(headers).query({ limit: 2 });
    expect(first.body.events.map((event: { seq: number }) => event.seq)).toEqual([1, 2]);
    const second = await request(app).get(path).set(headers).query({ cursor: first.body.nextCursor });
    expect(second.body).toMatchObject({ events: [{ seq: 3, type: 'step.started' }], nextCursor: null });
  });
});
