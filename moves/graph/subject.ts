import type { z } from 'zod';
import type { GenerateRequest } from '../../generation/model.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { DecisionEntry } from '../decisions/decision-log.ts';
import type { Finding } from '../finding.ts';
import type { Critique } from '../tasks/critique.ts';
import type { Question, Verdict, WorkContext } from '../work.ts';

/** What one graph plans: an arc, moves, a pivot. The graph is the same for all of them. */
export interface Subject<G extends object, P extends object> {
  /** Stands in the names of decisions and questions. */
  kind: 'arc' | 'moves' | 'pivot';
  workspace: string;
  planId: string;
  /** The shape of what is proposed, and of what people make of it. */
  schema: z.ZodType<P>;
  /** Finds what the proposal is to rest on. */
  gather(work: WorkContext): Promise<{ given: G; costMicros: number }>;
  draft(given: G): GenerateRequest<P>;
  critique(given: G, proposal: P): GenerateRequest<Critique>;
  revise(given: G, proposal: P, findings: readonly Finding[], critique: Critique): GenerateRequest<P>;
  /** What is wrong with it, by rules that no model can argue with. */
  check(given: G, proposal: P): Finding[];
  /** What tools find wrong with it. */
  verify(given: G, proposal: P, work: WorkContext): Promise<Finding[]>;
  question(given: G, proposal: P, critique: Critique): Omit<Question, 'name' | 'kind' | 'planId'>;
  /** Makes it take effect, with what was approved. Done again after a crash, so it must be harmless twice. */
  apply(given: G, approved: P, verdict: Verdict, writer: string, work: WorkContext): Promise<JsonObject>;
  /** Puts what holds by all rules on record, before people are asked. */
  propose?(given: G, proposal: P, critique: Critique, work: WorkContext): Promise<void>;
  /** Notes that people did not want it. */
  reject(given: G, proposal: P, verdict: Verdict, work: WorkContext): Promise<void>;
  /** What the drafting is on record with, beside what all have. */
  evidenceOf(given: G): JsonObject;
}

/** Where the choices of a graph go on record. */
export interface DecisionRecord {
  record(workspace: string, entries: readonly DecisionEntry[]): Promise<unknown>;
}
