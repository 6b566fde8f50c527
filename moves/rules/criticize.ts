import { isJsonObject, type JsonObject } from '../../shared/json.ts';
import { type Arc, arcSchema } from '../arc.ts';
import type { PlanningContext } from '../context.ts';
import { movesProposalSchema } from '../move.ts';
import type { Evidence } from '../statement.ts';
import { type Critique, MOST_REMARKS, type Remark } from '../tasks/critique.ts';
import { arcRemarks } from './remarks-arc.ts';
import { movesRemarks } from './remarks-moves.ts';

interface CritiqueInput {
  context: PlanningContext;
  evidence: Evidence[];
  proposal: JsonObject;
  arc?: Arc;
}

/** An arc, moves, or the new arc within a pivot, whichever the proposal is. */
function remarksOn({ context, evidence, proposal, arc }: CritiqueInput): Remark[] {
  const moves = movesProposalSchema.safeParse(proposal);
  if (moves.success) return movesRemarks(moves.data, context, arc);
  const inner = isJsonObject(proposal['arc']) ? proposal['arc'] : undefined;
  const read = arcSchema.safeParse(inner ?? proposal);
  if (!read.success) return [];
  return arcRemarks(read.data, context, evidence).map((remark) => ({
    ...remark,
    path: inner ? `arc.${remark.path}` : remark.path,
  }));
}

/** Where the offline critic begins: it cannot know what will happen. */
const EVEN = 0.5;
const LOSS = { major: 0.1, minor: 0.02 } as const;

/**
 * The offline critic: counts what can be counted, the gravest first, and says so. Its predictions are no judgement: from the baseline to
 * the target, likeliest halfway; its confidence is a half, less for each remark.
 */
export function criticize(input: JsonObject): Critique {
  const given = input as unknown as CritiqueInput;
  const all = remarksOn(given);
  const lost = all.reduce((sum, { severity }) => sum + LOSS[severity], 0);
  return {
    remarks: [
      ...all.filter(({ severity }) => severity === 'major'),
      ...all.filter(({ severity }) => severity === 'minor'),
    ].slice(0, MOST_REMARKS),
    confidence: Math.max(0.1, Math.round((EVEN - lost) * 100) / 100),
    predicted: given.context.kpis.map(({ name, baseline, target }) => {
      const [low, high] = [Math.min(baseline, target), Math.max(baseline, target)];
      // Halves of the smallest numbers there are round to 0.
      return { kpi: name, likely: Math.min(high, Math.max(low, baseline / 2 + target / 2)), low, high };
    }),
  };
}
