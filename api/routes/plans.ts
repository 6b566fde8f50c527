import { z } from 'zod';
import { movesOfPlan } from '../../database/queries/moves.ts';
import { arcVersions, findArcVersion, listPivots, listPlans, pendingApprovals } from '../../database/queries/plans.ts';
import { findRun } from '../../database/queries/runs.ts';
import { PLAN_STATES, type PlanRow } from '../../database/tables-moves.ts';
import { planRequestWith, workspaceName } from '../../moves/context.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { contextOf } from '../context.ts';
import type { ApiDeps } from '../deps.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { byId, shortText, success, uuid } from '../shapes/common.ts';
import {
  approvalTerms,
  arcVersion,
  notificationsOf,
  notify,
  pivot,
  planDetail,
  planSummary,
  presentArcVersion,
  presentPivot,
  presentPlan,
  presentPlanSummary,
} from '../shapes/plan.ts';

const links = z.strictObject({ self: z.string(), timeline: z.string(), run: z.string(), approvals: z.string() });
const started = z.strictObject({ success, plan: planSummary, runId: z.guid(), links });

const linksOf = (planId: string, runId: string): z.infer<typeof links> => ({
  self: `/api/plans/${planId}`,
  timeline: `/api/plans/${planId}/timeline`,
  run: `/api/runs/${runId}`,
  approvals: `/api/approvals?planId=${planId}`,
});

const located = z.object({ Location: z.string().meta({ description: 'Path of the plan.' }) });
const assets = z
  .boolean()
  .default(true)
  .meta({ description: "Whether the first week's moves get their assets at once." });
const STARTING = ['CAMPAIGN_PAUSED', 'RUN_ACTIVE', 'RUN_QUEUE_FULL'];

function startedAnswer({ plan, runId }: { plan: PlanRow; runId: string }) {
  return {
    status: 202,
    headers: { Location: `/api/plans/${plan.id}` },
    body: {
      success: true,
      plan: presentPlanSummary(plan),
      runId,
      links: linksOf(plan.id, runId),
    } satisfies z.infer<typeof started>,
  };
}

const submit = operation({
  id: 'submitPlan',
  method: 'post',
  path: '/api/plans',
  tag: 'Plans',
  summary: 'Have 90 days planned from the business context',
  description:
    'Answers at once. The run drafts an arc, has it criticised and validated, and waits for its approval; then breaks it down into weekly ' +
    'moves, and waits for theirs. Nothing takes effect before it is approved. Without a model provider configured the offline writer ' +
    '`rules-v1` plans, and says so.',
  scope: 'operate',
  body: planRequestWith({ approval: approvalTerms, notify, assets }),
  answers: { 202: { description: 'Planning has begun.', schema: started, headers: located } },
  failures: { 409: STARTING },
  async handle({ body, request }, { plans }) {
    const { approval: terms, notify: told, assets: wanted, ...plan } = body;
    const caller = contextOf(request).caller.id;
    const options = { terms, assets: wanted, caller, notifications: notificationsOf(told) };
    return startedAnswer(await plans.submit(plan, options));
  },
});

const planList = z.strictObject({ success, plans: z.array(planSummary), nextCursor });

const list = operation({
  id: 'listPlans',
  method: 'get',
  path: '/api/plans',
  tag: 'Plans',
  summary: 'Plans, newest first',
  scope: 'read',
  query: z.strictObject({ ...pageById, workspace: workspaceName.optional(), state: z.enum(PLAN_STATES).optional() }),
  answers: { 200: { description: 'One page.', schema: planList } },
  async handle({ query }, { records }) {
    const { limit, cursor: after, workspace, state } = query;
    const page = await listPlans(records, { limit, after, workspace, state });
    const body: z.infer<typeof planList> = {
      success: true,
      plans: page.rows.map((row) => presentPlanSummary(row)),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const onePlan = z.strictObject({ success, plan: planDetail });

async function detailOf(row: PlanRow, { records }: ApiDeps): Promise<z.infer<typeof onePlan>> {
  const [run, versions, approvals, moves] = await Promise.all([
    row.run_id === null ? undefined : findRun(records, row.run_id),
    arcVersions(records, row.id),
    pendingApprovals(records, row.id),
    movesOfPlan(records, row.id),
  ]);
  return { success: true, plan: presentPlan({ row, run, versions, approvals, moves }) };
}

const get = operation({
  id: 'getPlan',
  method: 'get',
  path: '/api/plans/{id}',
  tag: 'Plans',
  summary: 'One plan with its approved arc, its versions and what waits for people',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The plan.', schema: onePlan } },
  async handle({ params }, deps) {
    return { status: 200, body: await detailOf(await deps.plans.find(params.id), deps) };
  },
});

const oneVersion = z.strictObject({ success, version: arcVersion });

const version = operation({
  id: 'getArcVersion',
  method: 'get',
  path: '/api/plans/{id}/versions/{version}',
  tag: 'Plans',
  summary: 'One approved arc, with what changed and the facts it cites',
  scope: 'read',
  params: z.object({ id: uuid, version: z.coerce.number().int().min(1).max(1e6) }),
  answers: { 200: { description: 'The version.', schema: oneVersion } },
  async handle({ params }, { records, plans }) {
    await plans.find(params.id);
    const row = await findArcVersion(records, params.id, params.version);
    if (!row) throw new NotFoundError('version of a plan', `${params.id}/${params.version}`);
    return {
      status: 200,
      body: { success: true, version: presentArcVersion(row) } satisfies z.infer<typeof oneVersion>,
    };
  },
});

const replan = operation({
  id: 'replanPlan',
  method: 'post',
  path: '/api/plans/{id}/replan',
  tag: 'Plans',
  summary: 'Plan again what was rejected, failed or cancelled',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ approval: approvalTerms, notify, assets }),
  bodyOptional: true,
  answers: { 202: { description: 'Planning has begun again.', schema: started, headers: located } },
  failures: { 409: ['PLAN_ACTIVE', 'RUN_NOT_FINISHED', ...STARTING] },
  async handle({ params, body }, { plans }) {
    const { approval: terms, notify: told, assets: wanted } = body;
    return startedAnswer(
      await plans.replan(params.id, { terms, assets: wanted, notifications: notificationsOf(told) }),
    );
  },
});

const pivotStarted = z.strictObject({
  success,
  runId: z.guid(),
  links: z.strictObject({ run: z.string(), approvals: z.string() }),
});

const startPivot = operation({
  id: 'pivotPlan',
  method: 'post',
  path: '/api/plans/{id}/pivots',
  tag: 'Plans',
  summary: 'Pull the KPIs of a plan and look for a pivot',
  description:
    'The run proposes another arc when a KPI is amber or red, and waits for its approval. What was rejected is not proposed again unless its ' +
    'evidence changed.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({
    approval: approvalTerms,
    notify,
    always: z.boolean().default(false).meta({ description: 'Look for a pivot although no KPI is amber or red.' }),
    requestedBy: shortText(200).optional().meta({
      description: 'Who cannot approve it; left out: who requested the plan.',
    }),
  }),
  bodyOptional: true,
  answers: { 202: { description: 'The run has begun.', schema: pivotStarted } },
  failures: { 409: ['PLAN_NOT_ACTIVE', ...STARTING] },
  async handle({ params, body }, { plans }) {
    const { approval: terms, notify: told, always, requestedBy } = body;
    const notifications = notificationsOf(told);
    const { runId } = await plans.pivot(params.id, { terms, always, requestedBy, notifications });
    const { run, approvals } = linksOf(params.id, runId);
    const answer: z.infer<typeof pivotStarted> = { success: true, runId, links: { run, approvals } };
    return { status: 202, body: answer };
  },
});

const pivotList = z.strictObject({ success, pivots: z.array(pivot), nextCursor });

const pivots = operation({
  id: 'listPivots',
  method: 'get',
  path: '/api/plans/{id}/pivots',
  tag: 'Plans',
  summary: 'The pivots that were proposed for a plan, newest first',
  scope: 'read',
  params: byId,
  query: z.strictObject(pageById),
  answers: { 200: { description: 'One page.', schema: pivotList } },
  async handle({ params, query }, { records, plans }) {
    await plans.find(params.id);
    const page = await listPivots(records, { planId: params.id, limit: query.limit, after: query.cursor });
    const body: z.infer<typeof pivotList> = {
      success: true,
      pivots: page.rows.map(presentPivot),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const end = operation({
  id: 'endPlan',
  method: 'post',
  path: '/api/plans/{id}/end',
  tag: 'Plans',
  summary: 'End a plan',
  description: 'It is not planned for any more; what it has stays.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ reason: shortText(500).optional() }),
  bodyOptional: true,
  answers: { 200: { description: 'Ended.', schema: onePlan } },
  failures: { 409: ['RUN_NOT_FINISHED'] },
  async handle({ params, body }, deps) {
    return { status: 200, body: await detailOf(await deps.plans.end(params.id, body.reason ?? null), deps) };
  },
});

export const planOperations: readonly Operation[] = [submit, list, get, version, replan, startPivot, pivots, end];
