import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { GenerateRequest } from '../../generation/model.ts';
import { RulesModel } from '../../generation/providers/rules.ts';
import { type Arc, type Phase } from '../../moves/arc.ts';
import { addDays, ARC_DAYS, ARC_WEEKS } from '../../moves/calendar.ts';
import type { PlanContext } from '../../moves/context.ts';
import type { MovesProposal } from '../../moves/move.ts';
import { planningTemplates } from '../../moves/rules/templates.ts';
import type { Evidence } from '../../moves/statement.ts';
import {
  arcDraftRequest,
  arcRevisionRequest,
  critiqueRequest,
  movesDraftRequest,
  movesRevisionRequest,
} from '../../moves/tasks/requests.ts';
import { checkArc } from '../../moves/validation/arc-rules.ts';
import { checkMoves } from '../../moves/validation/move-rules.ts';
import type { ExistingMove } from '../../moves/validation/money.ts';
import { call } from '../generation/model-support.ts';
import { TestClock } from '../support/clock.ts';
import { anyContext, anyEvidence, evidenceFor, sample } from './rules-contexts.ts';

const model = new RulesModel({ templates: planningTemplates, clock: new TestClock() });
const written = async <T>(request: GenerateRequest<T>) => (await model.generate(request, call())).value;

const ALL_WEEKS = Array.from({ length: ARC_WEEKS }, (_, at) => at + 1);
const evidence = evidenceFor(sample);

const arcOf = (context: PlanContext, known: readonly Evidence[] = evidenceFor(context)) =>
  written(arcDraftRequest({ context, evidence: known }));

function movesOf(
  context: PlanContext,
  arc: Arc,
  {
    weeks = ALL_WEEKS,
    existing = [],
    known = evidenceFor(context),
  }: Partial<{ weeks: number[]; existing: ExistingMove[]; known: Evidence[] }> = {},
) {
  return written(movesDraftRequest({ context, arc, evidence: known, weeks, existing, outcomes: [] }));
}

const withEvidence = anyContext.chain((context) => fc.tuple(fc.constant(context), anyEvidence(context)));

/** Any division of the 90 days into phases. */
const anyPhases = (context: PlanContext): fc.Arbitrary<Phase[]> =>
  fc
    .tuple(
      fc.uniqueArray(fc.integer({ min: 1, max: ARC_DAYS - 1 }), { minLength: 1, maxLength: 5 }),
      fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 6, maxLength: 6 }),
      fc.array(fc.subarray(context.channels, { minLength: 1 }), { minLength: 6, maxLength: 6 }),
    )
    .map(([cuts, weights, channels]) => {
      const edges = [0, ...cuts.toSorted((a, b) => a - b), ARC_DAYS];
      const parts = weights.slice(0, edges.length - 1);
      const sum = parts.reduce((total, part) => total + part, 0);
      return edges.slice(1).map((end, at) => ({
        id: `p${at}`,
        name: 'A phase',
        goal: { text: 'Learn', facts: ['foundation-promise'] },
        startsOn: addDays(context.startsOn, edges[at] as number),
        endsOn: addDays(context.startsOn, end - 1),
        budgetShare: sum === 0 ? 1 / (edges.length - 1) : (parts[at] as number) / sum,
        channels: channels[at] as Phase['channels'],
      }));
    });

const asExisting = ({ moves }: MovesProposal): ExistingMove[] =>
  moves.map(({ week, phase, budget }, at) => ({
    id: `00000000-0000-7000-8000-${String(at).padStart(12, '0')}`,
    week,
    phase,
    dependsOn: [],
    budgetMicros: Math.round(budget * 1e6),
  }));

describe('the offline planner', () => {
  test('writes an arc without a finding for every context', async () => {
    await fc.assert(
      fc.asyncProperty(withEvidence, async ([context, known]) => {
        expect(checkArc(await arcOf(context, known), { context, evidence: known })).toEqual([]);
      }),
      { numRuns: 80 },
    );
  });

  test('writes 13 weeks of moves without a finding for every context', async () => {
    await fc.assert(
      fc.asyncProperty(withEvidence, async ([context, known]) => {
        const arc = await arcOf(context, known);
        const proposal = await movesOf(context, arc, { known });
        const given = { context, arc, evidence: known, existing: [], weeks: ALL_WEEKS };
        expect(checkMoves(proposal, given)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test('writes the weeks asked for of any arc, within what earlier moves have left', async () => {
    const anything = anyContext.chain((context) =>
      fc.tuple(
        fc.constant(context),
        anyPhases(context),
        fc.subarray(ALL_WEEKS, { minLength: 1 }),
        fc.array(
          fc.record({
            id: fc.uuid(),
            week: fc.integer({ min: 1, max: ARC_WEEKS }),
            dependsOn: fc.constant([]),
            budgetMicros: fc.integer({ min: 0, max: 100_000_000 }),
          }),
          { maxLength: 5 },
        ),
      ),
    );
    await fc.assert(
      fc.asyncProperty(anything, async ([context, phases, weeks, existing]) => {
        const arc = { ...(await arcOf(context)), phases };
        const proposal = await movesOf(context, arc, { weeks, existing });
        const given = { context, arc, evidence: evidenceFor(context), existing, weeks };
        expect(checkMoves(proposal, given)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  test('writes a week alike, whether alone or with the others', async () => {
    const arc = await arcOf(sample);
    const whole = await movesOf(sample, arc);
    const before = { moves: whole.moves.filter(({ week }) => week < 6) };
    const sixth = await movesOf(sample, arc, { weeks: [6], existing: asExisting(before) });
    const same = whole.moves.filter(({ week }) => week === 6);
    expect(sixth.moves.map(({ key, title, budget }) => ({ key, title, budget }))).toEqual(
      same.map(({ key, title, budget }) => ({ key, title, budget })),
    );
  });

  test('divides the budget over channels in whole percents that add up exactly, more to where cohorts are found', async () => {
    const { channels } = await arcOf(sample);
    expect(channels.map(({ channel, budgetShare }) => [channel, budgetShare])).toEqual([
      ['facebook', 0.29],
      ['linkedin', 0.29],
      ['email', 0.28],
      ['instagram', 0.14],
    ]);
    await fc.assert(
      fc.asyncProperty(anyContext, async (context) => {
        const shares = (await arcOf(context)).channels.map(({ budgetShare }) => Math.round(budgetShare * 100));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(100);
      }),
      { numRuns: 25 },
    );
  });

  test('spends the money of a phase, nearly all of it and no more', async () => {
    const arc = await arcOf(sample);
    const { moves } = await movesOf(sample, arc);
    for (const { id, budgetShare } of arc.phases) {
      const spent = moves.filter(({ phase }) => phase === id).reduce((sum, { budget }) => sum + budget, 0);
      expect(spent).toBeLessThanOrEqual(budgetShare * sample.budget);
      expect(spent).toBeGreaterThan(budgetShare * sample.budget - 1);
    }
  });

  test('spends no more than what is left where it is not known whose money is gone', async () => {
    const arc = await arcOf(sample);
    // Week 5 belongs to two phases.
    const existing = [{ id: 'old', week: 5, dependsOn: [], budgetMicros: 17_999_000_000 }];
    const { moves } = await movesOf(sample, arc, { weeks: [6, 7, 8], existing });
    expect(moves.reduce((sum, { budget }) => sum + budget, 0)).toBeCloseTo(1);
  });

  test('spends no more than a phase has left', async () => {
    const arc = await arcOf(sample);
    const existing = [{ id: 'old', week: 6, phase: 'growth', dependsOn: [], budgetMicros: 6_299_000_000 }];
    const { moves } = await movesOf(sample, arc, { weeks: [7, 8], existing });
    expect(moves.reduce((sum, { budget }) => sum + budget, 0)).toBeCloseTo(1);
  });

  test('has a move for a phase of few days, too', async () => {
    const arc = await arcOf(sample);
    const [first, second, third] = arc.phases as [Phase, Phase, Phase];
    const phases = [
      { ...first, endsOn: '2026-03-16' },
      { ...second, startsOn: '2026-03-17', endsOn: '2026-03-18' },
      { ...third, startsOn: '2026-03-19' },
    ];
    const { moves } = await movesOf(sample, { ...arc, phases });
    const middle = moves.filter(({ phase }) => phase === 'growth');
    expect(new Set(middle.map(({ week }) => week))).toEqual(new Set([3]));
    expect(middle.reduce((sum, { budget }) => sum + budget, 0)).toBeCloseTo(6_300, 0);
  });

  test('gives everybody work, every channel a move and every KPI somebody who moves it', async () => {
    const { moves } = await movesOf(sample, await arcOf(sample));
    expect(new Set(moves.map(({ owner }) => owner))).toEqual(new Set(sample.owners));
    expect(new Set(moves.map(({ channel }) => channel))).toEqual(new Set(sample.channels));
    expect(new Set(moves.map(({ expected }) => expected.kpi))).toEqual(new Set(['leads', 'no-shows']));
    expect(moves.filter(({ dependsOn }) => dependsOn.length > 0).length).toBeGreaterThan(20);
  });

  test('speaks of the cohorts, pains and products of the context, and calls no expected change a forecast', async () => {
    const { moves } = await movesOf(sample, await arcOf(sample));
    const said = moves.map(({ title, hypothesis }) => `${title} ${hypothesis.text}`).join('\n');
    for (const word of [
      'owners of small restaurants',
      'hotel managers',
      'Guests who do not come',
      'Tably Remind',
      'qualified leads',
    ])
      expect(said).toContain(word);
    expect(moves.every(({ hypothesis }) => hypothesis.text.includes('no forecast'))).toBe(true);
  });

  test('cites what knowledge says of a channel, and copies nothing from pages of the web', async () => {
    const arc = await arcOf(sample);
    const { moves } = await movesOf(sample, arc);
    expect(arc.channels.find(({ channel }) => channel === 'facebook')?.why.facts).toContain('knowledge-1');
    const citing = moves.filter(({ hypothesis }) => hypothesis.facts.includes('web-1'));
    expect(citing.length).toBeGreaterThan(0);
    expect(JSON.stringify([arc, moves])).not.toContain('41 %');
    expect(JSON.stringify(moves)).toContain('Owners read Facebook in the morning');
  });

  test('leaves out words of others whose numbers would stand there unsupported', async () => {
    const context = { ...sample, foundation: { ...sample.foundation, products: ['20. Oven'] } };
    const arc = await arcOf(context);
    expect(JSON.stringify(await movesOf(context, arc))).not.toContain('20. Oven');
    expect(checkArc(arc, { context, evidence: evidenceFor(context) })).toEqual([]);
  });

  test('without any evidence cites nothing, which validation then finds', async () => {
    const arc = await arcOf(sample, []);
    const codes = checkArc(arc, { context: sample, evidence: [] }).map(({ code }) => code);
    expect(new Set(codes)).toEqual(new Set(['PLAN_UNCITED']));
  });

  test('mends what was found in a proposal of somebody else', async () => {
    const good = await arcOf(sample);
    const broken = { ...good, summary: { text: 'Sales grow by 400 %.', facts: ['made-up'] } };
    const findings = checkArc(broken, { context: sample, evidence });
    expect(findings.length).toBeGreaterThan(0);
    const mended = await written(
      arcRevisionRequest({ context: sample, evidence, arc: broken, findings, critique: null }),
    );
    expect(checkArc(mended, { context: sample, evidence })).toEqual([]);

    const asked = { context: sample, arc: mended, evidence, weeks: [4], existing: [], outcomes: [] };
    const { moves } = await movesOf(sample, mended, { weeks: [4] });
    const proposal = { moves: moves.map((move) => ({ ...move, owner: 'Nobody' })) };
    const flaws = checkMoves(proposal, asked);
    const again = await written(movesRevisionRequest({ ...asked, proposal, findings: flaws, critique: null }));
    expect(flaws.length).toBeGreaterThan(0);
    expect(checkMoves(again, asked)).toEqual([]);
  });
});

describe('the offline critic', () => {
  const problems = async (subject: 'arc' | 'moves' | 'pivot', proposal: object, arc?: Arc) => {
    const request = critiqueRequest({
      subject,
      proposal: proposal as MovesProposal,
      context: sample,
      evidence,
      ...(arc ? { arc } : {}),
    });
    return (await written(request)).remarks;
  };

  test('has no word against its own plan', async () => {
    const arc = await arcOf(sample);
    expect(await problems('arc', arc)).toEqual([]);
    expect(await problems('moves', await movesOf(sample, arc), arc)).toEqual([]);
  });

  test('counts what speaks against an arc', async () => {
    const arc = await arcOf(sample);
    const [first, second] = arc.channels;
    const phases = arc.phases.map((phase) => ({ ...phase, channels: ['facebook' as const] }));
    const worse = {
      ...arc,
      phases,
      channels: [
        { ...first, budgetShare: 0.8 },
        { ...second, budgetShare: 0.2 },
      ] as Arc['channels'],
      milestones: arc.milestones.filter(({ phase }) => phase !== 'scale'),
    };
    const remarks = await problems('arc', worse);
    expect(remarks[0]).toMatchObject({
      severity: 'major',
      path: 'channels[1]',
      problem: expect.stringContaining('no phase uses it'),
    });
    expect(remarks.map(({ path }) => path)).toEqual(
      expect.arrayContaining(['channels[0].budgetShare', 'phases[2]', 'channels']),
    );
    expect(await problems('pivot', { reason: 'Mail does more', arc: worse })).toContainEqual(
      expect.objectContaining({ path: 'arc.channels[1]' }),
    );
  });

  test('counts who has too much to do, and what has no move', async () => {
    const arc = await arcOf(sample);
    const { moves } = await movesOf(sample, arc);
    const [move] = moves;
    const one = moves.map((other) => ({
      ...other,
      owner: 'Ana',
      channel: 'facebook' as const,
      effortHours: 20,
      hypothesis: move!.hypothesis,
    }));
    const said = (await problems('moves', { moves: one }, arc)).map(({ problem }) => problem).join('\n');
    expect(said).toMatch(/“Ana” has 60 hours in week \d+, more than a working week of 40/);
    expect(said).toContain('“Ana” has 100 % of all hours');
    expect(said).toContain('“Ben” has no move');
    expect(said).toContain('No move uses e-mail');
    expect(said).toContain('35 moves have this same hypothesis');
  });

  test('says the most and the least that the numbers allow, and no more than twelve remarks', async () => {
    const critique = await written(critiqueRequest({ subject: 'pivot', proposal: {}, context: sample, evidence }));
    expect(critique).toEqual({
      remarks: [],
      confidence: 0.5,
      predicted: [
        { kpi: 'leads', likely: 80, low: 40, high: 120 },
        { kpi: 'no-shows', likely: 11.5, low: 9, high: 14 },
      ],
    });
    const owners = Array.from({ length: 40 }, (_, at) => `Owner ${at}`);
    const context = { ...sample, owners };
    const arc = await arcOf(sample);
    const proposal = await movesOf(sample, arc);
    const many = await written(critiqueRequest({ subject: 'moves', proposal, context, evidence }));
    expect(many.remarks).toHaveLength(12);
    expect(many.confidence).toBeLessThan(0.5);
  });

  test('answers for every context', async () => {
    await fc.assert(
      fc.asyncProperty(withEvidence, async ([context, known]) => {
        const arc = await arcOf(context, known);
        const proposal = await movesOf(context, arc, { known });
        await written(critiqueRequest({ subject: 'arc', proposal: arc, context, evidence: known }));
        await written(critiqueRequest({ subject: 'moves', proposal, context, evidence: known, arc }));
      }),
      { numRuns: 20 },
    );
  });
});
