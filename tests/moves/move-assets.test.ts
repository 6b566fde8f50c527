import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { MoveRow } from '../../database/tables-moves.ts';
import { type GenerateRequest, ModelError } from '../../generation/model.ts';
import { templates } from '../../generation/rules/templates.ts';
import { newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { type MemoryRecords, memoryRecords } from '../support/records.ts';
import { PLAN, PlanningModel, PlanScene, workContext } from './planner-support.ts';

let records: MemoryRecords;
let scene: PlanScene;
let model: PlanningModel;
let planId: string;
beforeAll(async () => {
  records = await memoryRecords();
});
beforeEach(async () => {
  model = new PlanningModel();
  scene = new PlanScene(records, { model });
  ({ planId } = await scene.active());
  model.requests.length = 0;
});
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

/** One try of a step that makes assets, as the run of this id. */
async function attempt(runId: string, params: JsonObject = {}, signal = new AbortController().signal) {
  const { work } = workContext({ runId, stepName: 'assets', clock: scene.clock, model, signal });
  return scene.parts.works['move-assets'](
    { plan: planId, workspace: 'default', weeks: 'first', most: 6, ...params },
    work,
  );
}

const inWeek = async (week: number) => (await scene.moves(planId)).filter((move) => move.week === week);
const withAssets = async () => (await scene.moves(planId)).filter(({ assets }) => assets.length > 0);
const written = () => model.asked('brief.copy') + model.asked('brief.social');
const assetsIn = ({ output }: { output: JsonObject }) => output['assets'] as JsonObject[];
/** What writers were given. */
const briefs = () =>
  model.requests
    .filter(({ task }) => task === 'brief.copy' || task === 'brief.social')
    .map(({ input }) => input['brief'] as { audience: string; facts: { id: string; text: string }[] });

describe('assets', () => {
  test('are made for the moves of the first week that has any, and stand with them as they were audited', async () => {
    const first = await inWeek(1);
    const result = await attempt(newId());
    expect(result.outcome).toBe('completed');
    expect(result.costMicros).toBe(model.requests.length * model.cost);
    expect(assetsIn(result).map(({ move }) => move)).toEqual(expect.arrayContaining(first.map(({ id }) => id)));
    const moves = await withAssets();
    expect(moves.map(({ id }) => id)).toEqual(first.map(({ id }) => id));
    for (const { assets, channel, history } of moves) {
      expect(assets).toMatchObject([
        {
          kind: channel === 'email' ? 'copy' : 'social',
          model: 'model-1',
          verdict: expect.any(String),
          judged: 'complete',
        },
      ]);
      expect(history.at(-1)).toMatchObject({ by: 'planner', changed: { assets: assets[0]?.['artifactId'] } });
    }
  });

  test('are not made again by another run, nor those of the week after', async () => {
    await attempt(newId());
    const asked = model.requests.length;
    expect(await attempt(newId())).toMatchObject({ outcome: 'empty', output: { reason: expect.any(String) } });
    expect(model.requests).toHaveLength(asked);
  });

  test('are for what is to be done: not for moves that are done or dropped, nor more than asked, the most urgent first', async () => {
    const [first, ...others] = await inWeek(1);
    await scene.patch(`/api/moves/${first?.id}`, { state: 'dropped' });
    const open = others.toSorted((a, b) => a.priority - b.priority);
    await attempt(newId(), { most: 1 });
    expect((await withAssets()).map(({ id }) => id)).toEqual([open[0]?.id]);
  });
});

describe('a step that is run again after a crash', () => {
  test('at its end gives what it gave, and writes nothing for the next week', async () => {
    const runId = newId();
    const before = await attempt(runId);
    const asked = model.requests.length;
    const after = await attempt(runId);
    expect(after).toEqual({ ...before, costMicros: 0 });
    expect(model.requests).toHaveLength(asked);
    expect(await withAssets()).toHaveLength(assetsIn(before).length);
  });

  test('in the middle writes what is missing, and records each once', async () => {
    const runId = newId();
    const dying = new AbortController();
    const all = await inWeek(1);
    expect(all.length).toBeGreaterThan(1);
    let writes = 0;
    const second = (task: string) => {
      const write = (request: GenerateRequest<unknown>) => {
        if ((writes += 1) === 2) {
          dying.abort(new Error('the process ended'));
          throw dying.signal.reason;
        }
        return templates[request.task]?.(request.input);
      };
      model.script[task] = [write];
    };
    second('brief.copy');
    second('brief.social');
    await expect(attempt(runId, {}, dying.signal)).rejects.toThrow('the process ended');
    expect(await withAssets()).toHaveLength(1);
    const result = await attempt(runId);
    expect(assetsIn(result)).toHaveLength(all.length);
    for (const { assets } of await inWeek(1)) expect(assets).toHaveLength(1);
    const decided = (await scene.decisions(planId)).filter(({ action }) => action === 'move.write_asset');
    expect(decided.map(({ evidence }) => evidence['move']).toSorted()).toEqual(all.map(({ id }) => id).toSorted());
    expect(written()).toBe(all.length + 1);
  });
});

describe('a writer', () => {
  test('is told nothing of targets, budget, cohorts and constraints as facts, and what may be said outside is there', async () => {
    const [move] = await inWeek(1);
    const evidence = [
      'objective',
      'budget',
      'cohort-1',
      'kpi-leads',
      'foundation-promise',
      'foundation-proof-1',
      'survey',
    ];
    await records.update('moves', { evidence } as Partial<MoveRow>, [
      { column: 'id', op: 'eq', value: move?.id ?? '' },
    ]);
    await attempt(newId());
    const facts = briefs().flatMap((brief) => brief.facts);
    expect(new Set(facts.map(({ id }) => id))).toEqual(new Set(['foundation-promise', 'foundation-proof-1', 'survey']));
    expect(JSON.stringify(facts)).not.toMatch(/18,?000|40 leads/);
  });

  test('writes for the cohort that the move cites, else for those that its channel reaches', async () => {
    const [move] = await inWeek(1);
    const only = async (patch: Partial<MoveRow>) => {
      model.requests.length = 0;
      await records.update('moves', { ...patch, assets: [] }, [{ column: 'id', op: 'eq', value: move?.id ?? '' }]);
      await attempt(newId(), { most: 1 });
      return briefs()[0]?.audience ?? '';
    };
    const [owners, hotels] = PLAN['cohorts'] as { name: string }[];
    const cited = await only({ evidence: ['cohort-2'], channel: 'facebook', priority: 1 });
    expect(cited).toContain(hotels?.name);
    expect(cited).not.toContain(owners?.name);
    const reached = await only({ evidence: ['survey'], channel: 'facebook', priority: 1 });
    expect(reached).toContain(owners?.name);
    expect(reached).not.toContain(hotels?.name);
    const nobody = await only({ evidence: ['survey'], channel: 'email', priority: 1 });
    expect(nobody).toContain(owners?.name);
    expect(nobody).toContain(hotels?.name);
  });

  test('that fails for one move leaves the others their assets, and says for which', async () => {
    const blocked = new ModelError('MODEL_BLOCKED', 'The filter held it back.');
    for (const task of ['brief.copy', 'brief.social']) model.script[task] = [blocked, 'write'];
    const all = await inWeek(1);
    const result = await attempt(newId());
    const failures = result.output['failures'] as string[];
    expect(failures.length).toBeGreaterThan(0);
    expect(failures[0]).toMatch(/: .*filter/);
    expect(await withAssets()).toHaveLength(all.length - failures.length);
  });

  test('that fails for every move fails the step, for good where no later try can help', async () => {
    for (const task of ['brief.copy', 'brief.social'])
      model.script[task] = [new ModelError('MODEL_BLOCKED', 'The filter held it back.')];
    await expect(attempt(newId())).rejects.toMatchObject({ code: 'ASSETS_FAILED', retryable: false });
    for (const task of ['brief.copy', 'brief.social'])
      model.script[task] = [new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true })];
    await expect(attempt(newId())).rejects.toMatchObject({ code: 'ASSETS_FAILED', retryable: true });
  });
});
