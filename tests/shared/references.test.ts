import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { JsonObject } from '../../shared/json.ts';
import { findReferences, ReferenceFailure, resolveReferences, type ReferenceScope } from '../../shared/references.ts';

const scope: ReferenceScope = {
  steps: {
    prospecting: {
      runId: 'run-7',
      saved: 20,
      ok: true,
      nothing: null,
      cities: ['Rome', 'Paris'],
      best: { name: 'Ada' },
    },
    'outreach-compose': { completed: 4, text: '{{ env.TOKEN }} {% if true %}{{ steps.prospecting.saved }}' },
    'my step': { x: 1 },
    '2nd': { a: 5 },
  },
  run: { id: 'r-1', scheduledFor: null, trigger: 'manual' },
  campaign: { id: 'c-1', name: 'Weekly', metadata: { owner: 'agency' } },
  env: { TOKEN: 'secret' },
};
const resolve = (text: unknown) => resolveReferences({ value: text } as JsonObject, scope)['value'];
function failure(text: unknown): ReferenceFailure {
  try {
    resolve(text);
  } catch (error) {
    if (error instanceof ReferenceFailure) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('references in params', () => {
  test.each([
    ['{{ steps.prospecting.saved }}', 20],
    ['{{steps.prospecting.ok}}', true],
    ['{{ steps.prospecting.nothing }}', null],
    ['{{ steps.prospecting.cities }}', ['Rome', 'Paris']],
    ['{{ steps.prospecting.best }}', { name: 'Ada' }],
    ['{{ steps.prospecting.cities[1] }}', 'Paris'],
    ['{{ steps.prospecting.cities.size }}', 2],
    ['{{ run.scheduledFor }}', null],
    ['{{ env.TOKEN }}', 'secret'],
    ['{{ null }}', null],
    ['{{ 2.5 }}', 2.5],
  ])('keep the type when they are the whole text: %s', (text, value) => {
    expect(resolve(text)).toEqual(value);
  });

  test.each([
    ['{{ steps.outreach-compose.completed }}', 4],
    ['{{ steps["outreach-compose"].completed }}', 4],
    ["{{ steps['my step']['x'] }}", 1],
    ['{{ steps.2nd.a }}', 5],
  ])('reach steps of any name: %s', (text, value) => {
    expect(resolve(text)).toBe(value);
  });

  test('become text inside a longer text, objects as JSON and null as nothing', () => {
    expect(resolve('{{ steps.prospecting.saved }} of {{ campaign.name }}')).toBe('20 of Weekly');
    expect(resolve('a{{ steps.prospecting.best }}b')).toBe('a{"name":"Ada"}b');
    expect(resolve('[{{ steps.prospecting.nothing }}]')).toBe('[]');
    expect(resolve(' {{ steps.prospecting.saved }}')).toBe(' 20');
  });

  test('take filters, and default stands in for what is not there', () => {
    expect(resolve('{{ steps.prospecting.cities | join: ", " | upcase }}')).toBe('ROME, PARIS');
    expect(resolve('{{ steps.prospecting.limit | default: 50 }}')).toBe(50);
  });

  test('are found in nested lists and objects and leave everything else alone', () => {
    const params = JSON.parse(
      '{"a": [{"b": "{{ run.id }}"}], "n": 1, "__proto__": {"c": "{{ run.id }}"}}',
    ) as JsonObject;
    expect(JSON.stringify(resolveReferences(params, scope))).toBe('{"a":[{"b":"r-1"}],"n":1,"__proto__":{"c":"r-1"}}');
    expect(({} as Record<string, unknown>)['c']).toBeUndefined();
  });

  test.each(['plain', '{% if true %}x{% endif %}', '{ {x} }', '}} {', '{%- raw -%}', '{# no #}'])(
    'text without {{ stays as it is: %s',
    (text) => expect(resolve(text)).toBe(text),
  );

  test('braces in quotes are text', () => {
    expect(resolve("{{ '{{first_name}}' }}")).toBe('{{first_name}}');
    expect(resolve("Hi {{ '{{first_name}}' }}, {% x %}")).toBe('Hi {{first_name}}, {% x %}');
  });

  test('what an engine answered is data and is not looked through again', () => {
    expect(resolve('{{ steps.outreach-compose.text }}')).toBe(scope.steps['outreach-compose']?.['text']);
    expect(resolve('> {{ steps.outreach-compose.text }}')).toBe(
      `> ${String(scope.steps['outreach-compose']?.['text'])}`,
    );
  });

  test('an inserted value is a copy', () => {
    const first = resolve('{{ steps.prospecting.best }}') as JsonObject;
    first['name'] = 'changed';
    expect(resolve('{{ steps.prospecting.best }}')).toEqual({ name: 'Ada' });
  });

  test('one that is undefined names its path, its expression and what there is', () => {
    const error = failure({ list: ['{{ steps.prospecting.runid }}'] });
    expect(error).toMatchObject({
      code: 'REFERENCE_UNDEFINED',
      path: 'value.list[0]',
      expression: 'steps.prospecting.runid',
      retryable: false,
      worked: 'no',
    });
    expect(error.message).toContain('step "prospecting" has no "runid"; it has "runId", "saved"');
    expect(failure({ x: '{{ steps.nobody.y }}' }).message).toContain('step "nobody" gave no result in this run');
  });

  test.each([
    '{{ steps.nobody.x }}',
    '{{ steps.constructor }}',
    '{{ steps.__proto__.x }}',
    '{{ steps.prospecting.toString }}',
    '{{ steps.prospecting["constructor"] }}',
    '{{ env.PATH }}',
    '{{ steps.prospecting.cities[9] }}',
    'a {{ run.nope }}',
  ])('nothing but own fields is reached: %s', (text) => {
    expect(failure(text).code).toBe('REFERENCE_UNDEFINED');
  });

  test.each([
    '{{ }}',
    '{{ a b }}',
    '{{ run.id y }}',
    '{{ run.id | }}',
    '{{ run.id | nofilter }}',
    '{{ run.id | upcase lower }}',
    '{{ (1..1000000000) }}',
    '{{ empty }}',
    '{{ run..id }}',
    '{{ run.id. }}',
    '{{ run[run.id] }}',
    '{{ "x }}',
    '{{ run.id',
    '{{ process.env }}',
    '{{ steps.prospecting.cities | where_exp: "x", "true" }}',
    '{{ steps.prospecting.cities | sample }}',
    '{{ 1 | divided_by: 0 }}',
    '{{- run.id -}}',
    '{{ run.id == "x" }}',
    '{{ \'{% include "/etc/passwd" %}\' | render }}',
  ])('what is no expression is refused: %s', (text) => {
    expect(failure(text).code).toBe('REFERENCE_INVALID');
  });

  test('growing a text without bound is refused', () => {
    const big = { ...scope, steps: { a: { text: 'x'.repeat(100_000) } } };
    const many = 'y{{ steps.a.text }}'.repeat(400);
    expect(() => resolveReferences({ many }, big)).toThrow('larger than 16 MiB');
    const wide = `{{ steps.a.text | replace: "x", steps.a.text }}`;
    expect(() => resolveReferences({ wide }, big)).toThrow(ReferenceFailure);
  });

  test('no text makes anything but a value or a ReferenceFailure', () => {
    const bits = fc.constantFrom(
      '{{',
      '}}',
      ' ',
      '|',
      '.',
      '[',
      ']',
      '"',
      "'",
      '\\',
      'steps',
      'run',
      'id',
      '-',
      ':',
      ',',
      '1',
      'default',
      '{%',
      '%}',
      '}',
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(bits).map((parts) => parts.join('')),
        ),
        (text) => {
          const problems = findReferences({ text }).filter((reference) => reference.problem !== undefined);
          try {
            resolve(text);
          } catch (error) {
            expect(error).toBeInstanceOf(ReferenceFailure);
            return;
          }
          expect(problems).toEqual([]);
        },
      ),
      { numRuns: 3_000 },
    );
  });
});

describe('the references of a value', () => {
  test('come with path, expression and what they read', () => {
    const found = findReferences({
      a: ['x', '{{ steps.outreach-compose.n | append: env.TOKEN }}'],
      'odd key': '{{ 1 }}{{ run.id }}',
    });
    expect(found).toEqual([
      {
        path: 'a[1]',
        expression: 'steps.outreach-compose.n | append: env.TOKEN',
        variables: [
          { root: 'steps', keys: ['outreach-compose', 'n'] },
          { root: 'env', keys: ['TOKEN'] },
        ],
      },
      { path: '["odd key"]', expression: '1', variables: [] },
      { path: '["odd key"]', expression: 'run.id', variables: [{ root: 'run', keys: ['id'] }] },
    ]);
  });

  test('say what is wrong with the text', () => {
    expect(findReferences('Hi {{first_name}}')[0]?.problem).toContain('"first_name"');
    expect(findReferences('{{ run.id | upcas }}')[0]?.problem).toContain('did you mean upcase?');
    expect(findReferences('{{ run.id')[0]?.problem).toContain('without a closing }}');
  });
});
