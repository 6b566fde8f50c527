import { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';
import type { Assignment } from '../generation/agents/agent.ts';
import { estimateWriting, write } from '../generation/agents/write.ts';
import { type ArtifactKind, CHANNELS } from '../generation/artifacts.ts';
import { USUAL_CHANNELS } from '../generation/briefs/request.ts';
import { normalizedBriefSchema } from '../generation/normalized-brief.ts';
import { iso } from '../shared/clock.ts';
import { AskedWatch } from './model-errors.ts';
import type { ModelStepContext, ModelStepKind, StepResult } from './step.ts';
import { parsedParams } from './step-params.ts';

const priorWork = z.strictObject({
  runId: z.guid(),
  changes: z.array(z.strictObject({ field: z.string(), before: z.json(), after: z.json() })),
  artifacts: z.array(
    z.strictObject({
      id: z.string(),
      kind: z.enum(['copy', 'social', 'poster']),
      version: z.int().min(1),
      content: z.json(),
    }),
  ),
});

const writerParams = z.strictObject({
  brief: normalizedBriefSchema,
  channels: z.array(z.enum(CHANNELS)).min(1).max(CHANNELS.length).default(USUAL_CHANNELS),
  prior: priorWork.optional(),
});

const assignmentOf = (params: JsonObject) => parsedParams(writerParams, params) as Assignment;

async function execute(kind: ArtifactKind, context: ModelStepContext): Promise<StepResult> {
  const { runId, stepName, attempt, params, model, signal, deadline, clock } = context;
  const assignment = assignmentOf(params);
  context.progress({ message: 'is being written' });
  const watch = new AskedWatch();
  try {
    const commission = { runId, stepName, attempt, assignment, at: iso(clock.now()) };
    const { artifact, costMicros, costUnknown } = await write(kind, commission, model, {
      signal,
      deadline,
      clock,
      onSent: watch.onSent,
    });
    return {
      outcome: 'completed',
      counts: {},
      costMicros,
      costUnknown,
      output: { artifact: artifact as unknown as JsonObject },
    };
  } catch (error) {
    throw watch.failureOf(error, signal);
  }
}

/** A kind of step that has one agent write its artifact from a brief. */
export function writer(kind: ArtifactKind, description: string): ModelStepKind {
  return {
    kind,
    description,
    engine: null,
    defaultEffect: 'repeatable',
    defaultTimeout: 60_000,
    params: writerParams as unknown as z.ZodType<JsonObject>,
    estimate: (params, model) => estimateWriting(kind, assignmentOf(params), model),
    execute: (context) => execute(kind, context),
  };
}
