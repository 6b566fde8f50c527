import { z } from 'zod';
import { isJsonObject, jsonPath } from '../shared/json.ts';
import { ModelError } from './model.ts';

type VertexType = 'STRING' | 'NUMBER' | 'INTEGER' | 'BOOLEAN' | 'ARRAY' | 'OBJECT';

/**
 * The part of Vertex's `Schema` message that controlled generation follows
 * (docs.cloud.google.com/gemini-enterprise-agent-platform/models/capabilities/control-generated-output).
 */
export interface ResponseSchema {
  type?: VertexType;
  description?: string;
  nullable?: true;
  enum?: string[];
  format?: 'date-time';
  items?: ResponseSchema;
  /** Of type int64, which the API writes as text. */
  minItems?: string;
  maxItems?: string;
  minimum?: number;
  maximum?: number;
  properties?: Record<string, ResponseSchema>;
  required?: string[];
  propertyOrdering?: string[];
  anyOf?: ResponseSchema[];
}

type JsonSchema = Record<string, unknown>;
type Path = readonly PropertyKey[];

const TYPES: Record<string, VertexType> = {
  string: 'STRING',
  number: 'NUMBER',
  integer: 'INTEGER',
  boolean: 'BOOLEAN',
  array: 'ARRAY',
  object: 'OBJECT',
};

const known = new WeakMap<z.ZodType, ResponseSchema>();

/**
 * A zod schema as the provider's response schema.
 *
 * Kept: types, properties and their order, required, items and their number, enums of text, bounds of numbers, `date-time`,
 * unions, null, descriptions. Told in the description instead, since the provider ignores or refuses it there: lengths,
 * patterns, other formats, multiples, bounds that are excluded, constants that are not text. Left out: defaults,
 * `additionalProperties: false`, refinements. All of it is checked when the answer is here.
 * @throws {ModelError} MODEL_UNSUPPORTED for what no answer can be asked for: any value, free keys, recursion, null alone
 */
export function responseSchemaOf(schema: z.ZodType): ResponseSchema {
  const earlier = known.get(schema);
  if (earlier) return earlier;
  const translated = translate(jsonSchemaOf(schema), []);
  known.set(schema, translated);
  return translated;
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  try {
    // What the model writes is the input of the schema, before defaults and transforms.
    return z.toJSONSchema(schema, { io: 'input', reused: 'inline', cycles: 'throw', unrepresentable: 'any' });
  } catch (cause) {
    throw unsupported([], 'refers to itself', 'limit its depth', cause);
  }
}

function unsupported(path: Path, message: string, mend: string, cause?: unknown): ModelError {
  const where = jsonPath(path) || 'the answer';
  return new ModelError('MODEL_UNSUPPORTED', `A model cannot be asked for this: ${where} ${message}; ${mend}.`, {
    cause,
  });
}

function translate(schema: JsonSchema, path: Path): ResponseSchema {
  const members = unionOf(schema);
  if (members) return translateUnion(schema, members, path);
  const { type } = schema;
  if (typeof type !== 'string' || !(type in TYPES)) {
    if ('const' in schema || 'enum' in schema) return translateValues(schema, path);
    const allowsAll = type === undefined;
    throw unsupported(path, allowsAll ? 'may be anything' : 'is null alone', 'give it a type');
  }
  if ('const' in schema || 'enum' in schema) return translateValues(schema, path);
  const translated: ResponseSchema = { type: TYPES[type] as VertexType };
  if (type === 'object') translateObject(schema, translated, path);
  if (type === 'array') translateArray(schema, translated, path);
  if (type === 'string' && schema['format'] === 'date-time') translated.format = 'date-time';
  if (type === 'number' || type === 'integer') {
    // zod states the safe integers as bounds of every integer.
    const { minimum, maximum } = schema;
    if (typeof minimum === 'number' && minimum > Number.MIN_SAFE_INTEGER) translated.minimum = minimum;
    if (typeof maximum === 'number' && maximum < Number.MAX_SAFE_INTEGER) translated.maximum = maximum;
  }
  return describe(translated, schema, limitsInWords(schema));
}

function describe(translated: ResponseSchema, schema: JsonSchema, words: readonly string[]): ResponseSchema {
  const own = typeof schema['description'] === 'string' ? [schema['description']] : [];
  const description = [...own, ...words].join('; ');
  return description === '' ? translated : { ...translated, description };
}

/** The members of a union however it is written: `anyOf`, `oneOf`, or a list of types. */
function unionOf(schema: JsonSchema): JsonSchema[] | null {
  const members = schema['anyOf'] ?? schema['oneOf'];
  if (Array.isArray(members)) return members.filter(isJsonObject);
  const { type, ...rest } = schema;
  return Array.isArray(type) ? type.map((one: unknown) => ({ ...rest, description: undefined, type: one })) : null;
}

function translateUnion(schema: JsonSchema, members: readonly JsonSchema[], path: Path): ResponseSchema {
  const others = members.filter((member) => member['type'] !== 'null');
  const [only, ...more] = others;
  if (!only) throw unsupported(path, 'is null alone', 'give it a type');
  const nullable = others.length < members.length ? ({ nullable: true } as const) : {};
  const translated =
    more.length === 0 ? translate(only, path) : { anyOf: others.map((member) => translate(member, path)) };
  const inner = translated.description === undefined ? [] : [translated.description];
  return { ...describe(translated, schema, inner), ...nullable };
}

function translateValues(schema: JsonSchema, path: Path): ResponseSchema {
  const values: unknown[] = Array.isArray(schema['enum']) ? schema['enum'] : [schema['const']];
  const given = values.filter((value) => value !== null);
  const nullable = given.length < values.length ? ({ nullable: true } as const) : {};
  const [first] = given;
  if (first === undefined) throw unsupported(path, 'is null alone', 'give it a type');
  if (given.every((value) => typeof value === 'string'))
    return { ...describe({ type: 'STRING', enum: given }, schema, []), ...nullable };
  const kinds = new Set(given.map((value) => typeof value));
  if (kinds.size > 1) throw unsupported(path, 'has constants of several types', 'make it a union of them');
  const type = typeof first === 'boolean' ? 'BOOLEAN' : given.every(Number.isInteger) ? 'INTEGER' : 'NUMBER';
  const words = `${given.length === 1 ? 'always' : 'one of'} ${given.map((value) => JSON.stringify(value)).join(', ')}`;
  return { ...describe({ type }, schema, [words]), ...nullable };
}

function translateObject(schema: JsonSchema, translated: ResponseSchema, path: Path): void {
  const properties = isJsonObject(schema['properties']) ? schema['properties'] : {};
  const names = Object.keys(properties);
  if (names.length === 0)
    throw unsupported(path, 'is an object without named fields', 'name its fields, or make it a list of {name, value}');
  translated.properties = Object.fromEntries(
    names.map((name) => [name, translate(properties[name] as JsonSchema, [...path, name])]),
  );
  translated.propertyOrdering = names;
  if (Array.isArray(schema['required'])) translated.required = schema['required'].map(String);
}

function translateArray(schema: JsonSchema, translated: ResponseSchema, path: Path): void {
  const { items, prefixItems, minItems, maxItems } = schema;
  if (Array.isArray(prefixItems)) {
    const members = prefixItems.filter(isJsonObject).map((item, index) => translate(item, [...path, index]));
    const kinds = [...new Map(members.map((member) => [JSON.stringify(member), member])).values()];
    translated.items = kinds.length === 1 ? (kinds[0] as ResponseSchema) : { anyOf: kinds };
  } else translated.items = translate(isJsonObject(items) ? items : {}, [...path, 0]);
  if (typeof minItems === 'number') translated.minItems = String(minItems);
  if (typeof maxItems === 'number') translated.maxItems = String(maxItems);
}

/** What the provider's schema cannot say, in words for the model. */
function limitsInWords(schema: JsonSchema): string[] {
  const { minLength, maxLength, format, pattern, exclusiveMinimum, exclusiveMaximum, multipleOf } = schema;
  const words: string[] = [];
  const add = (value: unknown, say: (value: number) => string) => {
    if (typeof value === 'number') words.push(say(value));
  };
  add(minLength, (value) => `at least ${value} characters`);
  add(maxLength, (value) => `at most ${value} characters`);
  add(exclusiveMinimum, (value) => `more than ${value}`);
  add(exclusiveMaximum, (value) => `less than ${value}`);
  add(multipleOf, (value) => `a multiple of ${value}`);
  if (typeof format === 'string' && format !== 'date-time') words.push(`written as ${format}`);
  else if (format === undefined && typeof pattern === 'string') words.push(`matching /${pattern}/`);
  return words;
}
