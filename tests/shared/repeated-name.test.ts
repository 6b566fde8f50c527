import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findRepeatedName } from '../../shared/repeated-name.ts';

test.each([
  ['{"a":1,"a":2}', { name: 'a', line: 1, column: 8 }],
  ['{\n  "a": {"b": [], "c": {}},\n  "\\u0061" : 2\n}', { name: 'a', line: 3, column: 3 }],
  ['[{"x":1},{"y":{"x":1,"z":"x","x":[]}}]', { name: 'x', line: 1, column: 30 }],
  ['{"__proto__":1,"__proto__":2}', { name: '__proto__', line: 1, column: 16 }],
  ['{"a\\"":1,"a\\"":2}', { name: 'a"', line: 1, column: 10 }],
])('finds the name that stands twice in %s', (json, place) => {
  expect(findRepeatedName(json)).toEqual(place);
});

test.each(['{"a":{"a":{"a":1}}}', '[{"a":1},{"a":2}]', '{"a":"a","b":"a\\",\\"a\\":"}', '"a"', '{"a":["a","a"]}'])(
  'finds none in %s',
  (json) => {
    expect(findRepeatedName(json)).toBeNull();
  },
);

test('finds none in what JSON.stringify writes, and one where it is put', () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.string(), fc.constantFrom(0, 2), (value, name, indent) => {
      expect(findRepeatedName(JSON.stringify(value, null, indent))).toBeNull();
      const [key, inner] = [JSON.stringify(name), JSON.stringify(value)];
      expect(findRepeatedName(`[{${key}:${inner},${key} :1}]`)?.name).toBe(name);
    }),
  );
});

test('takes a text of a megabyte and a hundred thousand levels', () => {
  expect(findRepeatedName(JSON.stringify({ a: 'x"'.repeat(500_000) }))).toBeNull();
  expect(findRepeatedName('['.repeat(100_000) + ']'.repeat(100_000))).toBeNull();
});
