import { describe, expect, test } from '@jest/globals';
import { EngineGate } from '../../runs/engine-gate.ts';
import { TestClock } from '../support/clock.ts';

const never = new AbortController().signal;

describe('the gate to engines', () => {
  test('lets as many calls through as each origin may get, whatever the path', () => {
    const gate = new EngineGate({ usual: 2, of: { 'http://127.0.0.1:3010': 1 } });
    const enter = (url: string) => gate.tryEnter(url) !== null;
    expect([enter('http://127.0.0.1:3010/a'), enter('http://127.0.0.1:3010/b?c=1')]).toEqual([true, false]);
    expect(['/a', '/b', '/c'].map((path) => enter(`http://localhost:3010${path}`))).toEqual([true, true, false]);
    expect(enter('https://localhost:3010/')).toBe(true);
  });

  test('lets the campaigns that wait in by turns, and nobody who has gone away', async () => {
    const gate = new EngineGate({ usual: 1, of: {} });
    const url = 'http://localhost:3010/api';
    const first = gate.tryEnter(url);
    const order: string[] = [];
    const enter = async (campaign: string, signal = never) => {
      const leave = await gate.enter(url, campaign, signal);
      order.push(campaign);
      leave();
    };
    const gone = new AbortController();
    const left = enter('a', gone.signal);
    const others = ['a', 'a', 'b'].map((campaign) => enter(campaign));
    gone.abort(new Error('cancelled'));
    await expect(left).rejects.toThrow('cancelled');
    first?.();
    await Promise.all(others);
    expect(order).toEqual(['a', 'b', 'a']);
    expect(gate.tryEnter(url)).not.toBeNull();
  });

  test('is shut while many are to start, and lets in who waits as soon as it is open again', async () => {
    const gate = new EngineGate({ usual: 100, of: { 'http://small': 1 } });
    const url = 'http://localhost:3010/api';
    const before = [gate.tryEnter(url), gate.tryEnter('http://small')];
    expect(before).not.toContain(null);
    gate.crowd(true);
    gate.crowd(true);
    // Whoever is in stays, and whoever leaves lets nobody in.
    before[0]?.();
    expect([url, 'http://small', 'http://never-seen'].map((each) => gate.tryEnter(each))).toEqual([null, null, null]);
    const waiting = Array.from({ length: 100 }, () => gate.enter(url, 'a', never));
    gate.crowd(false);
    const leave = await Promise.all(waiting);
    expect(gate.tryEnter(url)).toBeNull();
    expect(gate.tryEnter('http://never-seen')).not.toBeNull();
    gate.crowd(true);
    leave[0]?.();
    expect(gate.tryEnter(url)).toBeNull();
    gate.crowd(false);
  });

  test('is shut for ten seconds of a minute at most, however often a crowd comes', async () => {
    const clock = new TestClock();
    const gate = new EngineGate({ usual: 2, of: {} }, clock);
    const url = 'http://localhost:3010/api';
    const isShut = () => {
      const leave = gate.tryEnter(url);
      leave?.();
      return leave === null;
    };
    let shutSeconds = 0;
    for (let second = 0; second < 60; second += 1) {
      gate.crowd(second % 3 < 2);
      if (isShut()) shutSeconds += 1;
      await clock.advance(1_000);
    }
    // Of the first ten seconds, those in which there was a crowd.
    expect(shutSeconds).toBe(7);
    gate.crowd(true);
    expect(isShut()).toBe(true);
    await clock.advance(9_999);
    expect(isShut()).toBe(true);
    await clock.advance(1);
    expect(isShut()).toBe(false);
    await clock.advance(120_000);
    expect(isShut()).toBe(false);
    gate.crowd(false);
    // However far the clock is set back.
    gate.crowd(true);
    gate.crowd(false);
    clock.set(clock.now() - 3_600_000);
    gate.crowd(true);
    await clock.advance(10_000);
    expect(isShut()).toBe(false);
    gate.crowd(false);
    expect(clock.sleeping).toBe(0);
  });

  test('takes an address that is none for an engine of its own, whose call is refused later', () => {
    const gate = new EngineGate({ usual: 1, of: {} });
    expect(gate.tryEnter('not an address')).not.toBeNull();
  });
});
