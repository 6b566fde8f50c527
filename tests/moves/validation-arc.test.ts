import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHANNELS } from '../../generation/artifacts.ts';
import { type Arc, arcSchema } from '../../moves/arc.ts';
import { addDays } from '../../moves/calendar.ts';
import { type PlanContext, planContextSchema } from '../../moves/context.ts';
import { FINDING_CODES } from '../../moves/finding.ts';
import { checkArc } from '../../moves/validation/arc-rules.ts';
import { anyContext, anyEvidence, evidenceFor, sample } from './rules-contexts.ts';

const evidence = evidenceFor(sample);

/** Written by hand, so that the rules are not judged by the planner that keeps them. */
const sound: Arc = arcSchema.parse({
  summary: {
    text: 'Reach owners where they read, then more of what works, with $18,000 in 90 days.',
    facts: ['cohort-1'],
  },
  phases: [
    {
      id: 'learn',
      name: 'Learn',
      goal: { text: 'Know why 64 % want fewer calls.', facts: ['survey'] },
      startsOn: '2026-03-02',
      endsOn: '2026-03-31',
      budgetShare: 0.3,
      channels: ['facebook'],
    },
    {
      id: 'grow',
      name: 'Grow',
      goal: { text: 'Go from 40 to 120 leads.', facts: ['kpi-leads'] },
      startsOn: '2026-04-01',
      endsOn: '2026-05-30',
      budgetShare: 0.7,
      channels: ['facebook', 'email'],
    },
  ],
  channels: [
    { channel: 'facebook', budgetShare: 0.6, why: { text: 'Owners are here.', facts: ['cohort-1', 'knowledge-1'] } },
    { channel: 'email', budgetShare: 0.4, why: { text: 'It reminds guests.', facts: ['foundation-product-2'] } },
  ],
  milestones: [
    {
      id: 'asked',
      name: 'Owners asked',
      phase: 'learn',
      dueOn: '2026-03-20',
      evidence: { text: 'Notes of ten talks by 20 March.', facts: ['cohort-1'] },
      dependsOn: [],
    },
    {
      id: 'mails',
      name: 'Mails go out',
      phase: 'grow',
      dueOn: '2026-04-20',
      evidence: { text: 'Reminders go out each day from week 6.', facts: ['foundation-product-2'] },
      dependsOn: ['asked'],
    },
    {
      id: 'read',
      name: 'Targets read',
      phase: 'grow',
      dueOn: '2026-05-30',
      evidence: { text: 'No-shows are at 9 %.', facts: ['kpi-no-shows'] },
      dependsOn: ['mails'],
    },
  ],
  kpis: [
    { kpi: 'leads', target: 120, green: 0.9, amber: 0.6, why: { text: 'Asked for.', facts: ['kpi-leads'] } },
    { kpi: 'no-shows', target: 9, green: 1, amber: 0.8, why: { text: 'Asked for.', facts: ['kpi-no-shows'] } },
  ],
});

type Change = (arc: Arc) => void;

function findings(change: Change, context: PlanContext = sample) {
  const arc = structuredClone(sound);
  change(arc);
  return checkArc(arcSchema.parse(arc), { context, evidence });
}

const found = (change: Change, context?: PlanContext) =>
  findings(change, context).map(({ code, path }) => `${code} ${path}`);

/** The nth of a list that has it. */
const at = <T>(list: T[], index: number) => list[index] as T;

describe('the validation of an arc', () => {
  test('finds nothing in a sound one', () => {
    expect(findings(() => {})).toEqual([]);
  });

  test.each<[string, Change, string[]]>([
    [
      'a phase that starts before the 90 days',
      ({ phases }) => (at(phases, 0).startsOn = '2026-03-01'),
      ['PLAN_DATES_OUTSIDE phases[0].startsOn'],
    ],
    [
      'a phase that ends on the 91st day',
      ({ phases }) => (at(phases, 1).endsOn = '2026-05-31'),
      ['PLAN_DATES_OUTSIDE phases[1].endsOn'],
    ],
    [
      'a milestone after the last day',
      ({ milestones }) => (at(milestones, 2).dueOn = '2026-05-31'),
      ['PLAN_DATES_OUTSIDE milestones[2].dueOn'],
    ],
    [
      'a phase that ends before it starts',
      ({ phases }) => (at(phases, 0).endsOn = '2026-03-01'),
      [
        'PLAN_DATES_OUTSIDE phases[0].endsOn',
        'PLAN_DATES_REVERSED phases[0].endsOn',
        'PLAN_PHASE_MISMATCH milestones[0].dueOn',
      ],
    ],
    [
      'days between phases',
      ({ phases }) => (at(phases, 1).startsOn = '2026-04-03'),
      ['PLAN_PHASES_GAP phases[1].startsOn'],
    ],
    ['a late start', ({ phases }) => (at(phases, 0).startsOn = '2026-03-03'), ['PLAN_PHASES_GAP phases[0].startsOn']],
    [
      'an early end',
      ({ phases, milestones }) => {
        at(phases, 1).endsOn = '2026-05-29';
        at(milestones, 2).dueOn = '2026-05-29';
      },
      ['PLAN_PHASES_GAP phases[1].endsOn'],
    ],
    [
      'phases on the same day',
      ({ phases }) => (at(phases, 1).startsOn = '2026-03-31'),
      ['PLAN_PHASES_OVERLAP phases[1].startsOn'],
    ],
    ['phases out of order', (arc) => (arc.phases = arc.phases.toReversed()), ['PLAN_PHASES_ORDER phases[1]']],
    [
      'two phases of one id',
      ({ phases }) => (at(phases, 1).id = 'learn'),
      [
        'PLAN_DUPLICATE_ID phases[1].id',
        'PLAN_PHASE_UNKNOWN milestones[1].phase',
        'PLAN_PHASE_UNKNOWN milestones[2].phase',
      ],
    ],
    ['shares of phases below 1', ({ phases }) => (at(phases, 1).budgetShare = 0.69), ['PLAN_BUDGET_SHARES phases']],
    [
      'shares of channels above 1',
      ({ channels }) => (at(channels, 0).budgetShare = 0.61),
      ['PLAN_BUDGET_SHARES channels'],
    ],
    [
      'a channel of a phase that the plan has not',
      ({ phases }) => at(phases, 1).channels.push('tiktok'),
      ['PLAN_CHANNEL_UNKNOWN phases[1].channels[2]'],
    ],
    [
      'a share of a channel that the plan has not',
      ({ channels }) => (at(channels, 1).channel = 'x'),
      ['PLAN_CHANNEL_UNKNOWN channels[1].channel'],
    ],
    [
      'a channel with two shares',
      ({ channels }) => (at(channels, 1).channel = 'facebook'),
      ['PLAN_DUPLICATE_ID channels[1].channel'],
    ],
    [
      'a channel twice in a phase',
      ({ phases }) => at(phases, 0).channels.push('facebook'),
      ['PLAN_DUPLICATE_ID phases[0].channels[1]'],
    ],
    [
      'a milestone of no phase',
      ({ milestones }) => (at(milestones, 0).phase = 'harvest'),
      ['PLAN_PHASE_UNKNOWN milestones[0].phase'],
    ],
    [
      'a milestone outside its phase',
      ({ milestones }) => (at(milestones, 0).dueOn = '2026-04-01'),
      ['PLAN_PHASE_MISMATCH milestones[0].dueOn'],
    ],
    [
      'two milestones of one id',
      ({ milestones }) => (at(milestones, 2).id = 'mails'),
      ['PLAN_DUPLICATE_ID milestones[2].id'],
    ],
    [
      'a milestone that waits for nothing there is',
      ({ milestones }) => at(milestones, 0).dependsOn.push('dawn'),
      ['PLAN_DEPENDENCY_UNKNOWN milestones[0].dependsOn[0]'],
    ],
    [
      'a milestone that waits for itself',
      ({ milestones }) => at(milestones, 1).dependsOn.push('mails'),
      ['PLAN_DEPENDENCY_CYCLE milestones[1].dependsOn'],
    ],
    [
      'a milestone due before what it waits for',
      ({ milestones }) => (at(milestones, 1).dependsOn = ['read']),
      ['PLAN_DEPENDENCY_ORDER milestones[1].dependsOn[0]', 'PLAN_DEPENDENCY_CYCLE milestones[1].dependsOn'],
    ],
    ['a KPI without a target', ({ kpis }) => void kpis.pop(), ['PLAN_KPI_MISSING kpis']],
    [
      'a KPI that nobody asked for',
      ({ kpis }) => void kpis.push({ ...at(kpis, 0), kpi: 'likes' }),
      ['PLAN_KPI_UNKNOWN kpis[2].kpi'],
    ],
    ['a KPI with two targets', ({ kpis }) => void kpis.push(at(kpis, 0)), ['PLAN_DUPLICATE_ID kpis[2].kpi']],
    ['a target that falls short', ({ kpis }) => (at(kpis, 0).target = 119), ['PLAN_KPI_TARGET kpis[0].target']],
    ['a target beyond reason', ({ kpis }) => (at(kpis, 0).target = 161), ['PLAN_KPI_TARGET kpis[0].target']],
    [
      'a falling KPI whose target falls short',
      ({ kpis }) => (at(kpis, 1).target = 10),
      ['PLAN_KPI_TARGET kpis[1].target'],
    ],
    ['amber as high as green', ({ kpis }) => (at(kpis, 1).amber = 1), ['PLAN_THRESHOLDS kpis[1].amber']],
    ['a statement without a fact', ({ summary }) => (summary.facts = []), ['PLAN_UNCITED summary.facts']],
    [
      'a fact that was not given',
      ({ channels }) => at(channels, 0).why.facts.push('survey-2'),
      ['PLAN_FACT_UNKNOWN channels[0].why.facts[2]'],
    ],
    [
      'a number of a fact that is not cited',
      ({ phases }) => (at(phases, 0).goal.facts = ['cohort-1']),
      ['PLAN_NUMBER_UNSUPPORTED phases[0].goal.text'],
    ],
    [
      'a share in a title',
      ({ milestones }) => (at(milestones, 1).name = '45 % more replies'),
      ['PLAN_NUMBER_UNSUPPORTED milestones[1].name'],
    ],
  ])('finds %s', (_name, change, expected) => {
    expect(found(change)).toEqual(expected);
  });

  test('names the members of a circle of dependencies, each circle once', () => {
    const cycles = findings(({ milestones }) => {
      for (const milestone of milestones) milestone.dueOn = '2026-04-20';
      for (const milestone of milestones) milestone.phase = 'grow';
      at(milestones, 0).dependsOn = ['read'];
    });
    expect(cycles.map(({ code, path, message }) => [code, path, message])).toEqual([
      ['PLAN_DEPENDENCY_CYCLE', 'milestones[0].dependsOn', 'waits for itself: asked → read → mails → asked'],
    ]);
  });

  test('takes a target further than the context asks, up to half the way', () => {
    expect(found(({ kpis }) => (at(kpis, 0).target = 160))).toEqual([]);
    expect(found(({ kpis }) => (at(kpis, 1).target = 6.5))).toEqual([]);
    expect(found(({ kpis }) => (at(kpis, 1).target = 6.4))).toEqual(['PLAN_KPI_TARGET kpis[1].target']);
  });

  test('holds a KPI that is to stay where it is to exactly that', () => {
    const context = { ...sample, kpis: sample.kpis.map((kpi) => ({ ...kpi, baseline: kpi.target })) };
    expect(found(() => {}, context).filter((finding) => finding.includes('TARGET'))).toEqual([]);
    expect(found(({ kpis }) => (at(kpis, 0).target = 121), context)).toContain('PLAN_KPI_TARGET kpis[0].target');
  });

  test('forgives shares what rounding leaves, and no more', () => {
    expect(found(({ phases }) => (at(phases, 0).budgetShare = 0.305))).toEqual([]);
    expect(found(({ phases }) => (at(phases, 0).budgetShare = 0.3051))).toEqual(['PLAN_BUDGET_SHARES phases']);
  });

  test('says where, what and how to mend it', () => {
    expect(findings(({ phases }) => (at(phases, 1).startsOn = '2026-04-03'))).toEqual([
      {
        code: 'PLAN_PHASES_GAP',
        path: 'phases[1].startsOn',
        message: 'leaves 2 days behind learn without a phase',
        mend: 'start on 2026-04-01, or let learn end on 2026-04-02',
      },
    ]);
  });
});

describe('numbers in statements', () => {
  const says = (text: string, facts = ['cohort-1']) => found((arc) => (arc.summary = { text, facts }));

  test.each([
    ['the budget', 'We spend $18,000 in all.'],
    ['a share of the budget', 'Learning gets 30 %, that is $5,400.'],
    ['baseline, target and the way between them', 'From 40 to 120 leads, 80 more.'],
    ['growth that follows from baseline and target', 'Leads grow by 200 %, to 3x.'],
    ['a KPI in its unit', 'No-shows fall from 14 % to 9 %, by 5 %.'],
    ['the days and weeks of the plan', 'In 90 days, that is 13 weeks or three months; by day 45, in weeks 6 to 8.'],
    ['days inside the plan', 'Between 2026-03-28 and May 30.'],
    ['short spans', 'We answer within 24 hours.'],
    ['what the context itself says', 'They have 20 to 60 seats.'],
    ['small counts', 'Talk to twelve of them.'],
  ])('may be %s', (_name, text) => {
    expect(says(text)).toEqual([]);
  });

  test.each([
    ['a percentage', '64 % of them want it.'],
    ['a percentage that is a threshold of a KPI', '80 % of them want it.'],
    ['a percentage in words', 'Sixty-four percent want it.'],
    ['an amount of money', 'It brings $25,000.'],
    ['a multiple', 'Sales get ten times better.'],
    ['a count', 'We reach 5,000 restaurants.'],
    ['a percentage that is only the number of a count', 'Leads make up 120 %.'],
    ['a percentage that is only a number of seats', 'Among them are 60 %, or 20 %.'],
    ['a span longer than the plan', 'They stay for five years.'],
    ['a day outside the plan', 'Since 2026-06-28.'],
    ['a month and day outside the plan', 'On December 24.'],
    ['a day of the plan that there is not', 'By day 95.'],
  ])('may not be %s that nothing holds', (_name, text) => {
    expect(says(text)).toEqual(['PLAN_NUMBER_UNSUPPORTED summary.text']);
  });

  test('may be what a cited fact says, as the fact says it', () => {
    expect(says('64 % of 212 owners want it.', ['survey'])).toEqual([]);
    expect(says('65 % of 212 owners want it.', ['survey'])).toEqual(['PLAN_NUMBER_UNSUPPORTED summary.text']);
    expect(says('41 % more of them are there.', ['survey', 'web-1'])).toEqual([]);
  });

  test('may be thresholds and shares where these are spoken of, and nowhere else', () => {
    const text = 'It is 60 % of all.';
    expect(found(({ kpis }) => (at(kpis, 0).why.text = text))).toEqual([]);
    expect(found(({ channels }) => (at(channels, 0).why.text = text))).toEqual([]);
    expect(found(({ kpis }) => (at(kpis, 1).why.text = text))).toEqual(['PLAN_NUMBER_UNSUPPORTED kpis[1].why.text']);
    expect(found(({ channels }) => (at(channels, 1).why.text = text))).toEqual([
      'PLAN_NUMBER_UNSUPPORTED channels[1].why.text',
    ]);
    expect(found(({ phases }) => (at(phases, 1).goal.text = 'It has 70 %.'))).toEqual([]);
    expect(found(({ phases }) => (at(phases, 0).goal.text = 'It has 70 %.'))).toEqual([
      'PLAN_NUMBER_UNSUPPORTED phases[0].goal.text',
    ]);
  });

  test('may be days outside the plan that a cited fact or the context names', () => {
    const context = { ...sample, objective: 'Be ready for the fair of 2026-09-01.' };
    const codes = (said: string) =>
      checkArc({ ...sound, summary: { text: said, facts: ['fair'] } }, { context, evidence: fair }).map(
        ({ code }) => code,
      );
    const fair = [
      ...evidence,
      {
        id: 'fair',
        text: 'Doors open on 2026-09-03.',
        source: { kind: 'web' as const, location: 'https://example.com' },
      },
    ];
    expect(codes('The fair is on 2026-09-01, doors open on 2026-09-03.')).toEqual([]);
    expect(codes('The fair is on 2026-09-02.')).toEqual(['PLAN_NUMBER_UNSUPPORTED']);
  });

  test('of a KPI measured as a ratio may be written as a multiple or a share', () => {
    const [first] = sample.kpis;
    const context = planContextSchema.parse({
      ...sample,
      kpis: [{ ...first, name: 'roas', label: 'Return', unit: 'ratio', baseline: 1.5, target: 4 }],
    });
    const codes = (text: string) =>
      found((arc) => (arc.summary = { text, facts: ['cohort-1'] }), context).filter((one) => one.includes('NUMBER'));
    expect(codes('From 1.5x to 4x, or 400 %.')).not.toContain('PLAN_NUMBER_UNSUPPORTED summary.text');
    expect(codes('To 7x.')).toContain('PLAN_NUMBER_UNSUPPORTED summary.text');
  });
});

const text = fc.oneof(
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 60 }),
  fc.constantFrom('50 % more', '$1', '2026-99-99 and 2026-03-28', 'day 99', 'twice as many', '1'.repeat(400)),
);
const id = fc.constantFrom('a', 'b', 'c', 'leads', 'no-shows');
const statement = fc.record({ text, facts: fc.array(fc.constantFrom('a', 'cohort-1'), { maxLength: 3 }) });
const day = fc.oneof(
  fc.integer({ min: -10, max: 100 }).map((days) => addDays(sample.startsOn, days)),
  fc.constantFrom('0000-01-01', '9999-12-31'),
);
const share = fc.double({ min: 0, max: 1, noNaN: true });
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const channel = fc.constantFrom(...CHANNELS);
const anyArc: fc.Arbitrary<Arc> = fc
  .record({
    summary: statement,
    phases: fc.array(
      fc.record({
        id,
        name: text,
        goal: statement,
        startsOn: day,
        endsOn: day,
        budgetShare: share,
        channels: fc.array(channel, { minLength: 1, maxLength: 4 }),
      }),
      { minLength: 2, maxLength: 6 },
    ),
    channels: fc.array(fc.record({ channel, budgetShare: share, why: statement }), { minLength: 1, maxLength: 9 }),
    milestones: fc.array(
      fc.record({
        id,
        name: text,
        phase: id,
        dueOn: day,
        evidence: statement,
        dependsOn: fc.array(id, { maxLength: 4 }),
      }),
      { minLength: 1, maxLength: 8 },
    ),
    kpis: fc.array(
      fc.record({
        kpi: id,
        target: number,
        green: fc.double({ min: 0, max: 2, noNaN: true }),
        amber: fc.double({ min: 0, max: 2, noNaN: true }),
        why: statement,
      }),
      { minLength: 1, maxLength: 4 },
    ),
  })
  .map((arc) => arcSchema.safeParse(arc))
  .filter(({ success }) => success)
  .map(({ data }) => data as Arc);

test('the validation of an arc throws for nothing that fits the schemas, and says the same twice', () => {
  const known = anyContext.chain((context) => fc.tuple(fc.constant(context), anyEvidence(context)));
  fc.assert(
    fc.property(anyArc, known, (arc, [context, facts]) => {
      const first = checkArc(arc, { context, evidence: facts });
      expect(checkArc(structuredClone(arc), { context, evidence: facts })).toEqual(first);
      for (const { code, mend, message } of first) {
        expect(FINDING_CODES).toContain(code);
        expect([mend, message]).not.toContain('');
      }
    }),
    { numRuns: 100 },
  );
});

test('a plan cannot start where its 90 days would end beyond the calendar', () => {
  expect(planContextSchema.safeParse({ ...sample, startsOn: '9999-10-02' }).success).toBe(true);
  expect(planContextSchema.safeParse({ ...sample, startsOn: '9999-10-04' }).success).toBe(false);
});
