import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals';
import { z } from 'zod';
import { silentLogger } from '../../shared/logger.ts';
import { type Problem, ValidationError } from '../../shared/errors.ts';
import { baseUrlOf } from '../../generation/providers/vertex-transport.ts';
import { credentialsFor } from '../../generation/providers/credentials.ts';
import { call, failureOf, GOOD, LABEL, makeWorld, request, TASK, type World } from './model-support.ts';

let world: World;
beforeEach(async () => {
  world = await makeWorld();
});
afterEach(() => world.close());

describe('the offline writer', () => {
  const make = (template: (input: object) => unknown) => world.make('rules', { templates: { [TASK]: template } });

  test('writes by the template of the task, stamped and at no cost', async () => {
    const model = make((input) => ({ headline: `All about ${(input as { product: string }).product}`, tags: ['a'] }));
    expect(await model.generate(request(), call())).toEqual({
      value: { headline: 'All about bread', tags: ['a'] },
      provider: 'rules',
      model: 'rules-v1',
      usage: { prompt: 0, cached: 0, thoughts: 0, tool: 0, output: 0 },
      costMicros: 0,
      fromCache: false,
      repairs: 0,
      durationMs: 0,
    });
    expect(model.estimate(request())).toBe(0);
    expect(model.estimateVectors(['a'])).toBe(0);
    expect(model.provider).toBe('rules');
  });

  test('writes the same each time, asks nobody, and keeps nothing', async () => {
    const model = make(() => GOOD);
    const [first, second] = [await model.generate(request(), call()), await model.generate(request(), call())];
    expect(second).toEqual(first);
    expect(world.sandbox.requests).toEqual([]);
    expect(model.stats()).toMatchObject({ answers: 2, costMicros: 0, cache: { misses: 0, memoryHits: 0 } });
  });

  test('can change nothing of its input, and shares nothing of its answer', async () => {
    const shared = { headline: 'Shared', tags: ['a'] };
    const model = make((input) => {
      (input as { product: string }).product = 'changed';
      return shared;
    });
    const input = { product: 'bread' };
    (await model.generate(request({ input }), call())).value.tags.push('b');
    expect(input).toEqual({ product: 'bread' });
    expect(shared.tags).toEqual(['a']);
  });

  test('has its answer checked like any other', async () => {
    const failure = await failureOf(make(() => ({ headline: '' })).generate(request(), call()));
    expect(failure).toMatchObject({ code: 'MODEL_OUTPUT_INVALID', retryable: false, costMicros: 0 });
    expect(failure.message).toContain('headline is empty');
    expect(await failureOf(make(() => undefined).generate(request(), call()))).toMatchObject({
      code: 'MODEL_OUTPUT_INVALID',
    });
  });

  test('says so when it has no template, whatever the name of the task', async () => {
    const model = make(() => GOOD);
    for (const task of ['another', 'constructor', '__proto__']) {
      const failure = await failureOf(model.generate(request({ task }), call()));
      expect(failure).toMatchObject({ code: 'MODEL_UNSUPPORTED', message: expect.stringContaining('MODEL_PROVIDER') });
    }
  });

  test('makes no vectors', async () => {
    expect(await failureOf(make(() => GOOD).embed(['a'], call()))).toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });

  test('stops at an aborted signal like any other', async () => {
    const reason = new Error('too late');
    const aborted = { signal: AbortSignal.abort(reason) };
    const model = make(() => GOOD);
    await expect(model.generate(request(), aborted)).rejects.toBe(reason);
    await expect(model.embed(['a'], aborted)).rejects.toBe(reason);
  });

  test('is not taken in the place of a model that fails', async () => {
    const template = jest.fn(() => GOOD);
    const model = world.make('genai', { templates: { [TASK]: template } });
    world.sandbox.script(LABEL, { kind: 'status', status: 503 });
    expect(await failureOf(model.generate(request(), call()))).toMatchObject({ code: 'MODEL_UNAVAILABLE' });
    expect(template).not.toHaveBeenCalled();
  });
});

describe('the estimate', () => {
  test('is at least what a call costs, whatever it uses', async () => {
    const model = world.make('genai');
    const asked = request({ maxOutputTokens: 500, input: { text: 'ä'.repeat(300) } });
    const estimate = model.estimate(asked);
    const usage = { promptTokenCount: 700, thoughtsTokenCount: 400, candidatesTokenCount: 100 };
    world.sandbox.script(LABEL, { kind: 'value', value: GOOD, usage });
    const { costMicros } = await model.generate(asked, call());
    expect(costMicros).toBe(210 + 1_250);
    expect(estimate).toBeGreaterThanOrEqual(costMicros);
    // Not so large that it would keep budgets from being used: twice the whole answer at most.
    expect(estimate).toBeLessThan(2 * 1_250);
  });

  test('grows with the prompt, the answer and the price of the model', () => {
    const model = world.make('genai');
    const base = model.estimate(request({ maxOutputTokens: 100 }));
    expect(model.estimate(request({ maxOutputTokens: 1_100 })) - base).toBe(2_500);
    // A byte may be a token.
    expect(
      model.estimate(request({ maxOutputTokens: 100, instructions: `Write a caption.${'é'.repeat(500)}` })) - base,
    ).toBe(300);
    expect(model.estimate(request({ maxOutputTokens: 100, tier: 'best' }))).toBeGreaterThan(base);
  });

  test('takes the price of the day', async () => {
    const model = world.make('genai');
    const today = model.estimate(request({ tier: 'best' }));
    world.clock.set('2027-01-01T00:00:00.000Z');
    expect(model.estimate(request({ tier: 'best' }))).toBeGreaterThanOrEqual(2 * today - 1);
    world.sandbox.script(LABEL, {
      kind: 'value',
      value: GOOD,
      usage: { promptTokenCount: 0, candidatesTokenCount: 1_000 },
    });
    expect(await model.generate(request({ tier: 'best' }), call())).toMatchObject({ costMicros: 7_500 });
  });
});

describe('the length of an answer', () => {
  const allowed = () =>
    world.sandbox.requests.map(
      ({ body }) => (body as { generationConfig: { maxOutputTokens: number } }).generationConfig.maxOutputTokens,
    );

  test.each<[string | undefined, number, number]>([
    [undefined, 8_192, 4_096],
    ['20000', 20_000, 10_000],
    ['1024', 1_024, 4_096],
  ])(
    'is that of MODEL_MAX_OUTPUT_TOKENS=%s: %d, and %d of a short one, as the estimate has it',
    async (value, most, short) => {
      const model = world.make('genai', value === undefined ? {} : { env: { MODEL_MAX_OUTPUT_TOKENS: value } });
      await model.generate(request(), call());
      await model.generate(request({ isShort: true }), call());
      expect(allowed()).toEqual([most, short]);
      // $2.50 for a million.
      const none = model.estimate(request({ maxOutputTokens: 0 }));
      expect(model.estimate(request()) - none).toBe(most * 2.5);
      expect(model.estimate(request({ isShort: true })) - none).toBe(short * 2.5);
    },
  );

  test.each(['1023', '65537', 'many'])('may not be %s', (value) => {
    expect(() => world.make('genai', { env: { MODEL_MAX_OUTPUT_TOKENS: value } })).toThrow(
      expect.objectContaining({ details: [expect.objectContaining({ path: 'MODEL_MAX_OUTPUT_TOKENS' })] }),
    );
  });

  test('that was not enough is told in the failure and in the log, with what to raise', async () => {
    const warn = jest.fn();
    const model = world.make('genai', { logger: { ...silentLogger, warn } });
    const usage = { promptTokenCount: 100, thoughtsTokenCount: 8_000, candidatesTokenCount: 192 };
    world.sandbox.script(LABEL, { kind: 'truncated', usage });
    const { code, message } = await failureOf(model.generate(request(), call()));
    expect(code).toBe('MODEL_TRUNCATED');
    expect(message).toContain('8192 tokens allowed to an answer, 8000 of them for its thoughts');
    expect(message).toContain('raise MODEL_MAX_OUTPUT_TOKENS');
    expect(warn.mock.calls).toEqual([
      ['Answer of a model was cut off', { task: TASK, maxOutputTokens: 8_192, error: message }],
    ]);
  });
});

describe('the layer', () => {
  test('counts answers, repairs, failures and money', async () => {
    const model = world.make('genai');
    const usage = { promptTokenCount: 100, candidatesTokenCount: 20 };
    world.sandbox.script(
      LABEL,
      { kind: 'text', text: 'No.', usage },
      { kind: 'value', value: GOOD, usage },
      { kind: 'truncated', usage },
      { kind: 'status', status: 400 },
    );
    await model.generate(request(), call());
    await failureOf(model.generate(request({ input: {} }), call()));
    await failureOf(model.generate(request({ input: {} }), call()));
    world.sandbox.script('embed', { kind: 'empty_text', usage: { promptTokenCount: 10 } });
    await model.embed(['a'], call());
    expect(model.stats()).toMatchObject({
      answers: 1,
      repairs: 1,
      costMicros: 3 * 80 + 2,
      failures: { MODEL_TRUNCATED: 1, MODEL_REJECTED: 1 },
      limits: { 'gemini-3.5-flash-lite': { running: 0 } },
    });
  });

  test('says what was chosen, and never a word of the data', async () => {
    const lines: unknown[] = [];
    const log = (message: string, fields?: object) => void lines.push(message, fields);
    const logger = { ...silentLogger, info: log, warn: log };
    const model = world.make('genai', { logger });
    expect(lines).toEqual([
      'Model chosen',
      {
        provider: 'genai',
        fast: 'gemini-3.5-flash-lite',
        best: 'gemini-3.8-flash',
        embedding: 'gemini-embedding-2',
        location: 'global',
      },
    ]);
    world.sandbox.script(LABEL, { kind: 'value', value: {} });
    await model.generate(request({ input: { secret: 'confidential' } }), call());
    expect(lines).toContain('Answer of a model does not fit');
    expect(JSON.stringify(lines)).not.toContain('confidential');
    world.make('rules', { logger });
    expect(lines.slice(-2)).toEqual(['Model chosen', { provider: 'rules' }]);
  });

  test('refuses models of which nobody knows the price, all together', () => {
    const env = { MODEL_FAST: 'gemini-9-flash', MODEL_EMBEDDING: 'other' };
    let problems: Problem[] = [];
    try {
      world.make('genai', { env });
    } catch (error) {
      if (error instanceof ValidationError) problems = error.details;
    }
    expect(problems).toEqual([
      {
        path: 'MODEL_FAST',
        message: 'names gemini-9-flash, of which no price is known',
        mend: expect.stringContaining('MODEL_PRICES_FILE'),
      },
      { path: 'MODEL_EMBEDDING', message: expect.stringContaining('other'), mend: expect.any(String) },
    ]);
    expect(world.make('rules', { env }).provider).toBe('rules');
  });

  test.each([
    ['global', 'https://aiplatform.googleapis.com'],
    ['eu', 'https://aiplatform.eu.rep.googleapis.com'],
    ['europe-west4', 'https://europe-west4-aiplatform.googleapis.com'],
  ])('asks %s at %s', (location, url) => {
    expect(baseUrlOf(location)).toBe(url);
  });

  test('has no credentials for this machine, and does not look for any', async () => {
    await expect(credentialsFor('http://127.0.0.1:1/x', 'p').headers()).resolves.toEqual({
      authorization: 'Bearer local',
    });
    await expect(credentialsFor('http://[::1]:1', 'p').headers()).resolves.toEqual({ authorization: 'Bearer local' });
  });

  test('takes large schemas and long answers', async () => {
    const schema = z.object({ lines: z.array(z.string()) });
    const lines = Array.from({ length: 5_000 }, (_, index) => `line ${index}`);
    world.sandbox.script('long', { kind: 'value', value: { lines } });
    const { value } = await world.make('genai').generate({ ...request(), task: 'long', schema }, call());
    expect(value).toEqual({ lines });
  });
});
