import { z } from 'zod';
import type { JsonObject } from '../database/tables.ts';
import type { WrittenArtifact } from '../generation/agents/write.ts';
import type { Artifact, ArtifactKind } from '../generation/artifacts.ts';
import { auditArtifacts, type AuditResult } from '../generation/audit/audit.ts';
import { estimateAudit } from '../generation/audit/estimate.ts';
import type { Severity } from '../generation/audit/finding.ts';
import { normalizedBriefSchema } from '../generation/normalized-brief.ts';
import { iso } from '../shared/clock.ts';
import { asModelFailure } from './model-errors.ts';
import { parsedParams } from './step-params.ts';
import { type ModelStepContext, type ModelStepKind, type PreviousStep, StepError, type StepResult } from './step.ts';

/** Kept with the step; more would help nobody. */
const MOST_FINDINGS = 150;
const WRITTEN: readonly ArtifactKind[] = ['copy', 'social', 'poster'];

const auditParams = z.strictObject({ brief: normalizedBriefSchema });

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

/**
 * Judges what earlier steps have written: by rules, then by a model. When the model cannot be asked, the step fails with
 * AUDIT_PENDING and keeps what the rules have found.
 */
async function execute(context: ModelStepContext): Promise<StepResult> {
  const { params, model, signal, clock, previous } = context;
  const { brief } = parsedParams(auditParams, params);
  const artifacts = artifactsOf(previous);
  if (artifacts.length === 0) return { outcome: 'empty', counts: {}, costMicros: 0, output: { artifacts: [] } };
  context.progress({ message: `audits ${artifacts.length} artifacts` });
  try {
    const result = await auditArtifacts(brief, artifacts, { model, signal });
    const costMicros = result.costUnknown ? null : result.costMicros;
    const output = outputOf(result, iso(clock.now()));
    if (result.judged !== 'pending') return { outcome: 'completed', counts: {}, costMicros, output };
    throw new StepError('AUDIT_PENDING', 'The model that judges could not be asked.', {
      retryable: true,
      costMicros,
      worked: costMicros === 0 ? 'no' : 'maybe',
      output,
    });
  } catch (error) {
    throw asModelFailure(error);
  }
}

export const audit: ModelStepKind = {
  kind: 'audit',
  description: 'Audits what earlier steps have written: by rules, then by a model that answers one question at a time.',
  engine: null,
  defaultEffect: 'repeatable',
  defaultTimeout: 120_000,
  params: auditParams as unknown as z.ZodType<JsonObject>,
  estimate: (params, model) => estimateAudit(parsedParams(auditParams, params).brief, WRITTEN, model),
  execute,
};
