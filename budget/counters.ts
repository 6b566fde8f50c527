import type { BudgetDefinition } from '../campaigns/definition.ts';
import type { Period } from '../database/tables.ts';
import type { Micros } from '../shared/money.ts';
import { limitsOf } from './limits.ts';
import { type BudgetPeriod, periodAt } from './periods.ts';

export interface BudgetedCampaign {
  id: string;
  /** IANA name; the zone in which its days, weeks and months turn. */
  timezone: string;
  budget: BudgetDefinition;
}

/** A period of a scope, and what may be spent in it. */
export interface Counter extends BudgetPeriod {
  /** `campaign:<id>` or `global`. */
  scope: string;
  timezone: string;
  /** null: counted, not limited. */
  limitMicros: Micros | null;
}

export const GLOBAL_SCOPE = 'global';

/** The zone of the day that all campaigns share. */
const GLOBAL_TIMEZONE = 'UTC';

/** The counters that money spent by a campaign at one moment falls into; `global` only while there is a global limit. */
export type Counters = Record<Period, Counter> & { global?: Counter };

/**
 * @param globalDailyLimit what all campaigns together may spend in a day of UTC; null: no limit
 * @throws {RangeError} when the campaign's time zone is not known
 */
export function countersAt(campaign: BudgetedCampaign, nowMs: number, globalDailyLimit: Micros | null): Counters {
  const { id, timezone } = campaign;
  const limits = limitsOf(campaign.budget);
  const counter = (period: Period): Counter => ({
    ...periodAt(period, nowMs, timezone),
    scope: `campaign:${id}`,
    timezone,
    limitMicros: limits[period],
  });
  const own = { day: counter('day'), week: counter('week'), month: counter('month') };
  if (globalDailyLimit === null) return own;
  const day = periodAt('day', nowMs, GLOBAL_TIMEZONE);
  return { ...own, global: { ...day, scope: GLOBAL_SCOPE, timezone: GLOBAL_TIMEZONE, limitMicros: globalDailyLimit } };
}
