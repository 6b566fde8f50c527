import { Batch } from '../database/batch.ts';
import type { JournalCharge } from '../database/journal.ts';
import type { CrossedThreshold, HoldRefusal } from '../database/journal-lists.ts';
import type { Records } from '../database/records.ts';
import type { BudgetEntryRow, Iso } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { NotFoundError } from '../shared/errors.ts';
import type { Micros } from '../shared/money.ts';
import { type BudgetedCampaign, countersAt } from './counters.ts';
import {
  alertOf,
  type BudgetAlert,
  checkedAmount,
  type HoldItem,
  holdItem,
  refusalOf,
  type ReservationRequest,
  unheldCharge,
} from './holds.ts';
import { type BudgetRefusal, isLimited } from './limits.ts';
import { type BudgetStatus, readStatus } from './status.ts';

export type { BudgetedCampaign } from './counters.ts';
export type { BudgetAlert, ReservationRequest } from './holds.ts';
export type { BudgetStatus } from './status.ts';

export type Reservation = { admitted: true } | { admitted: false; refusal: BudgetRefusal };

type ReserveAnswer = HoldRefusal & { admitted: boolean };

interface SettleItem {
  key: string;
  amount: Micros | null;
  at: Iso;
}

interface SettleAnswer {
  found: boolean;
  spent: Micros;
  alerts: CrossedThreshold[];
}

/**
 * Money is reserved before an attempt and settled after it, in the day, week and month in which it was reserved. Admission
 * is one SQL function over locked counters, so it holds for any number of processes. Within a run both go through the journal,
 * in the commits that write the attempt's beginning and its end.
 *
 * Every method rejects with {@link DatabaseUnavailableError} while the database is away: nothing is ever admitted unseen. The
 * same call may then be made again.
 */
export class BudgetLedger {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #globalDailyLimit: Micros | null;
  readonly #reserving: Batch<HoldItem, ReserveAnswer>;
  readonly #settling: Batch<SettleItem, SettleAnswer>;

  /** @param dependencies.globalDailyLimit what all campaigns together may spend in a day of UTC; null: no limit */
  constructor(dependencies: { records: Records; clock: Clock; globalDailyLimit: Micros | null }) {
    const { records, clock, globalDailyLimit } = dependencies;
    this.#records = records;
    this.#clock = clock;
    this.#globalDailyLimit = globalDailyLimit;
    this.#reserving = new Batch((items) => records.call('budget_hold', { p_requests: items }));
    this.#settling = new Batch((items) => records.call('budget_charge', { p_items: items }));
  }

  /**
   * What the journal is to hold for an attempt, in the same commit that writes its beginning. Undefined when nothing is expected
   * to be spent and nothing limits it: then there is nothing to hold and nothing to ask.
   * @throws {RangeError} when the amount is not one, or the time zone not known
   */
  hold(request: ReservationRequest): HoldItem | undefined {
    const { campaign, amount } = request;
    if (amount === 0 && this.#globalDailyLimit === null && !isLimited(campaign.budget)) return undefined;
    return holdItem(request, this.#counters(campaign), iso(this.#clock.now()));
  }

  /**
   * Why a hold was not admitted, from the journal's answer.
   * @throws {ConflictError} BUDGET_KEY_SPENT when a known cost stands under this key already
   */
  refusal(request: ReservationRequest, answer: HoldRefusal): BudgetRefusal {
    return refusalOf(answer, this.#counters(request.campaign), request);
  }

  /**
   * What the journal is to charge for an attempt, in the same commit that writes its end; undefined when nothing was held
   * and nothing is known to have been spent.
   * @param costMicros null: nobody knows, what was held is charged
   * @throws {RangeError} when the cost is not an amount
   */
  charge(
    request: Omit<ReservationRequest, 'amount'>,
    held: boolean,
    costMicros: Micros | null,
  ): JournalCharge | undefined {
    const at = iso(this.#clock.now());
    if (!held) return costMicros ? unheldCharge(request, this.#counters(request.campaign), costMicros, at) : undefined;
    const { key, campaign, runId, stepName } = request;
    const amount = costMicros === null ? null : checkedAmount(costMicros);
    return { key, amount, at, campaign_id: campaign.id, run_id: runId, step_name: stepName };
  }

  /**
   * Holds the amount in every period of the campaign and of the global budget, or in none. Asking again under a key that is
   * held holds nothing more; a key that was released may be reserved anew.
   * @throws {ConflictError} BUDGET_KEY_SPENT when a known cost stands under this key already
   * @throws {RangeError} when the amount is not one, or the time zone not known
   */
  async reserve(request: ReservationRequest): Promise<Reservation> {
    const counters = this.#counters(request.campaign);
    const answer = await this.#reserving.add(holdItem(request, counters, iso(this.#clock.now())));
    return answer.admitted ? { admitted: true } : { admitted: false, refusal: refusalOf(answer, counters, request) };
  }

  /**
   * Turns a hold into what the attempt really cost. `null` (nobody knows) charges what was held and marks the cost unknown; a
   * cost that becomes known later replaces that charge. Settling twice changes nothing.
   * @returns what stands charged under the key, and the thresholds that this crossed first
   * @throws {NotFoundError} when a cost is to be charged under a key that was never reserved
   * @throws {RangeError} when the cost is not an amount
   */
  async settle(key: string, costMicros: Micros | null): Promise<{ spentMicros: Micros; alerts: BudgetAlert[] }> {
    const amount = costMicros === null ? null : checkedAmount(costMicros);
    const answer = await this.#settling.add({ key, amount, at: iso(this.#clock.now()) });
    if (!answer.found && amount !== null && amount > 0) throw new NotFoundError('budget reservation', key);
    return { spentMicros: answer.spent, alerts: answer.alerts.map(alertOf) };
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

  #counters(campaign: BudgetedCampaign) {
    return Object.values(countersAt(campaign, this.#clock.now(), this.#globalDailyLimit));
  }
}
