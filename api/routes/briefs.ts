import { z } from 'zod';
import { type BriefMetricsRow, briefMetrics } from '../../database/queries/briefs.ts';
import { eventsAfter, lastEventOf } from '../../database/queries/run-events.ts';
import { listRuns, stepsOfRun } from '../../database/queries/runs.ts';
import type { Records } from '../../database/records.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import type { BriefRunsRead } from '../../generation/briefs/brief-control.ts';
import { bundleOf } from '../../generation/briefs/bundle.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../generation/briefs/definition.ts';
import { BriefLifecycle } from '../../generation/briefs/lifecycle.ts';
import { metadataOf } from '../../generation/briefs/metadata.ts';
import { briefRequest } from '../../generation/briefs/request.ts';
import { microsToDollars } from '../../shared/money.ts';
import { contextOf } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { briefMetricsShape, briefSummary, bundle } from '../shapes/brief.ts';
import { byId, shortText, success } from '../shapes/common.ts';
import { resumePoint, streamRunEvents } from '../sse.ts';
import { existingRun } from './runs.ts';

const DAY_MS = 86_400_000;
/** Of runs that were not cancelled, over 30 days. */
const SUCCESS_TARGET = 0.95;
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

const stream = z.string().meta({
  description:
    'Frames `id: <runId>:<seq>`, `event: brief.state | agent.state | brief.note`, `data: {agent?, state, overall, …}`; ' +
    '`brief.state` has the state of each agent in `agents`. `step.progress` is live only and has no id.',
});

/** The words of a brief's stream, after the events that a reader has seen already. */
async function tellerOf(records: Records, run: RunRow, steps: readonly StepRow[], afterSeq: number) {
  const lifecycle = new BriefLifecycle(steps.filter((step) => step.carried_from !== null));
  for (const row of afterSeq > 0 ? await eventsAfter(records, run.id, 0, 1_000) : [])
    if (row.seq <= afterSeq) lifecycle.tell(row);
  return lifecycle;
}

type Told = Parameters<BriefLifecycle['tell']>[0];

/** Where a reader goes on: in the run that it was reading until it has all of that, then in the one that repairs it. */
async function placeOf(
  records: Records,
  { newest, chain }: BriefRunsRead,
  lastId: string | undefined,
): Promise<{ run: RunRow; after: number }> {
  const [runId, seq] = lastId?.trim().split(':') ?? [];
  const at = chain.findIndex(({ id }) => id === runId);
  const known = at === -1 || runId === newest.id ? newest : await existingRun(records, String(runId));
  const after = at === -1 ? 0 : resumePoint(seq, await lastEventOf(records, known));
  const next = chain[at + 1];
  if (known === newest || after < known.event_seq || !next) return { run: known, after };
  return { run: next.id === newest.id ? newest : await existingRun(records, next.id), after: 0 };
}

const events = operation({
  id: 'streamBriefEvents',
  method: 'get',
  path: '/api/briefs/{id}/events',
  tag: 'Briefs',
  summary: 'How a brief goes on, live',
  description:
    'Server-sent events of the newest run of the brief, for each agent and for the whole, until it has ended; resumable by ' +
    '`Last-Event-ID`, which leads from the last event of a run to the first of the one that repairs it. States: queued, generating, generated, auditing, then completed, partial, failed, aborted or cancelled.',
  scope: 'read',
  params: byId,
  query: z.strictObject({
    lastEventId: z.string().max(60).optional().meta({ description: 'For readers that cannot send the header.' }),
  }),
  answers: {
    200: { description: 'A stream.', schema: stream, mediaType: 'text/event-stream' },
    204: { description: 'The newest run has ended and `Last-Event-ID` is its last event.', schema: null },
  },
  async handle({ params, query, request }, deps) {
    const runs = await deps.briefs.find(params.id);
    const { run, after } = await placeOf(deps.records, runs, request.get('last-event-id') ?? query.lastEventId);
    const lifecycle = await tellerOf(deps.records, run, await stepsOfRun(deps.records, run.id), after);
    const shown = { tell: (row: Told) => lifecycle.tell(row), idOf: (seq: number) => `${run.id}:${seq}` };
    contextOf(request).streaming = true;
    return (incoming, response) => streamRunEvents(incoming, response, run, after, deps, shown);
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

const measured = z.strictObject({ success, metrics: briefMetricsShape });

function presentMetrics(row: BriefMetricsRow, days: number): z.infer<typeof briefMetricsShape> {
  return {
    days,
    runs: row.runs,
    repairs: row.repairs,
    completed: row.completed,
    partial: row.partial,
    failed: row.failed,
    cancelled: row.cancelled,
    successRate: row.success_rate,
    successTarget: SUCCESS_TARGET,
    cancellationRate: row.cancellation_rate,
    meanDurationMs: row.mean_ms,
    p95DurationMs: row.p95_ms,
    meanFirstArtifactMs: row.first_artifact_mean_ms,
    p95FirstArtifactMs: row.first_artifact_p95_ms,
    meanAuditMs: row.audit_mean_ms,
    agents: row.agents.map(({ agent, ended, failed, retries, failure_rate, mean_ms, p95_ms, cost_micros }) => ({
      agent,
      ended,
      failed,
      retries,
      failureRate: failure_rate,
      meanMs: mean_ms,
      p95Ms: p95_ms,
      cost: microsToDollars(cost_micros),
    })),
  };
}

const metrics = operation({
  id: 'briefMetrics',
  method: 'get',
  path: '/api/briefs/metrics',
  tag: 'Briefs',
  summary: 'How briefs have gone lately',
  description: 'Of runs that have ended. The same as counters and histograms by kind of step: `GET /metrics`.',
  scope: 'read',
  query: z.strictObject({
    days: z.coerce.number().int().min(1).max(365).default(30).meta({ description: 'How far back.' }),
  }),
  answers: { 200: { description: 'The figures.', schema: measured } },
  async handle({ query }, { records, clock }) {
    const now = clock.now();
    const row = await briefMetrics(records, BRIEFS_CAMPAIGN_ID, now - query.days * DAY_MS, now + DAY_MS);
    return {
      status: 200,
      body: { success: true, metrics: presentMetrics(row, query.days) } satisfies z.infer<typeof measured>,
    };
  },
});

export const briefOperations: readonly Operation[] = [submit, all, metrics, get, events, cancel, retry];
