import { z } from 'zod';
import { listApprovals } from '../../database/queries/approvals.ts';
import { editsSchema } from '../../runs/approvals/edits.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import {
  approval,
  approvalState,
  approvalSummary,
  presentApproval,
  presentApprovalSummary,
} from '../shapes/approval.ts';
import { byId, shortText, success, uuid } from '../shapes/common.ts';

const approvalList = z.strictObject({ success, approvals: z.array(approvalSummary), nextCursor });

const list = operation({
  id: 'listApprovals',
  method: 'get',
  path: '/api/approvals',
  tag: 'Approvals',
  summary: 'What people were asked to approve, that of the newest runs first',
  scope: 'read',
  query: z.strictObject({
    ...pageById,
    state: approvalState.optional(),
    kind: shortText(60).optional(),
    runId: uuid.optional(),
    campaignId: uuid.optional(),
    planId: uuid.optional(),
  }),
  answers: { 200: { description: 'One page.', schema: approvalList } },
  async handle({ query }, { records }) {
    const { limit, cursor: after, state, kind, runId, campaignId, planId } = query;
    const page = await listApprovals(records, { limit, after, state, kind, runId, campaignId, planId });
    const body: z.infer<typeof approvalList> = {
      success: true,
      approvals: page.rows.map(presentApprovalSummary),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const oneApproval = z.strictObject({ success, approval });

const get = operation({
  id: 'getApproval',
  method: 'get',
  path: '/api/approvals/{id}',
  tag: 'Approvals',
  summary: 'One approval with all that is to be approved',
  description: 'Reading it never decides: mail scanners follow links.',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The approval.', schema: oneApproval } },
  async handle({ params }, { approvals }) {
    const row = await approvals.find(params.id);
    return {
      status: 200,
      body: { success: true, approval: presentApproval(row) } satisfies z.infer<typeof oneApproval>,
    };
  },
});

const DECISIONS = { approve: 'approve', approved: 'approve', reject: 'reject', rejected: 'reject' } as const;

const decide = operation({
  id: 'decideApproval',
  method: 'post',
  path: '/api/approvals/{id}/decision',
  tag: 'Approvals',
  summary: 'Approve or reject',
  description:
    'The run that waits for it goes on. Whoever requested it cannot decide, unless it allows that; where it names groups, a member of one ' +
    'of them decides. Edits change what is approved: they are checked like the original, and kept as a difference.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({
    decision: z
      .enum(['approve', 'reject', 'approved', 'rejected'])
      .transform((word) => DECISIONS[word])
      .meta({ description: '`approve` or `reject`; `approved` and `rejected` mean the same.' }),
    by: shortText(200).meta({ description: 'Who decides.' }),
    reason: shortText(2_000).optional().meta({ description: 'Why; kept with the decision.' }),
    edits: editsSchema.optional().meta({
      description:
        'With approve: a JSON Patch (RFC 6902), or an object laid over the subject as a JSON Merge Patch (RFC 7396), in which lists are replaced whole.',
    }),
  }),
  answers: { 200: { description: 'Decided.', schema: oneApproval } },
  failures: {
    403: ['APPROVAL_SELF', 'APPROVAL_NOT_IN_GROUP'],
    409: ['APPROVAL_DECIDED', 'APPROVAL_EXPIRED', 'APPROVAL_WITHDRAWN'],
  },
  async handle({ params, body }, { approvals }) {
    const { decision, by, reason = null, edits } = body;
    const row = await approvals.decide(params.id, { decision, by, reason, edits });
    return {
      status: 200,
      body: { success: true, approval: presentApproval(row) } satisfies z.infer<typeof oneApproval>,
    };
  },
});

export const approvalOperations: readonly Operation[] = [list, get, decide];
