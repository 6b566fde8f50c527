import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { findJsonFault } from '../../api/json-fault.ts';

const parses = (text: string) => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

describe('findJsonFault', () => {
  test.each([
    ['{"a":x}', 1, 6, 'expected a value, found "x"'],
    ['{"a":1,}', 1, 8, 'expected a name in double quotes, found "}"'],
    ['[1,2', 1, 5, 'expected a comma or the closing bracket, found the end'],
    ['{\n  "a": 1\n  "b": 2\n}', 3, 3, 'expected a comma or the closing bracket'],
    ["{'a':1}", 1, 2, 'expected a name in double quotes or }'],
    ['{"a" 1}', 1, 6, 'expected a colon'],
    ['[1]]', 1, 4, 'expected the end'],
    ['["abc', 1, 2, 'a text that is not closed'],
    ['', 1, 1, 'found the end'],
  ])('points at the fault of %j', (text, line, column, message) => {
    const fault = findJsonFault(text);
    expect(fault).toMatchObject({ line, column });
    expect(fault?.message).toContain(message);
  });

  test('agrees with JSON.parse on what is JSON', () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom('', ',', '}', ']', '"', '\\', '1', 'e', '-', ' ', '\n', '\u0001'),
        (json, at, extra) => {
          expect(findJsonFault(json)).toBeNull();
          const cut = at % (json.length + 1);
          const broken = json.slice(0, cut) + extra + json.slice(cut + 1);
          expect(findJsonFault(broken) === null).toBe(parses(broken));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  test('takes a hundred thousand levels without recursion', () => {
    expect(findJsonFault('['.repeat(100_000))).toMatchObject({ offset: 100_000 });
    expect(findJsonFault('['.repeat(100_000) + ']'.repeat(100_000))).toBeNull();
  });
});
