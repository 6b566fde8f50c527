import { z } from 'zod';
import { listRuns, stepsOfRun } from '../../database/queries/runs.ts';
import { bundleOf } from '../../generation/briefs/bundle.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../generation/briefs/definition.ts';
import { metadataOf } from '../../generation/briefs/metadata.ts';
import { briefRequest } from '../../generation/briefs/request.ts';
import { microsToDollars } from '../../shared/money.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { briefSummary, bundle } from '../shapes/brief.ts';
import { byId, shortText, success } from '../shapes/common.ts';
import { briefEventOperations } from './brief-events.ts';
import { briefMetricsOperations } from './brief-metrics.ts';

const links = z.strictObject({ self: z.string(), events: z.string(), cancel: z.string(), retry: z.string() });
const started = z.strictObject({
  success,
  runId: z.guid(),
  mode: bundle.shape.mode,
  links,
});

const linksOf = (runId: string): z.infer<typeof links> => ({
  self: `/api/briefs/${runId}`,
  events: `/api/briefs/${runId}/events`,
  cancel: `/api/briefs/${runId}/cancel`,
  retry: `/api/briefs/${runId}/retry`,
});

const located = z.object({ Location: z.string().meta({ description: 'Path of the bundle.' }) });

const submit = operation({
  id: 'submitBrief',
  method: 'post',
  path: '/api/briefs',
  tag: 'Briefs',
  summary: 'Have copy, social posts and a poster written from a brief, and audited',
  description:
    'Answers at once; the agents work in the background. Without a model provider configured, the offline writer `rules-v1` puts ' +
    "sentences together from the brief's own words, and says so on every artifact. The same brief sent twice is two briefs, " +
    'unless with the same Idempotency-Key.',
  scope: 'operate',
  body: briefRequest,
  answers: { 202: { description: 'The agents have been set to work.', schema: started, headers: located } },
  failures: { 409: ['CAMPAIGN_PAUSED', 'RUN_NOT_FINISHED', 'RUN_ACTIVE', 'RUN_QUEUE_FULL'] },
  async handle({ body }, { briefs }) {
    const { runId, mode } = await briefs.submit(body);
    return {
      status: 202,
      headers: { Location: `/api/briefs/${runId}` },
      body: { success: true, runId, mode, links: linksOf(runId) } satisfies z.infer<typeof started>,
    };
  },
});

const list = z.strictObject({ success, briefs: z.array(briefSummary), nextCursor });

const all = operation({
  id: 'listBriefs',
  method: 'get',
  path: '/api/briefs',
  tag: 'Briefs',
  summary: 'Runs of briefs, newest first',
  scope: 'read',
  query: z.strictObject(pageById),
  answers: { 200: { description: 'One page.', schema: list } },
  async handle({ query }, { records }) {
    const { limit, cursor: after } = query;
    const page = await listRuns(records, { campaignId: BRIEFS_CAMPAIGN_ID, limit, after });
    const briefs = page.rows.flatMap((run) => {
      const metadata = metadataOf(run);
      if (!metadata) return [];
      return [
        {
          runId: run.id,
          repairs: run.retry_of,
          status: run.status,
          objective: metadata.brief.objective,
          product: metadata.brief.product,
          createdAt: run.created_at,
          completedAt: run.completed_at,
          cost: microsToDollars(run.total_cost_micros),
        },
      ];
    });
    return {
      status: 200,
      body: { success: true, briefs, nextCursor: cursorAt(page.next) } satisfies z.infer<typeof list>,
    };
  },
});

const oneBrief = z.strictObject({ success, brief: bundle, links });

const get = operation({
  id: 'getBrief',
  method: 'get',
  path: '/api/briefs/{id}',
  tag: 'Briefs',
  summary: 'The bundle of a brief: artifacts, agents, audit',
  description: 'By the id of any of its runs; always the newest run is shown, with what earlier ones had finished.',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The bundle, as far as it is.', schema: oneBrief } },
  async handle({ params }, { briefs, records, clock }) {
    const runs = await briefs.find(params.id);
    const [steps, auditBefore] = await Promise.all([stepsOfRun(records, runs.newest.id), briefs.auditBefore(runs)]);
    const shown = bundleOf({ ...runs, steps, auditBefore }, clock.now());
    return {
      status: 200,
      body: { success: true, brief: shown as unknown as z.infer<typeof bundle>, links: linksOf(runs.newest.id) },
    };
  },
});

const acted = z.strictObject({ success, runId: z.guid(), status: z.string() });

const cancel = operation({
  id: 'cancelBrief',
  method: 'post',
  path: '/api/briefs/{id}/cancel',
  tag: 'Briefs',
  summary: 'Stop the agents of a brief',
  description: 'What is finished stays; the run is cancelled. When it has ended, an audit that is pending is given up.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ reason: shortText(500).optional() }),
  bodyOptional: true,
  answers: { 202: { description: 'The agents stop.', schema: acted } },
  failures: { 409: ['RUN_FINISHED'] },
  async handle({ params, body }, { briefs }) {
    const answer = await briefs.cancel(params.id, body.reason);
    return { status: 202, body: { success: true, ...answer } satisfies z.infer<typeof acted> };
  },
});

const retried = z.strictObject({ success, runId: z.guid(), links });

const retry = operation({
  id: 'retryBrief',
  method: 'post',
  path: '/api/briefs/{id}/retry',
  tag: 'Briefs',
  summary: 'Repair a brief: write what is missing, and audit again',
  description: 'Artifacts that exist are carried over with their ids; they cost nothing again.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({}),
  bodyOptional: true,
  answers: { 202: { description: 'A new run repairs the brief.', schema: retried, headers: located } },
  failures: {
    409: [
      'RUN_NOT_FINISHED',
      'NOTHING_TO_RETRY',
      'RETRY_EXISTS',
      'STEP_UNKNOWN',
      'CAMPAIGN_PAUSED',
      'RUN_ACTIVE',
      'RUN_QUEUE_FULL',
    ],
  },
  async handle({ params }, { briefs }) {
    const { runId } = await briefs.retry(params.id);
    return {
      status: 202,
      headers: { Location: `/api/briefs/${runId}` },
      body: { success: true, runId, links: linksOf(runId) } satisfies z.infer<typeof retried>,
    };
  },
});

export const briefOperations: readonly Operation[] = [
  submit,
  all,
  ...briefMetricsOperations,
  get,
  ...briefEventOperations,
  cancel,
  retry,
];
