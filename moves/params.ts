import { z } from 'zod';
import { duration } from '../shared/duration.ts';
import { ARC_WEEKS } from './calendar.ts';
import { planRequestSchema, workspaceName } from './context.ts';
import { wording } from './statement.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Over a weekend. */
const USUAL_EXPIRY_MS = 3 * DAY_MS;

/** Who decides, by when, and what if nobody does. */
export const approvalTermsSchema = z.strictObject({
  groups: z.array(wording(60)).max(20).default([]).meta({
    description: 'Groups of APPROVAL_GROUPS; any member of any of them decides. None: everybody may.',
  }),
  expiresIn: duration(1_000, 90 * DAY_MS, USUAL_EXPIRY_MS).describe('Then `onExpiry` decides.'),
  onExpiry: z.enum(['reject', 'approve']).default('reject'),
  allowSelf: z.boolean().default(false).meta({ description: 'Whether whoever requested it may decide.' }),
});
export type ApprovalTerms = z.output<typeof approvalTermsSchema>;

/** What a question says of who decides. */
export function questionTerms(terms: ApprovalTerms) {
  return {
    groups: terms.groups,
    allowSelf: terms.allowSelf,
    expiresInMs: terms.expiresIn ?? USUAL_EXPIRY_MS,
    onExpiry: terms.onExpiry === 'approve' ? ('approved' as const) : ('rejected' as const),
  };
}

const approval = approvalTermsSchema.prefault({});
const plan = z.guid('is not a UUID').toLowerCase();
const whichPlans = {
  plan: plan.optional().meta({ description: 'Id of one plan; left out: every active plan of the workspace.' }),
  workspace: workspaceName.default('default'),
};

export const arcParams = z
  .strictObject({
    plan: plan.optional().meta({ description: 'Id of a plan that exists.' }),
    request: planRequestSchema.optional().meta({ description: 'A plan that this step makes.' }),
    approval,
  })
  .superRefine((params, context) => {
    if ((params.plan === undefined) === (params.request === undefined))
      context.addIssue({
        code: 'custom',
        message: 'needs either a plan or a request',
        params: { mend: 'give "plan" the id of a plan, or "request" what POST /api/plans takes' },
      });
  });

export const movesParams = z.strictObject({
  ...whichPlans,
  weeks: z
    .union([z.enum(['all', 'next']), z.array(z.int().min(1).max(ARC_WEEKS)).min(1).max(ARC_WEEKS)])
    .default('all')
    .meta({ description: '`all`: the weeks that are left; `next`: the one that begins next; or their numbers.' }),
  approval,
});

export const moveAssetsParams = z.strictObject({
  ...whichPlans,
  weeks: z
    .union([z.enum(['current', 'next', 'first']), z.array(z.int().min(1).max(ARC_WEEKS)).min(1).max(ARC_WEEKS)])
    .default('next')
    .meta({ description: 'Of which weeks moves get their assets; `first`: the first that has any.' }),
  most: z.int().min(1).max(20).default(6).meta({ description: 'Moves at most, those of the highest priority first.' }),
});

export const pivotParams = z.strictObject({
  ...whichPlans,
  always: z.boolean().default(false).meta({
    description: 'Whether a pivot is looked for although no KPI is amber or red.',
  }),
  requestedBy: wording(200).optional().meta({
    description: 'Who cannot approve it, unless `approval.allowSelf`; left out: who requested the plan.',
  }),
  approval,
});

export const kpisParams = z.strictObject(whichPlans);
