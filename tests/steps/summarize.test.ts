import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { JsonObject } from '../../database/tables.ts';
import { MAX_SUMMARY_BYTES, summarize } from '../../steps/summarize.ts';

describe('the summary of an answer', () => {
  test('is the answer itself while it is small', () => {
    const payload = { success: true, data: { runId: 'p-1', saved: 3, leads: [{ id: 1 }, { id: 2 }] } };
    expect(summarize(payload)).toEqual(payload);
  });

  test('cuts long lists and says how long they were', () => {
    const summary = summarize({ rows: Array.from({ length: 5_000 }, (_, id) => ({ id })), total: 5_000 });
    expect(summary['rows_count']).toBe(5_000);
    expect(Array.isArray(summary['rows']) && summary['rows'].length).toBeLessThan(100);
    expect(summary['total']).toBe(5_000);
  });

  test("leaves the engine's own count alone", () => {
    const rows = Array.from({ length: 5_000 }, () => 0);
    expect(summarize({ rows, rows_count: 7 })['rows_count']).toBe(7);
  });

  test('cuts long text and deep nesting', () => {
    let deep: JsonObject = {};
    for (let depth = 0; depth < 50_000; depth++) deep = { deep };
    const summary = summarize({ deep, text: 'x'.repeat(1_000_000) });
    expect(JSON.stringify(summary).length).toBeLessThan(10_000);
  });

  test('holds nothing that Postgres refuses in jsonb', () => {
    const summary = summarize({
      'a\0b': 'c\0d',
      half: '\ud83c',
      cut: `${'x'.repeat(3_999)}🍕`,
      huge: JSON.parse('1e999'),
    });
    expect(summary).toMatchObject({ ab: 'cd', half: '\ufffd', huge: null });
    expect(JSON.stringify(summary)).not.toMatch(/\\u0000|\\ud/i);
  });

  test('never passes its limit, whatever the answer', () => {
    const text = fc.oneof(fc.string({ unit: 'binary', maxLength: 50 }), fc.constant('\u0001'.repeat(2_000)));
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'medium', maxDepth: 6 },
        text,
        fc.double(),
        fc.constant(null),
        fc.array(tie('value'), { maxLength: 15 }),
        fc.dictionary(text, tie('value'), { maxKeys: 15 }),
      ),
    }));
    fc.assert(
      fc.property(fc.dictionary(text, value, { maxKeys: 15 }), (payload) => {
        const json = JSON.stringify(summarize(JSON.parse(JSON.stringify(payload))));
        expect(Buffer.byteLength(json)).toBeLessThanOrEqual(MAX_SUMMARY_BYTES);
        expect(json).not.toContain('\\u0000');
      }),
      { numRuns: 60 },
    );
    const worst = Object.fromEntries(
      Array.from({ length: 300 }, (_, id) => [`${id}${'\u0001'.repeat(200)}`, Array(9).fill('x')]),
    );
    expect(Buffer.byteLength(JSON.stringify(summarize(worst)))).toBeLessThanOrEqual(MAX_SUMMARY_BYTES);
  });
});
