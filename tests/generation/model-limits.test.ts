import { describe, expect, test } from '@jest/globals';
import { ModelLimits } from '../../generation/model-limits.ts';
import { type ModelCall, ModelError } from '../../generation/model.ts';
import { TestClock } from '../support/clock.ts';
import { call, failureOf, LABEL, makeWorld, request } from './model-support.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const never = new AbortController().signal;

function setUp(options: { concurrency?: number; perMinute?: number }) {
  const clock = new TestClock();
  const limits = new ModelLimits({ concurrency: 10, perMinute: 1_000, clock, ...options });
  const begun: string[] = [];
  const ends: (() => void)[] = [];
  /** A call that lasts until it is ended. */
  const hold = (name: string, group = 'a', signal = never) =>
    limits.run('m', group, { signal }, () => {
      begun.push(name);
      return new Promise<void>((resolve) => ends.push(resolve));
    });
  /** A call that is over at once. */
  const pass = (name: string, signal = never, more: Partial<ModelCall> = {}) =>
    limits.run('m', 'a', { signal, ...more }, async () => {
      begun.push(name);
    });
  const refuse = (retryAfterMs?: number) =>
    limits.run('m', 'a', { signal: never }, async () => {
      begun.push('refused');
      throw new ModelError('MODEL_RATE_LIMITED', 'slower', retryAfterMs === undefined ? {} : { retryAfterMs });
    });
  return { clock, limits, begun, ends, hold, pass, refuse };
}

describe('calls of one model', () => {
  test('are so many at a time, and the others follow in turn', async () => {
    const { limits, begun, ends, hold } = setUp({ concurrency: 2 });
    const all = ['1', '2', '3', '4'].map((name) => hold(name));
    await turn();
    expect(begun).toEqual(['1', '2']);
    expect(limits.state()).toEqual({ m: { running: 2, waiting: 2, pausedUntilMs: null } });
    ends.shift()?.();
    await turn();
    expect(begun).toEqual(['1', '2', '3']);
    ends.shift()?.();
    ends.shift()?.();
    await turn();
    ends.shift()?.();
    await Promise.all(all);
    expect(limits.state()).toEqual({ m: { running: 0, waiting: 0, pausedUntilMs: null } });
  });

  test('take turns by task, however many one of them has in line', async () => {
    const { begun, ends, hold } = setUp({ concurrency: 1 });
    const all = [hold('a1'), hold('a2'), hold('a3'), hold('b1', 'b')];
    for (let round = 0; round < all.length; round++) {
      await turn();
      ends.shift()?.();
    }
    await Promise.all(all);
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3']);
  });

  test('are of no account to those of another model', async () => {
    const { limits, begun, ends, hold } = setUp({ concurrency: 1 });
    const first = hold('1');
    await limits.run('other', 'a', { signal: never }, async () => void begun.push('other'));
    expect(begun).toEqual(['1', 'other']);
    ends[0]?.();
    await first;
  });

  test('begin so many times within any minute', async () => {
    const { clock, begun, pass } = setUp({ perMinute: 2 });
    await pass('1');
    await clock.advance(20_000);
    await pass('2');
    const third = pass('3');
    const fourth = pass('4');
    await clock.untilSleeping();
    await clock.advance(39_999);
    expect(begun).toEqual(['1', '2']);
    await clock.advance(1);
    await third;
    await clock.untilSleeping();
    expect(begun).toEqual(['1', '2', '3']);
    await clock.advance(20_000);
    await fourth;
    expect(begun).toEqual(['1', '2', '3', '4']);
  });

  test('leave the line when their signal aborts, and others take their place', async () => {
    const { clock, limits, begun, pass } = setUp({ perMinute: 1 });
    await pass('1');
    const leaving = new AbortController();
    const second = pass('2', leaving.signal);
    const third = pass('3');
    await clock.untilSleeping();
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    await clock.untilSleeping();
    await clock.advance(60_000);
    await third;
    expect(begun).toEqual(['1', '3']);
    expect(limits.state()).toMatchObject({ m: { running: 0, waiting: 0 } });
  });

  test('leave the line for a place when their signal aborts', async () => {
    const { ends, hold } = setUp({ concurrency: 1 });
    const first = hold('1');
    const leaving = new AbortController();
    const second = hold('2', 'a', leaving.signal);
    await turn();
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    ends[0]?.();
    await first;
  });
});

describe('a provider that wants fewer calls', () => {
  test('is left alone for as long as it asks', async () => {
    const { clock, limits, begun, pass, refuse } = setUp({});
    await expect(refuse(7_000)).rejects.toThrow('slower');
    expect(limits.state()['m']?.pausedUntilMs).toBe(clock.now() + 7_000);
    const next = pass('next');
    await clock.untilSleeping();
    await clock.advance(6_999);
    expect(begun).toEqual(['refused']);
    await clock.advance(1);
    await next;
    expect(begun).toEqual(['refused', 'next']);
    expect(limits.state()['m']?.pausedUntilMs).toBeNull();
  });

  test('is left alone a second where it asks for nothing, longer each time, and no longer than a minute', async () => {
    const { clock, limits, pass, refuse } = setUp({});
    const pauses: number[] = [];
    for (let round = 0; round < 8; round++) {
      await expect(refuse()).rejects.toThrow();
      const until = limits.state()['m']?.pausedUntilMs ?? 0;
      pauses.push((until - clock.now()) / 1_000);
      await clock.advance(until - clock.now());
    }
    expect(pauses).toEqual([1, 2, 4, 8, 16, 32, 60, 60]);
    await pass('good');
    await expect(refuse()).rejects.toThrow();
    expect((limits.state()['m']?.pausedUntilMs ?? 0) - clock.now()).toBe(1_000);
  });

  test('holds a waiting caller no longer than a minute, and no longer than its signal', async () => {
    const { clock, limits, refuse, pass } = setUp({});
    await expect(refuse(3_600_000)).rejects.toThrow();
    expect(limits.state()['m']?.pausedUntilMs).toBe(clock.now() + 60_000);
    const leaving = new AbortController();
    const work = pass('next', leaving.signal);
    await clock.untilSleeping();
    leaving.abort(new Error('gone'));
    await expect(work).rejects.toThrow('gone');
  });
});

describe('a call with a deadline', () => {
  const tooLate = (retryAfterMs: number) => ({
    code: 'MODEL_RATE_LIMITED',
    retryable: true,
    costMicros: 0,
    retryAfterMs,
  });

  test('fails at once where the provider wants a longer wait, and goes out where it does not', async () => {
    const { clock, begun, pass, refuse } = setUp({});
    await expect(refuse(30_000)).rejects.toThrow('slower');
    const early = pass('early', never, { deadline: clock.now() + 30_000 });
    expect(await failureOf(early)).toMatchObject(tooLate(30_000));
    const late = pass('late', never, { deadline: clock.now() + 30_001 });
    await clock.untilSleeping();
    await clock.advance(30_000);
    await late;
    expect(begun).toEqual(['refused', 'late']);
  });

  test('fails at once where the minute has no room before it', async () => {
    const { clock, begun, pass } = setUp({ perMinute: 1 });
    await pass('1');
    await clock.advance(10_000);
    expect(await failureOf(pass('2', never, { deadline: clock.now() + 20_000 }))).toMatchObject(tooLate(50_000));
    expect(begun).toEqual(['1']);
  });

  test('leaves the line as soon as a 429 of another one makes it too late', async () => {
    const { clock, limits, begun, ends, hold, pass, refuse } = setUp({ concurrency: 2 });
    const first = hold('1');
    let answer: ((error: Error) => void) | undefined;
    const refused = limits.run('m', 'a', { signal: never }, () => new Promise((_, reject) => (answer = reject)));
    // The patient one gets the place that becomes free, and keeps it while it waits for the provider.
    const patient = pass('patient', never, { deadline: clock.now() + 60_000 });
    const waiting = pass('hurried', never, { deadline: clock.now() + 5_000 });
    await turn();
    answer?.(new ModelError('MODEL_RATE_LIMITED', 'slower', { retryAfterMs: 20_000 }));
    await expect(refused).rejects.toThrow('slower');
    expect(await failureOf(waiting)).toMatchObject(tooLate(20_000));
    await clock.untilSleeping();
    await clock.advance(20_000);
    await patient;
    expect(begun).toEqual(['1', 'patient']);
    ends[0]?.();
    await first;
    await expect(refuse(1)).rejects.toThrow();
    expect(limits.state()).toMatchObject({ m: { running: 0, waiting: 0 } });
  });

  test('is told when it goes out, and is not while it waits', async () => {
    const { clock, pass } = setUp({ perMinute: 1 });
    let sent = 0;
    await pass('1', never, { onSent: () => (sent += 1) });
    expect(sent).toBe(1);
    const leaving = new AbortController();
    const second = pass('2', leaving.signal, { onSent: () => (sent += 1) });
    await clock.untilSleeping();
    leaving.abort(new Error('gone'));
    await expect(second).rejects.toThrow('gone');
    expect(sent).toBe(1);
  });
});

test('a 429 slows down its model and no other', async () => {
  const world = await makeWorld();
  const model = world.make('genai');
  world.sandbox.script(LABEL, { kind: 'status', status: 429, retryAfter: '5' });
  expect(await failureOf(model.generate(request(), call()))).toMatchObject({ retryAfterMs: 5_000 });
  await model.generate(request({ tier: 'best' }), call());
  expect(world.sandbox.requests).toHaveLength(2);
  const next = model.generate(request(), call());
  await world.clock.untilSleeping();
  expect(world.sandbox.requests).toHaveLength(2);
  await world.clock.advance(5_000);
  expect(await next).toMatchObject({ durationMs: 5_000 });
  expect(world.sandbox.requests).toHaveLength(3);
  await world.close();
});
