import { Pool } from 'pg';
import type { BudgetedCampaign } from '../../../budget/ledger.ts';
import { recordTypes, SqlRecords } from '../../../database/sql.ts';
import { iso, systemClock } from '../../../shared/clock.ts';
import { DirectLedger } from './direct-ledger.ts';

/** What one of several processes is to do to the same budget at the same time. */
export interface RaceOrder {
  url: string;
  name: string;
  globalDailyLimit: number | null;
  /** Attempts in the order in which they begin; each reserves and, where a cost is given, settles. */
  attempts: { campaign: BudgetedCampaign; runId: string; amount: number; cost: number | null }[];
  /** How many attempts are under way at a time. */
  abreast: number;
  /** Between attempts, events are written to the runs' journal, which locks their rows. */
  journal: boolean;
}

export interface RaceReport {
  admitted: number;
  refused: number;
  errors: string[];
}

async function race(order: RaceOrder): Promise<RaceReport> {
  const pool = new Pool({ connectionString: order.url, max: 6, types: recordTypes });
  const records = new SqlRecords(pool);
  const ledger = new DirectLedger({ records, clock: systemClock, globalDailyLimit: order.globalDailyLimit });
  const report: RaceReport = { admitted: 0, refused: 0, errors: [] };
  await records.ping();
  process.send?.('ready');
  await new Promise((resolve) => process.once('message', resolve));

  const queue = [...order.attempts.entries()];
  const lane = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const [index, { campaign, runId, amount, cost }] = next;
      const key = `${runId}/${order.name}/${index}`;
      const { admitted } = await ledger.reserve({ key, campaign, runId, stepName: order.name, amount });
      report[admitted ? 'admitted' : 'refused'] += 1;
      if (admitted && cost !== null) await ledger.settle(key, cost);
      if (order.journal) {
        const runs = new Set(order.attempts.slice(index).map((attempt) => attempt.runId));
        const at = iso(systemClock.now());
        const events = [{ type: 'step.progress', data: {} }];
        await records.call('journal_commit', {
          p_entries: [...runs].map((run_id) => ({ run_id, epoch: 0, at, events })),
        });
      }
    }
  };
  const lanes = await Promise.allSettled(Array.from({ length: order.abreast }, () => lane()));
  for (const outcome of lanes) if (outcome.status === 'rejected') report.errors.push(String(outcome.reason));
  await records.close();
  return report;
}

process.once('message', (order: RaceOrder) => {
  void race(order)
    .catch((error: unknown): RaceReport => ({ admitted: 0, refused: 0, errors: [String(error)] }))
    .then((report) => process.send?.(report, undefined, undefined, () => process.disconnect?.()));
});
