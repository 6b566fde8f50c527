import { iso } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import { type Arc, arcSchema } from '../arc.ts';
import type { PlanContext } from '../context.ts';
import { evidenceDigest, knownEvidence, requestEvidence, withoutRepeats } from '../evidence.ts';
import { evidenceCited } from '../cited.ts';
import type { Subject } from '../graph/subject.ts';
import { questionTerms } from '../params.ts';
import { applyArc, notePlanState } from '../plan-writes.ts';
import type { Evidence } from '../statement.ts';
import { arcDraftRequest, arcRevisionRequest, critiqueRequest } from '../tasks/requests.ts';
import { checkArc } from '../validation/arc-rules.ts';
import { rejections } from './rejections.ts';
import { contextOf, questionContext, type SubjectDeps, type SubjectOf } from './subject-deps.ts';

/** What an arc is planned from. */
export interface ArcGiven {
  context: PlanContext;
  evidence: Evidence[];
  /** How the knowledge base was searched, where that is not how it should have been. */
  note: string | null;
}

/** The arc of a plan: its first version. */
export function arcSubject({ plan, terms }: SubjectOf, deps: SubjectDeps): Subject<ArcGiven, Arc> {
  const { records, clock, knowledge, tools } = deps;
  return {
    kind: 'arc',
    workspace: plan.workspace,
    planId: plan.id,
    schema: arcSchema,
    async gather(work) {
      const context = contextOf(plan);
      const own = requestEvidence(context);
      const known = await knownEvidence(context, knowledge);
      const before = withoutRepeats([...own, ...(await rejections(plan.id, 'arc', deps)), ...known.evidence]);
      const { evidence: found, costMicros } = await tools.research(context, before, work);
      return { given: { context, evidence: withoutRepeats([...before, ...found]), note: known.note }, costMicros };
    },
    draft: (given) => arcDraftRequest(given),
    critique: (given, arc) => critiqueRequest({ ...given, subject: 'arc', proposal: arc }),
    revise: (given, arc, findings, critique) => arcRevisionRequest({ ...given, arc, findings, critique }),
    check: (given, arc) => checkArc(arc, given),
    verify: () => Promise.resolve([]),
    question: (given, arc, critique) => ({
      title: `90-day arc of ${plan.name}`,
      summary: summaryOf(arc, critique.confidence),
      subject: arc,
      context: questionContext(plan, critique, given),
      requestedBy: plan.requested_by,
      ...questionTerms(terms),
    }),
    async apply({ evidence }, arc, verdict, writer, work) {
      await applyArc(records, clock, {
        plan_id: plan.id,
        arc_version: 1,
        arc,
        evidence: evidenceCited(arc, evidence) as unknown as JsonObject[],
        diff: [],
        changes: [],
        reason: verdict.reason ?? 'The first arc of the plan.',
        approved_by: verdict.by,
        approval_id: verdict.approvalId,
        pivot_id: null,
        run_id: work.runId,
        model: writer,
      });
      return { planId: plan.id, arcVersion: 1, phases: arc.phases.length, milestones: arc.milestones.length };
    },
    async reject(_given, _arc, { by, reason }) {
      const who = by === null ? 'Nobody decided in time.' : `Rejected by ${by}${reason === null ? '' : `: ${reason}`}`;
      await notePlanState(records, clock, plan.id, { state: 'rejected', state_reason: who });
    },
    evidenceOf: ({ evidence, note }) => ({
      facts: evidence.map(({ id }) => id),
      digest: evidenceDigest(evidence),
      ...(note === null ? {} : { note }),
      at: iso(clock.now()),
    }),
  };
}

function summaryOf({ summary, phases, kpis }: Arc, confidence: number): string {
  return [
    summary.text,
    '',
    ...phases.map(
      ({ name, startsOn, endsOn, budgetShare, goal }) =>
        `${name} (${startsOn} to ${endsOn}, ${Math.round(budgetShare * 100)} % of the budget): ${goal.text}`,
    ),
    '',
    `Targets: ${kpis.map(({ kpi, target }) => `${kpi} ${target}`).join(', ')}`,
    `Confidence of the critique: ${Math.round(confidence * 100)} %`,
  ].join('\n');
}
