import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ModelError } from '../../generation/model.ts';
import type { Arc } from '../../moves/arc.ts';
import type { MovesProposal } from '../../moves/move.ts';
import { Checkpoints } from '../../moves/graph/checkpoints.ts';
import type { Critique } from '../../moves/tasks/critique.ts';
import type { Question, WorkError } from '../../moves/work.ts';
import { derivedId, newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { TestClock } from '../support/clock.ts';
import { type Act } from '../support/model.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { but, DAY, NOW, PlanningModel, planningParts, planRow, storeArc, written } from './planning-parts.ts';
import { type Answer, approve, undecided, verdictOn, workContext } from './work-context.ts';

let records: TestRecords;
let clock: TestClock;
let parts: ReturnType<typeof planningParts>;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  clock = new TestClock(NOW);
  parts = planningParts(records, records.pool, { clock });
});
afterAll(() => records.close());

const approval = { groups: [], expiresIn: 3 * DAY, onExpiry: 'reject', allowSelf: false };

interface Try {
  model?: PlanningModel;
  answer?: Answer;
  runId?: string;
  signal?: AbortSignal;
}

/** Takes the arc of a new plan as far as it goes; again with the same plan and run, it goes on. */
async function planArc(given: Try & { plan?: string } = {}) {
  const { model = new PlanningModel(), answer = undecided, runId = newId(), signal } = given;
  const plan = given.plan ?? (await planRow(records)).id;
  const context = workContext({ clock, model, answer, runId, ...(signal ? { signal } : {}) });
  const again = (more: Try = {}) => planArc({ model, runId, plan, ...more });
  const result = await parts.works.arc({ plan, approval }, context.work).catch((error: unknown) => error as WorkError);
  return { result, model, plan, runId, again, ...context };
}

const completed = (result: unknown) => result as { outcome: string; output: JsonObject; costMicros: number };
const script = (acts: Record<string, Act[]>) => new PlanningModel(acts);
const remark = (severity: 'major' | 'minor') =>
  but<Critique>(({ remarks }) => {
    remarks.length = 0;
    remarks.push({ severity, path: 'phases[0].goal', problem: 'It says nothing.', suggestion: 'Say something.' });
  });
/** An arc whose shares are 1.4 together. */
const flawed = but<Arc>(({ channels }) => {
  for (const channel of channels) channel.budgetShare += 0.1;
});
const decisionsOf = async (plan: string) =>
  records.select('agent_decisions', {
    where: [{ column: 'plan_id', op: 'eq', value: plan }],
    order: [{ column: 'chain_seq' }],
  });

describe('a planning graph', () => {
  test('asks people what holds by all rules, and costs what the calls did', async () => {
    const { result, model, asked, plan } = await planArc();
    expect(completed(result)).toMatchObject({ outcome: 'waiting', costMicros: 20_000, output: { planId: plan } });
    expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 1 });
    expect(asked).toHaveLength(1);
    expect(asked[0]).toMatchObject({
      name: `arc/${plan}`,
      kind: 'arc',
      planId: plan,
      title: '90-day arc of Spring',
      requestedBy: 'Ana',
      expiresInMs: 3 * DAY,
      onExpiry: 'rejected',
    });
    expect(await records.count('arc_versions')).toBe(0);
  });

  test('costs nothing and asks no model while it waits, and is asked the same question again', async () => {
    const first = await planArc();
    const second = await first.again();
    expect(completed(second.result)).toMatchObject({ outcome: 'waiting', costMicros: 0 });
    expect(first.model.requests).toHaveLength(2);
    expect(second.asked).toEqual(first.asked);
  });

  test('applies what was approved, and does nothing when it is run once more', async () => {
    const first = await planArc();
    const { result } = await first.again({ answer: approve });
    expect(completed(result)).toMatchObject({
      outcome: 'completed',
      costMicros: 0,
      output: { planId: first.plan, arcVersion: 1, approval: { decision: 'approved', by: 'Ben', edited: false } },
    });
    const before = [await records.select('arc_versions'), await records.count('agent_decisions')];
    const { result: repeated, asked } = await first.again({ answer: approve });
    expect(repeated).toEqual(result);
    expect(asked).toEqual([]);
    expect([await records.select('arc_versions'), await records.count('agent_decisions')]).toEqual(before);
    expect(first.model.requests).toHaveLength(2);
  });

  test('applies nothing of what was rejected', async () => {
    const answer: Answer = (question) => verdictOn(question, { decision: 'rejected', reason: 'Too dear.' });
    const { result, plan } = await planArc({ answer });
    expect(result).toMatchObject({
      code: 'APPROVAL_REJECTED',
      message: 'Rejected by Ben: Too dear.',
      costMicros: 20_000,
    });
    expect(await records.count('arc_versions')).toBe(0);
    const [row] = await records.select('plans', { where: [{ column: 'id', op: 'eq', value: plan }] });
    expect(row).toMatchObject({ state: 'rejected', state_reason: 'Rejected by Ben: Too dear.' });
  });

  test('says so when nobody decided in time', async () => {
    const { result, plan } = await planArc({
      answer: (question) => verdictOn(question, { decision: 'expired', by: null }),
    });
    expect(result).toMatchObject({ code: 'APPROVAL_NOT_GIVEN' });
    const [last] = (await decisionsOf(plan)).slice(-1);
    expect(last).toMatchObject({ agent: 'expiry', action: 'arc.expired', reasoning: 'Nobody decided in time.' });
  });

  test('revises for a major remark, and not for a minor one', async () => {
    const minor = await planArc({ model: script({ 'plan.critique': [remark('minor')] }) });
    expect(minor.model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 1 });
    const major = await planArc({ model: script({ 'plan.critique': [remark('major'), written] }) });
    expect(completed(major.result).outcome).toBe('waiting');
    expect(major.model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 2, 'plan.arc.revise': 1 });
    const [revision] = major.model.requests.filter(({ task }) => task === 'plan.arc.revise');
    expect(revision?.input).toMatchObject({ critique: { remarks: [{ severity: 'major' }] }, findings: [] });
  });

  test('revises at most twice for a critic who is never content, and then asks people, with the critique', async () => {
    const { result, model, asked } = await planArc({ model: script({ 'plan.critique': [remark('major')] }) });
    expect(completed(result)).toMatchObject({ outcome: 'waiting', costMicros: 60_000 });
    expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 3, 'plan.arc.revise': 2 });
    expect(asked[0]?.context).toMatchObject({ critique: { remarks: [{ severity: 'major' }] } });
  });

  test('has what the rules find mended, and names it to whoever mends', async () => {
    const { result, model, plan } = await planArc({ model: script({ 'plan.arc': [flawed] }) });
    expect(completed(result).outcome).toBe('waiting');
    const [revision] = model.requests.filter(({ task }) => task === 'plan.arc.revise');
    expect(revision?.input['findings']).toEqual([
      expect.objectContaining({ code: 'PLAN_BUDGET_SHARES', path: 'channels' }),
    ]);
    const actions = (await decisionsOf(plan)).map(({ action }) => action);
    const expected = 'choose_evidence draft critique revise critique validate';
    expect(actions).toEqual(expected.split(' ').map((action) => `arc.${action}`));
  });

  test('refuses what is not valid after two revisions, by name, with what all of it has cost', async () => {
    const model = script({ 'plan.arc': [flawed], 'plan.arc.revise': [flawed] });
    const { result, plan, asked, again } = await planArc({ model });
    expect(result).toMatchObject({
      code: 'PLAN_REFUSED',
      retryable: false,
      costMicros: 60_000,
      output: { found: 1, findings: [{ code: 'PLAN_BUDGET_SHARES' }] },
    });
    expect((result as Error).message).toContain('PLAN_BUDGET_SHARES at channels: have 1.4 of the budget together');
    expect(asked).toEqual([]);
    const [row] = await records.select('plans', { where: [{ column: 'id', op: 'eq', value: plan }] });
    expect(row).toMatchObject({ state: 'failed', arc_version: 0 });
    expect(row?.state_reason).toContain('PLAN_BUDGET_SHARES');
    expect((await decisionsOf(plan)).at(-1)).toMatchObject({ action: 'arc.refuse', confidence: 1 });
    expect((await again()).result).toMatchObject({ code: 'PLAN_REFUSED', costMicros: 0 });
    expect(model.requests).toHaveLength(6);
  });

  test.each([
    ['MODEL_UNAVAILABLE', true],
    ['MODEL_REFUSED', false],
  ] as const)(
    'tells of %s with what the calls before it have cost, and goes on behind them',
    async (code, retryable) => {
      const broken = new ModelError(code, 'no', { retryable, costMicros: 500, retryAfterMs: 2_000 });
      const { result, model, again } = await planArc({ model: script({ 'plan.critique': [broken, written] }) });
      expect(result).toMatchObject({ code, retryable, costMicros: 10_500, retryAfterMs: 2_000 });
      expect(completed((await again()).result)).toMatchObject({ outcome: 'waiting', costMicros: 10_000 });
      expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 2 });
    },
  );

  test('keeps it unknown what a broken call has cost', async () => {
    const broken = new ModelError('MODEL_UNAVAILABLE', 'no', { retryable: true, costMicros: null });
    const { result } = await planArc({ model: script({ 'plan.critique': [broken] }) });
    expect(result).toMatchObject({ costMicros: null, costUnknown: true });
  });

  test('ends in the middle when its step is stopped, and goes on from there', async () => {
    const stop = new AbortController();
    const model = script({ 'plan.critique': ['hang', written] });
    const stopped = planArc({ model, signal: stop.signal });
    while (model.asked('plan.critique') === 0) await new Promise((resolve) => setImmediate(resolve));
    stop.abort(new Error('stopped'));
    const { result, again } = await stopped;
    expect(result).toMatchObject({ message: 'stopped' });
    expect(completed((await again()).result).outcome).toBe('waiting');
    expect(model.counts).toEqual({ 'plan.arc': 1, 'plan.critique': 2 });
  });

  test('takes no effect on a plan that has ended while people thought', async () => {
    const { plan, model, runId } = await planArc();
    const { work } = workContext({ clock, model, runId });
    const ask = async (question: Question) => {
      await records.update('plans', { state: 'ended' }, [{ column: 'id', op: 'eq', value: plan }]);
      return verdictOn(question, { approvalId: newId() });
    };
    await expect(parts.works.arc({ plan, approval }, { ...work, ask })).rejects.toMatchObject({
      code: 'PLAN_NOT_ACTIVE',
    });
    expect(await records.count('arc_versions')).toBe(0);
  });

  test('takes effect as it was edited, with the evidence that this cites', async () => {
    const edited: Answer = ({ subject, ...question }) => {
      const arc = structuredClone(subject) as unknown as Arc;
      arc.summary = { text: '  Fewer calls for owners.  ', facts: ['survey'] };
      return verdictOn({ ...question, subject }, { subject: arc, edited: true });
    };
    const { result } = await planArc({ answer: edited });
    expect(completed(result).output).toMatchObject({ approval: { edited: true } });
    const [version] = await records.select('arc_versions');
    expect(version?.arc['summary']).toEqual({ text: 'Fewer calls for owners.', facts: ['survey'] });
    expect(version?.evidence.map(({ id }) => id)).toContain('survey');
  });

  test('puts every choice on record: evidence, alternatives, critique, validation, verdict', async () => {
    const { plan } = await planArc({
      model: script({ 'plan.critique': [remark('major'), written] }),
      answer: (question) => verdictOn(question, { reason: 'Good.' }),
    });
    const rows = await decisionsOf(plan);
    const byAction = new Map(rows.map((row) => [row.action, row]));
    expect(byAction.get('arc.choose_evidence')?.evidence).toMatchObject({
      facts: expect.arrayContaining(['objective', 'kpi-leads', 'survey']) as unknown,
      digest: expect.stringMatching(/^[0-9a-f]{64}$/) as unknown,
    });
    expect(byAction.get('arc.draft')).toMatchObject({ agent: 'planner', evidence: { model: 'model-1' } });
    expect(byAction.get('arc.revise')?.evidence).toMatchObject({
      alternative: 'the draft before',
      before: { phases: expect.any(Array) as unknown },
    });
    expect(byAction.get('arc.revise')?.reasoning).toBe('major at phases[0].goal: It says nothing.');
    expect(byAction.get('arc.critique')?.predicted).toEqual({
      kpis: [expect.objectContaining({ kpi: 'leads', low: 40, likely: 80, high: 120 }), expect.anything()],
    });
    expect(byAction.get('arc.validate')?.reasoning).toBe('Every rule holds.');
    expect(byAction.get('arc.approved')).toMatchObject({
      agent: 'person:Ben',
      reasoning: 'Good.',
      confidence: 1,
      predicted: { kpis: [{ kpi: 'leads' }, { kpi: 'no-shows' }] },
    });
    for (const { workspace, campaign_id: campaign, run_id: run } of rows)
      expect([workspace, campaign, run].every((value) => value !== null)).toBe(true);
    await expect(records.call('verify_decisions', { p_workspace: 'default' })).resolves.toMatchObject({ valid: true });
  });
});

describe('what tools find in moves', () => {
  async function planMoves(drafts: Act[]) {
    const plan = await planRow(records, { state: 'active', arc_version: 1 });
    await storeArc(records, plan);
    const model = script({ 'plan.moves': drafts });
    const context = workContext({ clock, model, stepName: 'moves' });
    const params = { plan: plan.id, weeks: [1], approval };
    const result = await parts.works.moves(params, context.work).catch((error: unknown) => error as WorkError);
    return { result, model, ...context };
  }

  test('leads to a revision', async () => {
    const named = but<MovesProposal>(({ moves }) => {
      const [task] = moves[0]?.tasks ?? [];
      if (task) task.title = 'Enter the figures at api:crm';
    });
    const { result, model } = await planMoves([named]);
    expect(completed(result).outcome).toBe('waiting');
    expect(model.counts).toEqual({ 'plan.moves': 1, 'plan.moves.revise': 1, 'plan.critique': 2 });
    const [revision] = model.requests.filter(({ task }) => task === 'plan.moves.revise');
    expect(revision?.input['findings']).toEqual([
      expect.objectContaining({
        code: 'PLAN_TOOL_UNVERIFIED',
        path: 'moves[0].tasks[0].title',
        message: 'names the endpoint crm, which is not declared',
      }),
    ]);
  });

  test('is refused by name where it stays', async () => {
    const named = but<MovesProposal>(({ moves }) => {
      if (moves[0]) moves[0].title = 'See http://127.0.0.1:9/nothing';
    });
    const plan = await planRow(records, { state: 'active', arc_version: 1 });
    await storeArc(records, plan);
    const model = script({ 'plan.moves': [named], 'plan.moves.revise': [named] });
    const { work } = workContext({ clock, model, stepName: 'moves' });
    await expect(parts.works.moves({ plan: plan.id, weeks: [1], approval }, work)).rejects.toMatchObject({
      code: 'PLAN_REFUSED',
      costMicros: 60_000,
      output: { findings: [{ code: 'PLAN_TOOL_UNVERIFIED', path: 'moves[0].title' }] },
    });
  });
});

describe('checkpoints', () => {
  const threads = async () => {
    const { rows } = await records.pool.query<{ thread_id: string }>(
      `select thread_id from langgraph.checkpoints union select thread_id from langgraph.checkpoint_blobs
       union select thread_id from langgraph.checkpoint_writes`,
    );
    return rows.map((row) => row.thread_id.replace(/\/[^/]+$/, ''));
  };

  test('are removed when nobody can come back to them', async () => {
    const plan = (await planRow(records)).id;
    const runOf = (ageDays: number) => derivedId(`run ${ageDays}`, clock.now() - ageDays * DAY);
    const [old, young] = [runOf(121), runOf(119)];
    for (const runId of [old, young]) await planArc({ plan, runId });
    expect(await threads()).toEqual(expect.arrayContaining([`${old}/arc/${plan}`, `${young}/arc/${plan}`]));
    await (await Checkpoints.open(records.pool)).removeOld(clock);
    expect(await threads()).toContain(`${young}/arc/${plan}`);
    expect(await threads()).not.toContain(`${old}/arc/${plan}`);
  });

  test('are looked through once a day, by a service that runs on', async () => {
    const first = await planArc({ runId: derivedId('run', clock.now()) });
    const thread = `${first.runId}/arc/${first.plan}`;
    clock.set(clock.now() + 119 * DAY);
    await planArc();
    expect(await threads()).toContain(thread);
    clock.set(clock.now() + 2 * DAY);
    await planArc();
    expect(await threads()).not.toContain(thread);
  });
});
