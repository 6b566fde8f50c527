import type { Records } from '../../database/records.ts';
import { hasEnded } from '../../database/run-status.ts';
import type { PivotRow } from '../../database/tables-moves.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import type { PivotGiven, PivotProposal } from './pivot.ts';
import type { Variance } from './variance.ts';

const TURNED_DOWN: ReadonlySet<string> = new Set(['rejected', 'expired']);
/** What was approved has to show an effect before anybody is asked again. */
const DECIDED: ReadonlySet<string> = new Set(['approved', ...TURNED_DOWN]);

interface Situation {
  variance: Variance;
  /** Of what the variance rests on. */
  hash: string;
  /** Earlier pivots, newest first. */
  before: readonly PivotRow[];
  /** Look for a pivot although no KPI is amber or red. */
  always: boolean;
}

/** Why no pivot is to be proposed now; null when one may be. A proposal that nobody can decide on any more is withdrawn. */
export async function noPivotBecause(
  { variance, hash, before, always }: Situation,
  deps: { records: Records; clock: Clock },
): Promise<string | null> {
  const wanting = variance.kpis.filter(({ colour }) => colour === 'red' || colour === 'amber');
  if (wanting.length === 0 && !always) return 'no KPI is amber or red';
  const same = before.find(({ state, evidence_hash: its }) => DECIDED.has(state) && its === hash);
  if (same) return `pivot ${same.id} was ${same.state} on the same evidence`;
  const proposed = before.filter(({ state }) => state === 'proposed');
  for (const pivot of proposed) if (await isAwaited(pivot, deps)) return `pivot ${pivot.id} waits for a decision`;
  return null;
}

async function isAwaited(pivot: PivotRow, { records, clock }: { records: Records; clock: Clock }): Promise<boolean> {
  const [run] = await records.select('campaign_runs', {
    columns: ['id', 'status'],
    where: [{ column: 'id', op: 'eq', value: pivot.run_id ?? pivot.id }],
  });
  if (run && !hasEnded(run.status)) return true;
  await records.update('pivots', { state: 'withdrawn', decided_at: iso(clock.now()) }, [
    { column: 'id', op: 'eq', value: pivot.id },
    { column: 'state', op: 'eq', value: 'proposed' },
  ]);
  return false;
}

/** What people turned down, newest first, for whoever proposes anew. */
export function turnedDown(before: readonly PivotRow[]): PivotGiven['rejected'] {
  return before
    .filter(({ state }) => TURNED_DOWN.has(state))
    .map(({ proposal, reason }) => ({ shifts: (proposal as unknown as PivotProposal).shifts, reason }));
}
