import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { WorkResult } from '../../moves/work.ts';
import { newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { TestClock } from '../support/clock.ts';
import { type EmbeddedRecords, embeddedRecords } from '../support/records.ts';
import { Mortal } from './mortal.ts';
import { NOW, planRow, planningParts, PlanningModel, storeArc } from './planning-parts.ts';
import { approve, workContext } from './work-context.ts';

let records: EmbeddedRecords;
beforeAll(async () => {
  records = await embeddedRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

interface Life {
  step: 'arc' | 'moves' | 'pivot';
  params: JsonObject;
  runId: string;
}

/** One process that does a step, as far as it gets. */
async function live({ step, params, runId }: Life, model: PlanningModel, mortal = new Mortal(Infinity)) {
  const clock = new TestClock(NOW);
  const { works, toolbox } = planningParts(mortal.records(records), mortal.pool(records.pool), { clock });
  const { work } = workContext({ clock, runId, stepName: step, model: mortal.model(model), answer: approve });
  try {
    return await works[step](params, work);
  } finally {
    await toolbox.close();
  }
}

/** Lets the first process die at every nth breath, and the second do the rest. */
async function dieEverywhere(
  every: number,
  prepare: () => Promise<Life>,
  check: (life: Life, result: WorkResult, model: PlanningModel) => Promise<void>,
): Promise<number> {
  for (let breaths = 0, died = 0; ; breaths += every, died += 1) {
    const life = await prepare();
    const model = new PlanningModel();
    const first = await live(life, model, new Mortal(breaths)).catch((error: Error) => error);
    if (first instanceof Error) expect(first.message).toBe('killed');
    await check(life, await live(life, model), model);
    if (!(first instanceof Error)) return died;
  }
}

const approval = { groups: [], expiresIn: 1_000, onExpiry: 'reject', allowSelf: false };

const decided = async (planId: string) =>
  (await records.select('agent_decisions', { where: [{ column: 'plan_id', op: 'eq', value: planId }] }))
    .map(({ action }) => action)
    .toSorted();

async function active(): Promise<PlanRow> {
  const plan = await planRow(records, { state: 'active', arc_version: 1 });
  await storeArc(records, plan);
  return plan;
}

describe('a planning graph whose process dies, wherever that is', () => {
  test('goes on in another one, asks no model again for a node that had ended, and makes one arc', async () => {
    const died = await dieEverywhere(
      4,
      async () => ({ step: 'arc', params: { plan: (await planRow(records)).id, approval }, runId: newId() }),
      async ({ params }, { outcome, output }, model) => {
        const plan = String(params['plan']);
        // One call more than those that are needed: the node that was under way has no end on record.
        expect(model.requests.length).toBeLessThanOrEqual(3);
        expect(await decided(plan)).toEqual([
          'arc.approved',
          'arc.choose_evidence',
          'arc.critique',
          'arc.draft',
          'arc.validate',
        ]);
        const versions = await records.select('arc_versions', {
          where: [{ column: 'plan_id', op: 'eq', value: plan }],
        });
        expect(versions.map(({ arc_version: version }) => version)).toEqual([1]);
        expect(output['arcVersion']).toBe(1);
        expect(outcome).toBe('completed');
      },
    );
    expect(died).toBeGreaterThan(10);
  });

  test('writes the moves once, and drops those that they replace once', async () => {
    const died = await dieEverywhere(
      13,
      async () => {
        const plan = await active();
        const life: Life = { step: 'moves', params: { plan: plan.id, weeks: [1], approval }, runId: newId() };
        await live(life, new PlanningModel());
        return { ...life, runId: newId() };
      },
      async ({ params, runId }, { outcome, output }, model) => {
        expect(outcome).toBe('completed');
        expect(model.requests.length).toBeLessThanOrEqual(3);
        const moves = await records.select('moves', {
          where: [{ column: 'plan_id', op: 'eq', value: String(params['plan']) }],
        });
        const ours = moves.filter((move) => move.run_id === runId);
        const before = moves.filter((move) => move.run_id !== runId);
        expect(ours.map(({ id }) => id).toSorted()).toEqual((output['moves'] as string[]).toSorted());
        expect(new Set(ours.map(({ state }) => state))).toEqual(new Set(['planned']));
        expect(before.map(({ state, history }) => [state, history.length])).toEqual(before.map(() => ['dropped', 1]));
      },
    );
    expect(died).toBeGreaterThan(5);
  });

  test('proposes one pivot, and makes one version of it', async () => {
    const died = await dieEverywhere(
      13,
      async () => {
        const plan = await active();
        return { step: 'pivot', params: { plan: plan.id, always: true, approval }, runId: newId() };
      },
      async ({ params }, { outcome }, model) => {
        expect(outcome).toBe('completed');
        expect(model.requests.length).toBeLessThanOrEqual(3);
        const where = [{ column: 'plan_id', op: 'eq', value: String(params['plan']) }] as const;
        expect((await records.select('pivots', { where })).map(({ state }) => state)).toEqual(['approved']);
        expect(await records.count('arc_versions', where)).toBe(2);
      },
    );
    expect(died).toBeGreaterThan(5);
  });
});
