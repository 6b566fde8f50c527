import { beforeEach, expect, test } from '@jest/globals';
import { Repeater } from '../../shared/repeater.ts';
import { TestClock } from '../support/clock.ts';

const SECOND = 1_000;

let clock: TestClock;
/** Seconds since the start at which a round began. */
let rounds: number[];
let failures: unknown[];
/** What a round waits for. */
let round: (stopping: AbortSignal) => Promise<void>;
beforeEach(() => {
  clock = new TestClock(0);
  rounds = [];
  failures = [];
  round = async () => undefined;
});

function repeater(firstAfterMs?: number): Repeater {
  return new Repeater(
    async (stopping) => {
      rounds.push(clock.now() / SECOND);
      await round(stopping);
    },
    {
      clock,
      everyMs: 10 * SECOND,
      ...(firstAfterMs === undefined ? {} : { firstAfterMs }),
      onFailure: (error) => failures.push(error),
    },
  );
}

test('does the first round at once and the others at their distance', async () => {
  const loop = repeater();
  loop.start();
  loop.start();
  await clock.untilSleeping();
  expect(rounds).toEqual([0]);
  await clock.advance(25 * SECOND);
  expect(rounds).toEqual([0, 10, 20]);
  await loop.stop();
});

test('lets the first round wait when that is asked for', async () => {
  const loop = repeater(3 * SECOND);
  loop.start();
  await clock.advance(2 * SECOND);
  expect(rounds).toEqual([]);
  await clock.advance(11 * SECOND);
  expect(rounds).toEqual([3, 13]);
  await loop.stop();
});

test('counts the distance from the end of a round', async () => {
  round = () => clock.sleep(4 * SECOND);
  const loop = repeater();
  loop.start();
  await clock.advance(30 * SECOND);
  expect(rounds).toEqual([0, 14, 28]);
  const stopped = loop.stop();
  await clock.advance(4 * SECOND);
  await stopped;
});

test('goes on after a round that failed and tells what it failed with', async () => {
  const error = new Error('the database is away');
  round = () => (rounds.length === 1 ? Promise.reject(error) : Promise.resolve());
  const loop = repeater();
  loop.start();
  await clock.untilSleeping();
  await clock.advance(10 * SECOND);
  expect([rounds, failures]).toEqual([[0, 10], [error]]);
  await loop.stop();
});

test('a stop ends the wait at once and no round comes after it', async () => {
  const loop = repeater();
  loop.start();
  await clock.untilSleeping();
  await loop.stop();
  expect(clock.sleeping).toBe(0);
  loop.start();
  loop.wake();
  await clock.advance(60 * SECOND);
  expect(rounds).toEqual([0]);
});

test('a stop waits for the round under way, and tells it', async () => {
  const working = Promise.withResolvers<void>();
  const told: boolean[] = [];
  round = (stopping) => {
    stopping.addEventListener('abort', () => told.push(true));
    return working.promise;
  };
  const loop = repeater();
  loop.start();
  let stopped = false;
  const end = loop.stop().then(() => (stopped = true));
  await clock.advance(SECOND);
  expect([told, stopped]).toEqual([[true], false]);
  working.reject(new Error('broken off'));
  await end;
  expect([rounds, failures]).toMatchObject([[0], [{ message: 'broken off' }]]);
});

test('a loop that was stopped before it began does nothing', async () => {
  const loop = repeater();
  await loop.stop();
  loop.start();
  await clock.advance(60 * SECOND);
  expect(rounds).toEqual([]);
});

test('waking brings the next round now, and one more after a round under way', async () => {
  const loop = repeater(60 * SECOND);
  loop.start();
  await clock.advance(SECOND);
  loop.wake();
  await clock.advance(0);
  expect(rounds).toEqual([1]);
  await clock.advance(2 * SECOND);
  const working = Promise.withResolvers<void>();
  round = () => working.promise;
  loop.wake();
  await clock.advance(0);
  await clock.advance(SECOND);
  loop.wake();
  loop.wake();
  round = async () => undefined;
  working.resolve();
  await clock.advance(0);
  expect(rounds).toEqual([1, 3, 4]);
  await clock.advance(10 * SECOND);
  expect(rounds).toEqual([1, 3, 4, 14]);
  await loop.stop();
});
