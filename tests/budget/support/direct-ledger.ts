import { countersAt } from '../../../budget/counters.ts';
import { checkedAmount, holdItem, refusalOf, type ReservationRequest } from '../../../budget/holds.ts';
import { BudgetLedger } from '../../../budget/ledger.ts';
import type { BudgetRefusal } from '../../../budget/limits.ts';
import type { CrossedThreshold, HoldRefusal } from '../../../database/journal-lists.ts';
import type { Records } from '../../../database/records.ts';
import { type Clock, iso } from '../../../shared/clock.ts';

export type Reservation = { admitted: true } | { admitted: false; refusal: BudgetRefusal };

/**
 * The ledger with its two SQL functions called by themselves, one hold and one charge a statement. A run calls them within the
 * statement of its journal; here money is looked at without one.
 */
export class DirectLedger extends BudgetLedger {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #globalDailyLimit: number | null;

  constructor(dependencies: { records: Records; clock: Clock; globalDailyLimit: number | null }) {
    super(dependencies);
    this.#records = dependencies.records;
    this.#clock = dependencies.clock;
    this.#globalDailyLimit = dependencies.globalDailyLimit;
  }

  /** Holds the amount in every period of the campaign and of the global budget, or in none. */
  async reserve(request: ReservationRequest): Promise<Reservation> {
    const now = this.#clock.now();
    const counters = Object.values(countersAt(request.campaign, now, this.#globalDailyLimit));
    const p_requests = [holdItem(request, counters, iso(now))];
    const [answer] = await this.#records.call<(HoldRefusal & { admitted: boolean })[]>('budget_hold', { p_requests });
    if (!answer) throw new Error('budget_hold answered nothing');
    return answer.admitted ? { admitted: true } : { admitted: false, refusal: refusalOf(answer, counters, request) };
  }

  /** Charges what the attempt cost, or what was held when nobody knows (null). */
  async settle(
    key: string,
    amount: number | null,
  ): Promise<{ found: boolean; spentMicros: number; alerts: CrossedThreshold[] }> {
    const p_items = [{ key, amount: amount === null ? null : checkedAmount(amount), at: iso(this.#clock.now()) }];
    type Answer = { found: boolean; spent: number; alerts: CrossedThreshold[] };
    const [answer] = await this.#records.call<Answer[]>('budget_charge', { p_items });
    if (!answer) throw new Error('budget_charge answered nothing');
    return { found: answer.found, spentMicros: answer.spent, alerts: answer.alerts };
  }
}
