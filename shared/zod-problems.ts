import { z } from 'zod';
import type { Problem } from './errors.ts';
import { jsonPath, valueAt } from './json.ts';
import { nearest } from './nearest.ts';

type Issue = z.core.$ZodIssue;
/** `text`: queries, paths and variables of the environment, in which everything is written as text. */
type Source = 'json' | 'text';
export type Words = Required<Pick<Problem, 'message' | 'mend'>>;

const TYPES: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
  null: 'null',
};

const TYPE_MENDS: Record<string, string> = {
  string: 'write a text in double quotes',
  number: 'write a number without quotes',
  int: 'write a whole number without quotes',
  boolean: 'write true or false, without quotes',
  object: 'write an object, in braces',
  record: 'write an object, in braces',
  array: 'write a list, in square brackets',
  null: 'write null',
};

const FORMATS: Record<string, Words> = {
  datetime: {
    message: 'is not an ISO 8601 time with an offset or Z',
    mend: 'write a time such as 2026-03-08T00:00:00Z',
  },
  guid: { message: 'is not a UUID', mend: 'write a UUID such as 0198c2a4-7f3e-7c1b-9a55-3d0e6b1f2a77' },
  url: {
    message: 'is not an address of the kind that belongs here',
    mend: 'write a URL such as http://localhost:3010',
  },
};

/** A value as a message names it. */
export function describe(value: unknown): string {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return String(value);
  if (typeof value === 'string') return value.length > 60 ? 'a longer text' : `the text ${JSON.stringify(value)}`;
  return Array.isArray(value) ? 'a list' : 'an object';
}

function typeMend(expected: string, source: Source): string {
  if (source === 'json') return TYPE_MENDS[expected] ?? `write ${expected}`;
  return `write ${TYPES[expected] ?? expected}`;
}

function sizeWords(issue: Issue & { code: 'too_small' | 'too_big' }, value: unknown): Words {
  const isLow = issue.code === 'too_small';
  const limit = isLow ? issue.minimum : issue.maximum;
  const bound = `${limit} ${isLow ? 'or more' : 'or less'}`;
  if (issue.origin === 'string') {
    const wanted = isLow ? `at least ${limit}` : `at most ${limit}`;
    const mend = `write ${wanted} ${limit === 1 ? 'character' : 'characters'}`;
    if (!isLow) return { message: `is longer than ${limit} characters`, mend };
    return { message: limit === 1 ? 'is empty' : `is shorter than ${limit} characters`, mend };
  }
  if (issue.origin === 'array') {
    const length = Array.isArray(value) ? value.length : 0;
    if (isLow && length === 0)
      return { message: 'is an empty list', mend: `give it at least ${limit}, or leave it out` };
    const wanted = `${limit} at ${isLow ? 'least' : 'most'}`;
    return { message: `has ${length} entries; ${wanted}`, mend: `list ${wanted}` };
  }
  const number = issue.origin === 'int' ? 'a whole number' : 'a number';
  const given = typeof value === 'string' ? Number(value) : value;
  return { message: `must be ${bound}, not ${describe(given)}`, mend: `write ${number} that is ${bound}` };
}

/** How the values of an enum are told, quoted where they have to be written with quotes. */
const listed = (values: readonly unknown[], source: Source) =>
  values.map((value) => (source === 'json' ? JSON.stringify(value) : String(value))).join(', ');

/** What to write where an issue stands, as far as it can be derived from it. */
function mendOf(issue: Issue, value: unknown, source: Source): string {
  switch (issue.code) {
    case 'invalid_type':
      return typeMend(issue.expected, source);
    case 'too_small':
    case 'too_big':
      return sizeWords(issue, value).mend;
    case 'invalid_value': {
      const near = typeof value === 'string' ? nearest(value, issue.values.map(String)) : undefined;
      if (near !== undefined) return `did you mean ${JSON.stringify(near)}?`;
      return issue.values.length === 1
        ? `write ${listed(issue.values, source)}`
        : `write one of ${listed(issue.values, source)}`;
    }
    case 'invalid_format':
      return FORMATS[issue.format]?.mend ?? 'remove what does not belong into it';
    case 'custom': {
      const own: unknown = issue.params?.['mend'];
      return typeof own === 'string' ? own : 'change it, or leave it out';
    }
    case 'invalid_union': {
      const mends = issue.errors.flatMap((branch) => branch.slice(0, 1).map((one) => mendOf(one, value, source)));
      return [...new Set(mends)].join(', or ') || 'change it, or leave it out';
    }
    case 'unrecognized_keys':
      return 'leave it out or check its spelling';
    case 'not_multiple_of':
      return `write a multiple of ${issue.divisor}`;
    case 'invalid_key':
    case 'invalid_element':
    default:
      return 'change it, or leave it out';
  }
}

function messageOf(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${TYPES[issue.expected] ?? issue.expected}, not ${describe(value)}`;
    case 'too_small':
    case 'too_big':
      return sizeWords(issue, value).message;
    case 'invalid_value':
      return `must be ${issue.values.length === 1 ? '' : 'one of '}${issue.values.map(String).join(', ')}, not ${describe(value)}`;
    case 'invalid_format':
      return FORMATS[issue.format]?.message ?? 'is not written as it has to be';
    case 'unrecognized_keys':
      return 'is not known here';
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}, not ${describe(value)}`;
    case 'invalid_union':
    case 'invalid_key':
    case 'invalid_element':
    case 'custom':
    default:
      return `cannot be ${describe(value)}`;
  }
}

/** zod's own English begins with a capital letter, the words that a schema gives itself do not. */
const isOwnMessage = (message: string) => /^[^A-Z]/.test(message);

/**
 * What an issue of a schema says in plain words, and what to write instead. A refinement gives its own mend as `params.mend`.
 * @param value what stands at the place of the issue
 */
export function wordsOf(issue: Issue, value: unknown, source: Source = 'json'): Words {
  const mend = mendOf(issue, value, source);
  if (value === undefined && issue.code !== 'custom') return { message: 'is missing', mend };
  if (source === 'text' && Array.isArray(value)) return { message: 'is given more than once', mend: 'give it once' };
  return { message: isOwnMessage(issue.message) ? issue.message : messageOf(issue, value), mend };
}

/** The example that an object's schema has for one of its fields. */
function exampleAt(schema: z.ZodType | undefined, [key, ...more]: readonly PropertyKey[]): unknown {
  if (!(schema instanceof z.ZodObject) || key === undefined || more.length > 0) return undefined;
  const field = (schema.shape as Record<string, z.ZodType | undefined>)[String(key)];
  const examples: unknown = field?.meta()?.['examples'];
  return Array.isArray(examples) ? (examples[0] as unknown) : undefined;
}

/**
 * Every issue of a schema as a problem with its path, in plain words and with a mend.
 * @param input what was checked
 * @param options.schema makes mends show the examples of its fields
 */
export function problemsOf(
  error: z.ZodError,
  input: unknown,
  options: { source?: Source; schema?: z.ZodType } = {},
): Problem[] {
  const { source = 'json', schema } = options;
  return error.issues.flatMap((issue): Problem[] => {
    // The bound of the safe integers says nothing beside the field's own.
    if (issue.code === 'too_big' && issue.origin === 'int' && error.issues.length > 1) return [];
    const words = wordsOf(issue, valueAt(input, issue.path), source);
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({
        path: jsonPath([...issue.path, key]),
        ...words,
        message: 'is not known here',
      }));
    const example = exampleAt(schema, issue.path);
    const mend = example === undefined ? words.mend : `${words.mend}, such as ${JSON.stringify(example)}`;
    return [{ path: jsonPath(issue.path), message: words.message, mend }];
  });
}
