import { z } from 'zod';
import { CHANNELS } from '../generation/artifacts.ts';
import { factSchema } from '../generation/normalized-brief.ts';
import { day } from './arc.ts';
import { kpiSourceSchema } from './kpi/source.ts';
import { slug, wording } from './statement.ts';

/** Whom the plan is to reach: an ideal customer profile. */
const cohortSchema = z.strictObject({
  name: wording(200),
  description: wording(2_000),
  pains: z.array(wording(500)).max(20).default([]),
  /** Where they are to be found. */
  channels: z.array(z.enum(CHANNELS)).max(CHANNELS.length).default([]),
});

/** What the brand stands on. */
const foundationSchema = z.strictObject({
  brand: wording(200),
  promise: wording(1_000),
  tone: wording(300).default('plain and friendly'),
  products: z.array(wording(500)).min(1).max(50),
  proof: z.array(wording(1_000)).max(50).default([]),
  constraints: z.array(wording(500)).max(50).default([]),
});

const kpiSchema = z.strictObject({
  name: slug,
  label: wording(200).optional(),
  unit: wording(50),
  baseline: z.number(),
  target: z.number().meta({ description: 'To be reached on the last day.' }),
  /** The channel that it says most about; variance is shown by it. */
  channel: z.enum(CHANNELS).optional(),
  source: kpiSourceSchema.optional(),
});
export type Kpi = z.infer<typeof kpiSchema>;

const researchSchema = z.strictObject({ url: z.url({ protocol: /^https?$/ }), question: wording(500) });

/** The business context of a plan: everything that planning starts from. */
export const planContextSchema = z
  .strictObject({
    objective: wording(2_000),
    startsOn: day,
    cohorts: z.array(cohortSchema).min(1).max(20),
    foundation: foundationSchema,
    channels: z.array(z.enum(CHANNELS)).min(1).max(CHANNELS.length),
    /** Dollars for the 90 days. */
    budget: z.number().min(0).max(1e9),
    /** Who can do moves. */
    owners: z.array(wording(100)).min(1).max(50),
    kpis: z.array(kpiSchema).min(1).max(20),
    facts: z.array(factSchema).max(200).default([]),
    knowledge: z
      .strictObject({ collection: wording(100).optional(), limit: z.int().min(1).max(50).default(20) })
      .optional(),
    research: z.array(researchSchema).max(10).default([]),
  })
  .superRefine(({ kpis, facts, channels }, context) => {
    const unique = (list: readonly string[], path: (at: number) => (string | number)[]) => {
      for (const [at, id] of list.entries())
        if (list.indexOf(id) !== at)
          context.addIssue({
            code: 'custom',
            path: path(at),
            message: 'stands there twice',
            params: { mend: 'give each a name of its own' },
          });
    };
    unique(
      kpis.map(({ name }) => name),
      (at) => ['kpis', at, 'name'],
    );
    unique(
      facts.map(({ id }) => id),
      (at) => ['facts', at, 'id'],
    );
    unique(channels, (at) => ['channels', at]);
  });
export type PlanContext = z.infer<typeof planContextSchema>;
