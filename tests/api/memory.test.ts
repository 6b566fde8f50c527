import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { createMetrics } from '../../api/metrics.ts';
import { EventBus } from '../../shared/events.ts';
import { makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

const PATH = '/api/memory/sessions/planner-7';

describe('a session over HTTP', () => {
  test('is made, read, replaced and forgotten', async () => {
    const { app } = makeApi(records);
    const made = await request(app)
      .put(PATH)
      .send({ state: { step: 1 }, version: null });
    expect([made.status, made.body]).toEqual([
      200,
      {
        success: true,
        session: {
          namespace: 'default',
          id: 'planner-7',
          version: expect.any(Number),
          updatedAt: '2026-01-05T09:00:00.000Z',
        },
      },
    ]);
    const { version } = made.body.session;
    const read = await request(app).get(PATH);
    expect(read.body.session).toEqual({
      ...made.body.session,
      state: { step: 1 },
      source: 'process',
      recoveryMs: expect.any(Number),
    });
    // Another process.
    expect((await request(makeApi(records).app).get(PATH)).body.session.source).toBe('postgres');
    const replaced = await request(app)
      .put(PATH)
      .send({ state: { step: 2 }, version });
    expect(replaced.body.session.version).toBeGreaterThan(version);
    expect((await request(app).delete(PATH)).body).toEqual({ success: true, message: 'Session removed' });
    for (const gone of [await request(app).get(PATH), await request(app).delete(PATH)]) {
      expect([gone.status, gone.body.error.code]).toEqual([404, 'NOT_FOUND']);
      expect(gone.body.error.message).toBe('No session has the id planner-7.');
    }
  });

  test('is another one in another namespace', async () => {
    const { app } = makeApi(records);
    await request(app)
      .put(`${PATH}?namespace=agent`)
      .send({ state: { of: 'agent' }, version: null });
    expect((await request(app).get(PATH)).status).toBe(404);
    expect((await request(app).get(`${PATH}?namespace=agent`)).body.session.state).toEqual({ of: 'agent' });
  });

  test('is not overwritten by whoever has not seen its present version, which is told', async () => {
    const { app } = makeApi(records);
    const { version } = (await request(app).put(PATH).send({ state: {}, version: null })).body.session;
    for (const stale of [null, version + 1]) {
      const answer = await request(app)
        .put(PATH)
        .send({ state: { mine: true }, version: stale });
      expect([answer.status, answer.body.error]).toEqual([
        409,
        {
          code: 'MEMORY_CONFLICT',
          message: `Another version of the session planner-7 was expected: the session is at version ${version}.`,
          details: [
            {
              path: 'version',
              message: `the session is at version ${version}`,
              mend: expect.stringContaining('read it'),
            },
          ],
        },
      ]);
    }
  });

  test('is made without naming a version, and never overwritten so', async () => {
    const { app } = makeApi(records);
    const path = '/api/memory/sessions/unnamed-version';
    expect(
      (
        await request(app)
          .put(path)
          .send({ state: { a: 1 } })
      ).status,
    ).toBe(200);
    const again = await request(app)
      .put(path)
      .send({ state: { a: 2 } });
    expect([again.status, again.body.error.code]).toEqual([409, 'MEMORY_CONFLICT']);
  });

  test.each([
    [{ version: null }, 'state'],
    [{}, 'state'],
    [{ state: [], version: null }, 'state'],
    [{ state: {}, version: 0 }, 'version'],
    [{ state: {}, version: '1' }, 'version'],
    [{ state: {}, version: 1e20 }, 'version'],
    [{ state: {}, version: null, ttl: 5 }, 'ttl'],
  ])('is not written from %j', async (body, path) => {
    const answer = await request(makeApi(records).app).put(PATH).send(body);
    expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
    expect(answer.body.error.details[0]).toEqual({
      path: expect.stringContaining(path),
      message: expect.any(String),
      mend: expect.any(String),
    });
  });

  test('has a limit that the refusal states, and a larger body is not even read', async () => {
    const { app } = makeApi(records);
    const send = (characters: number) =>
      request(app)
        .put(PATH)
        .send({ state: { text: 'x'.repeat(characters) }, version: null });
    const refused = await send(262_145 - 11);
    expect([refused.status, refused.body.error.details]).toEqual([
      400,
      [{ path: 'state', message: 'has 262145 bytes as JSON', mend: expect.stringContaining('262144 bytes') }],
    ]);
    const unread = await send(1_100_000);
    expect([unread.status, unread.body.error.code]).toEqual([413, 'BODY_TOO_LARGE']);
    expect((await send(262_144 - 11)).status).toBe(200);
  });

  test.each([
    '/api/memory/sessions/a%20b',
    '/api/memory/sessions/a?namespace=A',
    `/api/memory/sessions/${'x'.repeat(201)}`,
  ])('has no address like %s', async (path) => {
    const { app } = makeApi(records);
    for (const answer of [await request(app).get(path), await request(app).delete(path)]) {
      expect([answer.status, answer.body.error.code]).toEqual([400, 'VALIDATION_FAILED']);
      expect(answer.body.error.details[0].message).toMatch(/^must be 1 to \d+ /);
    }
  });

  test('is not for keys that may only read', async () => {
    const { app } = makeApi(records, {}, { API_KEYS: 'read:reader-key-1,operate:operator-key' });
    const asked = (key: string) => request(app).get(PATH).set('Authorization', `Bearer ${key}`);
    expect([(await asked('reader-key-1')).status, (await asked('operator-key')).status]).toEqual([403, 404]);
  });
});

test('how long recoveries take is measured by where the state was, in milliseconds and up', async () => {
  const events = new EventBus();
  const metrics = createMetrics(events, { process: false });
  const { app } = makeApi(records, { events, metrics });
  events.emit('memory.recovered', { namespace: 'a', id: 'b', source: 'redis', ms: 3 });
  await request(app).put(PATH).send({ state: {}, version: null });
  await request(app).get(PATH);
  const lines = (await request(app).get('/metrics')).text.split('\n');
  for (const line of [
    'orchestrator_memory_recovery_seconds_bucket{le="0.0025",source="redis"} 0',
    'orchestrator_memory_recovery_seconds_bucket{le="0.005",source="redis"} 1',
    'orchestrator_memory_recovery_seconds_sum{source="redis"} 0.003',
    'orchestrator_memory_recovery_seconds_count{source="process"} 1',
  ])
    expect(lines).toContain(line);
  expect(lines.some((line) => line.startsWith('orchestrator_memory_recovery_seconds_bucket{le="0.001",'))).toBe(true);
});
