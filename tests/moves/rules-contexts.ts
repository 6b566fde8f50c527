import fc from 'fast-check';
import { CHANNELS } from '../../generation/artifacts.ts';
import { addDays } from '../../moves/calendar.ts';
import { type PlanContext, planContextSchema } from '../../moves/context.ts';
import type { Evidence } from '../../moves/statement.ts';

/** What a restaurant-booking service might ask for. */
export const sample: PlanContext = planContextSchema.parse({
  objective: 'More independent restaurants book their first month with Tably.',
  startsOn: '2026-03-02',
  cohorts: [
    {
      name: 'Owners of small restaurants',
      description: 'They run one place with 20 to 60 seats and do the books themselves.',
      pains: ['Guests who do not come', 'No time for the telephone in the evening'],
      channels: ['facebook'],
    },
    { name: 'Hotel managers', description: 'They fill a dining room.', channels: ['linkedin'] },
  ],
  foundation: {
    brand: 'Tably',
    promise: 'Every table taken, no evening on the telephone.',
    products: ['Tably Book', 'Tably Remind, which writes to guests 24 hours before'],
    proof: ['No-shows fell by 31 % at Casa Luna.'],
  },
  channels: ['facebook', 'instagram', 'linkedin', 'email'],
  budget: 18_000,
  owners: ['Ana', 'Ben', 'Chris'],
  kpis: [
    { name: 'leads', label: 'Qualified leads', unit: 'leads', baseline: 40, target: 120 },
    { name: 'no-shows', unit: '%', baseline: 14, target: 9, channel: 'email' },
  ],
  facts: [{ id: 'survey', text: 'Of 212 owners asked, 64 % want fewer calls.' }],
});

/** Evidence as it is gathered: parts of the context, the facts of the request, knowledge and the web. */
export function evidenceFor(context: PlanContext): Evidence[] {
  const own = (id: string, text: string): Evidence => ({ id, text, source: { kind: 'request', location: id } });
  return [
    ...context.cohorts.map((cohort, at) => own(`cohort-${at + 1}`, `${cohort.name}: ${cohort.description}`)),
    own('foundation-promise', context.foundation.promise),
    ...context.foundation.products.map((text, at) => own(`foundation-product-${at + 1}`, text)),
    ...context.kpis.map(({ name, baseline, target, unit }) => own(`kpi-${name}`, `${baseline} to ${target} ${unit}`)),
    ...context.facts.map(({ id, text }) => own(id, text)),
    {
      id: 'knowledge-1',
      text: 'Owners read Facebook in the morning; 3 of 10 answer within a day.',
      source: { kind: 'knowledge', location: 'notes.md:12' },
    },
    {
      id: 'web-1',
      text: 'LinkedIn has 41 % more hotel managers than last year.',
      source: { kind: 'web', location: 'https://example.com' },
    },
  ];
}

const words = (most: number) =>
  fc.oneof(
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: Math.min(most, 90) }),
    fc.string({ unit: 'binary', minLength: 1, maxLength: Math.min(most, 60) }),
    fc.constantFrom(
      '50 % off, 3x faster',
      '1. Owners',
      '20. Owners with 5',
      'Ends on 3',
      '$',
      '... !!!',
      '2026-03-28',
      'more than 1.234',
      'レストランの予約を簡単にするアプリ',
      'twenty',
      `${'word '.repeat(15)}99`,
    ),
  );
const amount = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -500, max: 5_000 }));
const channels = fc.subarray([...CHANNELS], { minLength: 1 });

/** Any context that the schema takes. */
export const anyContext: fc.Arbitrary<PlanContext> = fc
  .record({
    objective: words(2_000),
    startsOn: fc.oneof(
      fc.integer({ min: 0, max: 4_000 }).map((days) => addDays('2024-01-01', days)),
      fc.constantFrom('0000-01-01', '9999-10-02', '2024-02-29'),
    ),
    cohorts: fc.array(
      fc.record({
        name: words(200),
        description: words(2_000),
        pains: fc.array(words(500), { maxLength: 3 }),
        channels: fc.subarray([...CHANNELS]),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    foundation: fc.record({
      brand: words(200),
      promise: words(1_000),
      products: fc.array(words(500), { minLength: 1, maxLength: 6 }),
    }),
    channels,
    budget: fc.oneof(fc.constantFrom(0, 1e9, 0.01, 1e-7), fc.double({ min: 0, max: 1e9, noNaN: true })),
    owners: fc.array(words(100), { minLength: 1, maxLength: 8 }),
    kpis: fc.uniqueArray(
      fc.record(
        {
          name: fc.stringMatching(/^[a-z0-9][a-z0-9_-]{0,20}$/),
          unit: fc.oneof(words(50), fc.constantFrom('%', 'leads', '$', 'x', 'hours')),
          label: words(200),
          baseline: amount,
          target: amount,
          channel: fc.constantFrom(...CHANNELS),
        },
        { requiredKeys: ['name', 'unit', 'baseline', 'target'] },
      ),
      { minLength: 1, maxLength: 20, selector: ({ name }) => name },
    ),
  })
  .map((context) => planContextSchema.safeParse(context))
  .filter(({ success }) => success)
  .map(({ data }) => data as PlanContext);

/** Evidence of a context, or anything else that there is at least one of. */
export const anyEvidence = (context: PlanContext): fc.Arbitrary<Evidence[]> =>
  fc.oneof(
    fc.constant(evidenceFor(context)),
    fc.array(
      fc.record({
        id: fc.uuid().map((id) => `knowledge-${id}`),
        text: words(300),
        source: fc.constant({ kind: 'knowledge' as const, location: 'a.md:1' }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  );
