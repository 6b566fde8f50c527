import { expect } from '@jest/globals';
import type fc from 'fast-check';
import { type BudgetedCampaign, countersAt } from '../../../budget/counters.ts';
import type { CrossedThreshold } from '../../../database/journal-lists.ts';
import type { Records } from '../../../database/records.ts';
import type { TestClock } from '../../support/clock.ts';
import type { DirectLedger } from './direct-ledger.ts';

/** The ledger under test and what it stands on. */
export interface Scene {
  ledger: DirectLedger;
  records: Records;
  clock: TestClock;
  campaign: BudgetedCampaign;
  runId: string;
  globalDailyLimit: number;
}

interface ModelCounter {
  limit: number | null;
  spent: number;
  held: number;
  /** By how much what was in flight at the last admission has cost more than it had reserved. */
  overrun: number;
  /** The most that was ever spent, seen after a settlement. */
  top: number;
}

interface ModelEntry {
  state: 'held' | 'known' | 'unknown';
  held: number;
  charged: number;
  counters: string[];
}

const THRESHOLDS = [50, 80, 100];

/** The ledger as it should be, in a few lines and without a database. */
export class Model {
  readonly counters = new Map<string, ModelCounter>();
  readonly entries = new Map<string, ModelEntry>();
  readonly alerts = new Set<string>();

  /** Whether a reservation under this key is to be admitted now; `spent` when the key is used up. */
  reserve(scene: Scene, key: string, amount: number): 'admitted' | 'refused' | 'spent' {
    const before = this.entries.get(key);
    if (before && before.state !== 'known') return 'admitted';
    if (before && before.charged > 0) return 'spent';
    const counters = Object.values(countersAt(scene.campaign, scene.clock.now(), scene.globalDailyLimit)).map((at) => {
      const name = `${at.scope} ${at.period} ${at.startsOn}`;
      const counter = this.counters.get(name) ?? { limit: at.limitMicros, spent: 0, held: 0, overrun: 0, top: 0 };
      this.counters.set(name, counter);
      return { name, counter };
    });
    const full = counters.some(({ counter: { limit, spent, held } }) => {
      return limit !== null && (spent + held >= limit || spent + held + amount > limit);
    });
    if (full) return 'refused';
    for (const { counter } of counters) {
      counter.held += amount;
      counter.overrun = 0;
    }
    this.entries.set(key, { state: 'held', held: amount, charged: 0, counters: counters.map(({ name }) => name) });
    return 'admitted';
  }

  /** Returns what stands charged afterwards. */
  settle(key: string, cost: number | null): number {
    const entry = this.entries.get(key) as ModelEntry;
    if (entry.state === 'known' || (entry.state === 'unknown' && cost === null)) return entry.charged;
    const charged = cost ?? entry.held;
    const counted = entry.state === 'held' ? entry.held : entry.charged;
    for (const name of entry.counters) {
      const counter = this.counters.get(name) as ModelCounter;
      if (entry.state === 'held') counter.held -= entry.held;
      counter.spent += charged - entry.charged;
      counter.overrun += Math.max(0, charged - counted);
      counter.top = Math.max(counter.top, counter.spent);
    }
    this.entries.set(key, { ...entry, state: cost === null ? 'unknown' : 'known', charged });
    return charged;
  }

  sawAlerts(alerts: readonly CrossedThreshold[]): void {
    for (const { scope, period, starts_on: startsOn, percent } of alerts) {
      const alert = `${scope} ${period} ${startsOn} ${percent}`;
      expect(this.alerts).not.toContain(alert);
      this.alerts.add(alert);
    }
  }

  /** Compares the stored counters with the model, and holds them against the limits. */
  async check({ records, campaign }: Scene): Promise<void> {
    const ours = new Set([...this.counters.keys()].map((name) => name.split(' ')[2] as string));
    const rows = await records.select('budget_periods', {
      where: [
        { column: 'scope', op: 'in', value: [`campaign:${campaign.id}`, 'global'] },
        { column: 'starts_on', op: 'in', value: [...ours] },
      ],
    });
    const stored = new Map(rows.map((row) => [`${row.scope} ${row.period} ${row.starts_on}`, row]));
    const expectedAlerts = new Set<string>();
    for (const [name, { limit, spent, held, overrun, top }] of this.counters) {
      const row = stored.get(name);
      expect({ name, spent: row?.spent_micros, held: row?.held_micros }).toEqual({ name, spent, held });
      if (limit === null) continue;
      expect((row?.spent_micros ?? 0) + (row?.held_micros ?? 0)).toBeLessThanOrEqual(limit + overrun);
      for (const percent of THRESHOLDS)
        if (top > 0 && top * 100 >= limit * percent) expectedAlerts.add(`${name} ${percent}`);
    }
    expect(this.alerts).toEqual(expectedAlerts);
  }
}

type Command = fc.AsyncCommand<Model, Scene>;

const answerOf = (reservation: Promise<{ admitted: boolean }>) =>
  reservation.then(
    ({ admitted }) => (admitted ? 'admitted' : 'refused'),
    (error: { code?: string }) => (error.code === 'BUDGET_KEY_SPENT' ? 'spent' : Promise.reject(error as Error)),
  );

const ask = ({ ledger, campaign, runId }: Scene, key: string, amount: number) =>
  answerOf(ledger.reserve({ key, campaign, runId, stepName: 'step', amount }));

/** The key at an index, counted round and round. */
const pick = (model: Model, index: number) => {
  const keys = [...model.entries.keys()];
  return keys[index % keys.length] as string;
};

/** Several attempts ask at the same moment. */
export class Reserve implements Command {
  readonly amounts: number[];
  constructor(amounts: number[]) {
    this.amounts = amounts;
  }
  check = () => true;
  async run(model: Model, scene: Scene): Promise<void> {
    const first = model.entries.size;
    const keys = this.amounts.map((_, index) => `${scene.runId}/step/${first + index + 1}`);
    const answers = await Promise.all(this.amounts.map((amount, index) => ask(scene, keys[index] as string, amount)));
    expect(answers).toEqual(this.amounts.map((amount, index) => model.reserve(scene, keys[index] as string, amount)));
    await model.check(scene);
  }
  toString = () => `reserve(${this.amounts.join(', ')})`;
}

/** An attempt asks again under the key of an earlier one, whatever became of that. */
export class ReserveAgain implements Command {
  readonly index: number;
  readonly amount: number;
  constructor(index: number, amount: number) {
    this.index = index;
    this.amount = amount;
  }
  check = (model: Readonly<Model>) => model.entries.size > 0;
  async run(model: Model, scene: Scene): Promise<void> {
    const key = pick(model, this.index);
    expect(await ask(scene, key, this.amount)).toBe(model.reserve(scene, key, this.amount));
    await model.check(scene);
  }
  toString = () => `reserveAgain(#${this.index}, ${this.amount})`;
}

/** An attempt ends: with its cost, with a cost that nobody knows (null), or released (0). */
export class Settle implements Command {
  readonly index: number;
  readonly cost: number | null;
  constructor(index: number, cost: number | null) {
    this.index = index;
    this.cost = cost;
  }
  check = (model: Readonly<Model>) => model.entries.size > 0;
  async run(model: Model, scene: Scene): Promise<void> {
    const key = pick(model, this.index);
    const answer = await scene.ledger.settle(key, this.cost);
    expect(answer.spentMicros).toBe(model.settle(key, this.cost));
    model.sawAlerts(answer.alerts);
    await model.check(scene);
  }
  toString = () => `settle(#${this.index}, ${this.cost})`;
}

/** The worker is gone; its successor charges every hold that it left. */
export class CrashAndRecover implements Command {
  check = () => true;
  async run(model: Model, scene: Scene): Promise<void> {
    const holds = await scene.ledger.openHolds(scene.runId);
    const held = [...model.entries].filter(([, entry]) => entry.state === 'held').map(([key]) => key);
    expect(holds.map((hold) => hold.key).toSorted()).toEqual(held.toSorted());
    const answers = await Promise.all(holds.map((hold) => scene.ledger.settle(hold.key, null)));
    for (const [index, hold] of holds.entries()) {
      model.settle(hold.key, null);
      model.sawAlerts(answers[index]?.alerts ?? []);
    }
    await model.check(scene);
  }
  toString = () => 'crashAndRecover()';
}

export class Wait implements Command {
  readonly hours: number;
  constructor(hours: number) {
    this.hours = hours;
  }
  check = () => true;
  async run(_model: Model, { clock }: Scene): Promise<void> {
    clock.set(clock.now() + this.hours * 3_600_000);
    return Promise.resolve();
  }
  toString = () => `wait(${this.hours} h)`;
}
