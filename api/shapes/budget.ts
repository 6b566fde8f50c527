import { z } from 'zod';
import { dollars, time } from './common.ts';

const period = z
  .strictObject({
    limit: dollars.nullable(),
    spent: dollars,
    held: dollars.meta({ description: 'Reserved by steps under way.' }),
    remaining: dollars.nullable().meta({ description: 'What a next step may ask for; null without a limit.' }),
    percent: z.number().min(0).nullable().meta({ description: 'Spent, of the limit.' }),
    thresholds: z.array(z.number().int()).meta({ description: 'Which of 50, 80 and 100 percent have been told.' }),
    startsOn: z.iso.date().meta({ description: 'First day of the period, in its time zone.' }),
    turnsAt: time,
  })
  .meta({ id: 'BudgetPeriod' });

export const budgetStatus = z
  .strictObject({
    timezone: z.string(),
    daily: period,
    weekly: period,
    monthly: period,
    perLead: dollars.nullable(),
    global: period
      .nullable()
      .meta({ description: 'The day of all campaigns together, in UTC; null without such a limit.' }),
  })
  .meta({ id: 'Budget' });
export type BudgetStatus = z.infer<typeof budgetStatus>;
