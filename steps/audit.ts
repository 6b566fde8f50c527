import { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';
import type { WrittenArtifact } from '../generation/agents/write.ts';
import type { Artifact } from '../generation/artifacts.ts';
import { auditArtifacts, type AuditResult } from '../generation/audit/audit.ts';
import { estimateAudit } from '../generation/audit/estimate.ts';
import type { Severity } from '../generation/audit/finding.ts';
import type { Patience } from '../generation/audit/judge-time.ts';
import type { Verdict } from '../generation/audit/verdict.ts';
import { normalizedBriefSchema } from '../generation/normalized-brief.ts';
import { iso } from '../shared/clock.ts';
import { AskedWatch } from './model-errors.ts';
import { parsedParams } from './step-params.ts';
import { type ModelStepContext, type ModelStepKind, type PreviousStep, StepError, type StepResult } from './step.ts';

/** Kept with the step; more would help nobody. */
const MOST_FINDINGS = 150;
/** What is left of the step's time when the judge is waited for no more: the findings of the rules are then put on record. */
const SPARE_MS = 5_000;

/** Which verdicts fail the step, and by its `onFailure` stop what follows. */
const FAILING: Record<string, readonly Verdict[]> = {
  fail: ['fail'],
  conditional: ['conditional', 'fail'],
  never: [],
};

const auditParams = z.strictObject({
  brief: normalizedBriefSchema,
  failOn: z.enum(['fail', 'conditional', 'never']).default('fail'),
});

/** What earlier steps of the run have written. */
function artifactsOf(previous: readonly PreviousStep[]): Artifact[] {
  return previous.flatMap(({ status, output }) => {
    if (status !== 'completed' || !output || !Object.hasOwn(output, 'artifact')) return [];
    const { id, kind, content } = output['artifact'] as unknown as WrittenArtifact;
    return [{ id, kind, content } as Artifact];
  });
}

const GRAVITY: readonly Severity[] = ['critical', 'major', 'minor', 'info'];

/** The gravest findings, in the order of the text; the numbers of all stand in `gates`. */
function outputOf(result: AuditResult, auditedAt: string): JsonObject {
  const { verdict, artifacts, judged, unanswered, gates } = result;
  const byGravity = GRAVITY.flatMap((severity) => result.findings.filter((finding) => finding.severity === severity));
  const listed = new Set(byGravity.slice(0, MOST_FINDINGS));
  const findings = result.findings.filter((finding) => listed.has(finding));
  const omitted = result.findings.length - findings.length;
  const more = omitted > 0 ? { findingsOmitted: omitted } : {};
  return { verdict, judged, artifacts, findings, ...more, unanswered, gates, auditedAt } as unknown as JsonObject;
}

/** The judge's own end, before that of the step, with at least half of the time that there is. */
function patienceOf({ clock, deadline }: ModelStepContext): Patience {
  const left = deadline - clock.now();
  return { clock, untilMs: deadline - Math.min(SPARE_MS, left / 2) };
}

/** Why a verdict stops the run, with the gravest finding. */
function verdictMessage({ verdict, findings }: AuditResult): string {
  const counts = GRAVITY.slice(0, 3).flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    return count === 0 ? [] : [`${count} ${severity}`];
  });
  const [gravest] = GRAVITY.flatMap((severity) => findings.filter((finding) => finding.severity === severity));
  const first = gravest ? `; the first: ${gravest.artifactKind} ${gravest.path}: ${gravest.message}` : '';
  return `The verdict is ${verdict} (findings: ${counts.join(', ') || 'none'})${first}`;
}

/** Why there is no judgement, and whether that passes by itself. */
function pendingMessage({ failure, unanswered }: AuditResult): string {
  const open = `${unanswered.length} questions to the model that judges have no answer`;
  if (!failure) return `${open}: it was not done in time.`;
  const why = `${open}: ${failure.code}: ${failure.message}`;
  return failure.retryable
    ? why
    : `${why} This does not pass by itself: mend it, else every audit stays without a judge.`;
}

/** What the step gives, or the failure that the result of the audit is. */
function settled(result: AuditResult, failOn: string, output: JsonObject): StepResult {
  const costMicros = result.costUnknown ? null : result.costMicros;
  const failure = { costMicros, worked: costMicros === 0 ? 'no' : 'maybe', output } as const;
  if (result.judged === 'pending')
    throw new StepError('AUDIT_PENDING', pendingMessage(result), {
      ...failure,
      retryable: result.failure?.retryable ?? true,
    });
  if (FAILING[failOn]?.includes(result.verdict) === true)
    throw new StepError('AUDIT_FAILED', verdictMessage(result), failure);
  return { outcome: 'completed', counts: {}, costMicros, output };
}

/**
 * Judges what earlier steps have written: by rules, then by a model. When the model cannot be asked, or not within the time of the step,
 * the step fails with AUDIT_PENDING; with a verdict that `failOn` names, it fails with AUDIT_FAILED. Both keep what was found.
 */
async function execute(context: ModelStepContext): Promise<StepResult> {
  const { params, model, signal, clock, previous } = context;
  const { brief, failOn } = parsedParams(auditParams, params);
  const artifacts = artifactsOf(previous);
  if (artifacts.length === 0)
    throw new StepError(
      'AUDIT_NOTHING',
      'There is nothing to audit: no earlier step of the run has written anything.',
      {
        worked: 'no',
        costMicros: 0,
      },
    );
  context.progress({ message: `audits ${artifacts.length} artifacts` });
  const watch = new AskedWatch();
  let result: AuditResult;
  try {
    const patience = patienceOf(context);
    result = await auditArtifacts(brief, artifacts, { model, signal, patience, onSent: watch.onSent });
  } catch (error) {
    throw watch.failureOf(error, signal);
  }
  const { judged, failure, unanswered } = result;
  if (judged === 'pending')
    context.log.warn('An audit is pending', {
      unanswered: unanswered.length,
      code: failure?.code,
      error: failure?.message,
    });
  return settled(result, failOn, outputOf(result, iso(clock.now())));
}

export const audit: ModelStepKind = {
  kind: 'audit',
  description:
    'Audits what earlier steps have written: by rules, then by a model that answers one question at a time. A verdict `fail` stops the run, ' +
    'unless `failOn` says otherwise.',
  engine: null,
  defaultEffect: 'repeatable',
  defaultTimeout: 120_000,
  params: auditParams as unknown as z.ZodType<JsonObject>,
  follows: ['copy', 'social', 'poster'],
  estimate: (params, model, previous) =>
    estimateAudit(parsedParams(auditParams, params).brief, artifactsOf(previous), model),
  execute,
};
