import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createClient } from 'redis';
import { RedisCache } from '../../knowledge/memory/redis-cache.ts';
import type { SessionMemory } from '../../knowledge/memory/session-memory.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { type Logger, silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { cuttableProxy } from '../support/cuttable-proxy.ts';
import { freePort } from '../support/postgres.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { temporaryFolder } from '../support/service.ts';
import { findProgram, REDIS_SERVER, type RedisOptions, startRedis, type TestRedis } from '../support/redis.ts';
import { KEY, look, replica, until } from './memory-support.ts';

const REDIS_KEY = 'pipeline-orchestrator:memory:agent:one';

/** Within these times an answer, or a connection, has to be there; every other wait is a pause between two tries. */
const PATIENCE = [100, 1_000, 2_000];

/** Notes the pauses that the cache makes between two tries to connect. */
class PauseClock extends TestClock {
  readonly pauses: number[] = [];

  override sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (!PATIENCE.includes(ms)) this.pauses.push(ms);
    return super.sleep(ms, signal);
  }
}

let records: TestRecords;
let clock: PauseClock;
let told: ServiceEvent[];
let warnings: string[];
const ends: (() => unknown)[] = [];
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  clock = new PauseClock();
  told = [];
  warnings = [];
});
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});
afterAll(() => records.close());

async function redisServer(options?: RedisOptions): Promise<TestRedis> {
  const redis = await startRedis(options);
  ends.push(() => redis.stop());
  return redis;
}

function startCache(url: string): RedisCache {
  const events = new EventBus();
  events.subscribe((event) => told.push(event));
  const logger: Logger = { ...silentLogger, warn: (message) => warnings.push(message) };
  const cache = new RedisCache({ url, clock, events, logger });
  ends.push(() => cache.stop());
  cache.start();
  return cache;
}

async function connect(url: string): Promise<RedisCache> {
  const cache = startCache(url);
  await until(() => cache.isConnected);
  return cache;
}

/** What somebody else does in the same Redis. */
async function stranger(url: string) {
  const client = createClient({ url, RESP: 2, disableClientInfo: true });
  client.on('error', () => undefined);
  await client.connect();
  ends.push(() => client.destroy());
  return client;
}

const typesTold = () => told.map(({ type }) => type);
const isKept = (cache: RedisCache) => async () => (await cache.get('agent:one')) !== null;

/** Waits for the pause with this number, counted from 1, and lets it pass. */
async function endPause(number: number): Promise<void> {
  await until(() => clock.pauses.length === number);
  await clock.advance(clock.pauses.at(-1) ?? 0);
}

/** Moves the clock by each of the waits that the cache is in, until the condition holds. */
async function pass(condition: () => boolean): Promise<void> {
  for (let waits = 0; !condition(); waits += 1) {
    if (waits > 200) throw new Error('not after 200 waits');
    await clock.advance(1_000);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('a Redis that is not there', () => {
  test('costs nothing and is told of once, without the password', async () => {
    const cache = startCache(`redis://user:secret-password@127.0.0.1:${await freePort()}`);
    const memory = replica(records, { cache });
    await until(() => told.length > 0);
    await memory.put(KEY, { n: 1 }, null);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
    for (let tries = 0; tries < 8; tries += 1) {
      await clock.untilSleeping();
      await clock.advance(30_000);
    }
    expect(told).toEqual([
      { type: 'cache.lost', facts: { cache: 'redis', reason: expect.stringContaining('ECONNREFUSED') } },
    ]);
    expect(JSON.stringify(told)).not.toContain('secret-password');
  });

  test('is asked again after 300 ms, and then ever more rarely, every half minute at least', async () => {
    startCache(`redis://127.0.0.1:${await freePort()}`);
    for (let pause = 1; pause <= 9; pause += 1) await endPause(pause);
    expect(clock.pauses.slice(0, 9)).toEqual([300, 600, 1_200, 2_400, 4_800, 9_600, 19_200, 30_000, 30_000]);
  });

  test('does not hold up the end of the service, however long it is silent', async () => {
    const sockets: Socket[] = [];
    const server = createServer((socket) => sockets.push(socket.on('error', () => undefined).resume()));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const cache = startCache(`redis://:password@127.0.0.1:${(server.address() as AddressInfo).port}`);
    await until(() => sockets.length > 0);
    await cache.stop();
    expect(told).toEqual([]);
    await once(server.close(), 'close');
    expect(sockets.every((socket) => socket.destroyed)).toBe(true);
  });
});

const withRedis = REDIS_SERVER === null ? describe.skip : describe;

withRedis('with a Redis (needs redis-server on the PATH)', () => {
  test('a new process finds the state there, until its time is over', async () => {
    const { url } = await redisServer();
    const cache = await connect(url);
    const { version } = await replica(records, { cache, ttlMs: 60_000 }).put(KEY, { n: 'ü\u0000\ud800' }, null);
    await until(isKept(cache));
    const found = await replica(records, { cache: await connect(url) }).recover(KEY);
    expect(found).toMatchObject({ state: { n: 'ü\u0000\ud800' }, version, source: 'redis' });
    const client = await stranger(url);
    const leftMs = await client.pTTL(REDIS_KEY);
    expect(leftMs).toBeGreaterThan(30_000);
    expect(leftMs).toBeLessThanOrEqual(60_000);
    await client.pExpire(REDIS_KEY, 1);
    await until(async () => !(await isKept(cache)()));
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 'ü\u0000\ud800' }]);
    expect([typesTold(), warnings]).toEqual([[], []]);
  });

  test('a removed session is removed there too', async () => {
    const { url } = await redisServer();
    const cache = await connect(url);
    const memory = replica(records, { cache });
    await memory.put(KEY, { n: 1 }, null);
    await until(isKept(cache));
    await memory.remove(KEY);
    await until(async () => !(await isKept(cache)()));
    expect(await memory.recover(KEY)).toBeNull();
  });

  test('nothing is asked of the server but GET, SET with PX, and DEL, with AUTH before and a number of a database', async () => {
    const { url } = await redisServer({ password: 'p w/@:' });
    const client = await stranger(url);
    const cache = await connect(`${url}/3`);
    const memory = replica(records, { cache });
    await memory.put(KEY, { n: 1 }, null);
    await until(isKept(cache));
    await memory.remove(KEY);
    await until(async () => !(await isKept(cache)()));
    const stats = String(await client.sendCommand(['INFO', 'everything']));
    const commands = [...stats.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name]) => name);
    expect(new Set(commands)).toEqual(new Set(['auth', 'select', 'set', 'get', 'del']));
    expect(stats).not.toMatch(/^errorstat_/m);
  });

  const withOpenssl = findProgram('openssl') === null ? test.skip : test;
  withOpenssl(
    'rediss:// is TLS, with a certificate that is vouched for and with none other (needs openssl)',
    async () => {
      const folder = await temporaryFolder();
      ends.push(() => folder.remove());
      const [certificate, key] = [join(folder.path, 'certificate.pem'), join(folder.path, 'key.pem')];
      const request = 'req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 2 -subj /CN=redis';
      const files = ['-addext', 'subjectAltName=IP:127.0.0.1', '-out', certificate, '-keyout', key];
      execFileSync('openssl', [...request.split(' '), ...files], { stdio: 'ignore' });
      const { url } = await redisServer({ tls: { certificate, key }, password: 'right' });
      const cache = startCache(url);
      await until(() => told.length > 0);
      expect(told[0]?.facts['reason']).toMatch(/self-signed certificate/);
      const usual = getCACertificates('default');
      ends.push(() => setDefaultCACertificates(usual));
      setDefaultCACertificates([...usual, readFileSync(certificate, 'utf8')]);
      await pass(() => cache.isConnected);
      await replica(records, { cache }).put(KEY, { text: 'x'.repeat(200_000) }, null);
      await until(isKept(cache));
      expect((await replica(records, { cache }).recover(KEY))?.source).toBe('redis');
    },
  );

  test('killed in the middle: the database serves, it is told once, and when it is back it is used again', async () => {
    const redis = await redisServer();
    const cache = await connect(redis.url);
    const memory = replica(records, { cache });
    const { version } = await memory.put(KEY, { n: 1 }, null);
    await until(isKept(cache));
    await redis.kill();
    await until(() => !cache.isConnected);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
    await memory.put(KEY, { n: 2 }, version);
    await clock.advance(10_000);
    await redis.restart();
    await pass(() => cache.isConnected);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 2 }]);
    await until(isKept(cache));
    expect(await look(replica(records, { cache }))).toEqual(['redis', { n: 2 }]);
    expect(typesTold()).toEqual(['cache.lost', 'cache.restored']);
  });

  test('hanging in the middle: a reader waits 100 ms, the next not at all; what was written meanwhile wins', async () => {
    const redis = await redisServer();
    const cache = await connect(redis.url);
    const memory = replica(records, { cache });
    const { version } = await memory.put(KEY, { n: 1 }, null);
    await until(isKept(cache));
    redis.pause();
    const waiting = look(replica(records, { cache }));
    await clock.untilSleeping();
    await clock.advance(99);
    expect(typesTold()).toEqual([]);
    await clock.advance(1);
    expect(await waiting).toEqual(['postgres', { n: 1 }]);
    await memory.put(KEY, { n: 2 }, version);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 2 }]);
    await pass(() => clock.now() > Date.parse('2026-01-05T09:02:00.000Z'));
    redis.resume();
    await pass(() => cache.isConnected);
    // The state of before the pause is still there.
    expect(await cache.get('agent:one')).toBe('{"n":1}');
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 2 }]);
    await until(async () => (await cache.get('agent:one')) === '{"n":2}');
    expect(await look(replica(records, { cache }))).toEqual(['redis', { n: 2 }]);
    expect(told).toEqual([
      { type: 'cache.lost', facts: { cache: 'redis', reason: 'no answer within 100 ms' } },
      { type: 'cache.restored', facts: { cache: 'redis' } },
    ]);
  });

  test('of writes that pile up before a Redis that hangs, only some dozens are kept', async () => {
    const redis = await redisServer();
    const cache = await connect(redis.url);
    redis.pause();
    for (let at = 0; at < 500; at += 1) cache.set(`agent:${at}`, '{}', 60_000);
    redis.resume();
    await until(async () => (await cache.get('agent:60')) !== null);
    cache.set('agent:last', '{}', 60_000);
    await until(async () => (await cache.get('agent:last')) !== null);
    const client = await stranger(redis.url);
    expect(await client.dbSize()).toBeLessThan(70);
  });

  test('an answer that is there is taken, though the event loop comes round to it late', async () => {
    const redis = await redisServer();
    const cache = await connect(redis.url);
    cache.set('agent:one', '{"n":1}', 60_000);
    await until(isKept(cache));
    redis.pause();
    const asked = cache.get('agent:one');
    for (let turns = 0; turns < 5; turns += 1) await new Promise((resolve) => setImmediate(resolve));
    redis.resume();
    // Holds up the event loop while the answer comes in.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    await clock.advance(100);
    expect([await asked, cache.isConnected]).toEqual(['{"n":1}', true]);
  });

  test('a connection that breaks again and again is made anew less and less often, until it has lasted a minute', async () => {
    const { url, port } = await redisServer();
    const proxy = await cuttableProxy(port);
    ends.push(() => proxy.close());
    const cache = await connect(url.replace(String(port), String(proxy.port)));
    for (let times = 1; times <= 6; times += 1) {
      if (times === 6) await clock.advance(60_000);
      await proxy.cut();
      await until(() => !cache.isConnected);
      await proxy.restore();
      await endPause(times);
      await until(() => cache.isConnected);
    }
    expect(clock.pauses).toEqual([300, 600, 1_200, 2_400, 4_800, 300]);
    expect(typesTold()).toEqual(Array.from({ length: 6 }, () => ['cache.lost', 'cache.restored']).flat());
  });

  test.each([
    ['a wrong password', (url: string) => url.replace('right', 'wrong'), 'WRONGPASS'],
    ['no password', (url: string) => url.replace(':right-secret@', ''), 'NOAUTH'],
    ['a database that it does not have', (url: string) => `${url}/99`, 'ERR DB index is out of range'],
  ])('%s is told once, by the words of the server', async (_what, change, words) => {
    const { url } = await redisServer({ password: 'right-secret' });
    const cache = startCache(change(url));
    await until(() => told.length > 0);
    await replica(records, { cache }).put(KEY, { n: 1 }, null);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
    await pass(() => clock.now() > Date.parse('2026-01-05T09:02:00.000Z'));
    expect(told).toEqual([{ type: 'cache.lost', facts: { cache: 'redis', reason: expect.stringContaining(words) } }]);
    expect(JSON.stringify(told)).not.toContain('-secret');
  });

  test('a password that is made right at the server is taken up', async () => {
    const { url } = await redisServer({ password: 'right' });
    const admin = await stranger(url);
    const cache = startCache(url.replace('right', 'new'));
    await until(() => told.length > 0);
    await admin.sendCommand(['CONFIG', 'SET', 'requirepass', 'new']);
    await pass(() => cache.isConnected);
    expect(typesTold()).toEqual(['cache.lost', 'cache.restored']);
  });

  test('one that is full, or only to be read, is not used until it takes something again', async () => {
    const { url } = await redisServer({ settings: ['--maxmemory', '1'] });
    const admin = await stranger(url);
    const cache = startCache(url);
    await until(() => told.length > 0);
    expect(told[0]?.facts['reason']).toContain('OOM');
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '0']);
    await pass(() => cache.isConnected);
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '1']);
    await replica(records, { cache }).put(KEY, { n: 1 }, null);
    await until(() => !cache.isConnected);
    expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
    await admin.sendCommand(['CONFIG', 'SET', 'maxmemory', '0']);
    await pass(() => cache.isConnected);
    expect(typesTold()).toEqual(['cache.lost', 'cache.restored', 'cache.lost', 'cache.restored']);
  });

  test('somebody else’s values under our keys count for nothing, are told of once, and are put right', async () => {
    const { url } = await redisServer();
    const client = await stranger(url);
    const cache = await connect(url);
    await replica(records, { cache }).put(KEY, { n: 1 }, null);
    await until(isKept(cache));
    const spoil = [
      () => client.set(REDIS_KEY, 'garbage'),
      () => client.set(REDIS_KEY, Buffer.from([0xff, 0xfe, 0x7b])),
      () => client.set(REDIS_KEY, ''),
      () => client.rPush(REDIS_KEY, ['a', 'list']),
      () => client.hSet(REDIS_KEY, 'a', 'hash'),
    ];
    for (const spoilt of spoil) {
      await client.del(REDIS_KEY);
      await spoilt();
      expect(await look(replica(records, { cache }))).toEqual(['postgres', { n: 1 }]);
      await until(async () => (await client.type(REDIS_KEY)) === 'string' && (await isKept(cache)()));
    }
    expect(await look(replica(records, { cache }))).toEqual(['redis', { n: 1 }]);
    const warning = ['The cache holds values of somebody else; the database serves'];
    // After each of them a good value was read, so each is another trouble.
    expect(new Set(warnings)).toEqual(new Set(warning));
    expect(warnings.length).toBeLessThanOrEqual(spoil.length);
    warnings.length = 0;
    for (const id of ['a', 'b', 'c']) {
      await client.set(`pipeline-orchestrator:memory:agent:${id}`, 'garbage');
      await replica(records).put({ namespace: 'agent', id }, {}, null);
      expect((await replica(records, { cache }).recover({ namespace: 'agent', id }))?.source).toBe('postgres');
    }
    expect([warnings, typesTold()]).toEqual([warning, []]);
  });

  test('of two replicas with a Redis that comes and goes, each reads what was acknowledged last', async () => {
    const redis = await redisServer();
    const [one, other] = [await connect(redis.url), await connect(redis.url)];
    const replicas: [SessionMemory, SessionMemory] = [
      replica(records, { cache: one }),
      replica(records, { cache: other }),
    ];
    let version: number | null = null;
    const sources = new Set<string>();
    for (let n = 0; n < 60; n += 1) {
      if (n % 20 === 7) await redis.kill();
      if (n % 20 === 13) {
        await redis.restart();
        await pass(() => one.isConnected && other.isConnected);
      }
      const [writer, reader] = n % 2 === 0 ? replicas : replicas.toReversed();
      ({ version } = await (writer as SessionMemory).put(KEY, { n }, version));
      for (const memory of [reader as SessionMemory, replica(records, { cache: one })]) {
        const found = await memory.recover(KEY);
        expect([found?.state, found?.version]).toEqual([{ n }, version]);
        sources.add(found?.source ?? 'none');
      }
    }
    expect(sources).toContain('redis');
    expect(sources).toContain('postgres');
  });
});
