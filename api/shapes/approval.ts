import { z } from 'zod';
import { APPROVAL_STATES, type ApprovalRow } from '../../database/tables-moves.ts';
import { anyObject, count, time } from './common.ts';

export const approvalState = z.enum(APPROVAL_STATES);

const fields = {
  id: z.guid(),
  state: approvalState.meta({
    description:
      '`withdrawn`: the run that asked has ended. `expired`: nobody decided in time, which counts as a rejection.',
  }),
  kind: z.string().meta({ description: 'What is asked about: `step`, `arc`, `moves`, `pivot`.' }),
  title: z.string(),
  summary: z.string(),
  campaignId: z.guid(),
  runId: z.guid(),
  step: z.string(),
  planId: z.guid().nullable(),
  groups: z.array(z.string()).meta({ description: 'Any member of any of them decides; empty: everybody may.' }),
  requestedBy: z.string().nullable(),
  allowSelf: z.boolean(),
  onExpiry: z.enum(['approve', 'reject']).meta({ description: 'What becomes of it when nobody decides.' }),
  createdAt: time,
  expiresAt: time,
  remindAt: time.nullable(),
  reminders: count,
  decidedAt: time.nullable(),
  decidedBy: z.string().nullable(),
  reason: z.string().nullable(),
  edited: z.boolean(),
};

export const approvalSummary = z.strictObject(fields).meta({ id: 'ApprovalSummary' });

export const approval = z
  .strictObject({
    ...fields,
    subject: anyObject.meta({ description: 'What was asked about.' }),
    context: anyObject.meta({ description: 'What it was made from, and what edits are checked against.' }),
    editedSubject: anyObject.nullable().meta({ description: 'The subject as it was approved, when it was edited.' }),
    diff: z.array(anyObject).nullable().meta({ description: 'The edits as JSON Patch (RFC 6902).' }),
  })
  .meta({ id: 'Approval' });

export function presentApprovalSummary(row: ApprovalRow): z.infer<typeof approvalSummary> {
  return {
    id: row.id,
    state: row.state,
    kind: row.kind,
    title: row.title,
    summary: row.summary,
    campaignId: row.campaign_id,
    runId: row.run_id,
    step: row.step_name,
    planId: row.plan_id,
    groups: row.groups,
    requestedBy: row.requested_by,
    allowSelf: row.allow_self,
    onExpiry: row.on_expiry === 'approved' ? 'approve' : 'reject',
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    remindAt: row.remind_at,
    reminders: row.reminders,
    decidedAt: row.decided_at,
    decidedBy: row.decided_by,
    reason: row.reason,
    edited: row.edited_subject !== null,
  };
}

export function presentApproval(row: ApprovalRow): z.infer<typeof approval> {
  const { subject, context, edited_subject: editedSubject, diff } = row;
  return { ...presentApprovalSummary(row), subject, context, editedSubject, diff };
}
