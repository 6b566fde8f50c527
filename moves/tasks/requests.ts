import type { GenerateRequest } from '../../generation/model.ts';
import type { JsonObject } from '../../shared/json.ts';
import { type Arc, arcSchema } from '../arc.ts';
import type { Finding } from '../finding.ts';
import { type MovesProposal, movesProposalSchema } from '../move.ts';
import { type Critique, critiqueSchema } from './critique.ts';
import { INSTRUCTIONS } from './instructions.ts';
import { asJson, type MovesAsked, movesData, planData, type PlanGiven } from './plan-data.ts';

/** What was said of a proposal that is to be revised. */
interface Objections {
  findings: readonly Finding[];
  critique: Critique | null;
}

/** Tokens of an answer: an arc of six phases and forty milestones fits, thoughts included. */
export const ARC_TOKENS = 16_384;
/** Of moves: thoughts, then the four moves of each week. */
export const MOVES_TOKENS = { base: 8_192, week: 3_072, most: 49_152 } as const;

const movesTokens = (weeks: readonly number[]) =>
  Math.min(MOVES_TOKENS.most, MOVES_TOKENS.base + MOVES_TOKENS.week * weeks.length);

const objections = (proposal: Arc | MovesProposal, { findings, critique }: Objections): JsonObject => ({
  proposal: asJson(proposal),
  findings: findings.map(asJson),
  critique: critique && asJson(critique),
});

/** Asks for an arc. */
export function arcDraftRequest(given: PlanGiven): GenerateRequest<Arc> {
  return {
    task: 'plan.arc',
    tier: 'best',
    instructions: INSTRUCTIONS.arc,
    input: planData(given),
    schema: arcSchema,
    maxOutputTokens: ARC_TOKENS,
  };
}

/** Asks for an arc anew, with what is wrong with the one that there is. */
export function arcRevisionRequest(given: PlanGiven & Objections & { arc: Arc }): GenerateRequest<Arc> {
  return {
    ...arcDraftRequest(given),
    task: 'plan.arc.revise',
    instructions: INSTRUCTIONS.arcRevision,
    input: { ...planData(given), ...objections(given.arc, given) },
  };
}

/** Asks for the moves of some weeks. */
export function movesDraftRequest(asked: MovesAsked): GenerateRequest<MovesProposal> {
  return {
    task: 'plan.moves',
    tier: 'best',
    instructions: INSTRUCTIONS.moves,
    input: movesData(asked),
    schema: movesProposalSchema,
    maxOutputTokens: movesTokens(asked.weeks),
  };
}

/** Asks for the moves of some weeks anew, with what is wrong with those that there are. */
export function movesRevisionRequest(
  asked: MovesAsked & Objections & { proposal: MovesProposal },
): GenerateRequest<MovesProposal> {
  return {
    ...movesDraftRequest(asked),
    task: 'plan.moves.revise',
    instructions: INSTRUCTIONS.movesRevision,
    input: { ...movesData(asked), ...objections(asked.proposal, asked) },
  };
}

/** What a critic can be shown. */
export type CritiqueSubject = 'arc' | 'moves' | 'pivot';

/** Asks for a critique of what is about to be put before people. @param given.arc what moves were made from */
export function critiqueRequest(
  given: PlanGiven & { subject: CritiqueSubject; proposal: Arc | MovesProposal | JsonObject; arc?: Arc },
): GenerateRequest<Critique> {
  const { subject, proposal, arc } = given;
  return {
    task: 'plan.critique',
    tier: 'fast',
    instructions: INSTRUCTIONS.critique,
    input: { ...planData(given), subject, proposal: asJson(proposal), ...(arc ? { arc: asJson(arc) } : {}) },
    schema: critiqueSchema,
  };
}
