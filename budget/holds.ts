import type { JournalCharge } from '../database/journal.ts';
import type { HoldRefusal } from '../database/journal-lists.ts';
import type { Iso, JsonObject, Period } from '../database/tables.ts';
import { ConflictError } from '../shared/errors.ts';
import type { Micros } from '../shared/money.ts';
import { type BudgetedCampaign, type Counter, GLOBAL_SCOPE } from './counters.ts';
import { type BudgetRefusal, refusalMessage } from './limits.ts';

export interface ReservationRequest {
  /** `<run id>/<step name>/<attempt>`. */
  key: string;
  campaign: BudgetedCampaign;
  runId: string;
  stepName: string;
  /** What the attempt is expected to cost; 0 when nothing is known. */
  amount: Micros;
}

/** A counter as the SQL functions take it. */
interface PeriodRequest {
  scope: string;
  period: Period;
  starts_on: string;
  limit: Micros | null;
  campaign_id?: string;
}

/** A hold as the SQL function `budget_hold` takes it. */
export interface HoldItem {
  key: string;
  campaign_id: string;
  run_id: string;
  step_name: string;
  amount: Micros;
  at: Iso;
  periods: PeriodRequest[];
}

/** @throws {RangeError} when the amount is not one */
export function holdItem(request: ReservationRequest, counters: readonly Counter[], at: Iso): HoldItem {
  const { key, campaign, runId, stepName, amount } = request;
  const periods = periodsOf(campaign.id, counters);
  return {
    key,
    campaign_id: campaign.id,
    run_id: runId,
    step_name: stepName,
    amount: checkedAmount(amount),
    at,
    periods,
  };
}

/** The charge of an attempt for which nothing was held. */
export function unheldCharge(
  request: Omit<ReservationRequest, 'amount'>,
  counters: readonly Counter[],
  costMicros: Micros,
  at: Iso,
): JournalCharge {
  const { periods, ...item } = holdItem({ ...request, amount: costMicros }, counters, at);
  return { ...item, periods: periods as unknown as JsonObject[] };
}

function periodsOf(campaignId: string, counters: readonly Counter[]): PeriodRequest[] {
  return counters.map((counter) => ({
    scope: counter.scope,
    period: counter.period,
    starts_on: counter.startsOn,
    limit: counter.limitMicros,
    ...(counter.scope === GLOBAL_SCOPE ? {} : { campaign_id: campaignId }),
  }));
}

/**
 * Of several periods that say no, the one that turns last: to wait for another would be in vain. A period that is only full
 * of holds is named when there is no other, since its turn need not be waited for.
 * @throws {ConflictError} BUDGET_KEY_SPENT when a known cost stands under this key already
 */
export function refusalOf(
  answer: HoldRefusal,
  counters: readonly Counter[],
  request: ReservationRequest,
): BudgetRefusal {
  if (answer.spent) throw new ConflictError('BUDGET_KEY_SPENT', `The cost of ${request.key} is known already.`);
  const { amount: amountMicros } = request;
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
export function checkedAmount(amount: Micros): Micros {
  if (!Number.isSafeInteger(amount) || amount < 0) throw new RangeError(`not an amount of micro-dollars: ${amount}`);
  return amount;
}
