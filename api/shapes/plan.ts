import { z } from 'zod';
import { address, CHANNEL } from '../../campaigns/notification-schema.ts';
import { hasEnded } from '../../database/run-status.ts';
import {
  APPROVAL_STATES,
  type ApprovalRow,
  type ArcVersionRow,
  PLAN_STATES,
  type PivotRow,
  type PlanRow,
} from '../../database/tables-moves.ts';
import type { JsonObject, RunRow } from '../../database/tables.ts';
import { arcSchema } from '../../moves/arc.ts';
import { lastDayOf } from '../../moves/calendar.ts';
import { withoutQuery } from '../../moves/kpi/source.ts';
import { approvalTermsSchema } from '../../moves/params.ts';
import type { PlanNotifications } from '../../moves/plan-definition.ts';
import { anyObject, count, time } from './common.ts';

export const approvalTerms = approvalTermsSchema
  .prefault({})
  .meta({ description: 'Who decides, by when, and what if nobody does.' });

export const notify = z
  .strictObject({
    email: z.array(address).max(50).default([]),
    slack: z.union([z.boolean(), z.string().regex(CHANNEL, { error: 'must be a #channel' })]).default(false),
  })
  .optional()
  .meta({
    description: 'Who is told what waits for approval, and what failed; left out: those of the campaign "Plans".',
  });

/** Whom the runs of a plan tell. */
export function notificationsOf(given: z.output<typeof notify>): PlanNotifications | undefined {
  if (given === undefined) return undefined;
  return { onComplete: { email: [], slack: false }, onFailure: { email: given.email, slack: given.slack } };
}

const planState = z.enum(PLAN_STATES).meta({
  description: '`planning` until people have approved the arc; then `active`, until it is `ended`.',
});

const summaryFields = {
  id: z.guid(),
  workspace: z.string(),
  name: z.string(),
  state: planState,
  stateReason: z.string().nullable(),
  startsOn: z.string(),
  endsOn: z.string(),
  arcVersion: count.meta({ description: '0 before the first arc is approved.' }),
  requestedBy: z.string(),
  runId: z.guid().nullable(),
  createdAt: time,
  updatedAt: time,
};

export const planSummary = z.strictObject(summaryFields).meta({ id: 'PlanSummary' });

export const arcVersion = z
  .strictObject({
    version: count,
    arc: arcSchema,
    evidence: z.array(anyObject).meta({ description: 'The facts that it cites.' }),
    changes: z.array(z.string()).meta({ description: 'Against the version before, in words.' }),
    diff: z.array(anyObject).meta({ description: 'The same as JSON Patch (RFC 6902).' }),
    reason: z.string(),
    approvedBy: z.string().nullable(),
    approvalId: z.guid().nullable(),
    pivotId: z.guid().nullable(),
    runId: z.guid().nullable(),
    writtenBy: z.string().meta({ description: 'The model, or `rules-v1` for the offline writer.' }),
    createdAt: time,
  })
  .meta({ id: 'ArcVersion' });

const pendingApproval = z.strictObject({
  id: z.guid(),
  kind: z.string(),
  title: z.string(),
  state: z.enum(APPROVAL_STATES),
  expiresAt: time,
});

export const pivot = z
  .strictObject({
    id: z.guid(),
    planId: z.guid(),
    fromVersion: count,
    toVersion: count.nullable(),
    state: z.enum(['proposed', 'approved', 'rejected', 'expired', 'withdrawn']),
    proposal: anyObject,
    variance: anyObject,
    evidenceHash: z.string(),
    decidedBy: z.string().nullable(),
    reason: z.string().nullable(),
    runId: z.guid().nullable(),
    approvalId: z.guid().nullable(),
    createdAt: time,
    decidedAt: time.nullable(),
  })
  .meta({ id: 'Pivot' });

export const planDetail = z
  .strictObject({
    ...summaryFields,
    context: anyObject,
    arc: arcSchema.nullable().meta({ description: 'The approved arc of `arcVersion`.' }),
    versions: z.array(
      z.strictObject({
        version: count,
        createdAt: time,
        approvedBy: z.string().nullable(),
        reason: z.string(),
        changes: z.array(z.string()),
      }),
    ),
    run: z
      .strictObject({ id: z.guid(), status: z.string(), reason: z.string().nullable() })
      .nullable()
      .meta({ description: 'The run that planned it last.' }),
    approvals: z.array(pendingApproval).meta({ description: 'What of it waits for people.' }),
    moves: z.record(z.string(), count).meta({ description: 'How many moves there are in each state.' }),
  })
  .meta({ id: 'Plan' });

type RunOfPlan = Pick<RunRow, 'id' | 'status' | 'status_reason'>;

export function presentPlanSummary(row: PlanRow, run?: RunOfPlan): z.infer<typeof planSummary> {
  // The run may have ended by other ways than planning itself: cancelled, stopped by a budget.
  const isOver = row.state === 'planning' && run !== undefined && hasEnded(run.status);
  return {
    id: row.id,
    workspace: row.workspace,
    name: row.name,
    state: isOver ? 'failed' : row.state,
    stateReason: isOver ? (run.status_reason ?? `The run that planned it is ${run.status}.`) : row.state_reason,
    startsOn: row.starts_on,
    endsOn: lastDayOf(row.starts_on),
    arcVersion: row.arc_version,
    requestedBy: row.requested_by,
    runId: row.run_id,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}

export interface PlanParts {
  row: PlanRow;
  run: RunOfPlan | undefined;
  versions: readonly ArcVersionRow[];
  approvals: readonly Pick<ApprovalRow, 'id' | 'kind' | 'title' | 'state' | 'expires_at'>[];
  moves: readonly { state: string }[];
}

export function presentPlan({ row, run, versions, approvals, moves }: PlanParts): z.infer<typeof planDetail> {
  const states: Record<string, number> = {};
  for (const { state } of moves) states[state] = (states[state] ?? 0) + 1;
  const current = versions.find((version) => version.arc_version === row.arc_version);
  return {
    ...presentPlanSummary(row, run),
    context: shownContext(row.context),
    arc: (current?.arc ?? null) as z.infer<typeof planDetail>['arc'],
    versions: versions.map((version) => ({
      version: version.arc_version,
      createdAt: version.created_at,
      approvedBy: version.approved_by,
      reason: version.reason,
      changes: version.changes,
    })),
    run: run ? { id: run.id, status: run.status, reason: run.status_reason } : null,
    approvals: approvals.map(({ id, kind, title, state, expires_at: expiresAt }) => ({
      id,
      kind,
      title,
      state,
      expiresAt,
    })),
    moves: states,
  };
}

/** The context as it was given, without what stands in the queries of addresses: keys may. */
function shownContext(context: JsonObject): JsonObject {
  return JSON.parse(
    JSON.stringify(context, (key, value: unknown) =>
      key === 'url' && typeof value === 'string' && value.includes('?') ? `${withoutQuery(value)}?…` : value,
    ),
  ) as JsonObject;
}

export function presentArcVersion(row: ArcVersionRow): z.infer<typeof arcVersion> {
  return {
    version: row.arc_version,
    arc: row.arc as z.infer<typeof arcSchema>,
    evidence: row.evidence,
    changes: row.changes,
    diff: row.diff,
    reason: row.reason,
    approvedBy: row.approved_by,
    approvalId: row.approval_id,
    pivotId: row.pivot_id,
    runId: row.run_id,
    writtenBy: row.model,
    createdAt: row.created_at,
  };
}

export function presentPivot(row: PivotRow): z.infer<typeof pivot> {
  return {
    id: row.id,
    planId: row.plan_id,
    fromVersion: row.from_version,
    toVersion: row.to_version,
    state: row.state,
    proposal: row.proposal,
    variance: row.variance,
    evidenceHash: row.evidence_hash,
    decidedBy: row.decided_by,
    reason: row.reason,
    runId: row.run_id,
    approvalId: row.approval_id,
    createdAt: row.created_at,
    decidedAt: row.decided_at,
  };
}
