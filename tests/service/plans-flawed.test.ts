import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { join } from 'node:path';
import type { JsonObject } from '../../database/tables.ts';
import { templates } from '../../generation/rules/templates.ts';
import type { Arc, Milestone, Phase } from '../../moves/arc.ts';
import { addDays } from '../../moves/calendar.ts';
import type { MoveDraft, MovesProposal } from '../../moves/move.ts';
import type { PivotProposal } from '../../moves/pivots/pivot.ts';
import { pivotTemplates } from '../../moves/pivots/write-pivot.ts';
import { planningTemplates } from '../../moves/rules/templates.ts';
import { toolTemplates } from '../../moves/tools/plan-tools.ts';
import { sampleContext } from '../../sandbox/sample-context.ts';
import { startVertexSandbox, type VertexSandbox } from '../../sandbox/vertex.ts';
import { temporaryFolder } from '../support/service.ts';
import { KilledService } from './plans-support.ts';

/** What good answers are made of, before they are spoilt. */
const GOOD = { ...templates, ...planningTemplates, ...pivotTemplates, ...toolTemplates };
const JUDGEMENT = { answer: false, quote: '', reason: 'Nothing of the kind.' };

type Spoil = (answer: never) => void;

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let sandbox: VertexSandbox;
let service: KilledService;
/** What the next answers to a task are spoilt by, one each, as the sandbox names it; afterwards they are good. */
const spoils = new Map<string, Spoil[]>();

const label = (task: string) => task.replaceAll('.', '-');

function writer(task: string) {
  return (data: unknown) => {
    const answer = structuredClone(GOOD[task]?.(data as JsonObject));
    spoils.get(label(task))?.shift()?.(answer as never);
    return answer;
  };
}

beforeAll(async () => {
  folder = await temporaryFolder();
  const writers = Object.fromEntries(Object.keys(GOOD).map((task) => [label(task), writer(task)]));
  sandbox = await startVertexSandbox({ writers: { ...writers, 'audit-judge': () => JUDGEMENT } });
  service = await KilledService.start({
    DATA_DIR: join(folder.path, 'data'),
    KPI_DIR: join(folder.path, 'kpis'),
    CAMPAIGNS_DIR: join(folder.path, 'none'),
    MODEL_PROVIDER: 'genai',
    GOOGLE_CLOUD_PROJECT: 'a-project',
    GOOGLE_VERTEX_BASE_URL: sandbox.url,
  });
}, 60_000);

afterEach(() => {
  const left = [...spoils.values()].flat();
  spoils.clear();
  expect(left).toEqual([]);
});

afterAll(async () => {
  await service?.end();
  await sandbox?.close();
  await folder.remove();
}, 30_000);

interface Requested {
  id: string;
  runId: string;
  /** How often the sandbox was asked for a task since. */
  asked(task: string): number;
}

/** Requests a plan like no other: the answer to a question that was asked before is in the cache. */
async function request(objective: string, change: JsonObject = {}): Promise<Requested> {
  const { knowledge: _, ...sample } = (await sampleContext(join(folder.path, 'kpis'), Date.now())) as JsonObject;
  const before = sandbox.requests.length;
  const body = { ...sample, ...change, objective: `${String(sample['objective'])}. ${objective}`, assets: false };
  const { plan, runId } = (await service.post('/api/plans', body)) as { plan: { id: string }; runId: string };
  const asked = (task: string) => sandbox.requests.slice(before).filter((one) => one.task === task).length;
  return { id: plan.id, runId, asked };
}

async function untilActive(objective: string): Promise<Requested> {
  const plan = await request(objective);
  await service.decide((await service.asked(plan.id, 'arc')).id, 'ben');
  return plan;
}

interface Decision {
  action: string;
  reasoning: string;
  evidence: { findings?: { code: string }[] };
}

/** Decisions of some kind about a plan, oldest first. */
async function decisions(planId: string, action: string): Promise<Decision[]> {
  const rows = await service.all(`/api/decisions?planId=${planId}&action=${action}`, 'decisions');
  return rows.toReversed() as unknown as Decision[];
}

const codesOf = ({ evidence }: Decision) => (evidence.findings ?? []).map(({ code }) => code);

async function subjectOf(approvalId: string): Promise<JsonObject> {
  return ((await service.get(`/api/approvals/${approvalId}`))['approval'] as JsonObject)['subject'] as JsonObject;
}

const firstPhase = ({ phases }: Arc) => phases[0] as Phase;
const lastPhase = ({ phases }: Arc) => phases.at(-1) as Phase;

const ARC_FLAWS: [string, string, (arc: Arc) => void][] = [
  [
    'ends after the 90 days',
    'PLAN_DATES_OUTSIDE',
    (arc) => (lastPhase(arc).endsOn = addDays(lastPhase(arc).endsOn, 9)),
  ],
  [
    'leaves days without a phase',
    'PLAN_PHASES_GAP',
    (arc) => (firstPhase(arc).endsOn = addDays(firstPhase(arc).endsOn, -3)),
  ],
  ['gives away more than the budget', 'PLAN_BUDGET_SHARES', (arc) => (firstPhase(arc).budgetShare += 0.1)],
  ['says what rests on no fact', 'PLAN_UNCITED', ({ summary }) => (summary.facts = [])],
  ['cites facts that there are not', 'PLAN_FACT_UNKNOWN', ({ summary }) => (summary.facts = ['market-study-2025'])],
  ['makes numbers up', 'PLAN_NUMBER_UNSUPPORTED', (arc) => (firstPhase(arc).goal.text += ' Revenue grows by 73 %.')],
  [
    'lets milestones wait for each other',
    'PLAN_DEPENDENCY_CYCLE',
    ({ milestones }) => ((milestones[0] as Milestone).dependsOn = [(milestones.at(-1) as Milestone).id]),
  ],
];

describe('an arc of a model that', () => {
  test.each(ARC_FLAWS)(
    '%s is told so by name (%s), and put before people once it is mended',
    async (what, code, spoil) => {
      spoils.set('plan-arc', [spoil]);
      const plan = await request(`Arc that ${what}`);
      const approval = await service.asked(plan.id, 'arc');
      expect(plan.asked('plan-arc')).toBe(1);
      expect(plan.asked('plan-arc-revise')).toBe(1);
      const [before, after] = await decisions(plan.id, 'arc.critique');
      expect(codesOf(before as Decision)).toContain(code);
      expect(before?.reasoning).toContain(code);
      expect(codesOf(after as Decision)).toEqual([]);
      expect((await decisions(plan.id, 'arc.validate')).map(codesOf)).toEqual([[]]);
      const { phases, summary } = (await subjectOf(approval.id)) as unknown as Arc;
      expect(phases.reduce((sum, { budgetShare }) => sum + budgetShare, 0)).toBeCloseTo(1);
      expect(summary.facts).not.toEqual([]);
      expect(await service.plan(plan.id)).toMatchObject({ state: 'planning', arcVersion: 0 });
    },
  );

  test('stays flawed is refused after two revisions, with what is wrong with it, and nobody is asked', async () => {
    const uncited: Spoil = ({ summary }: Arc) => (summary.facts = []);
    spoils.set('plan-arc', [uncited]).set('plan-arc-revise', [uncited, uncited]);
    const plan = await request('Arc that stays flawed');
    const run = await service.run(plan.runId);
    expect(run).toMatchObject({
      status: 'failed',
      cost_unknown: false,
      steps: [
        {
          name: 'arc',
          status: 'failed',
          attempts: 1,
          error: { code: 'PLAN_REFUSED', message: expect.stringContaining('PLAN_UNCITED') },
          output: { findings: [{ code: 'PLAN_UNCITED', path: 'summary.facts' }] },
        },
        { name: 'moves', status: 'skipped' },
      ],
    });
    expect(plan.asked('plan-arc-revise')).toBe(2);
    // Of what is word for word the same the critique is known.
    expect(plan.asked('plan-critique')).toBe(1);
    expect(run['total_cost']).toBeGreaterThan(0);
    expect((await decisions(plan.id, 'arc.refuse')).map(codesOf)).toEqual([['PLAN_UNCITED']]);
    expect(await service.approvals(plan.id)).toEqual([]);
    expect(await service.plan(plan.id)).toMatchObject({
      state: 'failed',
      stateReason: expect.stringContaining('PLAN_UNCITED'),
      arcVersion: 0,
      arc: null,
      moves: {},
    });
  });

  test('is prose the first time is asked for again', async () => {
    sandbox.script('plan-arc', { kind: 'text', text: 'Of course! Here is a plan that will delight your customers.' });
    const plan = await request('Arc that is prose first');
    await service.asked(plan.id, 'arc');
    expect(plan.asked('plan-arc')).toBe(2);
    const run = (await service.get(`/api/runs/${plan.runId}`))['run'] as JsonObject;
    expect(run).toMatchObject({ status: 'waiting', steps: [{ attempts: 1 }] });
  });

  test('is never anything but prose leaves no plan, and says so', async () => {
    const prose = { kind: 'text', text: 'I would rather talk about something else.' } as const;
    sandbox.script('plan-arc', prose, prose, prose);
    const plan = await request('Arc that is always prose');
    const run = await service.run(plan.runId);
    expect(run).toMatchObject({ status: 'failed', steps: [{ error: { code: 'MODEL_OUTPUT_INVALID' } }, {}] });
    expect(plan.asked('plan-arc')).toBe(3);
    expect(run['total_cost']).toBeGreaterThan(0);
    await service.now.until(async () => (await service.plan(plan.id))['state'] === 'failed');
    expect(await service.plan(plan.id)).toMatchObject({
      stateReason: expect.stringContaining('Step arc failed'),
      arcVersion: 0,
    });
    expect(await service.approvals(plan.id)).toEqual([]);
  });
});

const firstMove = ({ moves }: MovesProposal) => moves[0] as MoveDraft;

const MOVE_FLAWS: [string, (proposal: MovesProposal) => void][] = [
  ['PLAN_BUDGET_EXCEEDED', (proposal) => (firstMove(proposal).budget = 1_000_000)],
  ['PLAN_DATES_OUTSIDE', (proposal) => firstMove(proposal).tasks.forEach((task) => (task.dueOn = '2031-01-01'))],
  ['PLAN_EXPECTED_RANGE', (proposal) => (firstMove(proposal).expected.low = 1_000)],
  ['PLAN_FACT_UNKNOWN', (proposal) => (firstMove(proposal).hypothesis.facts = ['somebody-said'])],
  ['PLAN_OWNER_UNKNOWN', (proposal) => (firstMove(proposal).owner = 'The intern')],
  ['PLAN_WEEK_EMPTY', (proposal) => (proposal.moves = proposal.moves.filter(({ week }) => week !== 7))],
  [
    'PLAN_DEPENDENCY_CYCLE',
    ({ moves: [first, second] }) => {
      if (!first || !second) return;
      first.dependsOn = [second.key];
      second.dependsOn = [first.key];
    },
  ],
];

describe('moves of a model', () => {
  test('with every flaw at once, then one, then none, take both revisions and nothing more', async () => {
    const all: Spoil = (proposal: MovesProposal) => MOVE_FLAWS.forEach(([, spoil]) => spoil(proposal));
    const uncited: Spoil = (proposal: MovesProposal) => (firstMove(proposal).hypothesis.facts = []);
    spoils.set('plan-moves', [all]).set('plan-moves-revise', [uncited]);
    const plan = await untilActive('Moves that are flawed twice');
    const approval = await service.asked(plan.id, 'moves');
    expect(plan.asked('plan-moves-revise')).toBe(2);
    const [first, second, third] = await decisions(plan.id, 'moves.critique');
    expect(codesOf(first as Decision)).toEqual(expect.arrayContaining(MOVE_FLAWS.map(([code]) => code)));
    expect(codesOf(second as Decision)).toEqual(['PLAN_UNCITED']);
    expect(codesOf(third as Decision)).toEqual([]);
    expect(await service.all(`/api/moves?planId=${plan.id}`, 'moves')).toEqual([]);
    await service.decide(approval.id, 'ben');
    expect(await service.run(plan.runId)).toMatchObject({ status: 'completed' });
    const { moves } = (await subjectOf(approval.id)) as unknown as MovesProposal;
    expect(await service.all(`/api/moves?planId=${plan.id}`, 'moves')).toHaveLength(moves.length);
  });

  test('that stay flawed are refused; the arc stays as it is, without moves', async () => {
    const cycle = MOVE_FLAWS.at(-1)?.[1] as Spoil;
    spoils.set('plan-moves', [cycle]).set('plan-moves-revise', [cycle, cycle]);
    const plan = await untilActive('Moves that stay flawed');
    const run = await service.run(plan.runId);
    expect(run).toMatchObject({
      status: 'failed',
      steps: [
        { name: 'arc', status: 'completed' },
        { name: 'moves', status: 'failed', error: { code: 'PLAN_REFUSED', message: expect.stringContaining('CYCLE') } },
      ],
    });
    expect((await service.approvals(plan.id)).map(({ kind }) => kind)).toEqual(['arc']);
    expect(await service.plan(plan.id)).toMatchObject({ state: 'active', arcVersion: 1, moves: {} });
    expect(await service.all(`/api/moves?planId=${plan.id}`, 'moves')).toEqual([]);
    const [arc, moves] = run['steps'] as { cost: number }[];
    expect(arc?.cost).toBeGreaterThan(0);
    expect(moves?.cost).toBeGreaterThan(0);
    expect(run['total_cost']).toBeCloseTo((arc?.cost ?? 0) + (moves?.cost ?? 0), 6);
  });
});

describe('a pivot of a model', () => {
  test('that rewrites what is over is told so, and mended before people see it; the arc is the old one until they approve', async () => {
    const plan = await untilActive('Pivot that rewrites the past');
    await service.decide((await service.asked(plan.id, 'moves')).id, 'ben');
    await service.run(plan.runId);
    await service.post(`/api/plans/${plan.id}/kpis/subscriptions/readings`, { value: 90 });
    spoils.set('plan-pivot', [
      ({ arc }: PivotProposal) => {
        (arc.milestones[0] as Milestone).name = 'Baselines were never read';
      },
    ]);
    const { runId } = (await service.post(`/api/plans/${plan.id}/pivots`)) as { runId: string };
    const approval = await service.asked(plan.id, 'pivot');
    expect(plan.asked('plan-pivot-revise')).toBe(1);
    expect((await decisions(plan.id, 'pivot.critique')).map(codesOf)).toEqual([['PLAN_PAST_CHANGED'], []]);
    expect(await service.plan(plan.id)).toMatchObject({ arcVersion: 1 });
    await service.decide(approval.id, 'ben', 'reject');
    expect(await service.run(runId)).toMatchObject({ status: 'failed', errors: [{ code: 'APPROVAL_REJECTED' }] });
    expect(await service.plan(plan.id)).toMatchObject({ state: 'active', arcVersion: 1 });
    const again = (await service.post(`/api/plans/${plan.id}/pivots`)) as { runId: string };
    expect(await service.run(again.runId)).toMatchObject({ steps: [{}, { name: 'pivot', status: 'empty' }] });
  });
});
