import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { ModelError } from '../../generation/model.ts';
import { responseSchemaOf } from '../../generation/model-schema.ts';

const field = (schema: z.ZodType) => responseSchemaOf(z.object({ it: schema })).properties?.['it'];

function refusalOf(schema: z.ZodType): string {
  try {
    responseSchemaOf(schema);
  } catch (error) {
    if (error instanceof ModelError && error.code === 'MODEL_UNSUPPORTED') return error.message;
    throw error;
  }
  throw new Error('the schema was taken');
}

describe('a schema for the provider', () => {
  test.each<[string, z.ZodType, object]>([
    ['a text', z.string(), { type: 'STRING' }],
    ['a description', z.string().describe('A city'), { type: 'STRING', description: 'A city' }],
    [
      'lengths, in words',
      z.string().min(2).max(9).describe('A city'),
      { type: 'STRING', description: 'A city; at least 2 characters; at most 9 characters' },
    ],
    ['a pattern, in words', z.string().regex(/^a+$/), { type: 'STRING', description: 'matching /^a+$/' }],
    ['a format, in words', z.email(), { type: 'STRING', description: 'written as email' }],
    ['a time', z.iso.datetime(), { type: 'STRING', format: 'date-time' }],
    ['an enum', z.enum(['a', 'b']), { type: 'STRING', enum: ['a', 'b'] }],
    ['a constant', z.literal('a'), { type: 'STRING', enum: ['a'] }],
    ['several constants', z.literal(['a', 'b']), { type: 'STRING', enum: ['a', 'b'] }],
    ['a constant or null', z.literal(['a', null]), { type: 'STRING', enum: ['a'], nullable: true }],
    ['a number', z.literal(3), { type: 'INTEGER', description: 'always 3' }],
    ['numbers', z.literal([1.5, 2]), { type: 'NUMBER', description: 'one of 1.5, 2' }],
    ['truth', z.literal(true), { type: 'BOOLEAN', description: 'always true' }],
    ['a whole number', z.int(), { type: 'INTEGER' }],
    ['bounds', z.int().min(1).max(5), { type: 'INTEGER', minimum: 1, maximum: 5 }],
    ['bounds of 0', z.number().min(0), { type: 'NUMBER', minimum: 0 }],
    [
      'bounds that are left out, in words',
      z.number().gt(0).lt(1),
      { type: 'NUMBER', description: 'more than 0; less than 1' },
    ],
    ['multiples, in words', z.number().multipleOf(5), { type: 'NUMBER', description: 'a multiple of 5' }],
    ['yes or no', z.boolean(), { type: 'BOOLEAN' }],
    [
      'a list',
      z.array(z.string()).min(1).max(3),
      { type: 'ARRAY', items: { type: 'STRING' }, minItems: '1', maxItems: '3' },
    ],
    [
      'a pair',
      z.tuple([z.string(), z.number()]),
      { type: 'ARRAY', items: { anyOf: [{ type: 'STRING' }, { type: 'NUMBER' }] }, minItems: '2', maxItems: '2' },
    ],
    [
      'a pair of the same',
      z.tuple([z.string(), z.string()]),
      { items: { type: 'STRING' }, type: 'ARRAY', minItems: '2', maxItems: '2' },
    ],
    [
      'null among it',
      z.string().nullable().describe('A city'),
      { type: 'STRING', description: 'A city', nullable: true },
    ],
    [
      'null among a union',
      z.union([z.string(), z.int(), z.null()]),
      { anyOf: [{ type: 'STRING' }, { type: 'INTEGER' }], nullable: true },
    ],
    ['null and limits', z.int().min(2).nullable(), { type: 'INTEGER', minimum: 2, nullable: true }],
    [
      'kinds of objects',
      z.discriminatedUnion('kind', [
        z.object({ kind: z.literal('a') }),
        z.object({ kind: z.literal('b'), n: z.int() }),
      ]),
      {
        anyOf: [
          {
            type: 'OBJECT',
            properties: { kind: { type: 'STRING', enum: ['a'] } },
            propertyOrdering: ['kind'],
            required: ['kind'],
          },
          {
            type: 'OBJECT',
            properties: { kind: { type: 'STRING', enum: ['b'] }, n: { type: 'INTEGER' } },
            propertyOrdering: ['kind', 'n'],
            required: ['kind', 'n'],
          },
        ],
      },
    ],
    ['what is written, not what it becomes', z.string().transform(Number), { type: 'STRING' }],
    ['nothing of refinements', z.string().refine((text) => text !== 'x'), { type: 'STRING' }],
  ])('says %s', (_, schema, expected) => {
    expect(field(schema)).toEqual(expected);
  });

  test('keeps the order of fields, and leaves out of the required ones what may be left out', () => {
    const schema = z.strictObject({ z: z.string(), a: z.string().optional(), m: z.string().default('x') });
    expect(responseSchemaOf(schema)).toEqual({
      type: 'OBJECT',
      properties: { z: { type: 'STRING' }, a: { type: 'STRING' }, m: { type: 'STRING' } },
      propertyOrdering: ['z', 'a', 'm'],
      required: ['z'],
    });
  });

  test('holds no word that the provider does not know', () => {
    const schema = z.object({
      list: z.array(z.strictObject({ mail: z.email().default('a@b.c'), when: z.iso.date().optional() })).max(9),
    });
    const known =
      /^(type|description|nullable|enum|format|items|minItems|maxItems|minimum|maximum|properties|required|propertyOrdering|anyOf)$/;
    const walk = (at: unknown, isMap: boolean) => {
      if (typeof at !== 'object' || at === null || Array.isArray(at)) return;
      for (const [key, value] of Object.entries(at)) {
        if (!isMap) expect(key).toMatch(known);
        walk(value, key === 'properties' && !isMap);
      }
    };
    walk(responseSchemaOf(schema), false);
  });

  interface Tree {
    children: Tree[];
  }
  const tree: z.ZodType<Tree> = z.lazy(() => z.object({ children: z.array(tree) }));

  test.each<[string, z.ZodType, RegExp]>([
    ['any value', z.object({ it: z.unknown() }), /it may be anything; give it a type/],
    ['free keys', z.object({ a: z.array(z.record(z.string(), z.int())) }), /a\[0\] is an object without named fields/],
    ['an empty object', z.object({}), /the answer is an object without named fields/],
    ['null alone', z.object({ it: z.null() }), /it is null alone/],
    ['constants of several types', z.object({ it: z.literal(['a', 1]) }), /it has constants of several types/],
    ['itself', tree, /refers to itself|recurs|anything/],
  ])('refuses %s, and says where', (_, schema, message) => {
    expect(refusalOf(schema)).toMatch(message);
  });
});
