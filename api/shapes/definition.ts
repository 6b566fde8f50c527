import { z } from 'zod';

/**
 * A campaign definition as it comes in. Everything about it is checked by campaigns/schema.ts, which reports all problems
 * at once; here it is only described.
 */
export const campaignInput = z.unknown().meta({
  id: 'CampaignInput',
  description:
    'A campaign definition, the same as in the files of campaigns/; campaigns/campaign.schema.json describes it in full.',
  type: 'object',
  required: ['name', 'steps'],
  properties: {
    name: { type: 'string', examples: ['Weekly Restaurant Outreach'] },
    description: { type: 'string' },
    schedule: {
      description: 'A cron expression (then in UTC), or the expression with its time zone and policies.',
      oneOf: [
        { type: 'string', examples: ['0 9 * * MON'] },
        { type: 'object', required: ['cron'], properties: { cron: { type: 'string' }, timezone: { type: 'string' } } },
      ],
    },
    budget: {
      type: 'object',
      description: 'Limits in dollars: daily, weekly, monthly, perLead.',
      additionalProperties: { type: 'number', minimum: 0 },
    },
    steps: { type: 'array', minItems: 1, items: { type: 'object' } },
    notifications: { type: 'object' },
    metadata: { type: 'object' },
  },
});
