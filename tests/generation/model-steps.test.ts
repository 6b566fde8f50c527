import { describe, expect, test } from '@jest/globals';
import { parseDefinition } from '../../campaigns/schema.ts';
import type { StepDefinition } from '../../campaigns/definition.ts';
import type { JsonObject } from '../../database/tables.ts';
import { type Model, ModelError, type ModelErrorCode } from '../../generation/model.ts';
import { templates } from '../../generation/rules/templates.ts';
import { attemptStep } from '../../runs/step-attempt.ts';
import { loadConfig } from '../../shared/config.ts';
import { originPolicy } from '../../shared/origins.ts';
import { stepKinds } from '../../steps/registry.ts';
import type { EngineHttp, PreviousStep, StepKind } from '../../steps/step.ts';
import { TestClock } from '../support/clock.ts';
import { ScriptedModel } from '../support/model.ts';
import { NO_PLANNING } from '../support/planning.ts';
import { BRIEF } from './briefs/scene.ts';
import { CAPTION, makeWorld } from './model-support.ts';

const config = loadConfig({});
const environment = { origins: originPolicy(config), engines: config.engines, referenceNames: [], approvalGroups: [] };
const http: EngineHttp = { run: () => Promise.reject(new Error('no engine is called here')) };
const turn = () => new Promise((resolve) => setImmediate(resolve));

const written: PreviousStep = {
  name: 'copy',
  kind: 'copy',
  status: 'completed',
  error: null,
  output: {
    artifact: {
      id: 'a1',
      kind: 'copy',
      content: { headline: 'Lunch', body: 'Come {{ name }}.', callToAction: 'Come by' },
    },
  },
};

function stepOf(engine: string, timeout: number): StepDefinition {
  const params = { brief: BRIEF };
  const steps = [
    { engine: 'copy', name: 'first', params },
    { engine, params, timeout },
  ];
  const { definition } = parseDefinition({ name: 'C', steps }, environment);
  return definition?.steps[1] as StepDefinition;
}

interface Attempting {
  model: Model;
  clock: TestClock;
  timeout?: number;
  attempt?: number;
  signal?: AbortSignal;
  warn?: (message: string, facts?: object) => void;
}

function attemptOf(
  engine: string,
  { model, clock, timeout = 20_000, attempt = 1, signal, warn = () => undefined }: Attempting,
) {
  const step = stepOf(engine, timeout);
  return attemptStep({
    kind: stepKinds[step.kind] as StepKind,
    step,
    call: { params: step.params, engine: null, previous: [written] },
    runId: '019d0000-0000-7000-8000-000000000001',
    campaignId: '019d0000-0000-7000-8000-000000000002',
    attempt,
    http,
    model,
    planning: NO_PLANNING,
    ask: () => Promise.reject(new Error('nobody is asked here')),
    clock,
    signal: signal ?? new AbortController().signal,
    log: { info: () => undefined, warn },
    progress: () => undefined,
    redact: (text) => text.replaceAll('key-123', '***'),
  });
}

/** Waits for what needs no time. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns += 1) {
    if (turns > 5_000) throw new Error('it does not come');
    await turn();
  }
}

const setUp = () => ({ model: new ScriptedModel(), clock: new TestClock() });
const limited = (retryAfterMs?: number) =>
  new ModelError('MODEL_RATE_LIMITED', 'slower', {
    retryable: true,
    ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
  });
const provenance = (output: JsonObject) => (output['artifact'] as JsonObject)['provenance'];

describe('a writer', () => {
  test('whose best model is silent has the quick one after half of its time, and pays for both', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = ['hang', 'write'];
    const work = attemptOf('copy', { model, clock });
    await until(() => model.asked('brief.copy') === 1);
    await clock.advance(9_999);
    expect(model.requests.map(({ tier }) => tier)).toEqual(['best']);
    await clock.advance(1);
    const outcome = await work;
    expect(model.requests.map(({ tier }) => tier)).toEqual(['best', 'fast']);
    // What the broken call can have cost at most, and what the other one did cost.
    const costMicros = model.estimate() + model.cost;
    expect(outcome).toMatchObject({
      ok: true,
      result: { costMicros, costUnknown: true, output: { artifact: { cost: costMicros / 1e6 } } },
    });
    expect(outcome.ok && provenance(outcome.result.output)).toMatchObject({ tier: 'fast', attempt: 1 });
    expect(clock.sleeping).toBe(0);
  });

  test.each<[string, number | undefined]>([
    ['for an hour', 3_600_000],
    ['for a second', 1_000],
    ['and says nothing of a wait', undefined],
  ])('whose best model is refused for its rate %s has the quick one at once', async (_, wait) => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = [limited(wait), 'write'];
    const outcome = await attemptOf('copy', { model, clock });
    expect(outcome).toMatchObject({ ok: true, result: { costMicros: model.cost, costUnknown: false } });
    expect(outcome.ok && provenance(outcome.result.output)).toMatchObject({ tier: 'fast' });
  });

  test('whose best model is down and asks for a wait has the quick one at once', async () => {
    const { model, clock } = setUp();
    const down = new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true, retryAfterMs: 3_600_000 });
    model.script['brief.copy'] = [down, 'write'];
    expect(await attemptOf('copy', { model, clock })).toMatchObject({ ok: true, result: { costMicros: model.cost } });
  });

  test('that both models refuse for their rate waits for neither longer than 15 seconds', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = [limited(3_600_000), limited(3_600_000)];
    expect(await attemptOf('copy', { model, clock })).toMatchObject({
      ok: false,
      error: { code: 'MODEL_RATE_LIMITED', retryable: true, retryAfterMs: 15_000, costMicros: 0, worked: 'no' },
    });
  });

  test('whose quick model fails too is charged for both', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = ['hang', new ModelError('MODEL_TRUNCATED', 'cut off', { costMicros: 300 })];
    const work = attemptOf('copy', { model, clock });
    await until(() => model.asked('brief.copy') === 1);
    await clock.advance(10_000);
    expect(await work).toMatchObject({
      error: { code: 'MODEL_TRUNCATED', costMicros: model.estimate() + 300, costUnknown: true },
    });
  });

  test('whose best model was cut off has the quick one at once, and pays for both', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = [new ModelError('MODEL_TRUNCATED', 'cut off', { costMicros: 300 }), 'write'];
    const outcome = await attemptOf('copy', { model, clock });
    expect(outcome).toMatchObject({ ok: true, result: { costMicros: 300 + model.cost, costUnknown: false } });
    expect(model.requests.map(({ tier }) => tier)).toEqual(['best', 'fast']);
  });

  test('leaves the length of its answer to the configuration, and so does the judge', async () => {
    const { model, clock } = setUp();
    for (const engine of ['copy', 'social', 'poster', 'audit']) await attemptOf(engine, { model, clock });
    expect(new Set(model.requests.map(({ maxOutputTokens }) => maxOutputTokens))).toEqual(new Set([undefined]));
    for (const { task, isShort } of model.requests) expect(isShort === true).toBe(task === 'audit.judge');
  });

  test('whose best model fails otherwise leaves it to the next try, which has the quick one', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = [new ModelError('MODEL_UNAVAILABLE', 'away', { retryable: true }), 'write'];
    expect(await attemptOf('copy', { model, clock })).toMatchObject({
      error: { code: 'MODEL_UNAVAILABLE', worked: 'no' },
    });
    expect(await attemptOf('copy', { model, clock, attempt: 2 })).toMatchObject({ ok: true });
    expect(model.requests.map(({ tier }) => tier)).toEqual(['best', 'fast']);
  });

  test('whose models are both silent ends with its time, at a cost that nobody knows', async () => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = ['hang'];
    const work = attemptOf('copy', { model, clock });
    await until(() => model.asked('brief.copy') === 1);
    await clock.advance(20_000);
    expect(await work).toMatchObject({ error: { code: 'STEP_TIMEOUT', costMicros: null, worked: 'maybe' } });
  });

  test.each(['best', 'fast'])('is cancelled while the %s model writes', async (tier) => {
    const { model, clock } = setUp();
    model.script['brief.copy'] = ['hang'];
    const controller = new AbortController();
    const work = attemptOf('copy', { model, clock, signal: controller.signal });
    await until(() => model.asked('brief.copy') === 1);
    if (tier === 'fast') await clock.advance(10_000);
    controller.abort(new Error('cancelled'));
    expect(await work).toMatchObject({ error: { code: 'STEP_INTERRUPTED', worked: 'maybe' } });
    expect(clock.sleeping).toBe(0);
  });
});

describe('an audit whose judge is silent', () => {
  test.each([
    [30_000, 25_000],
    [6_000, 3_000],
  ])('within %d ms waits %d ms for it, keeps what the rules found, and is pending', async (timeout, patience) => {
    const { model, clock } = setUp();
    model.script['audit.judge'] = ['hang'];
    const work = attemptOf('audit', { model, clock, timeout });
    await until(() => model.asked('audit.judge') === 4);
    await clock.advance(patience - 1);
    expect(clock.sleeping).toBeGreaterThan(0);
    await clock.advance(1);
    const outcome = await work;
    expect(outcome).toMatchObject({
      ok: false,
      error: { code: 'AUDIT_PENDING', retryable: true, costMicros: null, worked: 'maybe' },
    });
    expect(!outcome.ok && outcome.error.output).toMatchObject({
      judged: 'pending',
      verdict: 'fail',
      findings: expect.arrayContaining([expect.objectContaining({ code: 'template_leak' })]),
      unanswered: expect.arrayContaining([{ artifactId: 'a1', question: 'off_tone' }]),
    });
    // The questions behind those that hang are not asked any more.
    expect(model.asked('audit.judge')).toBe(4);
    expect(clock.sleeping).toBe(0);
  });

  test('after some answers keeps them', async () => {
    const { model, clock } = setUp();
    const yes = () => ({ answer: true, quote: 'Come', reason: 'It does.' });
    model.script['audit.judge'] = [yes, 'hang'];
    const work = attemptOf('audit', { model, clock, timeout: 30_000 });
    await until(() => model.asked('audit.judge') === 5);
    await clock.advance(25_000);
    const outcome = await work;
    const output = outcome.ok ? {} : (outcome.error.output ?? {});
    expect(output['findings']).toEqual(
      expect.arrayContaining([expect.objectContaining({ gate: 'judge', excerpt: 'Come' })]),
    );
    expect(output['unanswered']).not.toEqual([]);
  });

  test.each<[ModelErrorCode, string, boolean]>([
    ['MODEL_REJECTED', 'Status 403: no permission for key-123.', false],
    ['MODEL_UNAVAILABLE', 'Status 503: overloaded.', true],
  ])('by %s says so, and whether that passes by itself', async (code, said, retryable) => {
    const { model, clock } = setUp();
    model.script['audit.judge'] = [new ModelError(code, said, { retryable, retryAfterMs: 60_000 })];
    const warned: unknown[] = [];
    const warn = (...told: unknown[]) => void warned.push(told);
    const outcome = await attemptOf('audit', { model, clock, warn });
    expect(outcome).toMatchObject({ ok: false, error: { code: 'AUDIT_PENDING', retryable, costMicros: 0 } });
    const message = outcome.ok ? '' : outcome.error.message;
    expect(message).toContain(`${code}: ${said.replace('key-123', '***')}`);
    expect(warned).toEqual([['An audit is pending', expect.objectContaining({ code, error: said })]]);
    expect(message.includes('does not pass by itself')).toBe(!retryable);
  });

  test('is cancelled at once', async () => {
    const { model, clock } = setUp();
    model.script['audit.judge'] = ['hang'];
    const controller = new AbortController();
    const work = attemptOf('audit', { model, clock, signal: controller.signal });
    await until(() => model.asked('audit.judge') > 0);
    controller.abort(new Error('cancelled'));
    expect(await work).toMatchObject({ error: { code: 'STEP_INTERRUPTED', worked: 'maybe' } });
    expect(clock.sleeping).toBe(0);
  });
});

describe('an audit by a hosted model', () => {
  test.each([
    ['429 with a wait', { kind: 'status', status: 429, retryAfter: '1' }],
    ['503', { kind: 'status', status: 503 }],
  ] as const)('outlasts a single %s', async (_, reply) => {
    const no = { answer: false, quote: '', reason: 'Nothing of the kind.' };
    const world = await makeWorld({ writers: { 'audit-judge': () => no } });
    world.sandbox.script('audit-judge', reply);
    const { clock } = world;
    const work = attemptOf('audit', { model: world.make('genai', { templates }), clock });
    // The step's own end, the judge's end, and the wait.
    await until(() => clock.sleeping >= 3);
    await clock.advance(1_000);
    // The template in the copy fails the verdict, and with it the step; but it is judged.
    const outcome = await work;
    expect(outcome).toMatchObject({ error: { code: 'AUDIT_FAILED', output: { judged: 'complete', unanswered: [] } } });
    await world.close();
  });
});

describe.each(['copy', 'audit'])('a step %s that never got to ask', (engine) => {
  const limitedWorld = async (env: Record<string, string>) => {
    const world = await makeWorld({ writers: {} });
    const model = world.make('genai', { env, templates });
    return { world, model, clock: world.clock };
  };
  /** Takes the only place of both models, and keeps it. */
  const block = async ({ world, model }: Awaited<ReturnType<typeof limitedWorld>>) => {
    const end = new AbortController();
    const blocked = (['fast', 'best'] as const).map((tier) => {
      world.sandbox.script('block', { kind: 'hang' });
      return model
        .generate({ task: 'block', tier, instructions: 'x', input: {}, schema: CAPTION }, { signal: end.signal })
        .catch(() => undefined);
    });
    await until(() => world.sandbox.requests.length === 2);
    return async () => {
      end.abort();
      await Promise.all(blocked);
      await world.close();
    };
  };

  test('because of its own line costs nothing when its time ends', async () => {
    const scene = await limitedWorld({ MODEL_CONCURRENCY: '1' });
    const close = await block(scene);
    const work = attemptOf(engine, scene);
    await until(() => Object.values(scene.model.stats().limits).some(({ waiting }) => waiting > 0));
    await scene.clock.advance(20_000);
    expect(await work).toMatchObject({
      ok: false,
      error: { code: engine === 'copy' ? 'STEP_TIMEOUT' : 'AUDIT_PENDING', retryable: true, worked: 'no' },
    });
    expect(scene.world.sandbox.requests).toHaveLength(2);
    await close();
  });

  test('because of its own line costs nothing when it is cancelled', async () => {
    const scene = await limitedWorld({ MODEL_CONCURRENCY: '1' });
    const close = await block(scene);
    const controller = new AbortController();
    const work = attemptOf(engine, { ...scene, signal: controller.signal });
    await until(() => Object.values(scene.model.stats().limits).some(({ waiting }) => waiting > 0));
    controller.abort(new Error('cancelled'));
    expect(await work).toMatchObject({ error: { code: 'STEP_INTERRUPTED', worked: 'no' } });
    await close();
  });

  test('because this minute has no room fails at once', async () => {
    const scene = await limitedWorld({ MODEL_REQUESTS_PER_MINUTE: '1' });
    const close = await block(scene);
    expect(await attemptOf(engine, scene)).toMatchObject({
      error: { code: engine === 'copy' ? 'MODEL_RATE_LIMITED' : 'AUDIT_PENDING', costMicros: 0, worked: 'no' },
    });
    expect(scene.world.sandbox.requests).toHaveLength(2);
    await close();
  });
});
