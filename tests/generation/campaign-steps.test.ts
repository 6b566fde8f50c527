import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseDefinition } from '../../campaigns/schema.ts';
import type { JsonObject } from '../../database/tables.ts';
import { judgeQuestions } from '../../generation/audit/judge-questions.ts';
import { ModelError } from '../../generation/model.ts';
import { normalizedBriefSchema } from '../../generation/normalized-brief.ts';
import { loadConfig } from '../../shared/config.ts';
import { originPolicy } from '../../shared/origins.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { ScriptedModel } from '../support/model.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';
import { BRIEF } from './briefs/scene.ts';

const config = loadConfig({});
const environment = { origins: originPolicy(config), engines: config.engines, referenceNames: [], approvalGroups: [] };

describe('a campaign with steps that work with a model', () => {
  const parse = (step: JsonObject) => parseDefinition({ name: 'C', steps: [step] }, environment);

  test.each(['copy', 'social', 'poster'])('may have %s, and comes out as valid input again', (engine) => {
    const { definition } = parse({ engine, params: { brief: BRIEF } });
    expect(definition?.steps).toMatchObject([{ name: engine, kind: engine, effect: 'repeatable' }]);
    expect(parseDefinition(definition, environment).definition).toEqual(definition);
  });

  const params = { brief: BRIEF };

  test('may have an audit behind one of them, and comes out as valid input again', () => {
    const steps = [{ parallel: [{ engine: 'copy', params }] }, { engine: 'audit', params }];
    const { definition } = parseDefinition({ name: 'C', steps }, environment);
    expect(definition?.steps[1]).toMatchObject({ kind: 'audit', params: { brief: BRIEF } });
    expect(parseDefinition(definition, environment).definition).toEqual(definition);
  });

  test.each<[string, JsonObject[], string]>([
    ['without any step before it', [{ engine: 'audit', params }], 'steps[0].engine'],
    [
      'before the writer',
      [
        { engine: 'audit', params },
        { engine: 'copy', params },
      ],
      'steps[0].engine',
    ],
    ['behind an engine', [{ engine: 'prospecting' }, { engine: 'audit', params }], 'steps[1].engine'],
    [
      'beside the writer',
      [
        {
          parallel: [
            { engine: 'copy', params },
            { engine: 'audit', params },
          ],
        },
      ],
      'steps[0].parallel[1].engine',
    ],
  ])('is refused with an audit %s, which would have nothing to audit', (_what, steps, path) => {
    const { problems } = parseDefinition({ name: 'C', steps }, environment);
    expect(problems).toMatchObject([{ path, mend: expect.stringContaining('before it') }]);
  });

  test('is refused with an audit that would stop at an unknown verdict', () => {
    const steps = [
      { engine: 'copy', params },
      { engine: 'audit', params: { brief: BRIEF, failOn: 'pass' } },
    ];
    expect(parseDefinition({ name: 'C', steps }, environment).problems).toMatchObject([
      { path: 'steps[1].params.failOn', mend: expect.stringContaining('"never"') },
    ]);
  });

  test.each<[string, JsonObject, string]>([
    ['an endpoint', { endpoint: '/api/copy' }, 'steps[0].endpoint'],
    ['a method of its own', { method: 'GET' }, 'steps[0].method'],
    ['events that end a stream', { terminalEvents: ['done'] }, 'steps[0].terminalEvents'],
    ['a brief that is none', { params: { brief: { objective: 'x' } } }, 'steps[0].params.brief.audience'],
    ['no brief', { params: {} }, 'steps[0].params.brief'],
    ['no params at all', { params: undefined as never }, 'steps[0].params.brief'],
    ['params that nobody knows', { params: { brief: BRIEF, mood: 1 } }, 'steps[0].params.mood'],
  ])('is refused with %s, by its place and with a mend', (_what, change, path) => {
    const { problems = [] } = parse({ engine: 'copy', params: { brief: BRIEF }, ...change });
    expect(problems.map((problem) => problem.path)).toContain(path);
    expect(problems.find((problem) => problem.path === path)?.mend).toEqual(expect.any(String));
  });

  test('may take its brief from the metadata of the campaign', () => {
    expect(parse({ engine: 'copy', params: { brief: '{{ campaign.metadata.brief }}' } }).problems).toBeUndefined();
  });
});

describe('a run of such a campaign', () => {
  let records: TestRecords;
  let engine: ScriptedEngine;
  let harness: Harness;
  let model: ScriptedModel;
  beforeAll(async () => {
    records = await freshRecords();
  });
  beforeEach(async () => {
    model = new ScriptedModel();
    engine = await scriptedEngine({
      '/api/compose-batch': () => ({ success: true, result: { processed_leads: 1 } }),
      '/api/send-emails': () => ({ success: true, sent: 1 }),
    });
    const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
    harness = new Harness({ records, clock: new TestClock(), engines, model });
  });
  afterEach(async () => {
    await harness.close();
    await engine.close();
    await records.truncate();
  });
  afterAll(() => records.close());

  test('hands what was written to the engine that comes next', async () => {
    const { id } = await harness.createCampaign({
      name: 'C',
      metadata: { brief: BRIEF },
      steps: [
        { engine: 'copy', params: { brief: '{{ campaign.metadata.brief }}' } },
        { engine: 'audit', params: { brief: '{{ campaign.metadata.brief }}' } },
        {
          engine: 'outreach',
          params: {
            subject: '{{ steps.copy.artifact.content.headline }}',
            verdict: '{{ steps.audit.verdict }}',
          },
        },
      ],
    });
    const { run, steps } = await harness.runToEnd(id);
    expect(run.status).toBe('completed');
    const written = steps[0]?.output?.['artifact'] as { content: { headline: string } };
    expect(engine.requests[0]?.body).toMatchObject({ subject: written.content.headline, verdict: 'pass' });
    expect(steps[1]?.output).toMatchObject({ artifacts: [{ kind: 'copy', verdict: 'pass' }], judged: 'complete' });
  });

  test('fails a step whose reference gives no brief, by the places of its params', async () => {
    const { id } = await harness.createCampaign({
      name: 'C',
      metadata: { brief: { objective: 'only this' } },
      steps: [{ engine: 'copy', params: { brief: '{{ campaign.metadata.brief }}' } }],
    });
    const { run, steps } = await harness.runToEnd(id);
    expect(run.status).toBe('failed');
    expect(steps[0]?.error).toMatchObject({ code: 'STEP_PARAMS_INVALID', retryable: false });
    expect(steps[0]?.error?.message).toContain('params.brief.audience');
    expect(steps[0]).toMatchObject({ attempts: 0, cost_micros: 0 });
  });

  const params = { brief: BRIEF };
  const send: JsonObject = { engine: 'outreach', endpoint: '/api/send-emails' };
  const runOf = async (steps: JsonObject[]) => {
    const { id } = await harness.createCampaign({ name: 'C', steps });
    return harness.runToEnd(id);
  };
  const refused = () => new ModelError('MODEL_REFUSED', 'The model said nothing.', { costMicros: 1_000 });

  test('fails an audit that has nothing to audit, by name, and sends nothing', async () => {
    model.script['brief.copy'] = [refused()];
    const { run, steps } = await runOf([
      { engine: 'copy', params, onFailure: 'continue' },
      { engine: 'audit', params },
      send,
    ]);
    expect(run.status).toBe('failed');
    expect(steps[1]).toMatchObject({
      status: 'failed',
      attempts: 1,
      cost_micros: 0,
      error: { code: 'AUDIT_NOTHING', retryable: false },
    });
    expect(engine.requests).toEqual([]);
  });

  const asCopy = (body: string) => () => ({ headline: 'Lunch', body, callToAction: 'Come by' });
  const BODIES = {
    pass: 'Come for lunch.',
    conditional: 'Come for lunch: info@elsewhere.com',
    fail: 'Come {{ name }}.',
  };

  test.each<[keyof typeof BODIES, string | undefined, boolean]>([
    ['pass', undefined, true],
    ['conditional', undefined, true],
    ['fail', undefined, false],
    ['pass', 'conditional', true],
    ['conditional', 'conditional', false],
    ['fail', 'conditional', false],
    ['fail', 'fail', false],
    ['fail', 'never', true],
  ])('with the verdict %s and failOn %s sends: %s', async (verdict, failOn, isSent) => {
    model.script['brief.copy'] = [asCopy(BODIES[verdict])];
    const audit = { engine: 'audit', params: { ...params, ...(failOn === undefined ? {} : { failOn }) } };
    const { run, steps } = await runOf([{ engine: 'copy', params }, audit, send]);
    expect(steps[1]?.output).toMatchObject({ verdict, artifacts: [{ kind: 'copy', verdict }] });
    expect(engine.requests.map(({ path }) => path)).toEqual(isSent ? ['/api/send-emails'] : []);
    expect(run.status).toBe(isSent ? 'completed' : 'failed');
    expect(steps[1]?.error ?? null).toEqual(
      isSent
        ? null
        : { code: 'AUDIT_FAILED', retryable: false, message: expect.stringContaining(`verdict is ${verdict}`) },
    );
    expect(steps[2]?.status).toBe(isSent ? 'completed' : 'skipped');
  });

  test('sends all the same where the audit may fail', async () => {
    model.script['brief.copy'] = [asCopy(BODIES.fail)];
    const { run } = await runOf([{ engine: 'copy', params }, { engine: 'audit', params, onFailure: 'continue' }, send]);
    expect([run.status, engine.requests.length]).toEqual(['partial', 1]);
  });

  test('says of a step that a model was broken off in it that its cost is not known', async () => {
    model.script['brief.copy'] = ['hang', 'write'];
    const { id } = await harness.createCampaign({
      name: 'C',
      steps: [{ engine: 'copy', params }],
      budget: { daily: 1 },
    });
    const ended = harness.runToEnd(id);
    while (model.asked('brief.copy') === 0) await new Promise((resolve) => setImmediate(resolve));
    await harness.clock.advance(30_000);
    const { run, steps } = await ended;
    const cost_micros = model.estimate() + model.cost;
    expect(steps).toMatchObject([{ status: 'completed', cost_micros, cost_unknown: true }]);
    expect(run).toMatchObject({ total_cost_micros: cost_micros, cost_unknown: true });
  });

  test('holds for a step what its calls can cost at most, whatever they cost before', async () => {
    const steps = [
      { engine: 'copy', params },
      { engine: 'audit', params },
    ];
    const { id } = await harness.createCampaign({ name: 'C', steps, budget: { daily: 1_000 } });
    model.cost = 100;
    await harness.runToEnd(id);
    model.cost = 10_000;
    const { run } = await harness.runToEnd(id);
    const entries = await records.select('budget_entries', { where: [{ column: 'run_id', op: 'eq', value: run.id }] });
    const questions = judgeQuestions(normalizedBriefSchema.parse(params.brief), { kind: 'copy' }).length;
    expect(Object.fromEntries(entries.map(({ step_name, held_micros }) => [step_name, held_micros]))).toEqual({
      // The best model and the quick one; the judge once a question.
      copy: 2 * model.estimate(),
      audit: questions * model.estimate(),
    });
  });
});
