import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { MoveRow } from '../../database/tables-moves.ts';
import { type GenerateRequest, ModelError } from '../../generation/model.ts';
import type { JsonObject } from '../../shared/json.ts';
import { newId } from '../../shared/ids.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { Mortal } from './mortal.ts';
import { PlanScene } from './planner-support.ts';
import { PLAN, PlanningModel, planningParts } from './planning-parts.ts';
import { workContext } from './work-context.ts';

let records: TestRecords;
let scene: PlanScene;
let model: PlanningModel;
let planId: string;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  model = new PlanningModel();
  scene = new PlanScene(records, { model });
  ({ planId } = await scene.active());
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

/** Runs a step that writes assets, until nothing is being done any more. */
async function write(params: JsonObject = {}) {
  const { id } = await scene.harness.createCampaign({
    name: 'Assets',
    steps: [
      {
        name: 'assets',
        engine: 'move-assets',
        params: { plan: planId, weeks: [1], ...params },
        retry: { attempts: 1 },
      },
    ],
  });
  const { runId } = await scene.harness.runs.start(id, { force: false });
  await scene.harness.idle();
  const { run, steps } = await scene.read(runId);
  const [step] = steps;
  if (!step) throw new Error('no step');
  return {
    runId,
    status: run.status,
    step,
    output: step.output ?? {},
    assets: (step.output?.['assets'] ?? []) as JsonObject[],
  };
}

const ofWeek = async (week: number) => (await scene.moves(planId)).filter((move) => move.week === week);
const written = async () => (await scene.moves(planId)).filter(({ assets }) => assets.length > 0);
const set = (move: MoveRow | undefined, patch: Partial<MoveRow>) =>
  records.update('moves', patch, [{ column: 'id', op: 'eq', value: String(move?.id) }]);
const asked = (task: string) => model.requests.filter((request) => request.task === task);
const briefOf = ({ input }: GenerateRequest<unknown>) =>
  input as { brief: { facts: { id: string }[]; objective: string; audience: string } };

describe('what moves need written', () => {
  test('stands with the moves, with its audit and on record; the step tells the essentials', async () => {
    const moves = await ofWeek(1);
    const { step, status, output, assets, runId } = await write();
    expect([status, step.status]).toEqual(['completed', 'completed']);
    expect(output).toMatchObject({ planId, failures: [] });
    expect(assets.map(({ move }) => String(move)).toSorted()).toEqual(moves.map(({ id }) => id).toSorted());
    for (const move of await ofWeek(1)) {
      const [asset] = move.assets;
      expect(move.assets).toHaveLength(1);
      expect(asset).toMatchObject({
        kind: move.channel === 'email' ? 'copy' : 'social',
        runId,
        verdict: 'pass',
        judged: 'complete',
        model: 'model-1',
        findings: [],
      });
      expect(assets).toContainEqual({
        move: move.id,
        artifactId: asset?.['artifactId'],
        kind: asset?.['kind'],
        verdict: 'pass',
        judged: 'complete',
      });
      expect(move.history.at(-1)).toMatchObject({ by: 'planner', changed: { assets: asset?.['artifactId'] } });
    }
    const decisions = (await scene.decisions(planId)).filter(({ action }) => action === 'move.write_asset');
    expect(decisions.map(({ evidence }) => String(evidence['move'])).toSorted()).toEqual(
      moves.map(({ id }) => id).toSorted(),
    );
    const uses = await records.select('tool_calls', { where: [{ column: 'run_id', op: 'eq', value: runId }] });
    expect(uses.map(({ tool, outcome }) => [tool, outcome])).toEqual(moves.map(() => ['content', 'completed']));
    const calls = asked('brief.copy').length + asked('brief.social').length + asked('audit.judge').length;
    expect(step.cost_micros).toBe(calls * 10_000);
  });

  test('is a mail for e-mail, and a post for its channel for every other', async () => {
    const [one, two] = await ofWeek(1);
    await set(one, { channel: 'email' });
    await set(two, { channel: 'linkedin' });
    await write();
    expect((await ofWeek(1)).map(({ channel, assets }) => [channel, assets[0]?.['kind']])).toEqual(
      expect.arrayContaining([
        ['email', 'copy'],
        ['linkedin', 'social'],
      ]),
    );
  });

  test('rests on what may be said outside: neither aims, nor budgets, nor what is known of customers', async () => {
    const [move] = await ofWeek(1);
    await set(move, { evidence: ['objective', 'budget', 'cohort-1', 'kpi-leads', 'survey', 'foundation-proof-1'] });
    await write({ most: 20 });
    const [request] = [...asked('brief.social'), ...asked('brief.copy')].filter((one) =>
      briefOf(one).brief.objective.startsWith(String(move?.title)),
    );
    expect(request && briefOf(request).brief.facts.map(({ id }) => id)).toEqual(['survey', 'foundation-proof-1']);
  });

  test('is for the cohort that the move cites, else for those that its channel reaches, else for all', async () => {
    const audiences: string[] = [];
    const [move, ...others] = await ofWeek(1);
    for (const other of others) await set(other, { state: 'dropped' });
    for (const [evidence, channel] of [
      [['cohort-2'], 'facebook'],
      [['survey'], 'facebook'],
      [['survey'], 'email'],
    ] as const) {
      model.requests.length = 0;
      await set(move, { evidence: [...evidence], channel, assets: [] });
      await write();
      const [request] = [...asked('brief.social'), ...asked('brief.copy')];
      audiences.push(String(request && briefOf(request).brief.audience));
    }
    const [owners, hotels] = PLAN['cohorts'] as { name: string }[];
    const named = audiences.map((text) => [owners, hotels].map((cohort) => text.includes(`${cohort?.name}: `)));
    expect(named).toEqual([
      [false, true],
      [true, false],
      [true, true],
    ]);
  });

  test('is written for so many, those of the highest priority first, and for none twice', async () => {
    for (const [at, move] of (await ofWeek(1)).entries()) await set(move, { priority: 5 - at });
    const first = (await ofWeek(1)).toSorted((a, b) => a.priority - b.priority)[0];
    await write({ most: 1 });
    expect((await written()).map(({ id }) => id)).toEqual([first?.id]);
    const { assets } = await write();
    expect(assets.map(({ move }) => move)).not.toContain(first?.id);
    expect((await write()).output).toEqual({ planId, reason: 'no move of these weeks is without assets' });
    for (const { assets: kept } of await ofWeek(1)) expect(kept).toHaveLength(1);
  });

  test('is not written for moves that are done or dropped', async () => {
    const [done, ...others] = await ofWeek(1);
    await set(done, { state: 'done' });
    for (const move of others) await set(move, { state: 'dropped' });
    expect((await write()).step.status).toBe('empty');
    expect(await written()).toEqual([]);
  });

  test.each([
    ['current', 2],
    ['next', 3],
    ['first', 2],
  ])('of the weeks "%s" is that of week %i on a day of the second week', async (weeks, week) => {
    scene.clock.set(Date.parse('2026-03-10T09:00:00Z'));
    await write({ weeks, most: 20 });
    const found = await written();
    expect(new Set(found.map((move) => move.week))).toEqual(new Set([week]));
    expect(found).toHaveLength((await ofWeek(week)).length);
  });

  test('is told of where it could not be written, and stands there for the others', async () => {
    const [bad, ...good] = await ofWeek(1);
    const refused = new ModelError('MODEL_REFUSED', 'The model said nothing.', { costMicros: 100 });
    const isBad = (one: GenerateRequest<unknown>) =>
      one.task.startsWith('brief.') && briefOf(one).brief.objective.startsWith(String(bad?.title));
    model.failFor = (one) => (isBad(one) ? refused : null);
    const { output, status, assets, step } = await write();
    expect(status).toBe('completed');
    expect(output['failures']).toEqual([`${bad?.title}: The model said nothing.`]);
    expect(assets).toHaveLength(good.length);
    expect((await ofWeek(1)).find(({ id }) => id === bad?.id)?.assets).toEqual([]);
    const calls = asked('brief.copy').length + asked('brief.social').length + asked('audit.judge').length;
    const vain = model.requests.filter(isBad).length;
    expect(step.cost_micros).toBe((calls - vain) * 10_000 + vain * 100);
    model.failFor = () => null;
    expect((await write()).assets.map(({ move }) => move)).toEqual([bad?.id]);
  });

  test.each([
    ['MODEL_REFUSED', false],
    ['MODEL_UNAVAILABLE', true],
  ] as const)('fails the step when there is none, which may pass after %s: %s', async (code, retryable) => {
    const broken = new ModelError(code, 'No.', { retryable });
    Object.assign(model.script, { 'brief.social': [broken], 'brief.copy': [broken] });
    const { status, step, output } = await write();
    expect([status, step.error?.code, step.error?.retryable]).toEqual(['failed', 'ASSETS_FAILED', retryable]);
    expect(output).toMatchObject({ planId, failures: expect.any(Array) as unknown });
    expect(await written()).toEqual([]);
  });

  test('is kept although nobody could judge it, and says so', async () => {
    model.script['audit.judge'] = [new ModelError('MODEL_REJECTED', 'no')];
    const { status } = await write({ most: 1 });
    expect(status).toBe('completed');
    const [move] = await written();
    expect(move?.assets[0]).toMatchObject({ judged: 'pending' });
  });

  test('is written for every active plan of the workspace, and for no other', async () => {
    const other = await scene.active({ name: 'Other' });
    const away = await scene.active({ name: 'Away', workspace: 'away' });
    const { id } = await scene.harness.createCampaign({
      name: 'All',
      steps: [{ name: 'assets', engine: 'move-assets', params: { weeks: 'current', most: 1 } }],
    });
    const { runId } = await scene.harness.runs.start(id, { force: false });
    await scene.harness.idle();
    const { steps } = await scene.read(runId);
    expect(
      steps.flatMap(({ output }) => output?.['plans'] as JsonObject[]).map((plan) => [plan['planId'], plan['state']]),
    ).toEqual([
      [planId, 'applied'],
      [other.planId, 'applied'],
    ]);
    for (const move of await scene.moves(away.planId)) expect(move.assets).toEqual([]);
  });
});

test('a step that died anywhere writes each asset once, and those of one week only', async () => {
  const moves = await ofWeek(1);
  for (let breaths = 0; ; breaths += 3) {
    const runId = newId();
    for (const move of moves) await set(move, { assets: [] });
    const mine = new PlanningModel();
    const live = async (mortal: Mortal) => {
      const { clock } = scene;
      const { works, toolbox } = planningParts(mortal.records(records), mortal.pool(records.pool), { clock });
      const { work } = workContext({ clock, runId, stepName: 'assets', model: mortal.model(mine) });
      try {
        return await works['move-assets']({ plan: planId, weeks: 'first', most: 2 }, work);
      } finally {
        await toolbox.close();
      }
    };
    const first = await live(new Mortal(breaths)).catch((error: Error) => error);
    if (first instanceof Error) expect(first.message).toMatch(/killed/);
    const { output, outcome } = await live(new Mortal(Infinity));
    expect(outcome).toBe('completed');
    expect((output['assets'] as JsonObject[]).map(({ move }) => String(move)).toSorted()).toEqual(
      moves.map(({ id }) => id).toSorted(),
    );
    const writings = mine.requests.filter(({ task }) => task.startsWith('brief.'));
    // One more at most: what was written when it died is not on record.
    expect(writings.length).toBeLessThanOrEqual(moves.length + 1);
    expect((await written()).map(({ week, assets }) => [week, assets.length])).toEqual(moves.map(() => [1, 1]));
    if (!(first instanceof Error)) break;
  }
});
