import type { z } from 'zod';
import { isJsonObject, jsonPath, ownField, valueAt } from '../shared/json.ts';
import { nearest } from '../shared/nearest.ts';
import { engineNames } from '../steps/registry.ts';
import { budgetFieldNames, campaignInput } from './campaign-schema.ts';
import { notificationsInput, targetFieldNames } from './notification-schema.ts';
import { LONGEST_NAME } from './defaults.ts';
import { describe } from './fields.ts';
import type { ProblemList } from './problem-list.ts';
import { scheduleFields } from './schedule-schema.ts';
import { retryFieldNames, stepFieldNames } from './step-schema.ts';

type Keys = readonly PropertyKey[];
type Issue = z.core.$ZodIssue;

/** The known fields of each object, by the key that holds it; steps are held by an index. */
const FIELDS: Record<string, readonly string[]> = {
  '': Object.keys(campaignInput.shape).filter((name) => name !== '$schema'),
  schedule: Object.keys(scheduleFields.shape),
  budget: budgetFieldNames,
  notifications: Object.keys(notificationsInput.shape),
  onComplete: targetFieldNames,
  onFailure: targetFieldNames,
  retry: retryFieldNames,
  step: stepFieldNames,
};

const MENDS: Record<string, string> = {
  name: `write one line of at most ${LONGEST_NAME} characters`,
  engine: `write one of ${engineNames.join(', ')}`,
  email: 'write only the address, such as ops@example.com; several as a list',
  steps: 'write a list such as [{"engine": "prospecting", "params": {}}]',
  parallel: 'write {"parallel": [step, step]}',
  params: 'write an object such as {"count": 20}',
  attempts: 'write a whole number from 1 to 20',
  schedule: 'write "0 9 * * MON", or {"cron": "0 9 * * MON", "timezone": "America/New_York"}',
};

const WORDS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  array: 'a list',
  null: 'null',
};

/** The last name in a path; an address of a list of addresses has the name of the list. */
function lastName(keys: Keys): string {
  return keys.findLast((key) => typeof key === 'string') ?? '';
}

function ownerOf(keys: Keys): string {
  const last = keys.at(-1);
  return typeof last === 'number' ? 'step' : String(last ?? '');
}

function sizeMessage(issue: Issue & { code: 'too_small' | 'too_big' }, value: unknown): string {
  const isLow = issue.code === 'too_small';
  const limit = isLow ? issue.minimum : issue.maximum;
  if (issue.origin === 'string') return isLow ? 'is empty' : `is longer than ${limit} characters`;
  if (issue.origin === 'array')
    return isLow
      ? 'is an empty list'
      : `has ${Array.isArray(value) ? value.length : 'too many'} entries; ${limit} at most`;
  return `must be ${limit} or ${isLow ? 'more' : 'less'}, not ${describe(value)}`;
}

/** Turns the issues of the schema into problems in plain words. */
export class IssueReader {
  readonly #raw: unknown;
  readonly #problems: ProblemList;

  constructor(raw: unknown, problems: ProblemList) {
    this.#raw = raw;
    this.#problems = problems;
  }

  read(issues: readonly Issue[], base: Keys = []): void {
    for (const issue of issues) this.#readOne(issue, [...base, ...issue.path]);
  }

  #readOne(issue: Issue, keys: Keys): void {
    const value = valueAt(this.#raw, keys);
    if (issue.code === 'unrecognized_keys') return this.#unknownFields(issue.keys, keys);
    if (issue.code === 'invalid_union') return this.#union(issue, keys, value);
    const mend = MENDS[lastName(keys)];
    const add = (message: string, ownMend = mend) => this.#problems.add(jsonPath(keys), message, ownMend);
    if (value === undefined && keys.length > 0) return this.#missing(keys, mend);
    switch (issue.code) {
      case 'invalid_type':
        return add(`must be ${WORDS[issue.expected] ?? issue.expected}, not ${describe(value)}`);
      case 'too_small':
      case 'too_big':
        return add(sizeMessage(issue, value));
      case 'invalid_value': {
        const known = issue.values.map(String);
        const near = typeof value === 'string' ? nearest(value, known) : undefined;
        return add(
          `must be one of ${known.join(', ')}, not ${describe(value)}`,
          near === undefined ? undefined : `did you mean ${JSON.stringify(near)}?`,
        );
      }
      case 'custom': {
        const given: unknown = issue.params?.['mend'];
        return add(issue.message, typeof given === 'string' ? given : mend);
      }
      case 'invalid_format':
        // What the database cannot hold has been named already, at the same place.
        return this.#problems.has(jsonPath(keys)) ? undefined : add(issue.message);
      case 'invalid_element':
      case 'invalid_key':
      case 'not_multiple_of':
        return add(issue.message);
    }
  }

  #missing(keys: Keys, mend: string | undefined): void {
    if (this.#isNestedGroup(keys.slice(0, -1))) return;
    this.#problems.add(jsonPath(keys), 'is missing', mend);
  }

  #isNestedGroup(keys: Keys): boolean {
    return keys.at(-2) === 'parallel' && ownField(valueAt(this.#raw, keys), 'parallel') !== undefined;
  }

  /** Of the forms that a value may have, the one that it was meant to have. */
  #union(issue: Issue & { code: 'invalid_union' }, keys: Keys, value: unknown): void {
    const entry = isJsonObject(value) && Object.hasOwn(value, 'parallel') ? 1 : 0;
    const fitting = issue.errors.filter(
      (branch) => !branch.some((inner) => inner.path.length === 0 && inner.code === 'invalid_type'),
    );
    const branch = fitting.length > 1 ? fitting[entry] : fitting[0];
    if (branch) return this.read(branch, keys);
    if (value === undefined) return this.#missing(keys, MENDS[lastName(keys)]);
    this.#problems.add(jsonPath(keys), `${issue.message}, not ${describe(value)}`, MENDS[lastName(keys)]);
  }

  #unknownFields(names: readonly string[], keys: Keys): void {
    const owner = ownerOf(keys);
    const isGroup = owner === 'step' && ownField(valueAt(this.#raw, keys), 'parallel') !== undefined;
    for (const name of names) {
      const path = jsonPath([...keys, name]);
      if (name === 'parallel' && this.#isNestedGroup(keys))
        this.#problems.add(path, 'is a group within a group', 'put its steps into the outer group, or behind it');
      else if (isGroup)
        this.#problems.add(
          path,
          'does not belong to a parallel group',
          'a group has only "parallel"; the steps in it have names',
        );
      else this.#problems.add(path, 'is not a known field', this.#suggestion(name, owner));
    }
  }

  #suggestion(name: string, owner: string): string {
    const known = FIELDS[owner] ?? [];
    const elsewhere = Object.entries(FIELDS).find(([place, fields]) => place !== owner && fields.includes(name));
    const near = nearest(name, known);
    if (elsewhere && owner !== 'notifications') {
      const [place] = elsewhere;
      return place === ''
        ? 'it belongs to the campaign itself'
        : `it belongs to ${place === 'step' ? 'a step' : place}`;
    }
    return near === undefined ? `known here: ${known.join(', ')}` : `did you mean ${near}?`;
  }
}
