import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { ApprovalRow, MoveRow } from '../../database/tables-moves.ts';
import { type GenerateRequest, ModelError } from '../../generation/model.ts';
import type { MovesProposal } from '../../moves/move.ts';
import type { Arc } from '../../moves/arc.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import type { JsonObject } from '../../shared/json.ts';
import { intercepted } from '../support/intercept.ts';
import { embeddedRecords, freshRecords, type TestRecords } from '../support/records.ts';
import { PlanScene, type SceneOptions } from './planner-support.ts';
import { site } from './tools-support.ts';
import { but, DAY, PLAN, PlanningModel, written } from './planning-parts.ts';

let records: TestRecords;
let scene: PlanScene;
let model: PlanningModel;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => open());
afterEach(async () => {
  await scene.close();
  await records.truncate();
});
afterAll(() => records.close());

function open(options: SceneOptions = {}): void {
  model = new PlanningModel();
  scene = new PlanScene(records, { model, ...options });
}

const untilAsked = async (task: string) => {
  while (model.asked(task) === 0) await new Promise((resolve) => setImmediate(resolve));
};

/** A campaign with one step of planning. */
async function campaign(step: JsonObject, more: JsonObject = {}): Promise<string> {
  const { id } = await scene.harness.createCampaign({
    name: `Weekly ${String(step['engine'])}`,
    steps: [{ name: 'plan', retry: { attempts: 3, delay: 1_000, backoff: 'fixed' }, ...step }],
    ...more,
  });
  return id;
}

const weekly = (params: JsonObject = {}, more: JsonObject = {}) =>
  campaign({ engine: 'moves', params: { weeks: 'next', ...params } }, more);

/** Runs a campaign until nothing is being done any more. */
async function run(campaignId: string) {
  const { runId } = await scene.harness.runs.start(campaignId, { force: false });
  await scene.harness.idle();
  return runId;
}

async function planStep(runId: string) {
  const { run: row, steps } = await scene.read(runId);
  const [step] = steps;
  if (!step) throw new Error('no step');
  return { status: row.status, step, output: step.output ?? {}, plans: (step.output?.['plans'] ?? []) as JsonObject[] };
}

/** Lets waits between attempts pass, until nothing is being done any more. */
async function settle(): Promise<void> {
  const idle = scene.harness.idle().then(() => true);
  while (!(await Promise.race([idle, new Promise<false>((resolve) => setImmediate(() => resolve(false)))])))
    if (scene.clock.sleeping > 1) await scene.clock.advance(500);
}

const inWeek = async (planId: string, week: number) => (await scene.moves(planId)).filter((move) => move.week === week);
/** Changes a move as people do. */
async function change(move: MoveRow | undefined, body: JsonObject): Promise<void> {
  const answer = await scene.patch(`/api/moves/${move?.id}`, { by: 'Ana', ...body });
  if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
}

const isFor = (name: string) => (request: GenerateRequest<unknown>) =>
  (request.input['context'] as { objective: string }).objective === name;

describe('moves that are planned again', () => {
  test('take the place of those that nobody has begun, free what followed them, and leave the others', async () => {
    const { planId } = await scene.active();
    const [gone, begun] = await inWeek(planId, 2);
    const [follower] = await inWeek(planId, 3);
    if (!gone || !begun || !follower) throw new Error('too few moves');
    await records.update('moves', { depends_on: [gone.id, begun.id] }, [
      { column: 'id', op: 'eq', value: follower.id },
    ]);
    await change(begun, { state: 'in_progress', force: true });
    const runId = await run(await weekly({ plan: planId, weeks: [2] }));
    const asked = await scene.decide(planId);
    expect(asked.title).toMatch(/^\d+ moves of Spring, week 2$/);
    expect((await planStep(runId)).output).toMatchObject({ planId, replaced: [gone.id], weeks: [2] });
    const after = await inWeek(planId, 2);
    const states = Object.fromEntries(after.map(({ id, state }) => [id, state]));
    expect(states).toMatchObject({ [gone.id]: 'dropped', [begun.id]: 'in_progress' });
    const fresh = after.filter((move) => move.run_id === runId);
    expect(fresh.length).toBeGreaterThan(0);
    expect(fresh.map(({ state, approval_id: approval }) => [state, approval])).toEqual(
      fresh.map(() => ['planned', asked.id]),
    );
    expect(after.find(({ id }) => id === gone.id)?.history).toEqual([
      expect.objectContaining({ by: 'planner', from: 'planned', to: 'dropped' }),
    ]);
    const [freed] = await records.select('moves', { where: [{ column: 'id', op: 'eq', value: follower.id }] });
    expect(freed?.depends_on).toEqual([begun.id]);
    expect(freed?.history.at(-1)).toMatchObject({ by: 'planner', changed: { dependsOn: [begun.id] } });
  });

  test('do not teach the next planner what was only replaced', async () => {
    const { planId } = await scene.active();
    const [gaveUp] = await inWeek(planId, 5);
    await change(gaveUp, { state: 'dropped', note: 'No time.' });
    await run(await weekly({ plan: planId, weeks: [2] }));
    await scene.decide(planId);
    await run(await weekly({ plan: planId, weeks: [2] }));
    const [last] = model.requests.filter(({ task }) => task === 'plan.moves').slice(-1);
    expect(last?.input['outcomes']).toEqual([expect.objectContaining({ move: gaveUp?.id, note: 'No time.' })]);
  });

  test('leave one set of moves where two runs have planned the same week', async () => {
    const { planId } = await scene.active();
    const runs = [
      await run(await weekly({ plan: planId, weeks: [4] })),
      await run(await weekly({ plan: planId, weeks: [4] })),
    ];
    for (const approval of await scene.pending(planId)) await scene.decideOn(approval.id);
    const planned = (await inWeek(planId, 4)).filter(({ state }) => state === 'planned');
    expect(new Set(planned.map((move) => move.run_id))).toEqual(new Set([runs[1]]));
  });

  test('are not written when the arc has changed so that they do not fit any more', async () => {
    const { planId } = await scene.active();
    const runId = await run(await weekly({ plan: planId, weeks: [2] }));
    const before = await scene.moves(planId);
    const [version] = await scene.versions(planId);
    if (!version) throw new Error('no version');
    const arc = structuredClone(version.arc) as unknown as Arc;
    for (const phase of arc.phases) phase.id = `new-${phase.id}`;
    await records.insert('arc_versions', [{ ...version, arc, arc_version: 2 }]);
    await records.update('plans', { arc_version: 2 }, [{ column: 'id', op: 'eq', value: planId }]);
    await scene.decide(planId);
    const { status, step } = await planStep(runId);
    expect([status, step.error?.code]).toEqual(['failed', 'PLAN_CHANGED']);
    expect(step.error?.message).toContain('moves[0].phase');
    expect(await scene.moves(planId)).toEqual(before);
  });

  test('take effect as they were edited', async () => {
    const { planId } = await scene.submit({ assets: false });
    await scene.decide(planId);
    const [asked] = await scene.pending(planId);
    const moves = asked?.subject['moves'] as JsonObject[];
    const bad = await scene.post(`/api/approvals/${asked?.id}/decision`, {
      decision: 'approve',
      by: 'Ben',
      edits: [{ op: 'replace', path: '/moves/0/owner', value: 'Nobody' }],
    });
    expect([bad.status, bad.body.error.details[0]]).toEqual([
      400,
      expect.objectContaining({
        path: 'edits.moves[0].owner',
        message: expect.stringContaining('PLAN_OWNER_UNKNOWN') as unknown,
      }),
    ]);
    const edits = [
      { op: 'replace', path: '/moves/0/title', value: '  Call the owners  ' },
      { op: 'replace', path: '/moves/0/owner', value: 'Chris' },
    ];
    await scene.decide(planId, { edits });
    const rows = await scene.moves(planId);
    expect(rows).toHaveLength(moves.length);
    expect(rows.filter(({ title }) => title === 'Call the owners')).toEqual([
      expect.objectContaining({ owner: 'Chris' }),
    ]);
  });

  test('of two steps of one run do not take each other for themselves', async () => {
    const { planId } = await scene.active();
    const one = but<MovesProposal>(({ moves }) => {
      moves.splice(1);
      for (const move of moves) Object.assign(move, { key: 'the-one', dependsOn: [] });
    });
    model.script['plan.moves'] = [one];
    const { id } = await scene.harness.createCampaign({
      name: 'Two weeks',
      steps: [2, 3].map((week) => ({ name: `week-${week}`, engine: 'moves', params: { plan: planId, weeks: [week] } })),
    });
    const runId = await run(id);
    await scene.decide(planId);
    await scene.decide(planId);
    const made = (await scene.moves(planId)).filter((move) => move.run_id === runId);
    expect(made.map(({ week, state }) => [week, state])).toEqual([
      [2, 'planned'],
      [3, 'planned'],
    ]);
  });
});

describe('a weekly step over all plans of a workspace', () => {
  const active = async (objective: string, changes: JsonObject = {}) =>
    (await scene.active({ name: objective, objective, ...changes })).planId;
  const spoilt = but<MovesProposal>(({ moves }) => {
    for (const move of moves) move.owner = 'Nobody';
  });

  test('applies what is approved, although others are rejected, refused, or have nothing to do', async () => {
    const good = await active('Good');
    const rejected = await active('Rejected');
    const refused = await active('Refused');
    const over = await active('Over', { startsOn: '2025-12-15' });
    const only = (request: GenerateRequest<unknown>) =>
      isFor('Refused')(request) ? spoilt(request) : written(request);
    Object.assign(model.script, { 'plan.moves': [only], 'plan.moves.revise': [only] });
    // The last week of the plan that is nearly over.
    scene.clock.set(Date.parse('2026-03-12T09:00:00Z'));
    const runId = await run(await weekly());
    const waiting = await planStep(runId);
    expect(waiting.status).toBe('waiting');
    expect(waiting.plans.map(({ planId, state }) => [planId, state])).toEqual([
      [good, 'waiting'],
      [rejected, 'waiting'],
      [refused, 'failed'],
      [over, 'nothing_to_do'],
    ]);
    expect(waiting.output['approvals']).toHaveLength(2);
    expect(waiting.step.cost_micros).toBe(20_000 + 20_000 + 60_000);
    const asked = model.requests.length;
    await scene.decide(rejected, { decision: 'reject', reason: 'Not these.' });
    expect((await planStep(runId)).status).toBe('waiting');
    await scene.decide(good);
    const { status, plans, step } = await planStep(runId);
    expect(status).toBe('completed');
    expect(plans).toEqual([
      expect.objectContaining({ planId: good, state: 'applied', weeks: [3] }),
      expect.objectContaining({ planId: rejected, state: 'turned_down', code: 'APPROVAL_REJECTED' }),
      expect.objectContaining({ planId: refused, state: 'failed', code: 'PLAN_REFUSED' }),
      expect.objectContaining({ planId: over, state: 'nothing_to_do' }),
    ]);
    expect([model.requests.length - asked, step.cost_micros]).toEqual([0, 100_000]);
    expect((await inWeek(good, 3)).some((move) => move.run_id === runId)).toBe(true);
    for (const planId of [rejected, refused, over])
      expect((await scene.moves(planId)).some((move) => move.run_id === runId)).toBe(false);
  });

  test('fails when nothing came of any of them', async () => {
    const planId = await active('Only');
    const runId = await run(await weekly());
    await scene.decide(planId, { decision: 'reject', reason: 'No.' });
    const { status, step } = await planStep(runId);
    expect([status, step.error?.code]).toEqual(['failed', 'APPROVAL_REJECTED']);
    expect(step.error?.message).toContain(planId);
  });

  test('leaves plans of other workspaces, ended ones and those of another time alone', async () => {
    await active('Elsewhere', { workspace: 'elsewhere' });
    const ended = await active('Ended');
    expect((await scene.post(`/api/plans/${ended}/end`)).status).toBe(200);
    await active('Later', { startsOn: '2026-03-30' });
    await active('Past', { startsOn: '2025-12-08' });
    const asked = model.requests.length;
    scene.clock.set(Date.parse('2026-03-16T09:00:00Z'));
    const runId = await run(await weekly());
    expect(await planStep(runId)).toMatchObject({ status: 'completed', step: { status: 'empty' }, plans: [] });
    expect(model.requests).toHaveLength(asked);
  });

  test('asks the model again where it was away, and loses nothing of the others', async () => {
    const [one, two] = [await active('One'), await active('Two')];
    const away = new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true, costMicros: 100 });
    model.script['plan.critique'] = [away, written];
    const runId = await run(await weekly());
    const first = await planStep(runId);
    expect(first.plans.map(({ planId, state }) => [planId, state])).toEqual([
      [one, 'failed'],
      [two, 'waiting'],
    ]);
    expect(first.step.cost_micros).toBe(10_000 + 100 + 20_000);
    const failed = scene.harness.next('step.attempt_failed');
    const decided = scene.decide(two);
    await failed;
    expect((await inWeek(two, 2)).some((move) => move.run_id === runId)).toBe(true);
    await scene.clock.untilSleeping();
    await scene.clock.advance(1_000);
    await decided;
    expect((await planStep(runId)).plans.map(({ state }) => state)).toEqual(['waiting', 'applied']);
    await scene.decide(one);
    const last = await planStep(runId);
    expect([last.status, last.step.cost_micros]).toEqual(['completed', 40_100]);
    expect(last.plans.map(({ state }) => state)).toEqual(['applied', 'applied']);
  });

  test('is tried again when the model was away for all of them', async () => {
    await active('One');
    const asked = model.asked('plan.moves');
    const away = new ModelError('MODEL_RATE_LIMITED', 'later', { retryable: true, retryAfterMs: 3_000 });
    model.script['plan.moves'] = [away, written];
    const failed = scene.harness.next('step.attempt_failed');
    const { runId } = await scene.harness.runs.start(await weekly(), { force: false });
    await failed;
    await scene.clock.untilSleeping();
    await scene.clock.advance(2_999);
    expect(model.asked('plan.moves') - asked).toBe(1);
    await scene.clock.advance(1);
    await scene.harness.idle();
    expect(await planStep(runId)).toMatchObject({ status: 'waiting', step: { attempts: 2, cost_micros: 20_000 } });
  });

  test('is of the week after its run began, however long people think about it', async () => {
    const planId = await active('One');
    const { id } = await scene.harness.createCampaign({
      name: 'Fridays',
      steps: [
        { name: 'moves', engine: 'moves', params: { weeks: 'next', approval: { expiresIn: '20d' } } },
        { name: 'assets', engine: 'move-assets', params: { weeks: 'next', most: 1 } },
      ],
    });
    // The Friday of week 12, whose next one is the last.
    scene.clock.set(Date.parse('2026-05-22T09:00:00Z'));
    const runId = await run(id);
    scene.clock.set(Date.parse('2026-06-02T09:00:00Z'));
    await scene.decide(planId);
    const { run: row, steps } = await scene.read(runId);
    expect([row.status, steps.map(({ status }) => status)]).toEqual(['completed', ['completed', 'completed']]);
    const moves = (await inWeek(planId, 13)).filter((move) => move.run_id === runId);
    expect(moves.length).toBeGreaterThan(0);
    expect(moves.filter(({ assets }) => assets.length > 0)).toHaveLength(1);
  });
});

describe('a step that requests a plan itself', () => {
  const { name: _name, requestedBy: _requestedBy, ...given } = PLAN;
  const request = (more: JsonObject = {}) => ({ ...given, name: 'From a file', startsOn: '2026-03-02', ...more });
  const arcOf = (params: JsonObject) => campaign({ engine: 'arc', params });

  test('makes it once, however often it is tried, and asks for its arc', async () => {
    model.script['plan.critique'] = [new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true }), written];
    const campaignId = await arcOf({ request: request() });
    const failed = scene.harness.next('step.attempt_failed');
    const { runId } = await scene.harness.runs.start(campaignId, { force: false });
    await failed;
    await scene.clock.untilSleeping();
    await scene.clock.advance(1_000);
    await scene.harness.idle();
    const [plan, ...others] = await records.select('plans');
    expect(others).toEqual([]);
    expect(plan).toMatchObject({
      name: 'From a file',
      state: 'planning',
      run_id: runId,
      requested_by: `campaign ${campaignId}`,
    });
    await scene.decide(String(plan?.id));
    expect((await planStep(runId)).output).toMatchObject({ planId: plan?.id, arcVersion: 1 });
    expect(await scene.plan(String(plan?.id))).toMatchObject({ state: 'active', arc_version: 1 });
  });

  test('plans with what is known of the business, and not with what contradicts itself', async () => {
    const known = (id: string, context: string, contradictions: unknown[] = []) => ({
      id,
      context,
      contradictions,
      text: 'Owners answer mails on Mondays.',
    });
    scene.parts.known.push(known('1', 'Habits'), known('2', ''), known('3', 'Habits', [{}]));
    const knowledge = { collection: 'notes', limit: 7 };
    const runId = await run(await arcOf({ request: request({ knowledge }) }));
    expect((await planStep(runId)).status).toBe('waiting');
    expect(scene.parts.searches).toEqual([
      expect.objectContaining({
        collection: 'notes',
        limit: 7,
        suspicious: false,
        query: expect.stringContaining('Tably') as unknown,
      }),
    ]);
    const evidence = model.requests[0]?.input['evidence'] as JsonObject[];
    expect(evidence.filter(({ source }) => (source as JsonObject)['kind'] === 'knowledge')).toEqual([
      {
        id: 'knowledge-1',
        text: 'Habits: Owners answer mails on Mondays.',
        source: { kind: 'knowledge', location: '1' },
      },
      { id: 'knowledge-2', text: 'Owners answer mails on Mondays.', source: { kind: 'knowledge', location: '2' } },
    ]);
  });

  test('plans with what pages say that it names, which nobody else is told of', async () => {
    const page = await site({ '/owners': '<p>Owners in Porto want fewer calls in the evening, says the guild.</p>' });
    const research = [{ url: `${page.url}/owners?key=hidden`, question: 'What do owners want?' }];
    const runId = await run(await arcOf({ request: request({ research }) }));
    await page.close();
    expect((await planStep(runId)).status).toBe('waiting');
    expect(page.paths).toEqual(['/owners?key=hidden']);
    const [draft] = model.requests.filter(({ task }) => task === 'plan.arc');
    const evidence = draft?.input['evidence'] as JsonObject[];
    expect(evidence.filter(({ source }) => (source as JsonObject)['kind'] === 'web')).toEqual([
      expect.objectContaining({
        text: 'Owners in Porto want fewer calls in the evening, says the guild.',
        source: { kind: 'web', location: `${page.url}/owners` },
      }),
    ]);
    const [choice] = model.requests.filter(({ task }) => task === 'plan.tools');
    expect(choice?.input['context']).toMatchObject({ read: [`${page.url}/owners`] });
    expect(JSON.stringify(model.requests.map(({ input }) => input))).not.toContain('hidden');
  });

  test('goes on without a page that cannot be read', async () => {
    const research = [{ url: 'http://127.0.0.1:9/', question: 'What?' }];
    const runId = await run(await arcOf({ request: request({ research }) }));
    expect((await planStep(runId)).status).toBe('waiting');
    const [call] = await records.select('tool_calls', { where: [{ column: 'run_id', op: 'eq', value: runId }] });
    expect(call).toMatchObject({ tool: 'research', outcome: 'refused' });
  });

  test('needs either a plan or a request', async () => {
    const both = { plan: '00000000-0000-7000-8000-000000000001', request: request() };
    for (const params of [{}, both]) await expect(arcOf(params)).rejects.toThrow('needs either a plan or a request');
  });

  test('plans no plan that has its arc, and none that there is not', async () => {
    const { planId } = await scene.active();
    const asked = model.requests.length;
    expect(await planStep(await run(await arcOf({ plan: planId })))).toMatchObject({
      status: 'completed',
      step: { status: 'empty' },
      output: { planId, arcVersion: 1 },
    });
    const unknown = '00000000-0000-7000-8000-000000000001';
    for (const [engine, id, code] of [
      ['arc', unknown, 'PLAN_UNKNOWN'],
      ['moves', unknown, 'PLAN_UNKNOWN'],
      ['moves', (await scene.submit()).planId, 'PLAN_NOT_ACTIVE'],
    ] as const)
      expect((await planStep(await run(await campaign({ engine, params: { plan: id } })))).step.error?.code).toBe(code);
    expect(model.requests.length - asked).toBe(2);
  });
});

describe('weeks', () => {
  test('that are over are not planned for, nor is a plan whose days are over', async () => {
    const { planId } = await scene.active();
    scene.clock.set(Date.parse('2026-03-17T09:00:00Z'));
    const asked = model.asked('plan.moves');
    const runId = await run(await weekly({ plan: planId, weeks: [1, 2, 3] }));
    expect(model.requests.filter(({ task }) => task === 'plan.moves')[asked]?.input['weeks']).toEqual([
      expect.objectContaining({ week: 3 }),
    ]);
    expect((await planStep(runId)).status).toBe('waiting');
    scene.clock.set(Date.parse('2026-06-01T09:00:00Z'));
    for (const weeks of ['all', 'next', [13]])
      expect(await planStep(await run(await weekly({ plan: planId, weeks })))).toMatchObject({
        status: 'completed',
        step: { status: 'empty' },
        output: { reason: 'none of these weeks is left of the 90 days' },
      });
    const pivot = await run(await campaign({ engine: 'pivot', params: { plan: planId, always: true } }));
    expect((await planStep(pivot)).output).toMatchObject({ reason: 'its 90 days are over' });
    expect(model.asked('plan.pivot')).toBe(0);
  });
});

describe('what planning costs', () => {
  test('is charged also when nobody could be asked about it', async () => {
    const { planId } = await scene.active();
    const runId = await run(await weekly({ plan: planId, approval: { groups: ['{{ run.trigger }}'] } }));
    const { status, step } = await planStep(runId);
    expect([status, step.error?.code, step.cost_micros]).toEqual(['failed', 'APPROVAL_GROUP_UNKNOWN', 20_000]);
  });

  test('is charged also when something breaks that nobody foresaw', async () => {
    const { planId } = await scene.active();
    model.script['plan.critique'] = [new TypeError('broken')];
    const { status, step } = await planStep(await run(await weekly({ plan: planId })));
    expect([status, step.error, step.cost_micros]).toEqual([
      'failed',
      { code: 'STEP_CRASHED', message: 'broken', retryable: false },
      10_000,
    ]);
  });

  test('is refused by the budget before any model is asked', async () => {
    await scene.submit();
    const before = model.requests.length;
    const [row] = await records.select('campaigns', { where: [{ column: 'name', op: 'eq', value: 'Plans' }] });
    const config = { ...row?.config, budget: { daily: 0 } };
    await records.update('campaigns', { config, version: 2 }, [{ column: 'name', op: 'eq', value: 'Plans' }]);
    const { planId, runId } = await scene.submit();
    const { run: refused } = await scene.read(runId);
    expect([refused.status, refused.errors[0]?.code]).toEqual(['aborted', 'BUDGET_EXCEEDED']);
    expect(model.requests).toHaveLength(before);
    expect((await scene.get(`/api/plans/${planId}`)).body.plan).toMatchObject({ state: 'failed', arcVersion: 0 });
  });
});

describe('money that is spent by the time that people decide', () => {
  const limited = (daily: number, step: JsonObject) => campaign(step, { budget: { daily } });

  test('keeps nothing from taking effect that they approve', async () => {
    const { planId } = await scene.active();
    const runId = await run(await limited(0.13, { engine: 'moves', params: { plan: planId, weeks: [2] } }));
    expect((await planStep(runId)).step.cost_micros).toBe(20_000);
    await scene.decide(planId);
    expect((await planStep(runId)).status).toBe('completed');
  });

  test('is needed again for what failed besides, but first that takes effect', async () => {
    const [one, two] = [(await scene.active()).planId, (await scene.active()).planId];
    model.script['plan.moves'] = [new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true }), written];
    const runId = await run(await limited(0.13, { engine: 'moves', params: { weeks: 'next' } }));
    expect((await planStep(runId)).plans.map(({ state }) => state)).toEqual(['failed', 'waiting']);
    const failed = scene.harness.next('step.attempt_failed');
    const decided = scene.decide(two);
    await failed;
    await scene.clock.untilSleeping();
    await scene.clock.advance(1_000);
    await decided;
    const { status, step } = await planStep(runId);
    expect([status, step.cost_micros]).toEqual(['aborted', 20_000]);
    const made = async (planId: string) => (await scene.moves(planId)).some((move) => move.run_id === runId);
    expect([await made(one), await made(two)]).toEqual([false, true]);
  });

  test('is not spent on plans that come while people think', async () => {
    const { planId } = await scene.active();
    const runId = await run(await limited(0.13, { engine: 'moves', params: { weeks: 'next' } }));
    const other = (await scene.active()).planId;
    await scene.decide(planId);
    const { status, plans, step } = await planStep(runId);
    expect([status, step.cost_micros]).toEqual(['completed', 20_000]);
    expect(plans.map(({ planId: id, state }) => [id, state])).toEqual([
      [planId, 'applied'],
      [other, 'nothing_to_do'],
    ]);
  });
});

describe('planning while its database is away', () => {
  test('waits for it, and asks no model twice', async () => {
    await scene.close();
    let away = 0;
    const failing = intercepted(records, (name, args, next) => {
      if (name !== 'record_decisions' || away >= 3 || !JSON.stringify(args).includes('arc.critique')) return next();
      away += 1;
      return Promise.reject(new DatabaseUnavailableError(new Error('gone')));
    });
    model = new PlanningModel();
    scene = new PlanScene(failing, { model, pool: records.pool });
    const answer = await scene.post('/api/plans', PLAN);
    await settle();
    const { run: row, steps } = await scene.read(answer.body.runId as string);
    expect([row.status, away]).toEqual(['waiting', 3]);
    // The critique was paid for, and has no end on record.
    expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 4 });
    expect(steps[0]).toMatchObject({ attempts: 1, cost_micros: 50_000, cost_unknown: false });
  });

  test('waits for that of the checkpoints, too', async () => {
    await scene.close();
    let tries = 0;
    const pool = new Proxy(records.pool, {
      get(target, name) {
        if (name !== 'connect') return Reflect.get(target, name) as unknown;
        return async () => {
          tries += 1;
          if (tries > 4 && tries < 9) throw Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
          return target.connect();
        };
      },
    });
    open({ pool });
    await scene.post('/api/plans', PLAN);
    await settle();
    expect((await records.select('campaign_runs')).map(({ status }) => status)).toEqual(['waiting']);
    expect(tries).toBeGreaterThan(8);
    expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 1 });
  });
});

describe('planning on the one session of the embedded database', () => {
  test('does not stand in its own way: several plans, beside other runs', async () => {
    const embedded = await embeddedRecords();
    const own = new PlanScene(embedded, { model });
    const { id } = await own.harness.createCampaign({
      name: 'Asks',
      overlap: 'allow',
      steps: [{ name: 'ask', engine: 'approval', params: { title: 'Go on?' } }],
    });
    const starts = await Promise.all([
      ...Array.from({ length: 5 }, () => own.post('/api/plans', PLAN)),
      ...Array.from({ length: 5 }, () => own.harness.runs.start(id, { force: false })),
    ]);
    await own.harness.idle();
    expect(starts).toHaveLength(10);
    const rows = await embedded.select('campaign_runs');
    expect(rows.map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 'waiting'));
    const waiting: ApprovalRow[] = await embedded.select('approvals');
    await Promise.all(waiting.map((approval) => own.decideOn(approval.id)));
    expect(await embedded.count('arc_versions')).toBe(5);
    await own.close();
    await embedded.close();
  });
});

describe('a plan whose run is cancelled', () => {
  test('is failed, and says why', async () => {
    model.script['plan.arc'] = ['hang'];
    const answer = await scene.post('/api/plans', PLAN);
    await untilAsked('plan.arc');
    const { id } = answer.body.plan as { id: string };
    expect((await scene.post(`/api/runs/${answer.body.runId}/cancel`, { reason: 'Wrong plan.' })).status).toBe(202);
    await scene.harness.idle();
    expect((await scene.get(`/api/plans/${id}`)).body.plan).toMatchObject({
      state: 'failed',
      stateReason: 'Wrong plan.',
    });
    expect(await records.count('arc_versions')).toBe(0);
  });

  test('takes no effect any more by what was asked, and can be planned again', async () => {
    const { planId, runId } = await scene.submit({ assets: false });
    const [asked] = await scene.pending(planId);
    await scene.post(`/api/runs/${runId}/cancel`);
    const late = await scene.post(`/api/approvals/${asked?.id}/decision`, { decision: 'approve', by: 'Ben' });
    expect([late.status, late.body.error.code]).toEqual([409, 'APPROVAL_WITHDRAWN']);
    const again = await scene.post(`/api/plans/${planId}/replan`, { assets: false });
    expect(again.status).toBe(202);
    await scene.harness.idle();
    await scene.decide(planId);
    expect((await scene.plan(planId)).state).toBe('active');
  });
});

test('what is asked holds what it rests on, within bounds, and no addresses', async () => {
  const url = 'http://127.0.0.1:9/figures?token=hidden';
  await scene.submit({
    facts: Array.from({ length: 200 }, (_, at) => ({ id: `fact-${at}`, text: `${'🍝'.repeat(990)} ${at}` })),
    cohorts: [{ name: '🍝'.repeat(100), description: '🍝'.repeat(999), pains: ['🍝'.repeat(250)] }],
    research: [{ url, question: 'What do owners say?' }],
    kpis: [
      {
        name: 'leads',
        unit: 'leads',
        baseline: 40,
        target: 120,
        source: { type: 'http', url, value: '$.leads', authorization: 'Bearer {{ env.KPI_TOKEN }}' },
      },
    ],
  });
  const [asked] = await records.select('approvals');
  expect(asked?.state).toBe('pending');
  const context = JSON.stringify(asked?.context);
  expect(context.length).toBeLessThan(700_000);
  const sent = JSON.stringify(model.requests.map(({ input, instructions }) => [input, instructions]));
  for (const text of [context, sent]) {
    expect(text).not.toContain('hidden');
    expect(text).not.toContain('KPI_TOKEN');
  }
  expect(scene.clock.now()).toBeLessThan(Date.parse('2026-03-02T09:00:00Z') + DAY);
});
