import { z } from 'zod';
import type { Scope } from '../../shared/config-lists.ts';
import { isJsonObject } from '../../shared/json.ts';

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

/** A recipient as everybody may see it: whoever knows the whole URL of a webhook can post there. */
export function withoutSecret(recipient: string): string {
  return /^\s*https?:/i.test(recipient) ? `${URL.parse(recipient)?.origin ?? 'webhook'}/…` : recipient;
}

/**
 * A stored definition as a caller may see it. Whole for admins, who can send back what they got; for others the webhooks
 * written into it lose their paths.
 */
export function shownDefinition(definition: Record<string, unknown>, scope: Scope | null): Record<string, unknown> {
  const { notifications } = definition;
  if (scope === 'admin' || !isJsonObject(notifications)) return definition;
  const shown = Object.entries(notifications).map(([when, targets]) => {
    if (!isJsonObject(targets) || typeof targets['slack'] !== 'string') return [when, targets];
    return [when, { ...targets, slack: withoutSecret(targets['slack']) }];
  });
  return { ...definition, notifications: Object.fromEntries(shown) as unknown };
}
