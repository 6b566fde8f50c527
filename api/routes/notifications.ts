import { z } from 'zod';
import { listNotifications } from '../../database/queries/notifications.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { success, uuid } from '../shapes/common.ts';
import { notification, notificationStatus, presentNotification } from '../shapes/notification.ts';

const notificationList = z.strictObject({ success, notifications: z.array(notification), nextCursor });

const list = operation({
  id: 'listNotifications',
  method: 'get',
  path: '/api/notifications',
  tag: 'Notifications',
  summary: 'Messages of the outbox, newest first',
  scope: 'read',
  query: z.strictObject({ ...pageById, status: notificationStatus.optional(), campaign: uuid.optional() }),
  answers: { 200: { description: 'One page of messages.', schema: notificationList } },
  async handle({ query }, { records }) {
    const page = await listNotifications(records, {
      limit: query.limit,
      after: query.cursor,
      status: query.status,
      campaignId: query.campaign,
    });
    const body: z.infer<typeof notificationList> = {
      success: true,
      notifications: page.rows.map(presentNotification),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

export const notificationOperations: readonly Operation[] = [list];
