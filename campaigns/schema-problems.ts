import type { z } from 'zod';
import { isJsonObject, jsonPath, ownField, valueAt } from '../shared/json.ts';
import { MAX_DOLLARS } from '../shared/money.ts';
import { nearest } from '../shared/nearest.ts';
import { CRON_MEND, TIMEZONE_MEND } from '../scheduler/calendar.ts';
import { describe, wordsOf } from '../shared/zod-problems.ts';
import { engineNames } from '../steps/registry.ts';
import { ENDPOINT_MEND, SLACK_MEND } from './address-checks.ts';
import { budgetFieldNames, campaignInput } from './campaign-schema.ts';
import { notificationsInput, targetFieldNames } from './notification-schema.ts';
import { LONGEST_NAME } from './defaults.ts';
import { DURATION_MEND } from '../shared/duration.ts';
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

const same = (names: readonly string[], mend: string) => Object.fromEntries(names.map((name) => [name, mend]));

/** Better mends than those that follow from an issue, by the name of the field. */
const MENDS: Record<string, string> = {
  name: `write one line of at most ${LONGEST_NAME} characters`,
  engine: `write one of ${engineNames.join(', ')}`,
  email: 'write only the address, such as ops@example.com; several as a list',
  steps: 'write a list such as [{"engine": "prospecting", "params": {}}]',
  parallel: 'write {"parallel": [step, step]}',
  params: 'write an object such as {"count": 20}',
  attempts: 'write a whole number from 1 to 20',
  budget: 'write an object such as {"daily": 50, "perLead": 0.5}',
  metadata: 'write an object such as {"project_id": "spring"}',
  notifications: 'write an object such as {"onFailure": {"email": "ops@example.com", "slack": true}}',
  retry: 'write an object such as {"attempts": 3, "delay": "10s"}',
  description: 'write a text; of control characters only line breaks and tabs may be in it',
  terminalEvents: 'write a list of names such as ["done", "failed"], or leave it out',
  slack: SLACK_MEND,
  cron: CRON_MEND,
  timezone: TIMEZONE_MEND,
  ...same(['endpoint', 'statusEndpoint', 'cancelEndpoint'], ENDPOINT_MEND),
  ...same(['timeout', 'delay', 'pollInterval', 'catchUpWindow', 'jitter'], DURATION_MEND),
  ...same([...budgetFieldNames, 'estimatedCost'], `write dollars as a number from 0 to ${MAX_DOLLARS}, such as 12.5`),
  schedule: 'write "0 9 * * MON", or {"cron": "0 9 * * MON", "timezone": "America/New_York"}',
};

/** The last name in a path; an address of a list of addresses has the name of the list. */
function lastName(keys: Keys): string {
  return keys.findLast((key) => typeof key === 'string') ?? '';
}

function ownerOf(keys: Keys): string {
  const last = keys.at(-1);
  return typeof last === 'number' ? 'step' : String(last ?? '');
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
    if (value === undefined && keys.length > 0 && this.#isNestedGroup(keys.slice(0, -1))) return;
    // What the database cannot hold has been named already, at the same place.
    if (issue.code === 'invalid_format' && this.#problems.has(jsonPath(keys))) return;
    const { message, mend } = wordsOf(issue, value);
    this.#problems.add(jsonPath(keys), message, this.#isSpecific(issue, mend) ? mend : (MENDS[lastName(keys)] ?? mend));
  }

  /** Whether the mend knows more than the field's name tells. */
  #isSpecific(issue: Issue, mend: string): boolean {
    if (issue.code === 'custom') return issue.params?.['mend'] !== undefined;
    return issue.code === 'invalid_value' && mend.startsWith('did you mean');
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
    const { message, mend } = wordsOf(issue, value);
    const isMissing = value === undefined;
    if (isMissing && this.#isNestedGroup(keys.slice(0, -1))) return;
    this.#problems.add(
      jsonPath(keys),
      isMissing ? message : `${message}, not ${describe(value)}`,
      MENDS[lastName(keys)] ?? mend,
    );
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
