import type { Records } from '../../database/records.ts';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { Clock } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { PlanContext } from '../context.ts';
import type { KnownFacts } from '../evidence.ts';
import type { Finding } from '../finding.ts';
import type { MoveDraft } from '../move.ts';
import type { ApprovalTerms } from '../params.ts';
import type { Evidence } from '../statement.ts';
import type { Critique } from '../tasks/critique.ts';
import { asJson, planningContext } from '../tasks/plan-data.ts';
import type { WorkContext } from '../work.ts';

/** How agents use tools; implemented by moves/tools. */
export interface AgentTools {
  /** Reads what the plan asks to be read. @returns what was found, and what it cost in micro-dollars */
  research(context: PlanContext, evidence: readonly Evidence[], work: WorkContext): Promise<Researched>;
  /** What tools find wrong with moves. */
  verify(moves: readonly MoveDraft[], work: WorkContext): Promise<Finding[]>;
}

export interface Researched {
  evidence: Evidence[];
  costMicros: number;
}

export interface SubjectDeps {
  records: Records;
  clock: Clock;
  knowledge: KnownFacts;
  tools: AgentTools;
}

/** What a piece of planning is about. */
export interface SubjectOf {
  plan: PlanRow;
  terms: ApprovalTerms;
}

/** The context as the plan's row holds it; it was checked when it was written. */
export const contextOf = (plan: Pick<PlanRow, 'context'>): PlanContext => plan.context as unknown as PlanContext;

/**
 * What people see beside a question, and what edits are checked against. Of the plan's context what planning reads by itself: the facts
 * stand in the evidence, and where readings and pages are found is told nobody.
 */
export function questionContext(
  plan: Pick<PlanRow, 'id'>,
  critique: Critique,
  given: { context: PlanContext },
): JsonObject {
  return asJson({ planId: plan.id, critique, ...given, context: planningContext(given.context) });
}
