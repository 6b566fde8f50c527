import type { CampaignDefinition } from '../campaigns/definition.ts';
import { flattenSteps } from '../campaigns/definition.ts';
import type { StepRow } from '../database/tables.ts';

/** Which steps a new run does: `failed`: those that did not complete; `unsettled`: not those that failed, either; `start`: all. */
export type RetryFrom = 'failed' | 'unsettled' | 'start';

/** What became of the steps that are not done again. */
const CARRIED: Record<RetryFrom, readonly StepRow['status'][]> = {
  start: [],
  failed: ['completed', 'empty'],
  unsettled: ['completed', 'empty', 'failed'],
};

/** The rows that a run which repeats another takes over from it, at their places in its definition. */
export function carriedSteps(definition: CampaignDefinition, before: readonly StepRow[], from: RetryFrom): StepRow[] {
  return flattenSteps(definition.steps).flatMap(({ step }, position) => {
    const row = before.find((candidate) => candidate.name === step.name && candidate.kind === step.kind);
    return row && CARRIED[from].includes(row.status)
      ? [{ ...row, position, carried_from: row.carried_from ?? row.run_id }]
      : [];
  });
}
