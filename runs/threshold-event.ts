import type { CrossedThreshold } from '../database/journal-lists.ts';
import { microsToDollars } from '../shared/money.ts';
import type { RunEvent } from './run-writer.ts';

/** The event of a budget threshold that was crossed, as the SQL function `journal_alerts` writes it too. Amounts in dollars. */
export function thresholdEvent({ scope, period, starts_on, percent, limit, spent }: CrossedThreshold): RunEvent {
  const dollars = { limit: microsToDollars(limit), spent: microsToDollars(spent) };
  return { type: 'budget.threshold', data: { scope, period, startsOn: starts_on, percent, ...dollars } };
}
