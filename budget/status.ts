import type { Records } from '../database/records.ts';
import type { Iso, Period } from '../database/tables.ts';
import { iso } from '../shared/clock.ts';
import { type Micros, microsToDollars } from '../shared/money.ts';
import type { BudgetedCampaign, Counter, Counters } from './counters.ts';

/** How one period stands; amounts in dollars. */
export interface PeriodStatus {
  limit: number | null;
  spent: number;
  /** Reserved by attempts under way. */
  held: number;
  /** What a next step may ask for at most; null without a limit, never below 0. */
  remaining: number | null;
  /** Spent, of the limit, with one decimal; null without a limit. */
  percent: number | null;
  /** Which of 50, 80 and 100 percent have been told in this period. */
  thresholds: number[];
  /** First day of the period in the time zone, `YYYY-MM-DD`. */
  startsOn: string;
  turnsAt: Iso;
}

export interface BudgetStatus {
  /** In which the campaign's periods turn; the global day turns in UTC. */
  timezone: string;
  daily: PeriodStatus;
  weekly: PeriodStatus;
  monthly: PeriodStatus;
  /** Dollars a lead; null: no limit. */
  perLead: number | null;
  /** null: no global limit is configured. */
  global: PeriodStatus | null;
}

/** Reads how a campaign's counters stand. @throws {DatabaseUnavailableError} */
export async function readStatus(
  records: Records,
  campaign: BudgetedCampaign,
  counters: Counters,
): Promise<BudgetStatus> {
  const all = Object.values(counters);
  const where = [
    { column: 'scope', op: 'in', value: [...new Set(all.map((counter) => counter.scope))] },
    { column: 'starts_on', op: 'in', value: [...new Set(all.map((counter) => counter.startsOn))] },
  ] as const;
  const [rows, alerts] = await Promise.all([
    records.select('budget_periods', { where }),
    records.select('budget_alerts', { where, order: [{ column: 'percent' }] }),
  ]);
  const statusOf = (counter: Counter): PeriodStatus => {
    const same = (row: { scope: string; period: Period; starts_on: string }) =>
      row.scope === counter.scope && row.period === counter.period && row.starts_on === counter.startsOn;
    const thresholds = alerts.filter(same).map((alert) => alert.percent);
    return periodStatus(counter, rows.find(same) ?? { spent_micros: 0, held_micros: 0 }, thresholds);
  };
  return {
    timezone: campaign.timezone,
    daily: statusOf(counters.day),
    weekly: statusOf(counters.week),
    monthly: statusOf(counters.month),
    perLead: campaign.budget.perLead ?? null,
    global: counters.global ? statusOf(counters.global) : null,
  };
}

function periodStatus(
  counter: Counter,
  amounts: { spent_micros: Micros; held_micros: Micros },
  thresholds: number[],
): PeriodStatus {
  const { limitMicros } = counter;
  const { spent_micros: spent, held_micros: held } = amounts;
  return {
    limit: limitMicros === null ? null : microsToDollars(limitMicros),
    spent: microsToDollars(spent),
    held: microsToDollars(held),
    remaining: limitMicros === null ? null : microsToDollars(Math.max(0, limitMicros - spent - held)),
    percent: limitMicros === null ? null : limitMicros === 0 ? 100 : Math.round((spent / limitMicros) * 1000) / 10,
    thresholds,
    startsOn: counter.startsOn,
    turnsAt: iso(counter.turnsAtMs),
  };
}
