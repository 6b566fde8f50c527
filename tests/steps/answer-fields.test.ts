import { describe, expect, test } from '@jest/globals';
import type { Json, JsonObject } from '../../database/tables.ts';
import { costOf, countAt, sumCounts } from '../../steps/answer-fields.ts';
import { analysis } from '../../steps/analysis.ts';
import { prospecting } from '../../steps/prospecting.ts';
import { openStream, runKind, sendJson, unnamed } from './harness.ts';

const MOST = 2_147_483_647;

describe('a count', () => {
  test.each<[Json, number | undefined]>([
    [20, 20],
    [0, 0],
    ['18', 18],
    [3.9, 3],
    [MOST, MOST],
    [MOST + 1, MOST],
    [1e300, MOST],
    ['1e300', MOST],
    [-1, undefined],
    ['-7', undefined],
    ['Infinity', undefined],
    ['many', undefined],
    [true, undefined],
  ])('of %j is read as %j, so that an integer column holds it', (saved, expected) => {
    expect(countAt({ saved }, ['saved'])).toBe(expected);
  });

  test('over several results stays one that a column holds', () => {
    const results = [{ sent: MOST }, { sent: MOST }, {}];
    expect(sumCounts(results, (result) => countAt(result, ['sent']))).toBe(MOST);
    expect(sumCounts([{}], (result) => countAt(result, ['sent']))).toBeUndefined();
  });

  test('over several jobs does too', async () => {
    const job = (id: string) => ({ job_id: id, state: 'completed', result: { leads_analyzed: MOST, cost: 1 } });
    const result = await runKind(
      analysis,
      (request, response) =>
        request.method === 'POST'
          ? sendJson(response, { success: true, job_ids: ['a', 'b'] }, 202)
          : sendJson(response, { jobs: [job('a'), job('b')] }),
      {},
      '/api/analyze-queue',
    );
    expect(result.counts).toEqual({ leads_analyzed: MOST });
  });
});

describe('a count and a cost', () => {
  const WRAPPINGS: ((fields: JsonObject) => JsonObject)[] = [
    (fields) => fields,
    (data) => ({ data }),
    (result) => ({ result }),
    (result) => ({ data: { result } }),
    (data) => ({ result: { data } }),
    (summary) => ({ summary }),
    (summary) => ({ data: { summary } }),
    (summary) => ({ result: { summary } }),
    (summary) => ({ data: { result: { summary } } }),
    (summary) => ({ result: { data: { summary } } }),
  ];

  test.each(WRAPPINGS.map((wrap) => [wrap({ saved: 4, cost: 0.1 })]))('are found in the same places: %j', (answer) => {
    expect([countAt(answer, ['saved']), costOf(answer)]).toEqual([4, 100_000]);
  });

  test('are found in the final frame of a stream', async () => {
    const frame = { type: 'complete', result: { data: { saved: 4, cost: 0.1 } } };
    const result = await runKind(prospecting, (_request, response) => openStream(response, unnamed(frame)));
    expect(result).toMatchObject({ counts: { prospects_generated: 4 }, costMicros: 100_000 });
  });

  test.each<[JsonObject]>([
    [{ result: { saved: 3, cost: 0.2 } }],
    [{ result: { data: { saved: 3, cost: 0.2 } } }],
    [{ data: { saved: 3, cost: 0.2 } }],
  ])('are found in what a job brought: %j', async (job) => {
    const result = await runKind(prospecting, (request, response) =>
      request.method === 'POST'
        ? sendJson(response, { success: true, job_ids: ['a'] }, 202)
        : sendJson(response, { jobs: [{ job_id: 'a', state: 'completed', ...job }] }),
    );
    expect(result).toMatchObject({ counts: { prospects_generated: 3 }, costMicros: 200_000 });
  });
});

describe('a cost', () => {
  test.each<[Json, number | null]>([
    [0.29, 290_000],
    ['$0.10', 100_000],
    [1_000_000_000, 1e15],
    [1_000_000_000.01, null],
    [1e300, null],
    ['1e12', null],
    [-0.5, null],
    ['a lot', null],
  ])('of %j is charged as %j', (cost, expected) => {
    expect(costOf({ cost })).toBe(expected);
  });

  test('that only adds up to more than a billion dollars is unknown', () => {
    expect(costOf({ results: [{ cost: 6e8 }, { cost: 6e8 }] })).toBeNull();
    expect(costOf({ results: [{ cost: 6e8 }, { cost: 4e8 }] })).toBe(1e15);
  });
});
