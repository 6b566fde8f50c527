import type { JournalCharge } from '../database/journal.ts';
import type { HoldRefusal } from '../database/journal-lists.ts';
import type { Records } from '../database/records.ts';
import type { BudgetEntryRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Micros } from '../shared/money.ts';
import { type BudgetedCampaign, countersAt } from './counters.ts';
import { checkedAmount, type HoldItem, holdItem, refusalOf, type ReservationRequest, unheldCharge } from './holds.ts';
import { type BudgetRefusal, isLimited } from './limits.ts';
import { type BudgetStatus, readStatus } from './status.ts';

export type { BudgetedCampaign } from './counters.ts';
export type { ReservationRequest } from './holds.ts';
export type { BudgetStatus } from './status.ts';

/**
 * Money is held before an attempt and charged after it, in the day, week and month in which it was held. The ledger says what is
 * to be held and charged; both are done by the journal, in the commits that write the attempt's beginning and its end. Admission
 * is one SQL function over locked counters, so it holds for any number of processes.
 *
 * What reads the records rejects with {@link DatabaseUnavailableError} while the database is away.
 */
export class BudgetLedger {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #globalDailyLimit: Micros | null;

  /** @param dependencies.globalDailyLimit what all campaigns together may spend in a day of UTC; null: no limit */
  constructor(dependencies: { records: Records; clock: Clock; globalDailyLimit: Micros | null }) {
    const { records, clock, globalDailyLimit } = dependencies;
    this.#records = records;
    this.#clock = clock;
    this.#globalDailyLimit = globalDailyLimit;
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
