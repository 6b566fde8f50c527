import { z } from 'zod';
import { findCampaign, listCampaigns } from '../../database/queries/campaigns.ts';
import type { Records } from '../../database/records.ts';
import type { CampaignRow } from '../../database/tables.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { contextOf } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import {
  campaignDetail,
  campaignStatus,
  campaignSummary,
  presentCampaign,
  summarizeCampaign,
} from '../shapes/campaign.ts';
import { byId, shortText, success, time } from '../shapes/common.ts';
import { campaignInput } from '../shapes/definition.ts';

/** @throws {NotFoundError} for an id that nothing has, and for a deleted campaign. */
export async function existingCampaign(records: Records, id: string): Promise<CampaignRow> {
  const campaign = await findCampaign(records, id);
  if (!campaign) throw new NotFoundError('campaign', id);
  return campaign;
}

const oneCampaign = z.strictObject({ success, campaign: campaignDetail });

const create = operation({
  id: 'createCampaign',
  method: 'post',
  path: '/api/campaigns',
  tag: 'Campaigns',
  summary: 'Create a campaign',
  scope: 'admin',
  body: campaignInput,
  answers: {
    201: {
      description: 'Created; its schedule is in effect.',
      schema: oneCampaign,
      headers: z.object({ Location: z.string().meta({ description: 'Path of the new campaign.' }) }),
    },
  },
  failures: { 409: ['CAMPAIGN_BUSY'] },
  async handle({ body, request }, { campaigns }) {
    const campaign = presentCampaign(await campaigns.create(body), contextOf(request).caller.scope);
    return {
      status: 201,
      headers: { Location: `/api/campaigns/${campaign.id}` },
      body: { success: true, campaign } satisfies z.infer<typeof oneCampaign>,
    };
  },
});

const campaignList = z.strictObject({ success, campaigns: z.array(campaignSummary), nextCursor });

const list = operation({
  id: 'listCampaigns',
  method: 'get',
  path: '/api/campaigns',
  tag: 'Campaigns',
  summary: 'List campaigns, newest first',
  scope: 'read',
  query: z.strictObject({ ...pageById, status: campaignStatus.optional() }),
  answers: { 200: { description: 'One page of campaigns.', schema: campaignList } },
  async handle({ query }, { records }) {
    const page = await listCampaigns(records, { limit: query.limit, after: query.cursor, status: query.status });
    const body: z.infer<typeof campaignList> = {
      success: true,
      campaigns: page.rows.map(summarizeCampaign),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const get = operation({
  id: 'getCampaign',
  method: 'get',
  path: '/api/campaigns/{id}',
  tag: 'Campaigns',
  summary: 'One campaign with its definition',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The campaign.', schema: oneCampaign } },
  async handle({ params, request }, { records }) {
    const campaign = presentCampaign(await existingCampaign(records, params.id), contextOf(request).caller.scope);
    return { status: 200, body: { success: true, campaign } satisfies z.infer<typeof oneCampaign> };
  },
});

const replace = operation({
  id: 'replaceCampaign',
  method: 'put',
  path: '/api/campaigns/{id}',
  tag: 'Campaigns',
  summary: 'Replace the definition of a campaign',
  description: 'Takes effect on the next fire. Runs that have begun keep the definition they began with.',
  scope: 'admin',
  params: byId,
  body: campaignInput,
  answers: { 200: { description: 'Replaced.', schema: oneCampaign } },
  failures: { 409: ['CAMPAIGN_BUSY'] },
  async handle({ params, body, request }, { campaigns }) {
    const campaign = presentCampaign(await campaigns.replace(params.id, body), contextOf(request).caller.scope);
    return { status: 200, body: { success: true, campaign } satisfies z.infer<typeof oneCampaign> };
  },
});

const deleted = z.strictObject({ success, message: z.literal('Campaign deleted') });

const remove = operation({
  id: 'deleteCampaign',
  method: 'delete',
  path: '/api/campaigns/{id}',
  tag: 'Campaigns',
  summary: 'Delete a campaign',
  description: 'Stops its future runs. Its history stays readable under /api/runs?campaign=.',
  scope: 'admin',
  params: byId,
  answers: { 200: { description: 'Deleted.', schema: deleted } },
  failures: { 409: ['CAMPAIGN_BUSY'] },
  async handle({ params }, { campaigns }) {
    await campaigns.remove(params.id);
    return { status: 200, body: { success: true, message: 'Campaign deleted' } satisfies z.infer<typeof deleted> };
  },
});

const paused = z.strictObject({
  success,
  status: campaignStatus,
  nextRun: time.nullable(),
});

const pause = operation({
  id: 'pauseCampaign',
  method: 'put',
  path: '/api/campaigns/{id}/pause',
  tag: 'Campaigns',
  summary: 'Pause a campaign',
  description: 'Its schedule goes on counting, but fires are skipped. Runs that have begun go on.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ reason: shortText(500).optional() }),
  bodyOptional: true,
  answers: { 200: { description: 'Paused.', schema: paused } },
  failures: { 409: ['CAMPAIGN_BUSY'] },
  async handle({ params, body }, { campaigns }) {
    const { status, nextRun } = summarizeCampaign(await campaigns.pause(params.id, body.reason));
    return { status: 200, body: { success: true, status, nextRun } satisfies z.infer<typeof paused> };
  },
});

const resume = operation({
  id: 'resumeCampaign',
  method: 'put',
  path: '/api/campaigns/{id}/resume',
  tag: 'Campaigns',
  summary: 'Resume a paused campaign',
  description: 'Fires that fell into the pause are not made up for.',
  scope: 'operate',
  params: byId,
  answers: { 200: { description: 'Active again.', schema: paused } },
  failures: { 409: ['CAMPAIGN_BUSY'] },
  async handle({ params }, { campaigns }) {
    const { status, nextRun } = summarizeCampaign(await campaigns.resume(params.id));
    return { status: 200, body: { success: true, status, nextRun } satisfies z.infer<typeof paused> };
  },
});

export const campaignOperations: readonly Operation[] = [create, list, get, replace, remove, pause, resume];
