import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Records } from '../../database/records.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { freshRecords } from '../support/records.ts';
import { leaks, storedCampaign, withCall } from './support/fixtures.ts';
import { CrashAndRecover, Model, Reserve, ReserveAgain, type Scene, Settle, Wait } from './support/model.ts';
import { DirectLedger } from './support/direct-ledger.ts';

const DOLLAR = 1_000_000;
const DAY = 86_400_000;

let records: Records;
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());

let scenes = 0;
/** A campaign with tight limits, in a season of its own, so that the global day is nobody else's. */
async function newScene(over: Records = records): Promise<Scene> {
  const clock = new TestClock(Date.parse('2026-03-27T20:00:00Z') + ++scenes * 400 * DAY);
  const { campaign, runId } = await storedCampaign(records, { daily: 10, weekly: 25 }, 'Europe/Berlin');
  const globalDailyLimit = 12 * DOLLAR;
  return {
    ledger: new DirectLedger({ records: over, clock, globalDailyLimit }),
    records,
    clock,
    campaign,
    runId,
    globalDailyLimit,
  };
}

const amount = fc.integer({ min: 0, max: 6 }).map((dollars) => dollars * DOLLAR);
const cost = fc.integer({ min: 0, max: 9 }).map((dollars) => dollars * DOLLAR);
const index = fc.nat({ max: 40 });

describe('budget properties', () => {
  test('any interleaving of reserve, settle, release, crash and repetition keeps to the model and the limits', async () => {
    const commands = fc.commands(
      [
        fc.array(amount, { minLength: 1, maxLength: 3 }).map((amounts) => new Reserve(amounts)),
        fc.tuple(index, amount).map(([at, dollars]) => new ReserveAgain(at, dollars)),
        fc.tuple(index, cost).map(([at, dollars]) => new Settle(at, dollars)),
        index.map((at) => new Settle(at, null)),
        index.map((at) => new Settle(at, 0)),
        fc.constant(new CrashAndRecover()),
        fc.integer({ min: 1, max: 30 }).map((hours) => new Wait(hours)),
      ],
      { maxCommands: 40, size: 'max' },
    );
    await fc.assert(
      fc.asyncProperty(commands, async (sequence) => {
        const scene = await newScene();
        const model = new Model();
        await fc.asyncModelRun(() => ({ model, real: scene }), sequence);
        await new CrashAndRecover().run(model, scene);
        for (const { held } of model.counters.values()) expect(held).toBe(0);
      }),
      { numRuns: 60 },
    );
    expect(await leaks(records)).toEqual([]);
  }, 120_000);

  test('with one step in flight at a time a limit is passed by no more than the last overrun', async () => {
    const step = fc.record({ estimate: amount, actual: fc.option(cost) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 15, size: 'max' }), async (steps) => {
        const { ledger, campaign, runId } = await newScene();
        let expected = 0;
        for (const [at, { estimate, actual }] of steps.entries()) {
          const key = `${runId}/step/${at + 1}`;
          const { admitted } = await ledger.reserve({ key, campaign, runId, stepName: 'step', amount: estimate });
          if (!admitted) continue;
          const { spentMicros } = await ledger.settle(key, actual);
          expected += actual ?? estimate;
          const overrun = Math.max(0, spentMicros - estimate);
          const { daily } = await ledger.status(campaign);
          expect(daily).toMatchObject({ spent: expected / DOLLAR, held: 0 });
          expect(daily.spent * DOLLAR).toBeLessThanOrEqual(10 * DOLLAR + overrun);
        }
      }),
      { numRuns: 30 },
    );
  }, 120_000);

  test('workers whose requests and answers get lost, or who die, leave nothing behind and keep to the limits', async () => {
    const worker = fc.record({
      estimate: amount,
      actual: fc.option(cost),
      dies: fc.constantFrom('never', 'never', 'while asking', 'at work'),
    });
    /** What becomes of each call to the database, in turn. */
    const fate = fc.constantFrom('answered', 'answered', 'answered', 'request lost', 'answer lost');
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(worker, { minLength: 1, maxLength: 8 }),
        fc.array(fate, { maxLength: 20 }),
        async (scheduler, workers, fates) => {
          const remaining = [...fates];
          const call = async (name: string, args: Record<string, unknown>): Promise<unknown> => {
            const lot = remaining.shift() ?? 'answered';
            await scheduler.schedule(Promise.resolve(), `${name} ${lot}`);
            if (lot === 'request lost') throw new DatabaseUnavailableError(new Error(lot));
            const answer = await records.call(name, args);
            if (lot === 'answer lost') throw new DatabaseUnavailableError(new Error(lot));
            return answer;
          };
          const scene = await newScene(withCall(records, call));
          const { ledger, campaign, runId } = scene;
          const charges = new Map<string, number>();
          let overruns = 0;
          const persist = async <T>(task: () => Promise<T>): Promise<T> => {
            for (;;) {
              try {
                return await task();
              } catch (error) {
                if (!(error instanceof DatabaseUnavailableError)) throw error;
              }
            }
          };
          const life = async ({ estimate, actual, dies }: (typeof workers)[number], at: number) => {
            const key = `${runId}/step/${at + 1}`;
            const request = { key, campaign, runId, stepName: 'step', amount: estimate };
            if (dies === 'while asking') {
              await ledger.reserve(request).catch(() => undefined);
              return;
            }
            const { admitted } = await persist(() => ledger.reserve(request));
            if (!admitted || dies === 'at work') return;
            charges.set(key, actual ?? estimate);
            overruns += Math.max(0, (actual ?? estimate) - estimate);
            await persist(() => ledger.settle(key, actual));
          };
          await scheduler.waitFor(Promise.all(workers.map((each, at) => life(each, at))));
          const recover = async () => {
            for (const { key, held_micros } of await ledger.openHolds(runId)) {
              charges.set(key, held_micros);
              await persist(() => ledger.settle(key, null));
            }
          };
          await scheduler.waitFor(recover());
          const { daily, global } = await ledger.status(campaign);
          const spent = [...charges.values()].reduce((sum, each) => sum + each, 0);
          expect(daily).toMatchObject({ spent: spent / DOLLAR, held: 0 });
          expect(global).toMatchObject({ spent: spent / DOLLAR, held: 0 });
          expect(spent).toBeLessThanOrEqual(10 * DOLLAR + overruns);
        },
      ),
      { numRuns: 60 },
    );
    expect(await leaks(records)).toEqual([]);
  }, 120_000);
});
