import { z } from 'zod';
import { MOST_ADDRESSES } from './defaults.ts';

/** A plain address: dot-atom, @, host name. Nothing in it can end a header line or add a recipient. */
const ADDRESS =
  /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?(?:\.[\p{L}\p{N}](?:[\p{L}\p{N}-]*[\p{L}\p{N}])?)*$/u;

export const address = z.string().trim().max(254).regex(ADDRESS, { error: 'is not an e-mail address' });

export const CHANNEL = /^#[\p{L}\p{N}_-]{1,80}$/u;
export const ENV_REFERENCE = /^\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

const targets = z.strictObject({
  email: z
    .union([address, z.array(address).max(MOST_ADDRESSES), z.null()], {
      error: 'must be an e-mail address, a list of them, or null',
    })
    .optional()
    .meta({ description: 'One address, a list of addresses, or null for none.' }),
  slack: z
    .union([z.boolean(), z.string().trim().max(2_000), z.null()], {
      error: 'must be true, false, null, "#channel" or "{{ env.SLACK_WEBHOOK_URL }}"',
    })
    .optional()
    .meta({
      default: null,
      description:
        'true: the configured webhook; "#channel": that channel of it; "{{ env.NAME }}": a webhook from the environment; false: none; ' +
        'null: not said, and failures then go to the configured webhook.',
      examples: [true, '#campaigns', '{{ env.SLACK_WEBHOOK_URL }}'],
    }),
});

const namedTargets = targets.meta({ id: 'NotificationTargets' });

export const notificationsInput = z.strictObject({
  onComplete: namedTargets.nullable().optional().meta({ description: 'Who is told when a run has ended well.' }),
  onFailure: namedTargets
    .nullable()
    .optional()
    .meta({ description: 'Who is told when a run failed, was stopped by a budget, or needs a person.' }),
});

export type TargetsInput = z.output<typeof targets>;
export const targetFieldNames = Object.keys(targets.shape);
