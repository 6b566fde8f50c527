import { RedisCache } from '../../knowledge/memory/redis-cache.ts';
import { type MemorySource, SessionMemory } from '../../knowledge/memory/session-memory.ts';
import { systemClock } from '../../shared/clock.ts';
import { EventBus } from '../../shared/events.ts';
import type { JsonObject } from '../../shared/json.ts';
import { silentLogger } from '../../shared/logger.ts';
import type { TestDatabase, TestPostgres } from '../support/postgres.ts';
import { REDIS_SERVER, startRedis } from '../support/redis.ts';
import { percentile } from './measure.ts';

/** How long it takes to have the state of a session again, in milliseconds. */
export interface Recovery {
  p50Ms: number;
  p95Ms: number;
}

/** From each of the places in which the state may be at hand; null where there is no redis-server to measure with. */
export interface MemoryReport {
  stateBytes: number;
  recoveries: number;
  process: Recovery;
  redis: Recovery | null;
  postgres: Recovery;
}

const KEY = { namespace: 'bench', id: 'session' };

/** What an agent may have on its mind, `bytes` long: text and figures of which hardly anything repeats. */
function stateOf(bytes: number): JsonObject {
  const notes: JsonObject[] = [];
  let length = 0;
  for (let at = 0; length < bytes; at += 1) {
    // A multiplicative hash: the same figures each time.
    const spread = Math.imul(at + 1, 2_654_435_761) >>> 0;
    const note = {
      at,
      thought: `step ${spread.toString(36)} of ${(spread ^ 0x5bd1e995).toString(36)}`,
      weight: spread / 2 ** 32,
    };
    length += JSON.stringify(note).length + 1;
    notes.push(note);
  }
  return { notes };
}

/**
 * Recoveries by one process that has the state, and by processes that have nothing: a {@link SessionMemory} of its own each time,
 * over connections that are there. Every one of them asks Postgres which state is the present one.
 */
export async function measureMemory(
  postgres: TestPostgres,
  recoveries: number,
  bytes = 200_000,
): Promise<MemoryReport> {
  const database = await postgres.createDatabase();
  const state = stateOf(bytes);
  const warm = memoryOver(database);
  await warm.put(KEY, state, null);
  const measured = await measure(recoveries, 'process', () => warm);
  return {
    stateBytes: JSON.stringify(state).length,
    recoveries,
    process: measured,
    redis: await overRedis(database, recoveries),
    postgres: await measure(recoveries, 'postgres', () => memoryOver(database)),
  };
}

function memoryOver({ records }: TestDatabase, cache?: RedisCache): SessionMemory {
  return new SessionMemory({ records, clock: systemClock, events: new EventBus(), cache });
}

async function overRedis(database: TestDatabase, recoveries: number): Promise<Recovery | null> {
  if (REDIS_SERVER === null) return null;
  const redis = await startRedis();
  const cache = new RedisCache({
    url: redis.url,
    clock: systemClock,
    events: new EventBus(),
    logger: silentLogger,
  });
  cache.start();
  try {
    // The first ones find no connection, and then nothing in Redis, which that fills.
    for (let tries = 0; (await memoryOver(database, cache).recover(KEY))?.source !== 'redis'; tries += 1) {
      if (tries === 500) throw new Error('Redis was not filled');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return await measure(recoveries, 'redis', () => memoryOver(database, cache));
  } finally {
    await cache.stop();
    await redis.stop();
  }
}

async function measure(recoveries: number, source: MemorySource, make: () => SessionMemory): Promise<Recovery> {
  const times: number[] = [];
  for (let at = 0; at < recoveries; at += 1) {
    const found = await make().recover(KEY);
    if (found?.source !== source) throw new Error(`recovered from ${found?.source ?? 'nowhere'} instead of ${source}`);
    times.push(found.ms);
  }
  return { p50Ms: percentile(times, 0.5), p95Ms: percentile(times, 0.95) };
}
