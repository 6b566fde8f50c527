import { describe, expect, test } from '@jest/globals';
import { briefWith, codesIn, copyOf, findingsOf, posterOf, seen } from './support/auditing.ts';

const withFacts = (...facts: string[]) => briefWith({ facts: facts.map((text, at) => ({ id: `f${at}`, text })) });

describe('numbers that no fact supports', () => {
  test.each([
    ['a share', 'Seat 18% more guests.', '18%'],
    ['a share with a space', 'Seat 18 % more guests.', '18 %'],
    ['a share in words', 'Seat eighteen percent more guests.', 'eighteen percent'],
    ['a share with “per cent”', 'Seat twenty-five per cent more.', 'twenty-five per cent'],
    ['a price before', 'Only $49.99 a month.', '$49.99'],
    ['a price behind', 'Only 49 EUR a month.', '49 EUR'],
    ['a price in thousands', 'Save £5k a year.', '£5k'],
    ['a multiple', 'Bookings in 3x the speed.', '3x'],
    ['a multiple in words', 'It is ten times quicker.', 'ten times'],
    ['twice as much', 'Seat twice as many.', 'twice'],
    ['half the price', 'At half the price.', 'half'],
    ['a duration', 'Results in 7 days.', '7 days'],
    ['a duration with a hyphen', 'A 30-day trial.', '30-day'],
    ['customers', 'Over 10,000 happy customers.', '10,000'],
    ['customers in words', 'Two hundred thousand users.', 'Two hundred thousand'],
    ['customers in millions', 'Loved by 5M users.', '5M'],
    ['thousands', 'Join thousands of customers.', 'thousands'],
    ['a rating', 'Rated 4.8/5 by guests.', '4.8/5'],
    ['stars', 'A 5 star service.', '5 star'],
    ['a year of foundation', 'Baking since 1998.', '1998'],
    ['a day', 'It ends on 12 May at noon.', '12 May'],
    ['a day the other way round', 'It ends on May 12th.', 'May 12th'],
    ['a bare number', 'Some 340 reasons.', '340'],
    ['digits of another script', 'Save ２０% now.', '２０%'],
  ])('are found: %s', async (_, body, excerpt) => {
    const findings = await findingsOf('numbers', copyOf(body));
    expect(findings.map((finding) => finding.excerpt)).toEqual([excerpt]);
  });

  test.each([
    ['small counts', 'Three courses, 12 tables, one kitchen.'],
    ['idioms with one', 'One day you will be the one.'],
    ['places in a list', '1. Open it\n2. Cook\n13) Serve'],
    ['times', 'Open from 9:00 to 22:30.'],
    ['dates in figures and all day', 'Since 12/05/2026, open 24/7.'],
    ['years', 'The menu of summer 2026.'],
    ['decades', 'Music of the 1990s.'],
    ['names', 'COVID-19, B2B, 4K, 5G, a 4x4 and the X100.'],
    ['ordinals', 'The 21st century.'],
    ['addresses of the web', 'See https://tably.io/2025/9999 or a99@tably.io.'],
  ])('are none in %s', async (_, body) => {
    expect(await seen('numbers', body)).toEqual([]);
  });

  test('take no verb for a month', async () => {
    expect(await seen('numbers', 'You may 15 times.')).toEqual(['unsupported_number: 15 times']);
  });

  test.each([
    ['the same', '18% more', 'Guests rise by 18%'],
    ['a space', '18 % more', 'Guests rise by 18%'],
    ['words', 'eighteen percent more', 'Guests rise by 18%'],
    ['words in the fact', '18% more', 'Guests rise by eighteen per cent'],
    ['the brand’s own unit', '$1,200', 'It costs 1200 dollars'],
    ['thousands written otherwise', '$1.2k', 'It costs $1,200'],
    ['a German numeral', '1.200 Euro', 'Es kostet 1200 €'],
    ['another unit of time', 'in 2 weeks', 'It takes 14 days'],
    ['hours for minutes', 'within 90 minutes', 'It takes 1.5 hours'],
    ['a lower bound', 'over 10,000 customers', 'We have 10,432 customers'],
    ['a plus', '10k+ users', 'We have 10,432 users'],
    ['an upper bound', 'under 20 minutes', 'Setup takes 15 minutes'],
    ['about', 'nearly 11,000 customers', 'We have 10,432 customers'],
    ['a bare number in the brief', '$49.50', 'Price: 49.50'],
    ['a range', '10 to 15%', 'Between 10% and 15%'],
    ['weight or money', '10 pounds', 'It costs £10'],
    ['a decimal', '4.80/5', 'Rated 4.8 out of 5'],
    ['a year', 'since 1998', 'Founded 1998'],
    ['a day', 'May 12', 'Ends on 12 May'],
  ])('agree with a fact in spite of %s', async (_, body, fact) => {
    expect(await seen('numbers', `Now ${body}.`, withFacts(fact))).toEqual([]);
  });

  test.each([
    ['another value', '19% more', 'Guests rise by 18%'],
    ['another unit', '18% more', 'It takes 18 days'],
    ['too high a lower bound', 'over 11,000 customers', 'We have 10,432 customers'],
    ['too low an upper bound', 'under 10 minutes', 'Setup takes 15 minutes'],
    ['too far off', 'nearly 20,000 customers', 'We have 10,432 customers'],
    ['another rating', '4.9/5', 'Rated 4.8 out of 5'],
    ['other money', '€49', 'It costs $49'],
  ])('do not agree with a fact of %s', async (_, body, fact) => {
    expect(await codesIn('numbers', `Now ${body}.`, withFacts(fact))).toHaveLength(1);
  });

  test('in the text of the brief itself are enough', async () => {
    const brief = briefWith({ product: 'Towels of 100% cotton, made since 1904' });
    expect(await seen('numbers', '100 % cotton, as since 1904.', brief)).toEqual([]);
    expect(await seen('numbers', '100% linen, by 90%.', brief)).toEqual(['unsupported_number: 90%']);
  });

  test('weigh more when they are shares, prices or customers', async () => {
    const findings = await findingsOf('numbers', copyOf('By 18%, in 40 days, 340 ways, 340 customers, on 3 June.'));
    expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'major unsupported_number',
      'minor unsupported_number',
      'minor unsupported_number',
      'major unsupported_number',
      'minor unsupported_date',
    ]);
  });
});

describe('claims that nothing supports', () => {
  test.each([
    ['best', 'The best table in town.', 'minor unsupported_superlative: best'],
    ['number one in figures', 'The #1 app for tables.', 'major unsupported_superlative: #1'],
    ['number one in short', 'Your No. 1 for tables.', 'major unsupported_superlative: No. 1'],
    ['number one in words', 'The number-one choice.', 'major unsupported_superlative: number-one'],
    ['bestsellers', 'Our best-selling table.', 'major unsupported_superlative: best-selling'],
    ['leadership', 'From the leading brand.', 'major unsupported_superlative: leading'],
    ['guarantees', 'We guarantee it.', 'major unsupported_guarantee: guarantee'],
    ['guarantees in another form', 'Guaranteed to work.', 'major unsupported_guarantee: Guaranteed'],
    ['no risk', 'A risk-free start.', 'major unsupported_guarantee: risk-free'],
    ['clinical proof', 'Clinically proven.', 'major unsupported_proof: Clinically proven'],
    ['endorsement', 'Doctor recommended.', 'major unsupported_proof: Doctor recommended'],
    ['nature', 'Carbon-neutral tables.', 'minor unsupported_green_claim: Carbon-neutral'],
    ['a cure', 'It cures anxiety.', 'critical unsupported_health_claim: cures anxiety'],
    [
      'a treatment',
      'Treats your chronic back pain.',
      'critical unsupported_health_claim: Treats your chronic back pain',
    ],
    ['no side effects', 'No side effects!', 'critical unsupported_health_claim: No side effects'],
    ['weight', 'Lose weight at dinner.', 'major unsupported_health_claim: Lose weight'],
    ['returns', 'Guaranteed returns.', 'critical unsupported_financial_claim: Guaranteed returns'],
    ['riches', 'Get rich with it.', 'critical unsupported_financial_claim: Get rich'],
    ['a comparison', 'Faster than others.', 'minor unsupported_comparison: Faster than others'],
    ['a longer comparison', 'More reliable than paper.', 'minor unsupported_comparison: More reliable than paper'],
    ['competitors', 'Unlike others, it works.', 'minor unsupported_comparison: Unlike others'],
    ['urgency', 'Hurry, last chance.', 'minor unsupported_urgency: Hurry'],
    ['a guarantee in disguise', 'It is g u a r a n t e e d to.', 'major unsupported_guarantee: g u a r a n t e e d'],
    ['German', 'Garantiert gut.', 'major unsupported_guarantee: Garantiert'],
  ])('are found: %s', async (_, body, expected) => {
    const findings = await findingsOf('claims', copyOf(body));
    expect(findings.map(({ severity, code, excerpt }) => `${severity} ${code}: ${excerpt}`)).toContain(expected);
  });

  test.each([
    ['friends', 'Bring your best friend.'],
    ['wishes', 'All the best from us, and do your best.'],
    ['what a verb leads to', 'Leading you to calm, leading to more.'],
    ['a count of tips', 'Tip #1: breathe. Reason number one: bread.'],
    ['nobody', 'No one knows.'],
    ['a denial', 'We make no guarantee, and we don’t guarantee it.'],
    ['food', 'Cured ham, and a cure for boredom. Treat yourself.'],
    [
      'an illness far away',
      'We treat every guest like a friend of the family who comes home. Cancer is a zodiac sign.',
    ],
    ['nobody to compare with', 'Better than ever, more than 12, rather than later, other than that.'],
    ['a name in the brief', 'Stay at Best Western tonight.'],
  ])('are none in %s', async (_, body) => {
    expect(await seen('claims', body, briefWith({ product: 'Best Western hotels' }))).toEqual([]);
  });

  test.each([
    ['a phrase of a fact', 'Our best-selling towel.', 'It is the best-selling towel of Norway.'],
    ['a word beside the same word', 'The best towel.', 'Voted best towel in 2025.'],
    ['a place', 'The #1 towel.', 'It is the number one towel in Norway.'],
    ['a promise', 'With a money-back guarantee.', 'It has a money-back guarantee.'],
    ['a cure', 'It prevents acne.', 'Tests show that it prevents acne.'],
    ['a comparison', 'Softer than linen.', 'It is softer than linen.'],
  ])('are backed by %s', async (_, body, fact) => {
    expect(await seen('claims', body, withFacts(fact))).toEqual([]);
  });

  test('are not backed by the same word in another place', async () => {
    expect(await codesIn('claims', 'The best hotel.', withFacts('Best Western runs it.'))).toEqual([
      'unsupported_superlative',
    ]);
  });

  test('in the directions for a designer do not count', async () => {
    expect(await findingsOf('claims', posterOf({ concept: 'The best-selling towel, guaranteed, 50% off' }))).toEqual(
      [],
    );
  });
});
