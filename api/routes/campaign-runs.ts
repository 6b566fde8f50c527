import type { Records } from '../../database/records.ts';
import { z } from 'zod';
import { listFires } from '../../database/queries/fires.ts';
import { listRuns } from '../../database/queries/runs.ts';
import { refuseByHand } from '../../generation/briefs/refusals.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById, pageByTime } from '../paging.ts';
import { byId, success, uuid } from '../shapes/common.ts';
import { fire, fireOutcome, presentFire } from '../shapes/fire.ts';
import { runStatus, runSummary, summarizeRun } from '../shapes/run.ts';
import { existingCampaign } from './campaigns.ts';

const started = z.strictObject({ success, runId: z.guid(), message: z.literal('Campaign started') });

const run = operation({
  id: 'runCampaign',
  method: 'post',
  path: '/api/campaigns/{id}/run',
  tag: 'Runs',
  summary: 'Start a run now',
  description: 'Ignores the schedule; the budget and the overlap rule hold. A paused campaign needs `{"force": true}`.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ force: z.boolean().default(false).meta({ description: 'Run even while paused.' }) }),
  bodyOptional: true,
  answers: {
    202: {
      description: 'The run is queued.',
      schema: started,
      headers: z.object({ Location: z.string().meta({ description: 'Path of the run.' }) }),
    },
  },
  failures: { 409: ['CAMPAIGN_PAUSED', 'RUN_ACTIVE', 'RUN_QUEUE_FULL', 'RUN_OF_BRIEF'] },
  async handle({ params, body }, { runs }) {
    refuseByHand(params.id);
    const { runId } = await runs.start(params.id, { force: body.force });
    return {
      status: 202,
      headers: { Location: `/api/runs/${runId}` },
      body: { success: true, runId, message: 'Campaign started' } satisfies z.infer<typeof started>,
    };
  },
});

const runList = z.strictObject({ success, runs: z.array(runSummary), nextCursor });
const runPage = z.strictObject({ ...pageById, status: runStatus.optional() });

async function pageOfRuns(
  records: Records,
  query: z.infer<typeof runPage>,
  campaignId: string | undefined,
): Promise<z.infer<typeof runList>> {
  const { limit, cursor: after, status } = query;
  const page = await listRuns(records, { campaignId, limit, after, status });
  return { success: true, runs: page.rows.map(summarizeRun), nextCursor: cursorAt(page.next) };
}

const history = operation({
  id: 'listCampaignRuns',
  method: 'get',
  path: '/api/campaigns/{id}/runs',
  tag: 'Runs',
  summary: 'Runs of one campaign, newest first',
  scope: 'read',
  params: byId,
  query: runPage,
  answers: { 200: { description: 'One page of runs.', schema: runList } },
  async handle({ params, query }, { records }) {
    const campaign = await existingCampaign(records, params.id);
    return { status: 200, body: await pageOfRuns(records, query, campaign.id) };
  },
});

const allRuns = operation({
  id: 'listRuns',
  method: 'get',
  path: '/api/runs',
  tag: 'Runs',
  summary: 'Runs of all campaigns, newest first',
  scope: 'read',
  query: runPage.extend({
    campaign: uuid.optional().meta({ description: 'Id of a campaign, which may be deleted.' }),
  }),
  answers: { 200: { description: 'One page of runs.', schema: runList } },
  async handle({ query }, { records }) {
    return { status: 200, body: await pageOfRuns(records, query, query.campaign) };
  },
});

const fireList = z.strictObject({ success, fires: z.array(fire), nextCursor });

const fires = operation({
  id: 'listCampaignFires',
  method: 'get',
  path: '/api/campaigns/{id}/fires',
  tag: 'Schedules',
  summary: 'What became of each nominal time, latest first',
  scope: 'read',
  params: byId,
  query: z.strictObject({ ...pageByTime, outcome: fireOutcome.optional() }),
  answers: { 200: { description: 'One page of fires.', schema: fireList } },
  async handle({ params, query }, { records }) {
    const campaign = await existingCampaign(records, params.id);
    const page = await listFires(records, {
      campaignId: campaign.id,
      limit: query.limit,
      before: query.cursor,
      outcome: query.outcome,
    });
    const body: z.infer<typeof fireList> = {
      success: true,
      fires: page.rows.map(presentFire),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

export const campaignRunOperations: readonly Operation[] = [run, history, allRuns, fires];
