import { describe, expect, test } from '@jest/globals';
import { briefWith, codesIn, copyOf, findingsOf, posterOf, seen, socialOf } from './support/auditing.ts';

const CYRILLIC_E = 'е';
const ZERO_WIDTH = '​';

describe('prohibited terms', () => {
  const prohibiting = (...prohibitedTerms: string[]) => briefWith({ constraints: { prohibitedTerms } });

  test.each([
    ['as it stands', 'free', 'Get it free today.', 'free'],
    ['in capitals', 'free', 'FREE coffee', 'FREE'],
    ['beside punctuation', 'free', '“Free!”', 'Free'],
    ['beside a hyphen', 'free', 'A risk-free trial', 'free'],
    ['as a plural', 'discount', 'Big discounts inside', 'discounts'],
    ['in the singular of a plural', 'discounts', 'A discount inside', 'discount'],
    ['in another form of the verb', 'guarantee', 'We guaranteed it', 'guaranteed'],
    ['with a doubled consonant', 'stop', 'We stopped at nothing', 'stopped'],
    ['with a y that becomes i', 'try', 'She tries it', 'tries'],
    ['compared', 'cheap', 'The cheapest way', 'cheapest'],
    ['as a phrase', 'best price', 'Our best  prices ever', 'best  prices'],
    ['as a phrase with a hyphen', 'risk free', 'All risk-free', 'risk-free'],
    ['as a phrase in one word', 'risk free', 'All riskfree', 'riskfree'],
    ['with the first word of a phrase inflected', 'lose weight', 'Losing weight made easy', 'Losing weight'],
    ['without its accent', 'café', 'A cafe nearby', 'cafe'],
    ['with another accent', 'cafe', 'A café nearby', 'café'],
    ['in one word written with a hyphen', 'bestselling', 'Our best-selling book', 'best-selling'],
    ['with an apostrophe', 'don’t wait', "Don't wait for it", "Don't wait"],
    ['beside a digit', 'free', '4free downloads', 'free'],
    ['within Chinese text', '免费', '现在免费试用', '免费'],
    ['with a sign', '#1', 'The # 1 choice', '# 1'],
    ['with a percent sign', '100%', 'Safe by 100 %.', '100 %'],
    ['made of signs', '!!!', 'Now !!!', '!!!'],
    ['as an emoji', '🔥', 'Hot 🔥 now', '🔥'],
  ])('are found %s', async (_, term, body, excerpt) => {
    expect(await seen('prohibited-terms', body, prohibiting(term))).toEqual([`prohibited_term: ${excerpt}`]);
  });

  test.each([
    ['spaced out', 'Get it f r e e now', 'f r e e'],
    ['spaced out widely', 'Get it f  r  e  e now', 'f  r  e  e'],
    ['with points between the letters', 'Get it f.r.e.e now', 'f.r.e.e'],
    ['with hyphens between the letters', 'Get it f-r-e-e now', 'f-r-e-e'],
    ['with a star inside', 'Get it fr*ee now', 'fr*ee'],
    ['in a spaced-out sentence', 'a l l f r e e h e r e', 'f r e e'],
    ['with Cyrillic letters', `Get it fr${CYRILLIC_E}${CYRILLIC_E} now`, `fr${CYRILLIC_E}${CYRILLIC_E}`],
    ['with a Cyrillic first letter', 'Аll is ѕаle', 'ѕаle'],
    ['with characters that cannot be seen', `Get it fr${ZERO_WIDTH}ee now`, `fr${ZERO_WIDTH}ee`],
    ['in full width', 'Get it ｆｒｅｅ now', 'ｆｒｅｅ'],
    ['in letters from mathematics', 'Get it 𝓯𝓻𝓮𝓮 now', '𝓯𝓻𝓮𝓮'],
    ['in circles', 'Get it ⓕⓡⓔⓔ now', 'ⓕⓡⓔⓔ'],
    ['with digits for letters', 'Get it fr33 now', 'fr33'],
    ['with signs for letters', 'The $ale is on', '$ale'],
    ['drawn out', 'Get it freeeee now', 'freeeee'],
  ])('are found in disguise: %s', async (_, body, excerpt) => {
    const found = await seen('prohibited-terms', body, prohibiting('free', 'sale'));
    expect(found).toContain(`prohibited_term_disguised: ${excerpt}`);
    expect(found).toHaveLength(1);
  });

  test.each([
    ['three letters with points', 'Made in the U.S.A. today', ['U.S.A']],
    ['three spaced letters', 'For a V I P table', []],
    ['three letters among more', 'By the U.S.A.F. today', []],
  ])('of three letters are read from %s', async (_, body, excerpts) => {
    const found = await findingsOf('prohibited-terms', copyOf(body), prohibiting('usa', 'ip'));
    expect(found.map(({ excerpt }) => excerpt)).toEqual(excerpts);
  });

  test.each([
    ['part of a longer word', 'free', 'Carefree freedom'],
    ['part of a name', 'ass', 'We assess glass in Scunthorpe'],
    ['two words that only meet', 'risk free', 'No risk. Free delivery.'],
    ['part of an abbreviation', 'us', 'Made in the U.S.A.'],
    ['an abbreviation of other letters', 'ab', 'A. B. C.'],
    ['a contraction', 'ill', "I'll be there"],
    ['a noun that looks like a comparative', 'corn', 'Round the corner'],
    ['a short term beside a digit', 'b', 'A B2B offer'],
    ['another number', '100%', 'It takes 2100% of nothing'],
    ['a number in digits that spells a word', 'ill', 'Room 111'],
  ])('are not seen in %s', async (_, term, body) => {
    expect(await codesIn('prohibited-terms', body, prohibiting(term))).toEqual([]);
  });

  test('hold back every artifact, critically, with the place', async () => {
    const [finding] = await findingsOf(
      'prohibited-terms',
      socialOf({ channel: 'x', text: 'fine' }, { channel: 'reddit', text: 'All', hashtags: ['GetFreeStuff'] }),
      prohibiting('free'),
    );
    expect(finding).toMatchObject({
      severity: 'critical',
      path: '/posts/1/hashtags/0',
      start: 3,
      end: 7,
      excerpt: 'Free',
      artifactId: 'social-1',
      artifactKind: 'social',
    });
    expect(finding?.mend).not.toBe('');
  });

  test('in the name of the product are a note only', async () => {
    const brief = briefWith({ product: 'The Free People jacket', constraints: { prohibitedTerms: ['free'] } });
    const findings = await findingsOf('prohibited-terms', copyOf('A Free People jacket, now free.'), brief);
    expect(findings.map(({ severity, code, start }) => [severity, code, start])).toEqual([
      ['info', 'prohibited_term_in_name', 2],
      ['critical', 'prohibited_term', 26],
    ]);
  });

  test('keep letters apart that differ by an accent in the language of the brief', async () => {
    const german = (term: string) => briefWith({ language: 'de', constraints: { prohibitedTerms: [term] } });
    expect(await codesIn('prohibited-terms', 'Alles für Sie', german('fur'))).toEqual([]);
    expect(await codesIn('prohibited-terms', 'Alles fu\u0308r Sie', german('für'))).toEqual(['prohibited_term']);
    expect(await codesIn('prohibited-terms', 'Unsere kostenlosen Proben', german('kostenlos'))).toEqual([
      'prohibited_term',
    ]);
    expect(await codesIn('prohibited-terms', 'Ein großer STRASSENRABATT', german('straßenrabatt'))).toEqual([
      'prohibited_term',
    ]);
  });

  test('of a brief in Cyrillic letters are not read as Latin ones', async () => {
    const russian = briefWith({ language: 'ru', constraints: { prohibitedTerms: ['cop'] } });
    expect(await codesIn('prohibited-terms', 'Сор из избы', russian)).toEqual([]);
  });

  test('in the directions for a designer do not count', async () => {
    expect(
      await findingsOf('prohibited-terms', posterOf({ concept: 'Free space on the left' }), prohibiting('free')),
    ).toEqual([]);
  });
});

describe('required terms', () => {
  const requiring = (...requiredTerms: string[]) => briefWith({ constraints: { requiredTerms } });

  test.each([
    ['in the body', copyOf('Tably takes it.')],
    ['in another case', copyOf('TABLY takes it.')],
    ['in the headline', copyOf('It takes it.', { headline: 'Tably' })],
    ['as a hashtag', socialOf({ channel: 'x', text: 'It takes it.', hashtags: ['Tably'] })],
    ['on the poster', posterOf({ tagline: 'By Tably' })],
  ])('are met %s', async (_, artifact) => {
    expect(await findingsOf('required-terms', artifact, requiring('Tably'))).toEqual([]);
  });

  test.each([
    ['missing', 'It takes it.'],
    ['hidden from searches', `Ta${ZERO_WIDTH}bly takes it.`],
    ['in lookalike letters', 'Tаbly takes it.'],
    ['part of another word', 'Tablyish things'],
  ])('are missed when they are %s', async (_, body) => {
    expect(await codesIn('required-terms', body, requiring('Tably'))).toEqual(['required_term_missing']);
  });

  test('are asked of every post by itself', async () => {
    const findings = await findingsOf(
      'required-terms',
      socialOf({ channel: 'x', text: 'Tably' }, { channel: 'email', text: 'Nothing', title: 'Hello' }),
      requiring('Tably', 'T&Cs apply', '18+'),
    );
    expect(findings.map(({ path, severity, message }) => [path, severity, message])).toEqual([
      ['/posts/0/text', 'major', expect.stringContaining('T&Cs apply')],
      ['/posts/0/text', 'major', expect.stringContaining('18+')],
      ['/posts/1/text', 'major', expect.stringContaining('Tably')],
      ['/posts/1/text', 'major', expect.stringContaining('T&Cs apply')],
      ['/posts/1/text', 'major', expect.stringContaining('18+')],
    ]);
  });

  test('with signs are found sign by sign', async () => {
    expect(
      await codesIn('required-terms', 'For people of 18+ only. T&Cs apply.', requiring('18+', 'T&Cs apply')),
    ).toEqual([]);
  });
});
