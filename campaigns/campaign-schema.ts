import { z } from 'zod';
import { LONGEST_DESCRIPTION, LONGEST_NAME, MOST_STEPS } from './defaults.ts';
import { dollars, freeForm, longText, nameText } from './fields.ts';
import { notificationsInput } from './notification-schema.ts';
import { policyFields, scheduleInput } from './schedule-schema.ts';
import { stepEntryInput } from './step-schema.ts';

const limits = z.strictObject({
  daily: dollars('Dollars a day in the time zone of the schedule.'),
  weekly: dollars('Dollars a week, Monday to Sunday.'),
  monthly: dollars('Dollars a calendar month.'),
  perLead: dollars('Dollars a lead, on average over the run.'),
});

/**
 * What a campaign may say. The shape alone; what needs the environment or several fields at once is in checks.ts. A normalised
 * definition is valid input too.
 */
export const campaignInput = z.strictObject({
  $schema: z.string().optional().meta({ description: 'For editors; not kept.' }),
  name: nameText(LONGEST_NAME).meta({ description: 'Shown in lists and messages.' }),
  description: longText(LONGEST_DESCRIPTION).nullable().optional().meta({ description: 'For people.' }),
  schedule: scheduleInput,
  ...policyFields,
  budget: limits
    .nullable()
    .optional()
    .meta({ description: 'Limits in dollars, checked before every step; a limit left out does not bind.' }),
  steps: z.array(stepEntryInput).min(1).max(MOST_STEPS).meta({ description: 'Run in this order.' }),
  notifications: notificationsInput.nullable().optional().meta({ description: 'Who is told how a run ended.' }),
  metadata: freeForm('Kept with the campaign and not looked at, but for a project_id.').optional(),
});

export type CampaignInput = z.output<typeof campaignInput>;
export const budgetFieldNames = Object.keys(limits.shape);
