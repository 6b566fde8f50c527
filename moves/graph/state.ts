import { Annotation } from '@langchain/langgraph';
import type { JsonObject } from '../../shared/json.ts';
import type { Finding } from '../finding.ts';
import type { Critique } from '../tasks/critique.ts';
import type { Verdict } from '../work.ts';

/** What a graph knows between two of its nodes; kept in its checkpoints, so plain JSON only. */
export const PlanningState = Annotation.Root({
  /** What it plans from. */
  given: Annotation<JsonObject>,
  proposal: Annotation<JsonObject>,
  /** What wrote the proposal. */
  writer: Annotation<string>,
  critique: Annotation<Critique>,
  findings: Annotation<Finding[]>,
  revisions: Annotation<number>,
  verdict: Annotation<Verdict>,
  /** What came of it, once it has taken effect. */
  result: Annotation<JsonObject>,
});
export type PlanningStateValue = typeof PlanningState.State;
