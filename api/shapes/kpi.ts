import { z } from 'zod';
import { count, time } from './common.ts';

const colour = z.enum(['green', 'amber', 'red', 'unknown']);

const expected = z.number().nullable().meta({
  description:
    'On the straight line from the baseline on the first day to the target on the last; null before the first day.',
});
const attainment = z.number().nullable().meta({
  description: '(value − baseline) / (expected − baseline); null where nothing is expected beyond the baseline.',
});

export const kpiStatusShape = z
  .strictObject({
    kpi: z.string(),
    label: z.string(),
    unit: z.string(),
    baseline: z.number(),
    target: z.number().meta({ description: 'Of the approved arc, to be reached on the last day.' }),
    colour: colour.meta({
      description:
        "Computed anew each time. `unknown`: no reading, none for eight days, or the plan has not begun. Compared with what was expected on the reading's own day.",
    }),
    value: z.number().nullable(),
    expected,
    attainment,
    observedAt: time.nullable(),
    stale: z.boolean().meta({ description: 'Whether the newest reading is older than eight days.' }),
    ageDays: count.nullable(),
    trend: z.enum(['improving', 'worsening', 'steady', 'unknown']).meta({
      description: 'From the newest reading that is a week older, or else from the oldest, to the newest.',
    }),
    futureReadings: count,
    history: z
      .array(z.strictObject({ observedAt: time, value: z.number(), expected, attainment, colour }))
      .meta({ description: 'The last reading of each day, in UTC, oldest first; 180 days at most.' }),
    source: z.string().nullable().meta({ description: 'Connector and place; null: values are entered by hand.' }),
    lookedAt: time.nullable().meta({ description: 'When the source was looked at last.' }),
    problem: z.string().nullable().meta({ description: 'What was wrong at that look.' }),
    lastColour: z
      .strictObject({ colour, since: time, changes: count })
      .nullable()
      .meta({ description: 'The last colour other than `unknown` that a look saw; people are told when it changes.' }),
  })
  .meta({ id: 'KpiStatus' });
