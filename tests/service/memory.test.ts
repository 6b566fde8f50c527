import { afterEach, describe, expect, test } from '@jest/globals';
import type { JsonObject } from '../../shared/json.ts';
import { REDIS_SERVER, startRedis } from '../support/redis.ts';
import { Service, temporaryFolder } from '../support/service.ts';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function start(env: Record<string, string>): Promise<Service> {
  const service = await Service.start(env);
  ends.push(() => service.end('SIGKILL'));
  return service;
}

async function dataDir(): Promise<string> {
  const folder = await temporaryFolder();
  ends.push(() => folder.remove());
  return folder.path;
}

const PATH = '/api/memory/sessions/planner-7?namespace=agent';
const STATE = { text: 'x'.repeat(200_000) };
const write = async (service: Service, state: JsonObject, version: number | null) =>
  ((await service.call('PUT', PATH, { state, version })).body['session'] as JsonObject)['version'] as number;
const read = async (service: Service) => (await service.get(PATH)).body['session'] as JsonObject;

const withRedis = REDIS_SERVER === null ? describe.skip : describe;

withRedis('a service with a Redis (needs redis-server on the PATH)', () => {
  test('killed and started anew finds the state of a session in Redis, in less than 200 ms', async () => {
    const redis = await startRedis({ password: 'redis-secret/@' });
    ends.push(() => redis.stop());
    const env = { DATA_DIR: await dataDir(), REDIS_URL: redis.url };
    const first = await start(env);
    const version = await write(first, STATE, null);
    expect(await read(first)).toMatchObject({ version, source: 'process' });
    await first.end('SIGKILL');
    const second = await start(env);
    const found = await read(second);
    expect(found).toMatchObject({ version, state: STATE, source: 'redis' });
    expect(found['recoveryMs']).toBeLessThan(200);
    expect((await second.get('/metrics')).body['text']).toContain(
      'orchestrator_memory_recovery_seconds_bucket{le="0.2",source="redis"} 1',
    );
    await redis.kill();
    await second.until(async () => second.log.includes('Cache lost; the database serves'));
    await write(second, { n: 2 }, version);
    expect(await second.end('SIGTERM')).toBe(0);
    const third = await start(env);
    expect(await read(third)).toMatchObject({ state: { n: 2 }, source: 'postgres' });
    expect(await third.end('SIGTERM')).toBe(0);
    for (const { log } of [first, second, third]) {
      expect(log).not.toContain('redis-secret');
      expect(log.split('Cache lost').length).toBeLessThanOrEqual(2);
    }
  }, 120_000);
});

test('a service whose Redis is not there works as one without', async () => {
  const service = await start({ DATA_DIR: await dataDir(), REDIS_URL: 'redis://user:redis-secret@127.0.0.1:1' });
  const version = await write(service, STATE, null);
  expect(await read(service)).toMatchObject({ version, source: 'process' });
  expect(await service.end('SIGTERM')).toBe(0);
  expect(service.log).toContain('Cache lost; the database serves');
  expect(service.log).not.toContain('redis-secret');
}, 60_000);
