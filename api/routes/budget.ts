import { z } from 'zod';
import type { CampaignDefinition } from '../../campaigns/definition.ts';
import { type Operation, operation } from '../operation.ts';
import { budgetStatus } from '../shapes/budget.ts';
import { byId, success } from '../shapes/common.ts';
import { existingCampaign } from './campaigns.ts';

const oneBudget = z.strictObject({ success, budget: budgetStatus });

const get = operation({
  id: 'getCampaignBudget',
  method: 'get',
  path: '/api/campaigns/{id}/budget',
  tag: 'Campaigns',
  summary: 'What a campaign has spent, holds and may still spend',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The present periods.', schema: oneBudget } },
  async handle({ params }, { records, budget }) {
    const campaign = await existingCampaign(records, params.id);
    const definition = campaign.config as unknown as CampaignDefinition;
    const status = await budget.status({
      id: campaign.id,
      timezone: campaign.schedule_timezone,
      budget: definition.budget,
    });
    return { status: 200, body: { success: true, budget: status } satisfies z.infer<typeof oneBudget> };
  },
});

export const budgetOperations: readonly Operation[] = [get];
