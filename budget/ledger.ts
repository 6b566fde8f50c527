import { Batch } from '../database/batch.ts';
import type { Records } from '../database/records.ts';
import type { BudgetEntryRow, Iso, Period } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, NotFoundError } from '../shared/errors.ts';
import { dollarsToMicros, type Micros } from '../shared/money.ts';
import { type BudgetedCampaign, type Counter, countersAt, GLOBAL_SCOPE } from './counters.ts';
import { type BudgetRefusal, refusalMessage } from './limits.ts';
import { type BudgetStatus, readStatus } from './status.ts';

export type { BudgetedCampaign } from './counters.ts';
export type { BudgetStatus } from './status.ts';

export interface ReservationRequest {
  /** `<run id>/<step name>/<attempt>`. */
  key: string;
  campaign: BudgetedCampaign;
  runId: string;
  stepName: string;
  /** What the attempt is expected to cost; 0 when nothing is known. */
  amount: Micros;
}

export type Reservation = { admitted: true } | { admitted: false; refusal: BudgetRefusal };

/** A threshold of 50, 80 or 100 percent that was crossed, told once in its period. */
export interface BudgetAlert {
  scope: string;
  period: Period;
  startsOn: string;
  percent: number;
  limitMicros: Micros;
  spentMicros: Micros;
}

/** A counter as the SQL functions take it. */
interface PeriodRequest {
  scope: string;
  period: Period;
  starts_on: string;
  limit: Micros | null;
  campaign_id?: string;
}

interface ReserveItem {
  key: string;
  campaign_id: string;
  run_id: string;
  step_name: string;
  amount: Micros;
  at: Iso;
  periods: PeriodRequest[];
}

interface ReserveAnswer {
  admitted: boolean;
  spent?: boolean;
  refused?: { scope: string; period: Period; starts_on: string; limit: Micros; spent: Micros; held: Micros }[];
}

interface SettleItem {
  key: string;
  amount: Micros | null;
  at: Iso;
}

interface SettleAnswer {
  found: boolean;
  spent: Micros;
  alerts: { scope: string; period: Period; starts_on: string; percent: number; limit: Micros; spent: Micros }[];
}

/**
 * Money is reserved before an attempt and settled after it, in the day, week and month in which it was reserved. Admission
 * is one SQL function over locked counters, so it holds for any number of processes; attempts of many runs share statements.
 *
 * Every method rejects with {@link DatabaseUnavailableError} while the database is away: nothing is ever admitted unseen. The
 * same call may then be made again.
 */
export class BudgetLedger {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #globalDailyLimit: Micros | null;
  readonly #reserving: Batch<ReserveItem, ReserveAnswer>;
  readonly #settling: Batch<SettleItem, SettleAnswer>;
  readonly #recalling: Batch<{ campaign_id: string; step_name: string }, Micros | null>;

  /** @param dependencies.globalDailyLimit what all campaigns together may spend in a day of UTC; null: no limit */
  constructor(dependencies: { records: Records; clock: Clock; globalDailyLimit: Micros | null }) {
    const { records, clock, globalDailyLimit } = dependencies;
    this.#records = records;
    this.#clock = clock;
    this.#globalDailyLimit = globalDailyLimit;
    this.#reserving = new Batch((items) => records.call('budget_reserve', { p_requests: items }));
    this.#settling = new Batch((items) => records.call('budget_settle', { p_items: items }));
    this.#recalling = new Batch((items) => records.call('budget_step_history', { p_steps: items }));
  }

  /** What a step is expected to cost: as its definition says, else the largest of its last 20 known costs, else 0. */
  async estimate(campaignId: string, step: { name: string; estimatedCost?: number }): Promise<Micros> {
    if (step.estimatedCost !== undefined) return dollarsToMicros(step.estimatedCost);
    return (await this.#recalling.add({ campaign_id: campaignId, step_name: step.name })) ?? 0;
  }

  /**
   * Holds the amount in every period of the campaign and of the global budget, or in none. Asking again under a key that is
   * held holds nothing more; a key that was released may be reserved anew.
   * @throws {ConflictError} BUDGET_KEY_SPENT when a known cost stands under this key already
   * @throws {RangeError} when the amount is not one, or the time zone not known
   */
  async reserve(request: ReservationRequest): Promise<Reservation> {
    const { key, campaign, runId, stepName, amount } = request;
    const nowMs = this.#clock.now();
    const counters = Object.values(countersAt(campaign, nowMs, this.#globalDailyLimit));
    const answer = await this.#reserving.add({
      key,
      campaign_id: campaign.id,
      run_id: runId,
      step_name: stepName,
      amount: checked(amount),
      at: iso(nowMs),
      periods: counters.map((counter) => ({
        scope: counter.scope,
        period: counter.period,
        starts_on: counter.startsOn,
        limit: counter.limitMicros,
        ...(counter.scope === GLOBAL_SCOPE ? {} : { campaign_id: campaign.id }),
      })),
    });
    if (answer.admitted) return { admitted: true };
    if (answer.spent) throw new ConflictError('BUDGET_KEY_SPENT', `The cost of ${key} is known already.`);
    return { admitted: false, refusal: refusalOf(answer, counters, amount) };
  }

  /**
   * Turns a hold into what the attempt really cost. `null` (nobody knows) charges what was held and marks the cost unknown; a
   * cost that becomes known later replaces that charge. Settling twice changes nothing.
   * @returns what stands charged under the key, and the thresholds that this crossed first
   * @throws {NotFoundError} when a cost is to be charged under a key that was never reserved
   * @throws {RangeError} when the cost is not an amount
   */
  async settle(key: string, costMicros: Micros | null): Promise<{ spentMicros: Micros; alerts: BudgetAlert[] }> {
    const amount = costMicros === null ? null : checked(costMicros);
    const answer = await this.#settling.add({ key, amount, at: iso(this.#clock.now()) });
    if (!answer.found && amount !== null && amount > 0) throw new NotFoundError('budget reservation', key);
    return {
      spentMicros: answer.spent,
      alerts: answer.alerts.map(({ scope, period, starts_on, percent, limit, spent }) => ({
        scope,
        period,
        startsOn: starts_on,
        percent,
        limitMicros: limit,
        spentMicros: spent,
      })),
    };
  }

  /** Gives a hold back: nothing was done. Harmless for a key that was never reserved. */
  async release(key: string): Promise<void> {
    await this.settle(key, 0);
  }

  /** The reservations of a run that nobody has settled, oldest first. */
  async openHolds(runId: string): Promise<BudgetEntryRow[]> {
    return this.#records.select('budget_entries', {
      where: [
        { column: 'run_id', op: 'eq', value: runId },
        { column: 'state', op: 'eq', value: 'held' },
      ],
      order: [{ column: 'created_at' }, { column: 'key' }],
    });
  }

  /** What all attempts of one step of a run were charged, and whether part of it is a guess. */
  async spentOnStep(runId: string, stepName: string): Promise<{ micros: Micros; unknown: boolean }> {
    const entries = await this.#records.select('budget_entries', {
      where: [
        { column: 'run_id', op: 'eq', value: runId },
        { column: 'step_name', op: 'eq', value: stepName },
      ],
    });
    return {
      micros: entries.reduce((sum, entry) => sum + entry.spent_micros, 0),
      unknown: entries.some((entry) => entry.cost_unknown),
    };
  }

  /** How the campaign's budget and the global one stand at this moment, in dollars. */
  async status(campaign: BudgetedCampaign): Promise<BudgetStatus> {
    const counters = countersAt(campaign, this.#clock.now(), this.#globalDailyLimit);
    return readStatus(this.#records, campaign, counters);
  }
}

/**
 * Of several periods that say no, the one that turns last: to wait for another would be in vain. A period that is only full
 * of holds is named when there is no other, since its turn need not be waited for.
 */
function refusalOf(answer: ReserveAnswer, counters: readonly Counter[], amountMicros: Micros): BudgetRefusal {
  const refused = (answer.refused ?? []).flatMap((found) => {
    const counter = counters.find(({ scope, period }) => scope === found.scope && period === found.period);
    return counter ? [{ counter, found }] : [];
  });
  const lasting = refused.filter(({ found }) => found.spent >= found.limit || found.spent + amountMicros > found.limit);
  const onlyHeld = lasting.length === 0;
  const last = (onlyHeld ? refused : lasting).toSorted((a, b) => b.counter.turnsAtMs - a.counter.turnsAtMs)[0];
  if (!last) throw new RangeError('The database refused a reservation without naming a period.');
  const { counter, found } = last;
  const facts = {
    scope: found.scope,
    period: found.period,
    startsOn: found.starts_on,
    limitMicros: found.limit,
    spentMicros: found.spent,
    heldMicros: found.held,
    amountMicros,
    turnsAtMs: counter.turnsAtMs,
  };
  return { ...facts, onlyHeld, message: refusalMessage(facts, counter.timezone) };
}

/** Guards the statement: NaN would turn into null in JSON, which means something else. */
function checked(amount: Micros): Micros {
  if (!Number.isSafeInteger(amount) || amount < 0) throw new RangeError(`not an amount of micro-dollars: ${amount}`);
  return amount;
}
