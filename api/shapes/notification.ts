import { z } from 'zod';
import type { NotificationRow } from '../../database/tables.ts';
import { anyObject, count, time } from './common.ts';
import { withoutSecret } from './definition.ts';

export const notificationStatus = z.enum(['pending', 'sending', 'sent', 'failed', 'undeliverable']);

export const notification = z
  .strictObject({
    id: z.guid(),
    kind: z.string(),
    notifier: z.enum(['email', 'slack']),
    recipient: z
      .string()
      .meta({ description: 'A mail address, a #channel, or the origin of a webhook (its path is a secret).' }),
    campaignId: z.guid().nullable(),
    runId: z.guid().nullable(),
    status: notificationStatus,
    attempts: count,
    nextAttemptAt: time.nullable().meta({ description: 'Null once there is nothing more to try.' }),
    lastError: z.string().nullable(),
    createdAt: time,
    sentAt: time.nullable(),
    facts: anyObject,
  })
  .meta({ id: 'Notification' });

export function presentNotification(row: NotificationRow): z.infer<typeof notification> {
  return {
    id: row.id,
    kind: row.kind,
    notifier: row.notifier,
    recipient: withoutSecret(row.recipient),
    campaignId: row.campaign_id,
    runId: row.run_id,
    status: row.status,
    attempts: row.attempts,
    nextAttemptAt: row.status === 'pending' || row.status === 'sending' ? row.next_attempt_at : null,
    lastError: row.last_error,
    createdAt: row.created_at,
    sentAt: row.sent_at,
    facts: row.facts,
  };
}
