import type { BudgetDefinition } from '../../../campaigns/definition.ts';
import type { Records } from '../../../database/records.ts';
import { newId } from '../../../shared/ids.ts';
import type { BudgetedCampaign } from '../../../budget/counters.ts';

/** A campaign and a run of it in the database, for entries to refer to. */
export async function storedCampaign(
  records: Records,
  budget: BudgetDefinition,
  timezone = 'UTC',
): Promise<{ campaign: BudgetedCampaign; runId: string }> {
  const id = newId();
  const runId = newId();
  await records.insert('campaigns', [{ id, name: 'Campaign', config: {} }]);
  await records.insert('campaign_runs', [{ id: runId, campaign_id: id, trigger: 'manual', definition: {} }]);
  return { campaign: { id, timezone, budget }, runId };
}

/** The records with another way to call functions. */
export function withCall(records: Records, call: (name: string, args: Record<string, unknown>) => unknown): Records {
  return new Proxy(records, {
    get(target, name) {
      if (name === 'call') return call;
      const member: unknown = Reflect.get(target, name);
      return typeof member === 'function' ? (member.bind(target) as unknown) : member;
    },
  });
}

/**
 * Recomputes every counter from the entries and returns where they differ from what is stored; empty when nothing leaked.
 * An entry counts in the periods it was reserved in, as held or as spent.
 */
export async function leaks(records: Records): Promise<string[]> {
  const sums = new Map<string, { held: number; spent: number }>();
  for (const entry of await records.select('budget_entries')) {
    for (const { scope, period, starts_on } of entry.periods as {
      scope: string;
      period: string;
      starts_on: string;
    }[]) {
      const key = `${scope} ${period} ${starts_on}`;
      const sum = sums.get(key) ?? { held: 0, spent: 0 };
      sums.set(key, {
        held: sum.held + (entry.state === 'held' ? entry.held_micros : 0),
        spent: sum.spent + entry.spent_micros,
      });
    }
  }
  return (await records.select('budget_periods')).flatMap((row) => {
    const key = `${row.scope} ${row.period} ${row.starts_on}`;
    const sum = sums.get(key) ?? { held: 0, spent: 0 };
    const same = sum.held === row.held_micros && sum.spent === row.spent_micros;
    return same ? [] : [`${key}: held ${row.held_micros} of ${sum.held}, spent ${row.spent_micros} of ${sum.spent}`];
  });
}
