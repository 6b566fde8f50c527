import { z } from 'zod';
import { approvalTermsSchema, questionTerms } from '../moves/params.ts';
import type { JsonObject } from '../shared/json.ts';
import { parsedParams } from './step-params.ts';
import { type ModelStepContext, type ModelStepKind, StepError, type StepResult } from './step.ts';

const text = (most: number) => z.string().trim().min(1).max(most);

const approvalParams = z.strictObject({
  title: text(200).meta({ description: 'What is asked, in one line.' }),
  summary: text(5_000).optional().meta({ description: 'What whoever decides should know.' }),
  subject: z.record(z.string(), z.json()).default({}).meta({
    description: 'What is to be approved; texts may refer to earlier results. Later steps read it, as it was edited.',
  }),
  editable: z.array(text(100)).max(100).default([]).meta({
    description: 'Fields of the subject that may be edited on approving; they keep their types.',
  }),
  requestedBy: text(200).optional().meta({ description: 'Who cannot decide, unless `allowSelf`.' }),
  ...approvalTermsSchema.shape,
});

async function execute(context: ModelStepContext): Promise<StepResult> {
  const params = parsedParams(approvalParams, context.params);
  const { title, summary = title, subject, editable, requestedBy = null } = params;
  const verdict = await context.ask({
    name: 'step',
    kind: 'step',
    planId: null,
    title,
    summary,
    subject,
    context: { editable },
    requestedBy,
    ...questionTerms(params),
  });
  const { approvalId, decision } = verdict;
  if (decision === 'pending')
    return {
      outcome: 'waiting',
      counts: {},
      costMicros: 0,
      output: { approvals: [approvalId], expiresAt: verdict.expiresAt },
    };
  const { by, reason, edited } = verdict;
  const output = { approvalId, decision, by, reason, edited, subject: verdict.subject };
  if (decision === 'approved') return { outcome: 'completed', counts: {}, costMicros: 0, output };
  const why = reason === null ? '' : `: ${reason}`;
  const [code, message] =
    decision === 'rejected'
      ? ['APPROVAL_REJECTED', `Rejected by ${by ?? 'nobody in particular'}${why}`]
      : ['APPROVAL_NOT_GIVEN', 'Nobody decided in time, which counts as a rejection.'];
  throw new StepError(code, message, { worked: 'no', costMicros: 0, output });
}

export const approval: ModelStepKind = {
  kind: 'approval',
  description:
    'Asks people, and waits without costing anything until one of them decides. Approved, the run goes on; rejected or expired, the step fails.',
  engine: null,
  defaultEffect: 'repeatable',
  defaultTimeout: 30_000,
  params: approvalParams as unknown as z.ZodType<JsonObject>,
  approvalAt: [],
  estimate: () => 0,
  execute,
};
