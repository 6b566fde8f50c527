import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { Claims } from '../../database/claims.ts';
import type { Records } from '../../database/records.ts';
import { ServerClock } from '../../database/server-clock.ts';
import { iso } from '../../shared/clock.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { RunCalls } from '../support/run-calls.ts';

let records: TestRecords;
let on: RunCalls;
beforeAll(async () => {
  records = await freshRecords();
  on = new RunCalls({ url: '', pool: records.pool, records });
}, 60_000);
afterAll(() => records.close());
afterEach(() => records.truncate());

/** How far from the right time a clock may be in these tests: as long as an answer may take on a busy machine. */
const NEAR_MS = 2_000;
const offBy = (clock: { now(): number }, rightMs: number) => Math.abs(clock.now() - rightMs);

/** A machine whose clock is wrong by so much. */
function machine(byMs: number, through: Records = records) {
  const warnings: Record<string, unknown>[] = [];
  const base = new TestClock(Date.now() + byMs);
  const logger = {
    ...silentLogger,
    warn: (_: string, facts: Record<string, unknown> = {}) => void warnings.push(facts),
  };
  return { base, warnings, clock: new ServerClock({ base, records: through, logger }) };
}

/** Records of a server whose clock shows what is given. */
const serverAt = (timeMs: () => number): Records => ({ call: () => Promise.resolve(timeMs()) }) as unknown as Records;

describe('the time of the database', () => {
  test.each([90_000, -90_000, 86_400_000])(
    'is given on a machine whose clock is off by %i ms, and told',
    async (byMs) => {
      const { clock, warnings } = machine(byMs);
      expect(offBy(clock, Date.now())).toBeGreaterThan(NEAR_MS);
      await clock.ask();
      expect(offBy(clock, Date.now())).toBeLessThan(NEAR_MS);
      expect(warnings).toHaveLength(1);
      expect(Math.abs((warnings[0]?.['byMs'] as number) + byMs)).toBeLessThan(NEAR_MS);
    },
  );

  test('is not told of where the clocks agree', async () => {
    const { clock, warnings } = machine(0);
    await clock.ask();
    expect(offBy(clock, Date.now())).toBeLessThan(NEAR_MS);
    expect(warnings).toEqual([]);
  });

  test('stays right when the clock of the machine jumps', async () => {
    const { base, clock } = machine(0);
    await clock.ask();
    base.set(Date.now() + 3_600_000);
    expect(offBy(clock, Date.now())).toBeLessThan(NEAR_MS);
    base.set(Date.now() - 3_600_000);
    expect(offBy(clock, Date.now())).toBeLessThan(NEAR_MS);
  });

  test('is asked again from time to time, so that a change of it is followed', async () => {
    let serverMs = Date.parse('2026-01-05T09:00:00.000Z');
    const base = new TestClock(serverMs);
    const clock = new ServerClock({ base, records: serverAt(() => serverMs), logger: silentLogger });
    await clock.ask();
    clock.start();
    await base.untilSleeping();
    serverMs += 600_000;
    expect(offBy(clock, serverMs - 600_000)).toBeLessThan(NEAR_MS);
    await base.advance(10_000);
    await base.untilSleeping();
    expect(offBy(clock, serverMs)).toBeLessThan(NEAR_MS);
    await clock.stop();
  });

  test('goes on by itself while the database is away', async () => {
    let away = false;
    const answers = (): Promise<number> =>
      away ? Promise.reject(new DatabaseUnavailableError(new Error('gone'))) : Promise.resolve(Date.now());
    const { base, clock, warnings } = machine(90_000, { call: answers } as unknown as Records);
    await clock.ask();
    warnings.splice(0);
    away = true;
    clock.start();
    await base.untilSleeping();
    await base.advance(10_000);
    await base.untilSleeping();
    expect(offBy(clock, Date.now())).toBeLessThan(NEAR_MS);
    expect(warnings).toEqual([]);
    await expect(clock.ask()).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await clock.stop();
  });

  test('never goes back and forth for the sake of an answer that came a little late', async () => {
    let lateMs = 0;
    const startMs = performance.now();
    const server = serverAt(() => 1_000_000 + (performance.now() - startMs) + lateMs);
    const clock = new ServerClock({ base: new TestClock(1_000_000), records: server, logger: silentLogger });
    await clock.ask();
    const before = clock.now() - (performance.now() - startMs);
    for (lateMs of [15, -15, 10]) {
      await clock.ask();
      expect(Math.abs(clock.now() - (performance.now() - startMs) - before)).toBeLessThanOrEqual(2);
    }
  });
});

test('workers whose clocks are minutes apart judge a lease alike, by when it really is over', async () => {
  const [early, late] = [machine(-90_000).clock, machine(90_000).clock];
  await Promise.all([early.ask(), late.ask()]);
  const [one, two] = [early, late].map(
    (clock, at) => new Claims({ records, clock, worker: `worker-${at}`, validMs: 10_000 }),
  ) as [Claims, Claims];
  const runId = await on.started(await on.campaign());
  const claimed = await one.take(runId);
  expect(offBy({ now: () => Date.parse(claimed?.run.lease_until_at ?? '') }, Date.now() + 10_000)).toBeLessThan(
    NEAR_MS,
  );
  // By its own clock it would be over long since.
  expect(await two.take(runId)).toBeNull();
  expect((await one.renew([runId])).lost.size).toBe(0);
  const leaseOver = iso(Date.now() - NEAR_MS);
  await records.update('campaign_runs', { lease_until_at: leaseOver }, [{ column: 'id', op: 'eq', value: runId }]);
  expect((await two.take(runId))?.run).toMatchObject({ epoch: 2, claimed_by: 'worker-1' });
  expect(await one.take(runId)).toBeNull();
  expect((await one.renew([runId])).lost).toEqual(new Set([runId]));
});
