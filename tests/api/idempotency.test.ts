import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { findKey, keepAnswer, takeKey, takeKeyOver } from '../../database/queries/idempotency.ts';
import {
  AppError,
  ConflictError,
  DatabaseUnavailableError,
  NotFoundError,
  ValidationError,
} from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import { definition, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

/** An API whose runs are counted, with the run started by `start`. */
function counting(start: (count: number) => Promise<{ runId: string }> = async () => ({ runId: newId() })) {
  let starts = 0;
  const api = makeApi(records);
  api.deps.runs.start = async () => start((starts += 1));
  const path = `/api/campaigns/${newId()}/run`;
  const run = (key: string, body: object = {}) => request(api.app).post(path).set('Idempotency-Key', key).send(body);
  return { ...api, run, starts: () => starts };
}

describe('Idempotency-Key', () => {
  test('gives a repeated request the first answer and does nothing', async () => {
    const { app } = makeApi(records);
    const create = () => request(app).post('/api/campaigns').set('Idempotency-Key', 'k1').send(definition);
    const first = await create();
    const second = await create();
    expect(await records.count('campaigns')).toBe(1);
    expect(second.status).toBe(201);
    expect(second.body).toEqual(first.body);
    expect(second.headers).toMatchObject({ 'idempotency-replayed': 'true', location: first.headers['location'] });
    expect(first.headers).not.toHaveProperty('idempotency-replayed');
  });

  test('takes another spelling of the same body for the same, and refuses another body', async () => {
    const { run, starts } = counting();
    await run('k1', { force: true });
    expect((await run('k1', { force: true })).status).toBe(202);
    const other = await run('k1', { force: false });
    expect([other.status, other.body.error.code]).toEqual([422, 'IDEMPOTENCY_KEY_REUSED']);
    expect(starts()).toBe(1);
  });

  test('is a key of its own for every path', async () => {
    const first = counting();
    await first.run('k1');
    const second = counting();
    await second.run('k1');
    expect([first.starts(), second.starts()]).toEqual([1, 1]);
  });

  test('is a key of its own for every caller', async () => {
    const { app } = makeApi(records, {}, { API_KEYS: 'admin:first-key-1,admin:second-key-1' });
    for (const key of ['first-key-1', 'second-key-1'])
      await request(app).post('/api/campaigns').set('X-API-Key', key).set('Idempotency-Key', 'k1').send(definition);
    expect(await records.count('campaigns')).toBe(2);
  });

  test('answers 409 while the first request is still going on', async () => {
    const gate = Promise.withResolvers<{ runId: string }>();
    const begun = Promise.withResolvers<void>();
    const { run, starts } = counting(() => {
      begun.resolve();
      return gate.promise;
    });
    const first = run('k1').then((answer) => answer);
    await begun.promise;
    const second = await run('k1');
    expect([second.status, second.body.error.code, second.headers['retry-after']]).toEqual([
      409,
      'IDEMPOTENCY_IN_PROGRESS',
      '1',
    ]);
    gate.resolve({ runId: newId() });
    expect((await first).status).toBe(202);
    expect((await run('k1')).headers['idempotency-replayed']).toBe('true');
    expect(starts()).toBe(1);
  });

  test('does a request once when twenty copies of it arrive together', async () => {
    const { run, starts } = counting();
    const answers = await Promise.all(Array.from({ length: 20 }, () => run('k1')));
    expect(starts()).toBe(1);
    expect(answers.filter((answer) => answer.status === 202).length).toBeGreaterThanOrEqual(1);
    expect(new Set(answers.map((answer) => answer.status)).difference(new Set([202, 409]))).toEqual(new Set());
  });

  test.each([
    ['something that is not there', new NotFoundError('campaign', 'x'), 404],
    ['a body with problems', new ValidationError('Mend it.', []), 400],
    ['a conflict', new ConflictError('RUN_ACTIVE', 'busy'), 409],
    ['a time-out', new AppError('REQUEST_TIMEOUT', 408, 'slow'), 408],
    ['a request that came too early', new AppError('TEST', 425, 'early'), 425],
    ['a limit of the rate', new AppError('RATE_LIMITED', 429, 'too many'), 429],
    ['a failure of the service', new DatabaseUnavailableError(new Error('away')), 503],
  ])('is free again after %s, since nothing was done', async (_what, failure, status) => {
    const { run, starts } = counting(async (count) => {
      if (count === 1) throw failure;
      return { runId: newId() };
    });
    expect((await run('k1')).status).toBe(status);
    const again = await run('k1');
    expect([again.status, again.headers['idempotency-replayed']]).toEqual([202, undefined]);
    expect((await run('k1')).headers['idempotency-replayed']).toBe('true');
    expect(starts()).toBe(2);
  });

  test('is taken over from a process that crashed a minute ago, by one of many', async () => {
    const crash = Promise.withResolvers<{ runId: string }>();
    const crashed = counting(() => crash.promise);
    const lost = crashed.run('k1').then((answer) => answer);
    while ((await records.count('idempotency_keys')) === 0) await new Promise((resolve) => setImmediate(resolve));
    const { run, starts, clock, deps } = crashed;
    deps.runs.start = async () => ({ runId: newId() });
    clock.set(clock.now() + 59_000);
    expect((await run('k1')).status).toBe(409);
    clock.set(clock.now() + 1_000);
    let taken = 0;
    deps.runs.start = async () => {
      taken += 1;
      return { runId: newId() };
    };
    await Promise.all([run('k1'), run('k1'), run('k1')]);
    expect([starts(), taken]).toEqual([1, 1]);
    crash.resolve({ runId: newId() });
    const late = await lost;
    expect((await run('k1')).body.runId).not.toBe(late.body.runId);
  });

  test('is taken over once, however close two come to it', async () => {
    await takeKey(records, 'k', 'hash/crashed', '2026-01-05T09:00:00.000Z');
    const take = (claim: string) => takeKeyOver(records, 'k', 'hash/crashed', claim, '2026-01-05T09:01:00.000Z');
    expect([await take('hash/a'), await take('hash/b')]).toEqual([true, false]);
    await keepAnswer(records, 'k', 'hash/crashed', 202, { body: {} });
    expect(await findKey(records, 'k')).toMatchObject({ request_hash: 'hash/a', status: null });
  });

  test('is forgotten after a day', async () => {
    const { run, starts, clock } = counting();
    await run('k1', { force: true });
    clock.set(clock.now() + 24 * 3_600_000);
    expect((await run('k1', { force: false })).status).toBe(202);
    expect(starts()).toBe(2);
  });

  test.each([['x'.repeat(256)], [''], ['ä']])('refuses the key %j', async (key) => {
    const { run, starts } = counting();
    const answer = await run(key === 'ä' ? Buffer.from(key).toString('latin1') : key);
    expect([answer.status, answer.body.error?.details[0].path]).toEqual([400, 'headers.idempotency-key']);
    expect(starts()).toBe(0);
  });
});
