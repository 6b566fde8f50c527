import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { ProblemList } from '../../campaigns/problem-list.ts';
import { parseDefinition } from '../../campaigns/schema.ts';
import { campaignFile, environment, problemsOf } from './support.ts';

const NASTY = [
  '__proto__',
  'constructor',
  'toString',
  '',
  'a\u0000',
  '\ud800',
  '{{ steps.a.x }}',
  '{{',
  '5m',
  '0 9 * * 1',
  'UTC',
];
const nastyText = fc.oneof(fc.constantFrom(...NASTY), fc.string({ unit: 'grapheme', maxLength: 20 }));
const anyJson = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' });
/** Mostly the sensible value, now and then anything. */
const mostly = (sensible: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 80, arbitrary: sensible }, { weight: 1, arbitrary: anyJson });
const maybe = (fields: Record<string, fc.Arbitrary<unknown>>, requiredKeys: string[] = []) =>
  fc.record(fields, { requiredKeys });

const duration = mostly(
  fc.oneof(fc.integer({ min: 100, max: 3_600_000 }), fc.constantFrom('90s', '1h', '1h 30m', '500ms')),
);
const money = mostly(fc.oneof(fc.double({ min: 0, max: 1e6, noNaN: true }), fc.constantFrom(null, 0, -0)));
const params = mostly(
  fc.dictionary(
    fc.constantFrom('a', '', '__proto__', 'constructor', 'odd "key"'),
    fc.oneof(fc.jsonValue(), fc.constant('{{ run.id }}')),
    {
      maxKeys: 4,
    },
  ),
);
const address = fc.constantFrom('/api/x', '/send', 'http://localhost:3010/api/prospect', ' /x?y=1 ');
const step = maybe(
  {
    name: mostly(fc.constantFrom('a', 'b', ' c ', 'sender', 'sender-2', 'Büro 🍝')),
    engine: mostly(fc.constantFrom('prospecting', 'analysis', 'outreach', 'sender', 'compose')),
    endpoint: mostly(address),
    method: mostly(fc.constantFrom('GET', 'POST')),
    params,
    timeout: duration,
    retry: mostly(
      maybe({
        attempts: mostly(fc.integer({ min: 1, max: 20 })),
        delay: duration,
        backoff: fc.constantFrom('fixed', 'exponential'),
      }),
    ),
    onSuccess: mostly(fc.constantFrom('continue', 'abort')),
    onFailure: mostly(fc.constantFrom('log', 'abort')),
    effect: mostly(fc.constantFrom('once', 'repeatable')),
    protocol: mostly(fc.constantFrom('auto', 'job')),
    statusEndpoint: mostly(address),
    pollInterval: duration,
    terminalEvents: mostly(fc.array(fc.constantFrom('done', 'x'), { minLength: 1, maxLength: 3 })),
    estimatedCost: money,
  },
  ['engine'],
);
const targets = mostly(
  maybe({
    email: mostly(fc.constantFrom('a@b.c', null, [], ['a@b.c', ' a@b.c', 'd@e'])),
    slack: mostly(fc.constantFrom(true, null, '#x', '{{env.SLACK_WEBHOOK_URL}}', 'http://[::1]:1/hook')),
  }),
);
const campaign = maybe(
  {
    $schema: fc.constant('x'),
    name: mostly(fc.constantFrom('x', ' y ')),
    description: mostly(fc.constantFrom('x\ny', null)),
    schedule: mostly(
      fc.oneof(
        fc.constantFrom('@daily', ' 0 9 * * MON ', null),
        maybe(
          {
            cron: fc.constant('0 9 * * 1'),
            timezone: mostly(fc.constantFrom('Europe/Berlin', ' UTC ')),
            jitter: duration,
            overlap: fc.constant('queue'),
          },
          ['cron'],
        ),
      ),
    ),
    overlap: mostly(fc.constantFrom('skip', 'queue')),
    catchUpWindow: duration,
    budget: mostly(maybe({ daily: money, weekly: money, perLead: money })),
    steps: mostly(
      fc.array(fc.oneof(step, fc.record({ parallel: fc.array(step, { minLength: 1, maxLength: 3 }) })), {
        minLength: 1,
        maxLength: 4,
      }),
    ),
    notifications: mostly(maybe({ onComplete: targets, onFailure: targets })),
    metadata: params,
  },
  ['name', 'steps'],
);

/** Checks one input; answers whether it was accepted. */
function examine(input: unknown): boolean {
  const parsed = parseDefinition(input, environment);
  if (parsed.problems) {
    expect(parsed.problems.length).toBeGreaterThan(0);
    for (const { path, message } of parsed.problems) expect(`${path}${message}`.isWellFormed()).toBe(true);
    return false;
  }
  const stored = JSON.parse(JSON.stringify(parsed.definition)) as unknown;
  expect(JSON.stringify(stored)).not.toMatch(/\\u0000|\\ud[89a-f]/);
  expect(parseDefinition(stored, environment)).toEqual({ definition: stored });
  return true;
}

describe('whatever comes in', () => {
  test('arbitrary JSON never throws', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8, stringUnit: 'binary' }), (input) => void examine(input)),
      { numRuns: 1_000 },
    );
  });

  test('what is accepted is accepted again as it was stored, and comes out the same', () => {
    let acceptedCount = 0;
    fc.assert(
      fc.property(campaign, (input) => {
        if (examine(JSON.parse(JSON.stringify(input)))) acceptedCount += 1;
      }),
      { numRuns: 1_000 },
    );
    expect(acceptedCount).toBeGreaterThan(150);
  });

  test('one value of a good campaign replaced by anything never throws', () => {
    const places: (string | number)[][] = [];
    const collect = (value: unknown, path: (string | number)[]) => {
      places.push(path);
      if (Array.isArray(value)) value.forEach((item, index) => collect(item, [...path, index]));
      else if (typeof value === 'object' && value !== null)
        for (const [key, item] of Object.entries(value)) collect(item, [...path, key]);
    };
    collect(campaignFile('monthly-retail.json'), []);
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.oneof(anyJson, nastyText), (path, value) => {
        const input: Record<string | number, unknown> = { root: campaignFile('monthly-retail.json') };
        let holder = input;
        for (const key of ['root', ...path].slice(0, -1)) holder = holder[key] as typeof input;
        holder[['root', ...path].at(-1) ?? ''] = value;
        examine(input['root']);
      }),
      { numRuns: 800 },
    );
  });

  test('a place is told of once in the same words', () => {
    const list = new ProblemList();
    list.add('a', 'is bad');
    list.add('a', 'is bad');
    list.add('a', 'is worse');
    expect(list.list()).toHaveLength(2);
    expect(problemsOf({ name: 'x\u0000', steps: [{ engine: 'sender' }] })).toHaveLength(1);
  });
});
