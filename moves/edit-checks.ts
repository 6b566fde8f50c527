import type { z } from 'zod';
import type { ApprovalRow } from '../database/tables-moves.ts';
import type { Problem } from '../shared/errors.ts';
import type { JsonObject } from '../shared/json.ts';
import { problemsOf } from '../shared/zod-problems.ts';
import { arcSchema } from './arc.ts';
import type { Finding } from './finding.ts';
import { movesProposalSchema } from './move.ts';
import { checkPivot } from './pivots/check-pivot.ts';
import { type PivotGiven, pivotProposalSchema } from './pivots/pivot.ts';
import type { ArcGiven } from './subjects/arc-subject.ts';
import type { MovesGiven } from './subjects/moves-subject.ts';
import { checkArc } from './validation/arc-rules.ts';
import { checkMoves } from './validation/move-rules.ts';

type Check = (edited: JsonObject, row: Pick<ApprovalRow, 'context'>) => Problem[];

const asProblem = ({ code, path, message, mend }: Finding): Problem => ({
  path,
  message: `${message} (${code})`,
  mend,
});

/** Checks what edits made of a proposal as the proposal itself was: its shape, then the rules. */
function check<P>(schema: z.ZodType<P>, rules: (proposal: P, given: unknown) => Finding[]): Check {
  return (edited, { context }) => {
    const parsed = schema.safeParse(edited);
    if (!parsed.success) return problemsOf(parsed.error, edited);
    return rules(parsed.data, context).map(asProblem);
  };
}

/** What is wrong with an edited proposal of planning, by the kind of its question. */
export const planEditChecks: Readonly<Record<string, Check>> = {
  arc: check(arcSchema, (arc, given) => checkArc(arc, given as ArcGiven)),
  moves: check(movesProposalSchema, (proposal, given) => checkMoves(proposal, given as MovesGiven)),
  pivot: check(pivotProposalSchema, (proposal, given) => checkPivot(proposal, { ...(given as PivotGiven), checkArc })),
};
