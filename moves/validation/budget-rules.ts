import { formatMicros, type Micros } from '../../shared/money.ts';
import type { Arc } from '../arc.ts';
import type { PlanningContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import type { MoveDraft, MovesProposal } from '../move.ts';
import { flaw } from './flaw.ts';
import { type ExistingMove, microsOf, moneyLeft, slackOf } from './money.ts';

interface Spender {
  at: number;
  micros: Micros;
}

/** The first move with which a sum goes over what is left. Amounts that round up by a micro-dollar each are forgiven. */
function overspender(spenders: readonly Spender[], left: Micros): Spender | undefined {
  let sum = 0;
  return spenders.find(({ micros }, nth) => {
    sum += micros;
    return micros > 0 && sum > left + nth + 1;
  });
}

function exceeded(spenders: readonly Spender[], left: Micros, of: string): Finding[] {
  const over = overspender(spenders, left);
  if (!over) return [];
  const asked = spenders.reduce((sum, { micros }) => sum + micros, 0);
  const what = `goes over what is left of ${of}: ${formatMicros(Math.max(0, left))}, while these moves have ${formatMicros(asked)} together`;
  return [flaw('PLAN_BUDGET_EXCEEDED', ['moves', over.at, 'budget'], what, 'lower the budgets of these moves')];
}

/** Budgets: all moves together within the plan's, and those of a phase within its share. */
export function budgetFindings(
  { moves }: MovesProposal,
  given: { context: PlanningContext; arc: Arc; existing: readonly ExistingMove[] },
): Finding[] {
  const left = moneyLeft(given);
  const spent = (isMeant: (move: MoveDraft) => boolean): Spender[] =>
    moves.flatMap((move, at) => (isMeant(move) ? [{ at, micros: microsOf(move.budget) }] : []));
  return [
    ...exceeded(
      spent(() => true),
      left.total,
      'the budget',
    ),
    ...given.arc.phases.flatMap((phase) => {
      const most = (left.phases.get(phase.id) ?? 0) + slackOf(phase, given.context);
      return exceeded(
        spent(({ phase: id }) => id === phase.id),
        most,
        `the budget of the phase ${phase.id}`,
      );
    }),
  ];
}
