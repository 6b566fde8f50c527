import { z } from 'zod';
import { CHANNELS } from '../generation/artifacts.ts';
import { factSchema } from '../generation/normalized-brief.ts';
import { day } from './arc.ts';
import { ownEvidence } from './evidence.ts';
import { isDay, lastDayOf } from './calendar.ts';
import { kpiSourceSchema, plainUrl } from './kpi/source.ts';
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

const researchSchema = z.strictObject({ url: plainUrl, question: wording(500) });

const firstDay = day.refine((first) => !isDay(first) || isDay(lastDayOf(first)), {
  error: 'is too late: the 90 days go beyond the year 9999',
  params: { mend: 'start earlier' },
});

const fields = {
  objective: wording(2_000),
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
    .optional()
    .meta({ description: 'Facts of the knowledge base to plan with: those nearest to the objective.' }),
  research: z
    .array(researchSchema)
    .max(10)
    .default([])
    .meta({ description: 'Pages to read, within ENGINE_ALLOWED_ORIGINS.' }),
};

type Checked = Omit<PlanContext, 'startsOn'>;

/** Names that have to tell things apart. */
function checkNames(request: Checked, context: z.RefinementCtx): void {
  const { kpis, facts, channels } = request;
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
  const taken = new Set(ownEvidence(request).map(({ id }) => id));
  for (const [at, { id }] of facts.entries())
    if (taken.has(id))
      context.addIssue({
        code: 'custom',
        path: ['facts', at, 'id'],
        message: 'is what a part of the request itself is cited by',
        params: { mend: 'give it another id' },
      });
}

/** The business context of a plan: everything that planning starts from. */
export const planContextSchema = z.strictObject({ ...fields, startsOn: firstDay }).superRefine(checkNames);
export type PlanContext = z.infer<typeof planContextSchema>;

/** What planning reads of it by itself; the rest of it comes to planning as evidence. */
export type PlanningContext = Omit<PlanContext, 'facts' | 'knowledge' | 'research'>;

const NAME = /^[a-z0-9][a-z0-9_-]{0,59}$/;
export const workspaceName = z
  .string()
  .trim()
  .regex(NAME, { error: 'must be small letters, digits, - and _, at most 60 of them' });

const requestFields = {
  name: wording(200),
  workspace: workspaceName.default('default').meta({ description: 'Plans, decisions and schedules of one client.' }),
  requestedBy: wording(200).optional().meta({ description: 'Who cannot approve it.' }),
  ...fields,
  startsOn: firstDay.optional().meta({ description: 'First of the 90 days; left out: the next Monday.' }),
};

/** A plan as it is requested, its context and whose it is, with more fields beside. */
export const planRequestWith = <S extends z.ZodRawShape>(more: S) =>
  z
    .strictObject({ ...requestFields, ...more })
    .superRefine((request, context) => checkNames(request as Checked, context));

/** A plan as it is requested. */
export const planRequestSchema = planRequestWith({});
export type PlanRequest = z.output<typeof planRequestSchema>;
