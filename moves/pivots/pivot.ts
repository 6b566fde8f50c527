import { z } from 'zod';
import type { GenerateRequest } from '../../generation/model.ts';
import type { JsonObject } from '../../shared/json.ts';
import { type Arc, arcSchema } from '../arc.ts';
import type { PlanContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import { type Evidence, slug, statementSchema, wording } from '../statement.ts';
import type { Critique } from '../tasks/critique.ts';
import { INSTRUCTIONS } from '../tasks/instructions.ts';
import { planData } from '../tasks/plan-data.ts';
import type { Variance } from './variance.ts';

const effectSchema = z.strictObject({
  kpi: slug,
  /** Until the last day, in the KPI's unit, against going on as before: most likely, and the interval of 80 %. */
  change: z.number(),
  low: z.number(),
  high: z.number(),
});

/** A shift of a running plan, as a model proposes it and a person approves it. What is checked beyond its shape: check-pivot.ts. */
export const pivotProposalSchema = z.strictObject({
  reasons: z.array(statementSchema).min(1).max(10),
  /** What becomes different, a line each, for whoever decides. */
  shifts: z.array(wording(500)).min(1).max(20),
  /** The whole new arc. */
  arc: arcSchema,
  expectedEffect: z.array(effectSchema).max(20),
  /** What the change itself costs, within the plan's budget. */
  cost: z.strictObject({
    dollars: z.number().min(0),
    /** Person-hours. */
    effortHours: z.number().min(0).max(10_000),
    what: wording(1_000),
  }),
  /** That the effects will be within their intervals, 0 to 1. */
  confidence: z.number().min(0).max(1),
});
export type PivotProposal = z.infer<typeof pivotProposalSchema>;

/** What a pivot is planned from, and checked against. */
export interface PivotGiven {
  context: PlanContext;
  /** As `evidenceNow` makes it: with how the plan does. */
  evidence: readonly Evidence[];
  arcBefore: Arc;
  variance: Variance;
  /** Earlier proposals that people turned down, newest first. */
  rejected: readonly { shifts: readonly string[]; reason: string | null }[];
}

/** Tokens of an answer: those of an arc, and what stands beside it. */
const MOST_TOKENS = 20_480;
/** Moves and rejected proposals that a planner is shown at most. */
const MOST_MOVES = 80;
const MOST_REJECTED = 5;

const PIVOT = [
  'This plan is under way. "today" is the day; "arc" is the arc that is followed until now; "variance" is how it does against what was expected, by KPI, phase, channel and move. Propose one pivot: the smallest change that can bring the KPIs that are red or amber back.',
  'Answer with {"reasons", "shifts", "arc", "expectedEffect", "cost", "confidence"}.',
  'arc: the whole new arc, under the rules above, and with the same ids for what goes on. What has happened cannot be changed: phases that are over and milestones that were due before "today" stay exactly as they are; the phase that is under way keeps its start and does not end before "today"; a phase that begins is begun after "today". No phase and no channel gets less of the budget than "variance" says it has used.',
  'reasons: statements. Cite how the plan does by the ids of the evidence of today, such as kpi-<name>@<today>, channel-<name>@<today>. Say what is known and what is a guess: a KPI that changed while moves were done did not change because of them.',
  'shifts: what becomes different, a short line each, for people who do not read the arc. Name every change.',
  'expectedEffect: for every KPI that is red or amber the change against going on as before, until the last day, in its unit, towards its target, and the interval of 80 %: low ≤ change ≤ high.',
  'cost: dollars and person-hours that the change itself takes, and what for; within the budget that is left. confidence: how sure you are of these intervals, 0 to 1. Be sober.',
  '"rejected" holds earlier proposals that people turned down, and why: do not propose them again.',
].join('\n');

const json = (value: object) => JSON.parse(JSON.stringify(value)) as JsonObject;

function pivotData({ context, evidence, arcBefore, variance, rejected }: PivotGiven): JsonObject {
  const moves = variance.moves.filter(({ state, late }) => late || state !== 'planned').slice(-MOST_MOVES);
  return {
    ...planData({ context, evidence }),
    today: variance.today,
    arc: json(arcBefore),
    variance: json({ ...variance, moves }),
    rejected: rejected.slice(0, MOST_REJECTED).map(json),
  };
}

/** Asks for a pivot. */
export function pivotRequest(given: PivotGiven): GenerateRequest<PivotProposal> {
  return {
    task: 'plan.pivot',
    tier: 'best',
    instructions: `${INSTRUCTIONS.arc}\n\n${PIVOT}`,
    input: pivotData(given),
    schema: pivotProposalSchema,
    maxOutputTokens: MOST_TOKENS,
  };
}

/** Asks for a pivot anew, with what is wrong with the one that there is. */
export function pivotRevisionRequest(
  given: PivotGiven & { proposal: PivotProposal; findings: readonly Finding[]; critique: Critique | null },
): GenerateRequest<PivotProposal> {
  const { proposal, findings, critique } = given;
  return {
    ...pivotRequest(given),
    task: 'plan.pivot.revise',
    instructions: `${INSTRUCTIONS.arcRevision}\n\n${PIVOT}`,
    input: {
      ...pivotData(given),
      proposal: json(proposal),
      findings: findings.map(json),
      critique: critique && json(critique),
    },
  };
}
