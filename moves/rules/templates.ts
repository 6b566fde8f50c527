import type { RulesTemplates } from '../../generation/providers/rules.ts';
import type { JsonObject } from '../../shared/json.ts';
import { microsOf } from '../validation/money.ts';
import type { Arc } from '../arc.ts';
import type { PlanningContext } from '../context.ts';
import type { Evidence } from '../statement.ts';
import { criticize } from './criticize.ts';
import { writeArc } from './write-arc.ts';
import { writeMoves } from './write-moves.ts';

/** The input of the requests of planning, as moves/tasks/ makes it. */
interface PlanInput {
  context: PlanningContext;
  evidence: Evidence[];
  arc: Arc;
  weeks: { week: number }[];
  existing: { id: string; week: number; phase?: string; dependsOn: string[]; budget: number }[];
}

const inputOf = (input: JsonObject) => input as unknown as PlanInput;

const arc = (input: JsonObject) => {
  const { context, evidence } = inputOf(input);
  return writeArc(context, evidence);
};

const moves = (input: JsonObject) => {
  const { weeks, existing, ...given } = inputOf(input);
  return writeMoves({
    ...given,
    weeks: weeks.map(({ week }) => week),
    existing: existing.map(({ budget, ...move }) => ({ ...move, budgetMicros: microsOf(budget) })),
  });
};

/**
 * The offline planner, one line a task. It knows no better way to mend a proposal than to write its own, which has no findings.
 */
export const planningTemplates: RulesTemplates = {
  'plan.arc': arc,
  'plan.arc.revise': arc,
  'plan.moves': moves,
  'plan.moves.revise': moves,
  'plan.critique': (input) => criticize(input),
};
