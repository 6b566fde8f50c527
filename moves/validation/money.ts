import { dollarsToMicros, type Micros } from '../../shared/money.ts';
import type { Arc, Phase } from '../arc.ts';
import { type Day, weekOf } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';

/** A move that the plan has already, as far as new ones have to agree with it. */
export interface ExistingMove {
  id: string;
  week: number;
  dependsOn: readonly string[];
  budgetMicros: Micros;
  /** Id of the arc's phase that it serves, where that is known. */
  phase?: string;
}

/** The phases that have a day of a week, 1 to 13, in the order of the arc. */
export function phasesOfWeek({ phases }: Arc, startsOn: Day, week: number): Phase[] {
  const { startsOn: first, endsOn: last } = weekOf(startsOn, week);
  return phases.filter((phase) => phase.startsOn <= last && phase.endsOn >= first);
}

/** In micro-dollars; a draft may name any amount, also one that is no sum of money here. */
export const microsOf = (dollars: number) => Math.round(dollars * 1_000_000);

interface Given {
  context: PlanningContext;
  arc: Arc;
  existing: readonly ExistingMove[];
}

/** The phase whose money an existing move takes; none when its week has several and it does not say which. */
function payer(move: ExistingMove, { context, arc }: Given): Phase | undefined {
  const named = arc.phases.find(({ id }) => id === move.phase);
  if (named) return named;
  const [only, another] = phasesOfWeek(arc, context.startsOn, move.week);
  return another ? undefined : only;
}

const sumOf = (moves: readonly ExistingMove[]) => moves.reduce((sum, { budgetMicros }) => sum + budgetMicros, 0);

/** What the existing moves leave of the budget, as a whole and by phase, in micro-dollars; below 0 where they have more than there is. */
export function moneyLeft(given: Given): { total: Micros; phases: ReadonlyMap<string, Micros> } {
  const { context, arc, existing } = given;
  const budget = dollarsToMicros(context.budget);
  const taken = Map.groupBy(existing, (move) => payer(move, given)?.id);
  const phases = arc.phases.map(({ id, budgetShare }): [string, Micros] => [
    id,
    Math.floor(budgetShare * budget) - sumOf(taken.get(id) ?? []),
  ]);
  return { total: budget - sumOf(existing), phases: new Map(phases) };
}

/** What a phase may go over its share by, as a share of its money: amounts are rounded, and a week can belong to two phases. */
export const PHASE_SLACK = 0.01;

/** The amount that a phase may take at most, in micro-dollars. */
export const slackOf = ({ budgetShare }: Phase, { budget }: PlanningContext): Micros =>
  Math.ceil(budgetShare * dollarsToMicros(budget) * PHASE_SLACK);
