import { describe, expect, test } from '@jest/globals';
import { lengthFor, normalizedBriefSchema } from '../../generation/normalized-brief.ts';
import { problemsOf } from '../../shared/zod-problems.ts';

const least = { objective: 'Sell', audience: 'Owners', product: 'Tably', tone: 'warm' };
const problems = (more: object) => {
  const input = { ...least, ...more };
  const { error } = normalizedBriefSchema.safeParse(input);
  return error ? problemsOf(error, input).map(({ path, message, mend }) => [path, message, mend]) : [];
};

describe('a normalized brief', () => {
  test('has every default filled in', () => {
    expect(normalizedBriefSchema.parse(least)).toEqual({
      ...least,
      language: 'en',
      constraints: { prohibitedTerms: [], requiredTerms: [] },
      brandGuidelines: { adjectives: [], palette: [] },
      facts: [],
    });
  });

  test.each([
    ['constraints', { maxLenght: 5 }, 'constraints.maxLenght'],
    ['constraints', { maxLength: { twitter: 5 } }, 'constraints.maxLength.twitter'],
    ['brandGuidelines', { colours: [] }, 'brandGuidelines.colours'],
  ])('knows no other %s than its own', (field, value, path) => {
    expect(problems({ [field]: value })).toEqual([[path, 'is not known here', expect.any(String)]]);
  });

  test.each([
    [{ constraints: { requiredTerms: ['No  Risk'], prohibitedTerms: ['no risk'] } }, 'constraints.requiredTerms[0]'],
    [{ brandGuidelines: { adjectives: ['Warm'], avoidAdjectives: ['warm'] } }, 'brandGuidelines.avoidAdjectives[0]'],
    [{ constraints: { minLength: 50, maxLength: 40 } }, 'constraints.minLength'],
    [{ constraints: { minLength: { x: 50 }, maxLength: 40 } }, 'constraints.minLength.x'],
    [
      {
        facts: [
          { id: 'a', text: 'A' },
          { id: 'a', text: 'B' },
        ],
      },
      'facts[1].id',
    ],
    [{ constraints: { prohibitedTerms: ['​'] } }, 'constraints.prohibitedTerms[0]'],
    [{ language: 'English' }, 'language'],
  ])('does not contradict itself: %j', (more, path) => {
    expect(problems(more)).toEqual([[path, expect.any(String), expect.any(String)]]);
  });

  test.each(['objective', 'audience', 'product', 'tone'])('says something as its %s', (field) => {
    for (const nothing of ['!!!', '…', '— —', '🍕', '\u200b'])
      expect(problems({ [field]: nothing })).toEqual([
        [field, 'holds neither a letter nor a digit', 'say it in words'],
      ]);
    expect(problems({ [field]: ' ' })).toEqual([[field, 'is empty', expect.any(String)]]);
    expect(problems({ [field]: '7' })).toEqual([]);
  });

  test.each([
    [{ facts: [{ id: 'a', text: '!!!' }] }, 'facts[0].text'],
    [{ brandGuidelines: { adjectives: ['***'] } }, 'brandGuidelines.adjectives[0]'],
    [{ brandGuidelines: { avoidAdjectives: ['1'] } }, 'brandGuidelines.avoidAdjectives[0]'],
  ])('says something in its lists too: %j', (more, path) => {
    expect(problems(more)).toEqual([[path, expect.stringMatching(/^holds n/), expect.any(String)]]);
  });

  test.each(['English', 'EN', 'en-gb', 'en_GB', 'qq', ''])(
    'does not take %j for a language, and says what is one',
    (code) => {
      expect(problems({ language: code })).toEqual([
        ['language', 'is not the code of a language', expect.stringMatching(/^write .* such as en, .* en-GB$/)],
      ]);
    },
  );

  test.each([
    [{ maxLength: 5 }, 'constraints.maxLength', /20 or more/, /20 or more/],
    [{ maxLength: { x: 19 } }, 'constraints.maxLength.x', /20 or more/, /20 or more/],
    [
      { maxLength: 30, requiredTerms: ['terms and conditions', 'apply to all'] },
      'constraints.maxLength',
      /no room for requiredTerms, which have 34/,
      /raise it/,
    ],
    [
      { maxLength: { copy: 500, x: 20 }, requiredTerms: ['terms and conditions apply'] },
      'constraints.maxLength.x',
      /no room/,
      /raise it/,
    ],
  ])('allows a length in which something can be said: %j', (constraints, path, message, mend) => {
    expect(problems({ constraints })).toEqual([[path, expect.stringMatching(message), expect.stringMatching(mend)]]);
  });

  test('says how long a text may be, as one number or one each', () => {
    expect(lengthFor(40, 'x')).toBe(40);
    expect(lengthFor({ x: 50 }, 'x')).toBe(50);
    expect(lengthFor({ x: 50 }, 'copy')).toBeUndefined();
    expect(lengthFor(undefined, 'x')).toBeUndefined();
  });
});
