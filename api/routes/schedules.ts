import { z } from 'zod';
import { previewSchedule } from '../../scheduler/preview.ts';
import { type Operation, operation } from '../operation.ts';
import { success, time } from '../shapes/common.ts';

const previewed = z.strictObject({
  success,
  description: z.string().meta({ description: 'The schedule in words.' }),
  fires: z.array(time),
});

const preview = operation({
  id: 'previewSchedule',
  method: 'post',
  path: '/api/schedules/preview',
  tag: 'Schedules',
  summary: 'When a schedule would fire',
  description: 'Daylight-saving changes included, jitter left out. Fewer fires than asked for when there are no more.',
  scope: 'read',
  body: z.strictObject({
    cron: z
      .string()
      .max(500)
      .meta({ examples: ['0 9 * * MON'] }),
    timezone: z
      .string()
      .max(100)
      .default('UTC')
      .meta({ description: 'IANA name.', examples: ['America/New_York'] }),
    from: z.iso
      .datetime({ offset: true })
      .optional()
      .meta({ description: 'Fires after it are shown; now when absent.' }),
    count: z.number().int().min(1).max(1_000).default(10),
  }),
  answers: { 200: { description: 'The fires, in order.', schema: previewed } },
  async handle({ body }, { clock }) {
    const { from, ...schedule } = body;
    const { description, fires } = previewSchedule(from === undefined ? schedule : { ...schedule, from }, clock);
    return { status: 200, body: { success: true, description, fires } satisfies z.infer<typeof previewed> };
  },
});

export const scheduleOperations: readonly Operation[] = [preview];
