import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { problemsOf } from '../../shared/zod-problems.ts';

const told = (schema: z.ZodType, input: unknown, source: 'json' | 'text' = 'json') => {
  const { error } = schema.safeParse(input);
  return error ? problemsOf(error, input, { source, schema }) : [];
};

describe('a problem made from an issue of a schema', () => {
  const field = (schema: z.ZodType, ...given: unknown[]) =>
    told(z.strictObject({ at: schema }), given.length > 0 ? { at: given[0] } : {});

  test.each([
    ['a missing field', field(z.number()), 'is missing', 'write a number without quotes'],
    [
      'a missing field with an example',
      field(z.string().meta({ examples: ['0 9 * * MON'] })),
      'is missing',
      'write a text in double quotes, such as "0 9 * * MON"',
    ],
    [
      'a wrong type',
      field(z.boolean(), 'yes'),
      'must be true or false, not the text "yes"',
      'write true or false, without quotes',
    ],
    [
      'a number too large',
      field(z.number().max(9), 10),
      'must be 9 or less, not 10',
      'write a number that is 9 or less',
    ],
    [
      'a number beyond every integer',
      field(z.int().max(9), 1e30),
      'must be 9 or less, not 1e+30',
      'write a number that is 9 or less',
    ],
    ['a text too long', field(z.string().max(2), 'abc'), 'is longer than 2 characters', 'write at most 2 characters'],
    ['a list too short', field(z.array(z.int()).min(2), [1]), 'has 1 entries; 2 at least', 'list 2 at least'],
    [
      'an unknown word',
      field(z.enum(['failed', 'start']), 'zz'),
      'must be one of failed, start, not the text "zz"',
      'write one of "failed", "start"',
    ],
    ['nearly a word', field(z.enum(['failed', 'start']), 'strat'), expect.any(String), 'did you mean "start"?'],
    [
      'a time',
      field(z.iso.datetime(), 'tomorrow'),
      'is not an ISO 8601 time with an offset or Z',
      'write a time such as 2026-03-08T00:00:00Z',
    ],
    ['words of its own', field(z.guid('is not a UUID'), 'x'), 'is not a UUID', expect.stringContaining('write a UUID')],
    [
      'a union',
      field(z.union([z.number(), z.null()]), 'x'),
      'cannot be the text "x"',
      'write a number without quotes, or write null',
    ],
    [
      'a refinement',
      field(
        z.string().refine(() => false, { error: 'is odd', params: { mend: 'make it even' } }),
        'x',
      ),
      'is odd',
      'make it even',
    ],
    [
      'a refinement without words',
      field(
        z.string().refine(() => false),
        'x',
      ),
      'cannot be the text "x"',
      'change it, or leave it out',
    ],
  ])('tells of %s', (_what, problems, message, mend) => {
    expect(problems).toEqual([{ path: 'at', message, mend }]);
  });

  test('names every unknown field at its place', () => {
    expect(told(z.object({ in: z.strictObject({}) }), { in: { a: 1, 'b c': 2 } }).map(({ path }) => path)).toEqual([
      'in.a',
      'in["b c"]',
    ]);
  });

  test('speaks of a query as of text', () => {
    const query = z.object({ limit: z.coerce.number().max(200), status: z.enum(['a', 'b']) });
    expect(told(query, { limit: ['1', '2'], status: 'x' }, 'text')).toEqual([
      { path: 'limit', message: 'is given more than once', mend: 'give it once' },
      { path: 'status', message: expect.any(String), mend: 'write one of a, b' },
    ]);
    expect(told(query, { limit: '500', status: 'a' }, 'text')[0]?.message).toBe('must be 200 or less, not 500');
    expect(told(query, { limit: 'x', status: 'a' }, 'text')[0]?.mend).toBe('write a number');
  });
});
