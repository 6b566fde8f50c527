import { movesOfPlan } from '../../database/queries/moves.ts';
import { findArcVersion, listPivots } from '../../database/queries/plans.ts';
import type { PivotRow } from '../../database/tables-moves.ts';
import { iso } from '../../shared/clock.ts';
import { derivedId, timeOfId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Arc } from '../arc.ts';
import { dayOf } from '../calendar.ts';
import { evidenceCited } from '../cited.ts';
import { evidenceDigest, requestEvidence, withoutRepeats } from '../evidence.ts';
import type { Subject } from '../graph/subject.ts';
import { questionTerms } from '../params.ts';
import { arcDiff } from '../pivots/arc-diff.ts';
import { checkPivot } from '../pivots/check-pivot.ts';
import {
  type PivotGiven,
  type PivotProposal,
  pivotProposalSchema,
  pivotRequest,
  pivotRevisionRequest,
} from '../pivots/pivot.ts';
import { evidenceHash, type KpiStanding, type Variance, varianceOf } from '../pivots/variance.ts';
import { evidenceNow } from '../pivots/variance-evidence.ts';
import { applyArc } from '../plan-writes.ts';
import type { Evidence } from '../statement.ts';
import { critiqueRequest } from '../tasks/requests.ts';
import { checkArc } from '../validation/arc-rules.ts';
import { type Verdict, type WorkContext, WorkError } from '../work.ts';
import { contextOf, questionContext, type SubjectDeps, type SubjectOf } from './subject-deps.ts';

interface PivotOf extends SubjectOf {
  arc: Arc;
  arcEvidence: readonly Evidence[];
  /** What the pivot answers. */
  variance: Variance;
  rejected: PivotGiven['rejected'];
  /** Who asked for it, where that is not who requested the plan. */
  requestedBy?: string | undefined;
}

/** What a pivot is planned from, with the version of the arc that it changes. */
type Given = PivotGiven & { fromVersion: number };

/** How a plan does today, and the hash of what that rests on. */
export async function standingOfPlan(
  { plan, arc, statuses }: { plan: SubjectOf['plan']; arc: Arc; statuses: readonly KpiStanding[] },
  { records, clock }: Pick<SubjectDeps, 'records' | 'clock'>,
): Promise<{ variance: Variance; hash: string }> {
  const moves = await movesOfPlan(records, plan.id);
  const today = dayOf(clock.now());
  const variance = varianceOf({ context: contextOf(plan), arc, moves, statuses, today });
  return { variance, hash: evidenceHash(variance) };
}

/** The pivots that were proposed for a plan lately, newest first. */
export async function pivotsBefore(planId: string, { records }: Pick<SubjectDeps, 'records'>): Promise<PivotRow[]> {
  return (await listPivots(records, { planId, limit: 20 })).rows;
}

/** A pivot of a plan: another arc from here on. */
export function pivotSubject(about: PivotOf, deps: SubjectDeps): Subject<Given, PivotProposal> {
  const { plan, terms, arc, arcEvidence, variance, rejected, requestedBy } = about;
  const { records, clock } = deps;
  const settle = (work: Pick<WorkContext, 'runId'>, verdict: Verdict, patch: Partial<PivotRow>) =>
    records.update('pivots', { ...patch, ...decided(verdict, iso(clock.now())) }, [
      { column: 'id', op: 'eq', value: pivotId(plan.id, work.runId) },
    ]);
  return {
    kind: 'pivot',
    workspace: plan.workspace,
    planId: plan.id,
    schema: pivotProposalSchema,
    gather() {
      const context = contextOf(plan);
      const evidence = evidenceNow(withoutRepeats([...requestEvidence(context), ...arcEvidence]), variance);
      const given = { context, evidence, arcBefore: arc, fromVersion: plan.arc_version, variance, rejected };
      return Promise.resolve({ given, costMicros: 0 });
    },
    draft: (given) => pivotRequest(given),
    critique: (given, proposal) => critiqueRequest({ ...given, subject: 'pivot', proposal }),
    revise: (given, proposal, findings, critique) => pivotRevisionRequest({ ...given, proposal, findings, critique }),
    check: (given, proposal) => checkPivot(proposal, { ...given, checkArc }),
    verify: () => Promise.resolve([]),
    async propose(given, proposal, _critique, work) {
      const row: Partial<PivotRow> = {
        id: pivotId(plan.id, work.runId),
        plan_id: plan.id,
        from_version: given.fromVersion,
        state: 'proposed',
        proposal,
        variance: given.variance as unknown as JsonObject,
        evidence_hash: evidenceHash(given.variance),
        run_id: work.runId,
        created_at: iso(clock.now()),
      };
      await records.insert('pivots', [row], { conflict: 'ignore' });
    },
    question: (given, proposal, critique) => ({
      title: `Pivot of ${plan.name}`,
      summary: summaryOf(proposal, given.arcBefore),
      subject: proposal,
      context: questionContext(plan, critique, given),
      requestedBy: requestedBy ?? plan.requested_by,
      ...questionTerms(terms),
    }),
    async apply(given, proposal, verdict, writer, work) {
      const next = given.fromVersion + 1;
      const { patch, changes } = arcDiff(given.arcBefore, proposal.arc);
      try {
        const stored = await findArcVersion(records, plan.id, next);
        if (stored?.approval_id !== verdict.approvalId) refuseIfOutrun(given, proposal, dayOf(clock.now()));
        await applyArc(records, clock, {
          plan_id: plan.id,
          arc_version: next,
          arc: proposal.arc,
          evidence: evidenceCited(proposal, given.evidence) as unknown as JsonObject[],
          diff: patch,
          changes,
          reason: proposal.reasons.map(({ text }) => text).join('; '),
          approved_by: verdict.by,
          approval_id: verdict.approvalId,
          pivot_id: pivotId(plan.id, work.runId),
          run_id: work.runId,
          model: writer,
        });
      } catch (error) {
        // Approved, and yet nothing comes of it.
        if (error instanceof WorkError)
          await settle(work, { ...verdict, reason: error.message }, { state: 'withdrawn' });
        throw error;
      }
      const approved = verdict.edited ? { proposal: proposal as unknown as JsonObject } : {};
      await settle(work, verdict, { ...approved, state: 'approved', to_version: next });
      return { planId: plan.id, pivotId: pivotId(plan.id, work.runId), arcVersion: next, changes };
    },
    async reject(_given, _proposal, verdict, work) {
      await settle(work, verdict, { state: verdict.decision === 'expired' ? 'expired' : 'rejected' });
    },
    evidenceOf: ({ evidence, variance: now }) => ({
      facts: evidence.map(({ id }) => id),
      digest: evidenceDigest(evidence),
      hash: evidenceHash(now),
      colour: now.colour,
    }),
  };
}

/** Days may have passed until it was approved: what they made a part of the past is not rewritten. */
function refuseIfOutrun(given: Given, proposal: PivotProposal, today: string): void {
  const findings = checkPivot(proposal, { ...given, variance: { ...given.variance, today }, checkArc });
  const outrun = findings.filter(({ code }) => code === 'PLAN_PAST_CHANGED');
  if (outrun.length === 0) return;
  const said = outrun.map(({ path, message }) => `${path} ${message}`).join('; ');
  throw new WorkError('PLAN_CHANGED', `By the time it was approved, part of it lay in the past: ${said}`);
}

const pivotId = (planId: string, runId: string) => derivedId(`pivot/${planId}/${runId}`, timeOfId(runId));

const decided = ({ approvalId, by, reason }: Verdict, at: string) => ({
  approval_id: approvalId,
  decided_by: by,
  reason,
  decided_at: at,
});

function summaryOf({ reasons, shifts, expectedEffect, cost, arc }: PivotProposal, before: Arc): string {
  const { changes } = arcDiff(before, arc);
  return [
    ...reasons.map(({ text }) => text),
    '',
    ...shifts.filter((shift) => !changes.includes(shift)),
    ...changes,
    '',
    ...expectedEffect.map(
      ({ kpi, change, low, high }) => `Expected: ${kpi} ${signed(change)} (${signed(low)} to ${signed(high)})`,
    ),
    `It would cost $${cost.dollars} and ${cost.effortHours} hours: ${cost.what}`,
  ].join('\n');
}

const signed = (value: number) => `${value >= 0 ? '+' : ''}${value}`;
