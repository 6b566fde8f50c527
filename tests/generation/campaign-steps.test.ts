import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { parseDefinition } from '../../campaigns/schema.ts';
import type { JsonObject } from '../../database/tables.ts';
import { loadConfig } from '../../shared/config.ts';
import { originPolicy } from '../../shared/origins.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { ScriptedModel } from '../support/model.ts';
import { memoryRecords, type MemoryRecords } from '../support/records.ts';
import { scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';
import { BRIEF } from './briefs/scene.ts';

const config = loadConfig({});
const environment = { origins: originPolicy(config), engines: config.engines, referenceNames: [] };

describe('a campaign with steps that work with a model', () => {
  const parse = (step: JsonObject) => parseDefinition({ name: 'C', steps: [step] }, environment);

  test.each(['copy', 'social', 'poster', 'audit'])('may have %s, and comes out as valid input again', (engine) => {
    const { definition } = parse({ engine, params: { brief: BRIEF } });
    expect(definition?.steps).toMatchObject([{ name: engine, kind: engine, effect: 'repeatable' }]);
    expect(parseDefinition(definition, environment).definition).toEqual(definition);
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
  let records: MemoryRecords;
  let engine: ScriptedEngine;
  let harness: Harness;
  const model = new ScriptedModel();
  beforeAll(async () => {
    records = await memoryRecords();
  });
  beforeEach(async () => {
    engine = await scriptedEngine({ '/api/compose-batch': () => ({ success: true, result: { processed_leads: 1 } }) });
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

  test('has nothing to audit where nothing was written', async () => {
    const { id } = await harness.createCampaign({ name: 'C', steps: [{ engine: 'audit', params: { brief: BRIEF } }] });
    const { steps } = await harness.runToEnd(id);
    expect(steps).toMatchObject([{ status: 'empty', output: { artifacts: [] } }]);
  });
});
