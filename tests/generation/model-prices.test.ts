import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { ModelUsage } from '../../generation/model.ts';
import { costOf, loadPrices, type Price, priceAt } from '../../generation/prices.ts';
import { VERTEX_PRICES } from '../../generation/prices-vertex.ts';
import { loadConfig } from '../../shared/config.ts';
import { type Problem, ValidationError } from '../../shared/errors.ts';

const usage = (changes: Partial<ModelUsage>): ModelUsage => ({
  prompt: 0,
  cached: 0,
  thoughts: 0,
  tool: 0,
  output: 0,
  ...changes,
});
const PRICE: Price = { input: 300_000, cached: 30_000, output: 2_500_000 };

describe('the price of a call', () => {
  test.each<[string, Partial<ModelUsage>, number]>([
    ['a million tokens of the prompt', { prompt: 1_000_000 }, 300_000],
    ['a million of them from the cache', { prompt: 1_000_000, cached: 1_000_000 }, 30_000],
    ['a tenth of them from the cache', { prompt: 1_000_000, cached: 100_000 }, 273_000],
    ['a million tokens by tools', { tool: 1_000_000 }, 300_000],
    ['a million tokens of thoughts', { thoughts: 1_000_000 }, 2_500_000],
    ['a million tokens of the answer', { output: 1_000_000 }, 2_500_000],
    ['all of it', { prompt: 10, cached: 10, tool: 10, thoughts: 10, output: 10 }, 54],
    ['nothing', {}, 0],
    ['more from the cache than there was', { prompt: 10, cached: 100 }, 1],
  ])('is right for %s', (_, tokens, micros) => {
    expect(costOf(usage(tokens), PRICE, 'global')).toBe(micros);
  });

  test('is rounded up to a micro-dollar, and only then', () => {
    expect(costOf(usage({ prompt: 1 }), PRICE, 'global')).toBe(1);
    expect(costOf(usage({ prompt: 10 }), PRICE, 'global')).toBe(3);
    expect(costOf(usage({ prompt: 11 }), PRICE, 'global')).toBe(4);
    // 0.3 + 2.5 make 2.8, not 1 + 3.
    expect(costOf(usage({ prompt: 1, output: 1 }), PRICE, 'global')).toBe(3);
  });

  test('is exact where floating point is not', () => {
    fc.assert(
      fc.property(fc.nat(2_000_000_000), fc.nat(2_000_000_000), (prompt, output) => {
        const exact = BigInt(prompt) * 300_000n + BigInt(output) * 2_500_000n;
        const cost = BigInt(costOf(usage({ prompt, output }), PRICE, 'global'));
        return cost * 1_000_000n >= exact && (cost - 1n) * 1_000_000n < exact;
      }),
    );
  });

  test('is the long one for the whole call once the prompt is longer than the bound', () => {
    const long = { ...PRICE, longPrompt: { aboveTokens: 1_000, input: 600_000, cached: 60_000, output: 5_000_000 } };
    expect(costOf(usage({ prompt: 1_000, output: 100 }), long, 'global')).toBe(300 + 250);
    expect(costOf(usage({ prompt: 1_001, output: 100 }), long, 'global')).toBe(601 + 500);
    expect(costOf(usage({ prompt: 900, tool: 101, cached: 900 }), long, 'global')).toBe(61 + 54);
  });

  test('is higher away from the global endpoint where the model has it so', () => {
    const regional = { ...PRICE, regionalPercent: 10 };
    expect(costOf(usage({ output: 1_000 }), regional, 'europe-west4')).toBe(2_750);
    expect(costOf(usage({ output: 1_000 }), regional, 'global')).toBe(2_500);
    expect(costOf(usage({ output: 1_000 }), PRICE, 'eu')).toBe(2_500);
  });
});

describe('the table of prices', () => {
  const at = (model: string, time: string) => priceAt(VERTEX_PRICES, model, Date.parse(time))?.input;

  test('gives each day its own price, from midnight in UTC', () => {
    expect(at('gemini-3.8-flash', '2026-09-02T00:00:00Z')).toBe(750_000);
    expect(at('gemini-3.8-flash', '2026-12-31T23:59:59.999Z')).toBe(750_000);
    expect(at('gemini-3.8-flash', '2027-01-01T00:00:00Z')).toBe(1_500_000);
    expect(at('gemini-4-argon', '2026-11-30T12:00:00Z')).toBe(2_000_000);
    expect(at('gemini-4-argon', '2026-12-01T00:00:00Z')).toBe(4_000_000);
    expect(at('gemini-4-argon', '2030-01-01T00:00:00Z')).toBe(4_000_000);
  });

  test('knows nothing of other models', () => {
    expect(at('gemini-9', '2026-11-21')).toBeUndefined();
    expect(at('constructor', '2026-11-21')).toBeUndefined();
  });

  test('has the models that are taken when none is named', () => {
    const { fast, best, embedding } = loadConfig({}).model;
    for (const model of [fast, best, embedding]) expect(at(model, '2026-11-21')).toBeGreaterThan(0);
  });

  test('never prices what is cached above what is not, or leaves an answer free', () => {
    for (const [model, prices] of Object.entries(VERTEX_PRICES))
      for (const price of prices) {
        expect(price.cached).toBeLessThanOrEqual(price.input);
        if (!model.includes('embedding')) expect(price.output).toBeGreaterThan(price.input);
      }
  });
});

describe('a file of prices', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'prices-'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const write = (content: string) => {
    const file = join(folder, 'prices.json');
    writeFileSync(file, content);
    return file;
  };
  const problemsIn = (file: string): Problem[] => {
    try {
      loadPrices(file);
    } catch (error) {
      if (error instanceof ValidationError) return error.details;
      throw error;
    }
    return [];
  };

  test('comes before the prices that ship, model by model, in whatever order it lists the days', () => {
    const file = write(
      JSON.stringify({
        mine: [{ input: 1, cached: 1, output: 1 }],
        'gemini-3.8-flash': [
          { from: '2026-02-01', input: 3, cached: 0, output: 3 },
          { from: '2026-03-01', input: 4, cached: 0, output: 4 },
          { from: '2026-01-01', input: 2, cached: 0, output: 2 },
        ],
      }),
    );
    const table = loadPrices(file);
    const input = (model: string, time: string) => priceAt(table, model, Date.parse(time))?.input;
    expect(input('mine', '2026-11-21')).toBe(1);
    expect(input('gemini-3.8-flash', '2026-02-15')).toBe(3);
    expect(input('gemini-3.8-flash', '2026-11-21')).toBe(4);
    expect(input('gemini-4-argon', '2026-11-21')).toBe(2_000_000);
  });

  test('is refused with every problem at its place', () => {
    const file = write('{"a": [], "b": [{"input": -1, "cached": 0.5, "output": 1, "currency": "EUR"}]}');
    expect(problemsIn(file).map(({ path }) => path)).toEqual(['a', 'b[0].input', 'b[0].cached', 'b[0].currency']);
  });

  test.each([
    ['that is not there', () => join(folder, 'none.json')],
    ['that is not JSON', () => write('prices: 1')],
  ])('%s is refused with a mend', (_, file) => {
    expect(problemsIn(file())).toEqual([
      { path: 'MODEL_PRICES_FILE', message: expect.stringContaining('cannot be read'), mend: expect.any(String) },
    ]);
  });
});
