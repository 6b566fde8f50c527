import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CHANNELS } from '../../generation/artifacts.ts';
import type { Arc } from '../../moves/arc.ts';
import { addDays } from '../../moves/calendar.ts';
import { FINDING_CODES } from '../../moves/finding.ts';
import { type MoveDraft, type MovesProposal, movesProposalSchema } from '../../moves/move.ts';
import { writeArc } from '../../moves/rules/write-arc.ts';
import { checkMoves, type MovesGiven } from '../../moves/validation/move-rules.ts';
import { anyContext, evidenceFor, sample } from './rules-contexts.ts';

const evidence = evidenceFor(sample);
/** 2026-03-02 to 03-31, to 04-30, to 05-30, with 25, 35 and 40 % of $18,000. Week 5 belongs to the first two. */
const arc: Arc = writeArc(sample, evidence);
const OLD = '00000000-0000-7000-8000-000000000001';

const moveOf = (changes: Partial<MoveDraft>): MoveDraft => ({
  key: 'ask',
  week: 4,
  phase: 'foundation',
  title: 'Ask owners',
  hypothesis: { text: 'If we ask, then 64 % will answer, since they want fewer calls.', facts: ['survey'] },
  channel: 'facebook',
  owner: 'Ana',
  tasks: [
    { title: 'Call', effortHours: 3, dueOn: '2026-03-23' },
    { title: 'Write down', effortHours: 2, dueOn: '2026-03-29' },
  ],
  expected: { kpi: 'leads', change: 4, low: 0, high: 8 },
  dependsOn: [OLD],
  effortHours: 5,
  priority: 1,
  budget: 500,
  ...changes,
});

/** Two moves of weeks 4 and 5, behind one of week 1 that exists. */
const sound: MovesProposal = movesProposalSchema.parse({
  moves: [
    moveOf({}),
    moveOf({
      key: 'remind',
      week: 5,
      phase: 'growth',
      tasks: [{ title: 'Send', effortHours: 5, dueOn: '2026-04-03' }],
      expected: { kpi: 'no-shows', change: -1, low: -2, high: 0.5 },
      channel: 'email',
      dependsOn: ['ask'],
    }),
  ],
});
const given: MovesGiven = {
  context: sample,
  arc,
  evidence,
  weeks: [4, 5],
  existing: [{ id: OLD, week: 1, dependsOn: [], budgetMicros: 1_000_000_000 }],
};

type Change = (first: MoveDraft, second: MoveDraft, moves: MoveDraft[]) => void;

function findings(change: Change, other: Partial<MovesGiven> = {}) {
  const { moves } = structuredClone(sound);
  change(moves[0] as MoveDraft, moves[1] as MoveDraft, moves);
  return checkMoves(movesProposalSchema.parse({ moves }), { ...given, ...other });
}

const found = (change: Change, other?: Partial<MovesGiven>) =>
  findings(change, other).map(({ code, path }) => `${code} ${path}`);

describe('the validation of moves', () => {
  test('finds nothing in sound ones', () => {
    expect(findings(() => {})).toEqual([]);
  });

  test.each<[string, Change, string[]]>([
    [
      'a move of a week that nobody asked for',
      (_first, _second, moves) =>
        void moves.push(
          moveOf({ key: 'more', week: 3, tasks: [{ title: 'Call', effortHours: 5, dueOn: '2026-03-16' }] }),
        ),
      ['PLAN_WEEK_UNASKED moves[2].week'],
    ],
    ['a week without a move', (_first, _second, moves) => void moves.pop(), ['PLAN_WEEK_EMPTY moves']],
    [
      'a task before its week',
      ({ tasks }) => ((tasks[0] as (typeof tasks)[0]).dueOn = '2026-03-22'),
      ['PLAN_DATES_OUTSIDE moves[0].tasks[0].dueOn'],
    ],
    [
      'a task after its week',
      ({ tasks }) => ((tasks[1] as (typeof tasks)[0]).dueOn = '2026-03-30'),
      ['PLAN_DATES_OUTSIDE moves[0].tasks[1].dueOn'],
    ],
    ['hours that do not add up', (first) => (first.effortHours = 5.6), ['PLAN_EFFORT_MISMATCH moves[0].effortHours']],
    ['an owner who is none', (first) => (first.owner = 'ana'), ['PLAN_OWNER_UNKNOWN moves[0].owner']],
    ['a channel that the plan has not', (first) => (first.channel = 'x'), ['PLAN_CHANNEL_UNKNOWN moves[0].channel']],
    ['a phase that there is not', (first) => (first.phase = 'harvest'), ['PLAN_PHASE_UNKNOWN moves[0].phase']],
    ['a phase of another week', (first) => (first.phase = 'scale'), ['PLAN_PHASE_MISMATCH moves[0].phase']],
    ['a KPI that there is not', ({ expected }) => (expected.kpi = 'likes'), ['PLAN_KPI_UNKNOWN moves[0].expected.kpi']],
    ['a change below its interval', ({ expected }) => (expected.low = 5), ['PLAN_EXPECTED_RANGE moves[0].expected']],
    ['a change above its interval', ({ expected }) => (expected.high = 3), ['PLAN_EXPECTED_RANGE moves[0].expected']],
    [
      'a rising KPI that is expected to fall',
      ({ expected }) => Object.assign(expected, { change: -1, low: -2 }),
      ['PLAN_EXPECTED_DIRECTION moves[0].expected.change'],
    ],
    [
      'a falling KPI that is expected to rise',
      (_first, { expected }) => Object.assign(expected, { change: 0.2 }),
      ['PLAN_EXPECTED_DIRECTION moves[1].expected.change'],
    ],
    [
      'a dependency on nothing there is',
      (first) => first.dependsOn.push('dawn'),
      ['PLAN_DEPENDENCY_UNKNOWN moves[0].dependsOn[1]'],
    ],
    ['a dependency on itself', (first) => first.dependsOn.push('ask'), ['PLAN_DEPENDENCY_CYCLE moves[0].dependsOn']],
    [
      'a dependency on a later week',
      (first, second) => {
        first.dependsOn = ['remind'];
        second.dependsOn = [];
      },
      ['PLAN_DEPENDENCY_ORDER moves[0].dependsOn[0]'],
    ],
    [
      'two moves of one key',
      (_first, second) => Object.assign(second, { key: 'ask', dependsOn: [] }),
      ['PLAN_DUPLICATE_ID moves[1].key'],
    ],
    [
      'a key that is the id of a move that exists',
      (first, second) => {
        Object.assign(first, { key: OLD, dependsOn: [] });
        second.dependsOn = [];
      },
      ['PLAN_DUPLICATE_ID moves[0].key'],
    ],
    [
      'a move of the same week that comes after what waits for it',
      (first, second) =>
        Object.assign(
          second,
          { week: 4, phase: 'foundation', tasks: first.tasks, priority: 1 },
          void (first.priority = 2),
        ),
      ['PLAN_WEEK_EMPTY moves', 'PLAN_PRIORITY_ORDER moves[1].dependsOn[0]'],
    ],
    [
      'more money than the budget has, and than its phase',
      (first, second) => void ([first.budget, second.budget] = [500, 16_501]),
      ['PLAN_BUDGET_EXCEEDED moves[1].budget', 'PLAN_BUDGET_EXCEEDED moves[1].budget'],
    ],
    [
      'more money than a phase has, with what exists',
      (first) => (first.budget = 3_546),
      ['PLAN_BUDGET_EXCEEDED moves[0].budget'],
    ],
    [
      'a hypothesis without a fact',
      ({ hypothesis }) => (hypothesis.facts = []),
      ['PLAN_UNCITED moves[0].hypothesis.facts', 'PLAN_NUMBER_UNSUPPORTED moves[0].hypothesis.text'],
    ],
    [
      'a fact that was not given',
      ({ hypothesis }) => hypothesis.facts.push('rumour'),
      ['PLAN_FACT_UNKNOWN moves[0].hypothesis.facts[1]'],
    ],
    [
      'a number that no fact holds',
      ({ hypothesis }) => (hypothesis.text = 'If we ask, 70 % will answer.'),
      ['PLAN_NUMBER_UNSUPPORTED moves[0].hypothesis.text'],
    ],
    [
      'a promise in a title',
      (first) => (first.title = 'Double the bookings, 80 % more'),
      ['PLAN_NUMBER_UNSUPPORTED moves[0].title'],
    ],
    [
      'a price in a task',
      ({ tasks }) => ((tasks[0] as (typeof tasks)[0]).title = 'Buy a list for $9,999'),
      ['PLAN_NUMBER_UNSUPPORTED moves[0].tasks[0].title'],
    ],
  ])('finds %s', (_name, change, expected) => {
    expect(found(change)).toEqual(expected);
  });

  test('names the circle that new moves close, however they are listed', () => {
    const cycle = findings((first, second, moves) => {
      first.dependsOn = ['third'];
      Object.assign(second, { week: 4, phase: 'foundation', tasks: first.tasks });
      moves.push(moveOf({ key: 'third', dependsOn: ['remind'] }), moveOf({ key: 'last', dependsOn: ['last'] }));
    });
    expect(
      cycle.filter(({ code }) => code === 'PLAN_DEPENDENCY_CYCLE').map(({ path, message }) => [path, message]),
    ).toEqual([
      ['moves[0].dependsOn', 'waits for itself: ask → third → remind → ask'],
      ['moves[3].dependsOn', 'waits for itself: last → last'],
    ]);
  });

  test('tells a circle once, however often a dependency is named', () => {
    expect(found((first) => (first.dependsOn = ['ask', 'ask']))).toEqual(['PLAN_DEPENDENCY_CYCLE moves[0].dependsOn']);
  });

  test('leaves alone a circle among moves that exist', () => {
    const existing = ['a', 'b'].map((id) => ({ id, week: 1, dependsOn: id === 'a' ? ['b'] : ['a'], budgetMicros: 0 }));
    expect(found((first) => (first.dependsOn = ['a']), { existing })).toEqual([]);
  });

  test('lets a move serve either phase of a week that belongs to two', () => {
    expect(found((_first, second) => (second.phase = 'foundation'))).toEqual([]);
  });

  test('gives week 13 six days', () => {
    const last = moveOf({ week: 13, phase: 'scale', tasks: [{ title: 'Read', effortHours: 5, dueOn: '2026-05-30' }] });
    const at = (dueOn: string) => {
      const tasks = [{ title: 'Read', effortHours: 5, dueOn }];
      return checkMoves({ moves: [{ ...last, tasks }] }, { ...given, weeks: [13] }).map(({ code }) => code);
    };
    expect(at('2026-05-30')).toEqual([]);
    expect(at('2026-05-31')).toEqual(['PLAN_DATES_OUTSIDE']);
  });

  test('counts the money of a move that exists for the phase that it names, else for that of its week, if it has only one', () => {
    const spent = (week: number, phase?: string) => [
      { id: OLD, week, dependsOn: [], budgetMicros: 4_500_000_000, ...(phase ? { phase } : {}) },
    ];
    const over = ['PLAN_BUDGET_EXCEEDED moves[0].budget'];
    expect(found(() => {}, { existing: spent(1) })).toEqual(over);
    expect(found((first) => (first.dependsOn = []), { existing: spent(5) })).toEqual([]);
    expect(found((first) => (first.dependsOn = []), { existing: spent(5, 'foundation') })).toEqual(over);
    expect(found(() => {}, { existing: spent(1, 'growth') })).toEqual([]);
  });

  test('holds nothing against a move without money when the money is gone', () => {
    const existing = [{ id: OLD, week: 1, dependsOn: [], budgetMicros: 30_000_000_000 }];
    const free: Change = (first, second) => void (first.budget = second.budget = 0);
    expect(found(free, { existing })).toEqual([]);
    expect(found((first, second) => void ([first.budget, second.budget] = [0, 0.01]), { existing })).toEqual([
      'PLAN_BUDGET_EXCEEDED moves[1].budget',
    ]);
  });

  test('forgives a phase one percent and a move half an hour', () => {
    // $4,500 and one percent, less the $1,000 of the move that exists.
    expect(found((first) => void (first.budget = 3_545))).toEqual([]);
    expect(found((first) => void (first.effortHours = 5.5))).toEqual([]);
  });

  test('says where, what and how to mend it', () => {
    expect(findings((first) => (first.owner = 'Dora'))).toEqual([
      {
        code: 'PLAN_OWNER_UNKNOWN',
        path: 'moves[0].owner',
        message: 'is Dora, who is no owner of this plan',
        mend: 'use one of Ana, Ben, Chris',
      },
    ]);
  });

  test('lets a hypothesis say what its own move expects, costs and takes', () => {
    const own: Change = ({ hypothesis, expected }) => {
      Object.assign(expected, { change: 13.5, high: 20 });
      hypothesis.text = 'With $500 and five hours we gain 13.5 leads, in week 4 of 13.';
    };
    expect(found(own)).toEqual([]);
    expect(found((first) => void (own(first, first, []), (first.expected.change = 14)))).toEqual([
      'PLAN_NUMBER_UNSUPPORTED moves[0].hypothesis.text',
    ]);
  });
});

const key = fc.constantFrom('a', 'b', 'c', 'd');
const number = fc.double({ noNaN: true, noDefaultInfinity: true });
const text = fc.oneof(
  fc.string({ minLength: 1, maxLength: 40 }),
  fc.constantFrom('50 % more', '2x', 'day 99 of 2026-03-09'),
);
const anyMoves: fc.Arbitrary<MovesProposal> = fc
  .array(
    fc.record({
      key,
      week: fc.integer({ min: 1, max: 13 }),
      phase: fc.constantFrom('foundation', 'growth', 'p0'),
      title: text,
      hypothesis: fc.record({ text, facts: fc.array(fc.constantFrom('cohort-1', 'x'), { maxLength: 2 }) }),
      channel: fc.constantFrom(...CHANNELS),
      owner: text,
      tasks: fc.array(
        fc.record({
          title: text,
          effortHours: fc.double({ min: 0, max: 200, noNaN: true }),
          dueOn: fc.oneof(
            fc.integer({ min: 0, max: 99 }).map((days) => addDays(sample.startsOn, days)),
            fc.constantFrom('0000-01-01', '9999-12-31'),
          ),
        }),
        { minLength: 1, maxLength: 3 },
      ),
      expected: fc.record({ kpi: key, change: number, low: number, high: number }),
      dependsOn: fc.array(fc.oneof(key, fc.constant('old')), { maxLength: 4 }),
      effortHours: fc.double({ min: 0, max: 1_000, noNaN: true }),
      priority: fc.integer({ min: 1, max: 5 }),
      budget: fc.double({ min: 0, noNaN: true, noDefaultInfinity: true }),
    }),
    { minLength: 1, maxLength: 8 },
  )
  .map((moves) => movesProposalSchema.safeParse({ moves }))
  .filter(({ success }) => success)
  .map(({ data }) => data as MovesProposal);

test('the validation of moves throws for nothing that fits the schemas, and says the same twice', () => {
  const existing = fc.array(
    fc.record({
      id: fc.constantFrom('old', 'a'),
      week: fc.integer({ min: 1, max: 13 }),
      dependsOn: fc.array(fc.constantFrom('old', 'a', 'gone'), { maxLength: 2 }),
      budgetMicros: fc.nat(),
    }),
    { maxLength: 3 },
  );
  const weeks = fc.array(fc.integer({ min: 1, max: 13 }), { maxLength: 4 });
  fc.assert(
    fc.property(anyMoves, anyContext, existing, weeks, (proposal, context, old, asked) => {
      const known = evidenceFor(context);
      const all = { context, arc: writeArc(context, known), evidence: known, existing: old, weeks: asked };
      const first = checkMoves(proposal, all);
      expect(checkMoves(structuredClone(proposal), all)).toEqual(first);
      for (const { code, mend, message } of first) {
        expect(FINDING_CODES).toContain(code);
        expect([mend, message]).not.toContain('');
      }
    }),
    { numRuns: 60 },
  );
});
