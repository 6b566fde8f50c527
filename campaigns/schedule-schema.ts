import { z } from 'zod';
import { checkCron, checkTimezone, CRON_MEND, TIMEZONE_MEND } from '../scheduler/calendar.ts';
import { CAMPAIGN_DEFAULTS, SCHEDULE_DEFAULTS } from './defaults.ts';
import { duration } from '../shared/duration.ts';

const DAY_MS = 86_400_000;

/** What a checker says of a text. One that breaks down on it refuses it: parseDefinition never throws. */
function verdict(check: (text: string) => string | null, text: string): string | null {
  try {
    return check(text);
  } catch {
    return 'it is not understood';
  }
}

/** A text that a checker finds nothing wrong with. */
function checkedBy(check: (text: string) => string | null, mend: string) {
  return z
    .string()
    .trim()
    .superRefine((text, context) => {
      const problem = verdict(check, text);
      if (problem !== null) context.addIssue({ code: 'custom', message: `is refused: ${problem}`, params: { mend } });
    });
}

const cron = checkedBy(checkCron, CRON_MEND).meta({
  description: 'Cron expression: five fields, six with seconds first, or @daily and its like.',
  examples: ['0 9 * * MON'],
});

/** How fires that fall on each other or were missed are handled. */
export const policyFields = {
  overlap: z.enum(['skip', 'queue', 'allow', 'cancel_previous']).optional().meta({
    default: CAMPAIGN_DEFAULTS.overlap,
    description: 'What a new run does while an earlier run of the campaign is still active.',
  }),
  catchUp: z.enum(['last', 'all', 'none']).optional().meta({
    default: SCHEDULE_DEFAULTS.catchUp,
    description: 'Which missed fires are made up for after the service was away.',
  }),
  catchUpWindow: duration(0, 31 * DAY_MS, SCHEDULE_DEFAULTS.catchUpWindow).describe(
    'How far back missed fires are made up for: milliseconds, or text such as "1h".',
  ),
  jitter: duration(0, DAY_MS, SCHEDULE_DEFAULTS.jitter).describe(
    'Largest delay after the nominal time: milliseconds, or text such as "5m".',
  ),
};

export const scheduleFields = z.strictObject({
  cron,
  timezone: checkedBy(checkTimezone, TIMEZONE_MEND).optional().meta({
    default: SCHEDULE_DEFAULTS.timezone,
    description: 'IANA time zone that the schedule and the budget follow.',
  }),
  enabled: z
    .boolean()
    .optional()
    .meta({ default: SCHEDULE_DEFAULTS.enabled, description: 'false: runs only when started by hand.' }),
  ...policyFields,
});

export const scheduleInput = z
  .union([cron, scheduleFields, z.null()], {
    error: 'must be a cron expression such as "0 9 * * MON", or an object with "cron"',
  })
  .optional()
  .meta({
    description:
      'When the campaign runs. A bare cron expression is in UTC; left out, it runs only when started by hand.',
  });
