import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { auditOffline, briefWith, copyOf, posterOf, socialOf } from './support/auditing.ts';

const verdict = async (...args: Parameters<typeof auditOffline>) => (await auditOffline(...args)).verdict;

describe('the verdict', () => {
  const brief = briefWith({ brandGuidelines: { avoidAdjectives: ['cheap', 'loud', 'gaudy'], adjectives: ['warm'] } });

  test.each([
    ['pass', 'nothing', 'A warm evening.'],
    ['pass', 'notes only', 'An evening.'],
    ['pass', 'four minor findings', 'A warm night! It is the best!!! See &amp; **come** 😀'],
    ['conditional', 'five minor findings', 'A warm night. It is the best!!! See &amp; **come** in &amp; stay!!!'],
    ['conditional', 'one major finding', 'A warm, cheap evening.'],
    ['conditional', 'two major findings', 'A warm, cheap, loud evening.'],
    ['fail', 'three major findings', 'A warm, cheap, loud, gaudy evening.'],
    ['fail', 'one critical finding', 'A warm evening for {{ name }}.'],
  ])('is %s with %s', async (expected, _, body) => {
    expect(await verdict(brief, [copyOf(body)])).toBe(expected);
  });

  test('on a bundle is the worst of its parts, whose faults are not added up', async () => {
    const bundle = [
      copyOf('A cheap evening.'),
      socialOf({ channel: 'x', text: 'A loud one.' }),
      posterOf({ headline: 'Gaudy' }),
    ];
    const { verdict: whole, artifacts } = await auditOffline(brief, bundle);
    expect(whole).toBe('conditional');
    expect(artifacts.map((one) => [one.kind, one.verdict])).toEqual([
      ['copy', 'conditional'],
      ['poster', 'conditional'],
      ['social', 'conditional'],
    ]);
    expect(await verdict(brief, [copyOf('A warm evening.'), posterOf({ headline: '{{ x }}' })])).toBe('fail');
  });

  test('on nothing at all is no pass', async () => {
    expect(await verdict(brief, [])).toBe('fail');
  });

  test('without a judge says so, costs nothing and stands on the gates', async () => {
    const result = await auditOffline(brief, [copyOf('A warm evening.')]);
    expect(result).toMatchObject({
      verdict: 'pass',
      judged: 'not_available',
      costMicros: 0,
      costUnknown: false,
      unanswered: [],
    });
  });

  test('rests on the gates that docs/generation.md lists, in the same order', async () => {
    const { gates } = await auditOffline(brief, [copyOf('A warm evening.')]);
    const page = readFileSync(new URL('../../../docs/generation.md', import.meta.url), 'utf8');
    const [, section = ''] = page.split('## Gates');
    const listed = Array.from(section.matchAll(/^\| `([a-z-]+)`/gm), ([, name]) => name);
    expect(listed.slice(0, gates.length)).toEqual(gates.map(({ gate }) => gate));
  });

  test('names every gate with its version, in alphabetical order', async () => {
    const { gates } = await auditOffline(brief, [copyOf('A warm evening.')]);
    const names = gates.map(({ gate }) => gate);
    const all =
      'brand-voice claims emojis hidden-text language length links numbers palette personal-data placeholders profanity ' +
      'prohibited-terms prompt-injection reading-level repetition required-terms secrets';
    expect(names).toEqual(all.split(' '));
    for (const { version, findings, omitted } of gates) expect([version, findings, omitted]).toEqual([1, 0, 0]);
  });

  test('passes what a careful writer hands in', async () => {
    const careful = briefWith({
      product: 'Tably, an application that takes bookings. $49 a month. https://tably.io/demo',
      tone: 'warm, professional',
      facts: [
        { id: 'f1', text: 'Restaurants that use Tably seat 18% more guests on weekdays.' },
        { id: 'f2', text: 'Setup takes 15 minutes.' },
      ],
      constraints: { prohibitedTerms: ['free', 'cheap'], requiredTerms: ['Tably'], maxReadingGrade: 9 },
      brandGuidelines: { adjectives: ['warm'], palette: ['deep teal #0f766e', 'cream'] },
    });
    const result = await auditOffline(careful, [
      copyOf(
        'Weekday evenings can be slow. Restaurants that use Tably seat 18 percent more guests on weekdays. Setup takes fifteen ' +
          'minutes, and your team keeps the warm welcome it is known for. It costs $49 a month, and you can stop when you like.',
        { headline: 'Fill the quiet tables with Tably', callToAction: 'Book a visit at https://tably.io/demo' },
      ),
      socialOf(
        {
          channel: 'x',
          text: 'Slow Tuesdays? A warm welcome helps, and so does Tably. https://tably.io/demo',
          hashtags: ['restaurants'],
        },
        {
          channel: 'email',
          title: 'Slow Tuesdays?',
          text: 'Hello, Tably takes bookings while you cook. It keeps your welcome warm.',
        },
      ),
      posterOf({
        headline: 'A full house on a Tuesday',
        tagline: 'Tably. A warm welcome.',
        palette: ['Deep Teal', 'cream'],
      }),
    ]);
    expect(result.findings).toEqual([]);
    expect(result.verdict).toBe('pass');
  });
});
