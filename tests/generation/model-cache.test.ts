import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { AnswerCache, cacheKey, type CachedAnswer, type ModelCacheStore } from '../../generation/model-cache.ts';
import type { ModelLayer } from '../../generation/model-layer.ts';
import type { ModelCall } from '../../generation/model.ts';
import { silentLogger } from '../../shared/logger.ts';
import { call, CAPTION, failureOf, GOOD, LABEL, makeWorld, request, type World } from './model-support.ts';

const USAGE = { promptTokenCount: 100, candidatesTokenCount: 20 };
const COST = 80;

/** A store in a map, which can be made to fail. */
class MapStore implements ModelCacheStore {
  readonly kept = new Map<string, string>();
  readonly reads: string[] = [];
  broken = false;

  async get(key: string): Promise<CachedAnswer | null> {
    this.reads.push(key);
    if (this.broken) throw new Error('the store is away');
    const text = this.kept.get(key);
    return text === undefined ? null : (JSON.parse(text) as CachedAnswer);
  }

  async set(key: string, answer: CachedAnswer): Promise<void> {
    if (this.broken) throw new Error('the store is away');
    this.kept.set(key, JSON.stringify(answer));
  }
}

let world: World;
let model: ModelLayer;
const asked = () => world.sandbox.requests.length;
const good = { kind: 'value', value: GOOD, usage: USAGE } as const;

beforeEach(async () => {
  world = await makeWorld();
  model = world.make('genai');
});
afterEach(() => world.close());

describe('an answer that was given before', () => {
  test('is given again at no cost, and counted with what it saved', async () => {
    world.sandbox.script(LABEL, good);
    const first = await model.generate(request(), call());
    const second = await model.generate(request(), call());
    expect(first).toMatchObject({ fromCache: false, costMicros: COST });
    expect(second).toEqual({
      ...first,
      fromCache: true,
      costMicros: 0,
      usage: { prompt: 0, cached: 0, thoughts: 0, tool: 0, output: 0 },
    });
    expect(asked()).toBe(1);
    expect(model.stats().cache).toMatchObject({ memoryHits: 1, misses: 1, savedMicros: COST, entries: 1 });
  });

  test('is nobody else’s to change', async () => {
    (await model.generate(request(), call())).value.tags.push('changed');
    (await model.generate(request(), call())).value.tags.push('changed');
    expect((await model.generate(request(), call())).value).toEqual(GOOD);
  });

  test('is the same one whatever the order of the keys and the name of the task', async () => {
    await model.generate(request({ input: { a: 1, b: { c: 2, d: 3 } } }), call());
    await model.generate(request({ input: { b: { d: 3, c: 2 }, a: 1 }, task: 'another' }), call());
    expect(asked()).toBe(1);
    expect(cacheKey({ a: 1, b: [1, 2] })).toBe(cacheKey({ b: [1, 2], a: 1 }));
    expect(cacheKey({ a: [1, 2] })).not.toBe(cacheKey({ a: [2, 1] }));
    expect(cacheKey({})).toMatch(/^[0-9a-f]{64}$/);
  });

  test.each([
    ['other data', { input: { product: 'cake' } }],
    ['other instructions', { instructions: 'Write another caption.' }],
    ['another tier', { tier: 'best' as const }],
    ['more tokens', { maxOutputTokens: 99 }],
    ['a temperature of 0', { temperature: 0 }],
    ['another schema', { schema: CAPTION.extend({ headline: z.string().max(30) }) }],
  ])('is not taken for %s', async (_, changes) => {
    await model.generate(request(), call());
    await model.generate(request(changes), call());
    expect(asked()).toBe(2);
  });

  test('is not taken by another provider', async () => {
    jest.spyOn(console, 'warn').mockImplementation(() => undefined);
    const store = new MapStore();
    await world.make('genai', { store }).generate(request(), call());
    await world.make('vertexai', { store }).generate(request(), call());
    expect(asked()).toBe(2);
    expect(store.kept.size).toBe(2);
  });

  test('is not kept where chance was asked for', async () => {
    await model.generate(request({ temperature: 0.1 }), call());
    await model.generate(request({ temperature: 0.1 }), call());
    expect(asked()).toBe(2);
    expect(model.stats().cache).toMatchObject({ entries: 0, misses: 0 });
  });

  test('was a good one: failures are not kept', async () => {
    world.sandbox.script(LABEL, { kind: 'blocked_prompt' }, { kind: 'status', status: 500 }, { kind: 'truncated' });
    for (const code of ['MODEL_BLOCKED', 'MODEL_UNAVAILABLE', 'MODEL_TRUNCATED'])
      expect(await failureOf(model.generate(request(), call()))).toMatchObject({ code });
    expect(await model.generate(request(), call())).toMatchObject({ fromCache: false });
    expect(asked()).toBe(4);
  });

  test('is asked for anew where a schema wants more than it can say', async () => {
    world.sandbox.script(LABEL, good, { ...good, value: { headline: 'LOUD', tags: ['a'] } });
    await model.generate(request(), call());
    const loud = CAPTION.refine(({ headline }) => headline === headline.toUpperCase());
    expect(await model.generate(request({ schema: loud }), call())).toMatchObject({
      value: { headline: 'LOUD' },
      fromCache: false,
      costMicros: COST,
    });
    expect(model.stats().cache).toMatchObject({ memoryHits: 0, misses: 2, savedMicros: 0 });
    // The newer one fits both.
    expect(await model.generate(request(), call())).toMatchObject({ value: { headline: 'LOUD' }, fromCache: true });
  });

  test('goes through the transforms of the schema each time', async () => {
    const schema = z.object({ count: z.string().transform(Number) });
    world.sandbox.script('count', { kind: 'value', value: { count: '7' } });
    const counted = { ...request(), task: 'count', schema };
    expect((await model.generate(counted, call())).value).toEqual({ count: 7 });
    expect((await model.generate(counted, call())).value).toEqual({ count: 7 });
    expect(asked()).toBe(1);
  });

  test('leaves when others need its place', async () => {
    const small = world.make('genai', { cacheBytes: 400 });
    for (const product of ['a', 'b', 'c']) await small.generate(request({ input: { product } }), call());
    const { bytes, entries } = small.stats().cache;
    expect(bytes).toBeLessThanOrEqual(400);
    expect(entries).toBeGreaterThan(0);
    expect(await small.generate(request({ input: { product: 'c' } }), call())).toMatchObject({ fromCache: true });
    expect(await small.generate(request({ input: { product: 'a' } }), call())).toMatchObject({ fromCache: false });
  });
});

describe('the store behind', () => {
  test('serves the next process, which remembers it from then on', async () => {
    const store = new MapStore();
    world.sandbox.script(LABEL, good);
    const earlier = world.make('genai', { store });
    await earlier.generate(request(), call());
    await earlier.close();
    expect([...store.kept.keys()]).toEqual([expect.stringMatching(/^[0-9a-f]{64}$/)]);
    expect(JSON.parse([...store.kept.values()][0] ?? '')).toEqual({
      json: GOOD,
      model: 'gemini-3.5-flash-lite-sandbox',
      costMicros: COST,
    });

    const later = world.make('genai', { store });
    expect(await later.generate(request(), call())).toMatchObject({ value: GOOD, fromCache: true, costMicros: 0 });
    expect(await later.generate(request(), call())).toMatchObject({ value: GOOD, fromCache: true });
    expect(later.stats().cache).toMatchObject({ storeHits: 1, memoryHits: 1, misses: 0, savedMicros: 2 * COST });
    expect(asked()).toBe(1);
    expect(store.reads).toHaveLength(2);
  });

  test('may fail without anything failing for it', async () => {
    const store = new MapStore();
    store.broken = true;
    const warn = jest.fn();
    const logged = world.make('genai', { store, logger: { ...silentLogger, warn } });
    expect(await logged.generate(request(), call())).toMatchObject({ value: GOOD, fromCache: false });
    await logged.close();
    expect(warn.mock.calls.map(([message]) => message)).toEqual([
      'Kept answers of models not readable',
      'Answer of a model not kept',
    ]);
  });

  test('is waited for when the model is closed', async () => {
    let done = () => undefined as void;
    const set = jest.fn(() => new Promise<void>((resolve) => (done = resolve)));
    const store = { get: () => Promise.resolve(null), set };
    const slow = world.make('genai', { store });
    await slow.generate(request(), call());
    let closed = false;
    const closing = slow.close().then(() => (closed = true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(closed).toBe(false);
    done();
    await closing;
  });
});

describe('equal requests at the same time', () => {
  /** A model that is asked and does not answer until it is told to. */
  const held = () => {
    const cache = new AnswerCache({ logger: silentLogger });
    const calls: { answer(answer: CachedAnswer): void; fail(error: Error): void; signal: AbortSignal }[] = [];
    const make = ({ signal }: ModelCall) =>
      new Promise<CachedAnswer>((resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
        calls.push({ answer: resolve, fail: reject, signal });
      });
    const ask = (controller = new AbortController()) => cache.through('key', { signal: controller.signal }, make);
    const begun = async () => {
      while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve));
    };
    return { cache, calls, ask, begun };
  };
  const ANSWER: CachedAnswer = { json: 'yes', model: 'm', costMicros: 50 };

  test('share one call, which one of them pays', async () => {
    world.sandbox.script(LABEL, good);
    const all = await Promise.all([1, 2, 3].map(() => model.generate(request(), call())));
    expect(asked()).toBe(1);
    expect(all.map(({ value }) => value)).toEqual([GOOD, GOOD, GOOD]);
    expect(all.map(({ costMicros }) => costMicros)).toEqual([COST, 0, 0]);
    expect(all.map(({ fromCache }) => fromCache)).toEqual([false, true, true]);
    expect(model.stats().cache).toMatchObject({ sharedHits: 2, misses: 1, savedMicros: 2 * COST });
  });

  test('fail together, at the cost of one', async () => {
    world.sandbox.script(LABEL, { kind: 'truncated', usage: USAGE });
    const failures = await Promise.all([1, 2].map(() => failureOf(model.generate(request(), call()))));
    expect(asked()).toBe(1);
    expect(failures.map(({ code }) => code)).toEqual(['MODEL_TRUNCATED', 'MODEL_TRUNCATED']);
    expect(failures.map(({ costMicros }) => costMicros)).toEqual([COST, 0]);
  });

  test('go on when the one that began them leaves; the next in line pays', async () => {
    const { calls, ask, begun } = held();
    const leaving = new AbortController();
    const first = ask(leaving);
    const second = ask();
    await begun();
    leaving.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
    expect(calls[0]?.signal.aborted).toBe(false);
    calls[0]?.answer(ANSWER);
    expect(await second).toEqual({ source: 'made', answer: ANSWER });
    expect(calls).toHaveLength(1);
  });

  test('go on when one that joined leaves', async () => {
    const { calls, ask, begun } = held();
    const first = ask();
    const leaving = new AbortController();
    const second = ask(leaving);
    await begun();
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    calls[0]?.answer(ANSWER);
    expect(await first).toMatchObject({ source: 'made' });
  });

  test('end when the last of them leaves, and who comes then begins anew', async () => {
    const { calls, ask, begun } = held();
    const leaving = new AbortController();
    const work = [ask(leaving), ask(leaving)];
    await begun();
    leaving.abort(new Error('gone'));
    await expect(Promise.allSettled(work)).resolves.toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
    expect(calls[0]?.signal.aborted).toBe(true);
    const later = ask();
    while (calls.length < 2) await new Promise((resolve) => setImmediate(resolve));
    calls[1]?.answer(ANSWER);
    expect(await later).toMatchObject({ source: 'made' });
  });

  test('are all told when the call goes out, who joins later at once, and who has left not at all', async () => {
    const cache = new AnswerCache({ logger: silentLogger });
    const told: string[] = [];
    const sending: { send?: (() => void) | undefined } = {};
    const make = ({ onSent }: ModelCall) =>
      new Promise<CachedAnswer>((resolve) => {
        sending.send = onSent;
        void resolve;
      });
    const ask = (name: string, signal = new AbortController().signal) =>
      cache.through('key', { signal, onSent: () => void told.push(name) }, make).catch(() => undefined);
    const leaving = new AbortController();
    void ask('first');
    const second = ask('second', leaving.signal);
    while (!sending.send) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort(new Error('gone'));
    await second;
    sending.send();
    expect(told).toEqual(['first']);
    void ask('third');
    expect(told).toEqual(['first', 'third']);
  });

  test('that leave while the store is asked are not made at all', async () => {
    let found = () => undefined as void;
    const get = () => new Promise<null>((resolve) => (found = () => resolve(null)));
    const cache = new AnswerCache({ logger: silentLogger, store: { get, set: () => Promise.resolve() } });
    const make = jest.fn(() => Promise.resolve(ANSWER));
    const leaving = new AbortController();
    const work = cache.through('key', { signal: leaving.signal }, make);
    leaving.abort(new Error('gone'));
    await expect(work).rejects.toThrow('gone');
    found();
    await new Promise((resolve) => setImmediate(resolve));
    expect(make).not.toHaveBeenCalled();
  });

  test('close the connection when both have left', async () => {
    world.sandbox.script(LABEL, { kind: 'hang' });
    const controller = new AbortController();
    const came = world.sandbox.next();
    const work = [1, 2].map(() => model.generate(request(), { signal: controller.signal }));
    const { left } = await came;
    controller.abort(new Error('gone'));
    await Promise.allSettled(work);
    await left;
  });
});
