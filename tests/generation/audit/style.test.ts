import { describe, expect, test } from '@jest/globals';
import { briefWith, codesIn, copyOf, findingsOf, posterOf, seen, socialOf } from './support/auditing.ts';

const EASY = 'The cat sat on the mat. It was warm. The dog came in. It sat down too. They were glad to be there.';
const HARD =
  'The implementation of multidimensional organizational transformation methodologies necessitates comprehensive interdisciplinary collaboration amongst geographically distributed stakeholders, notwithstanding infrastructural heterogeneity and persistent administrative impediments.';

describe('reading level', () => {
  const graded = (maxReadingGrade: number) => briefWith({ constraints: { maxReadingGrade } });

  test('passes easy text', async () => {
    expect(await seen('reading-level', EASY, graded(5))).toEqual([]);
  });

  test('finds hard text, and the sentence that makes it hard', async () => {
    const findings = await findingsOf('reading-level', copyOf(`${EASY} ${HARD}`), graded(6));
    expect(findings.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
      'major hard_to_read',
      'info hard_sentence',
    ]);
    expect(findings[1]?.excerpt.slice(0, 20)).toBe(HARD.slice(0, 20));
    expect(findings[0]?.message).toMatch(/^Grade \d+\.\d by the Automated Readability Index/);
  });

  test('weighs a little too hard less', async () => {
    // Twenty words of four letters in two sentences: 4.71 · 4 + 0.5 · 10 − 21.43 = 2.41.
    const body =
      'Come here with your best pals, take some food home. Make them feel glad that they came down here soon.';
    const findings = await findingsOf('reading-level', copyOf(body), graded(1));
    const finding = findings.find(({ code }) => code === 'hard_to_read');
    expect(finding?.severity).toBe('minor');
    expect(finding?.message).toContain('Grade 2.4');
  });

  test('without a limit only notes what few can read', async () => {
    const findings = await findingsOf('reading-level', copyOf(HARD));
    expect(findings.map(({ severity }) => severity)).toEqual(['info']);
    expect(await seen('reading-level', EASY)).toEqual([]);
  });

  test('says nothing of a few words, of addresses, or of other languages', async () => {
    expect(await codesIn('reading-level', 'Incomprehensibility notwithstanding.', graded(3))).toEqual([]);
    const address = `https://tably.io/${'incomprehensible/'.repeat(20)}`;
    expect(await codesIn('reading-level', `${EASY} ${address}`, graded(5))).toEqual([]);
    const german = briefWith({ language: 'de', constraints: { maxReadingGrade: 3 } });
    expect(await codesIn('reading-level', HARD, german)).toEqual([]);
  });
});

describe('repetition', () => {
  const NUMBERED = Array.from({ length: 900 }, (_, at) => `word${at}`).join(' ');
  test.each([
    ['a doubled word', 'We cook the the best of it', 'doubled_word: the the'],
    ['a doubled word in a long text', `${NUMBERED} and and on`, 'doubled_word: and and'],
    ['marks', 'Come now!!!', 'repeated_punctuation: !!!'],
    [
      'a sentence',
      'We cook what you like. Then we serve. We cook what you like!',
      'repeated_sentence: We cook what you like!',
    ],
    [
      'a phrase',
      'Made for your table here, made for your table there, made for your table again',
      'repeated_phrase: made for your table',
    ],
  ])('is found: %s', async (_, body, expected) => {
    expect(await seen('repetition', body)).toContain(expected);
  });

  test.each([
    ['what may stand twice', 'It is what they had had before. Duran Duran and Baden Baden.'],
    ['short sentences', 'Come in. Sit down. Come in.'],
    ['two of a phrase', 'Made for your table here, made for your table there'],
    ['marks alone', 'Really?! Yes!'],
  ])('is none in %s', async (_, body) => {
    expect(await seen('repetition', body)).toEqual([]);
  });

  test('of doubled words is not judged in languages that have them', async () => {
    expect(await codesIn('repetition', 'Nous nous voyons', briefWith({ language: 'fr' }))).toEqual([]);
  });

  const long = 'Owners of small places tell us that the evenings of the week are the hard part of it all';
  test('across posts is found once, with the first place', async () => {
    const artifact = socialOf(
      { channel: 'x', text: `${long}. Come and see.` },
      { channel: 'linkedin', text: `Hello. ${long}.` },
      { channel: 'facebook', text: 'Something else entirely is said in this post about the kitchen of our house.' },
    );
    const findings = await findingsOf('repetition', artifact);
    expect(findings.map(({ code, path }) => `${code} ${path}`)).toEqual([
      'similar_posts /posts/1/text',
      'repeated_sentence /posts/1/text',
    ]);
    expect(findings[1]?.message).toContain('/posts/0/text');
  });

  test('of a required notice is no fault', async () => {
    const brief = briefWith({ constraints: { requiredTerms: ['Terms and conditions of Tably apply'] } });
    const artifact = socialOf(
      { channel: 'x', text: 'One. Terms and conditions of Tably apply.' },
      { channel: 'gmb', text: 'Two. Terms and conditions of Tably apply.' },
    );
    expect(await findingsOf('repetition', artifact, brief)).toEqual([]);
  });
});

describe('language', () => {
  const GERMAN =
    'Unsere Köche bereiten jeden Morgen frisches Brot zu, und am Abend servieren wir es mit Butter und Salz aus der Region.';
  const FRENCH =
    'Nos cuisiniers préparent chaque matin du pain frais, que nous servons le soir avec du beurre de la région.';
  const ENGLISH = 'Our cooks bake fresh bread every morning, and in the evening we serve it with butter and salt.';

  test.each([
    ['German in English', 'en', GERMAN, ['wrong_language']],
    ['French in German', 'de', FRENCH, ['wrong_language']],
    ['English in French', 'fr-FR', ENGLISH, ['wrong_language']],
    [
      'Japanese in English',
      'en',
      '私たちの料理人は毎朝新鮮なパンを焼き、夕方にはバターと塩を添えてお出しします。',
      ['wrong_language'],
    ],
    ['English', 'en-GB', ENGLISH, []],
    ['German', 'de', GERMAN, []],
    ['a short text', 'en', 'Guten Morgen, liebe Gäste', []],
    ['names in English', 'en', 'Bratwurst, Sauerkraut', []],
    [
      'a near relative',
      'no',
      'Vores kokke bager hver morgen frisk brød, og om aftenen serverer vi det med smør og salt.',
      [],
    ],
    ['a language that is not known', 'eo', ENGLISH, []],
    ['an address', 'en', `https://tably.io/${'unsere-koeche-bereiten-jeden-morgen-brot-zu/'.repeat(4)}`, []],
  ])('is judged: %s', async (_, language, body, expected) => {
    expect(await codesIn('language', body, briefWith({ language }))).toEqual(expected);
  });
});

describe('brand voice', () => {
  test('finds adjectives that the brand avoids, in every form', async () => {
    const brief = briefWith({ brandGuidelines: { avoidAdjectives: ['cheap', 'trendy'] } });
    const findings = await findingsOf(
      'brand-voice',
      copyOf('A cheaper table, cheaply made, the trendiest. Cheapskate.'),
      brief,
    );
    expect(findings.map(({ excerpt, severity }) => `${severity} ${excerpt}`)).toEqual([
      'major cheaper',
      'major cheaply',
      'major trendiest',
    ]);
  });

  test('notes when none of the adjectives is named, and does not count it', async () => {
    const brief = briefWith({ brandGuidelines: { adjectives: ['warm', 'calm'] } });
    expect(await codesIn('brand-voice', 'A table for you', brief)).toEqual(['brand_adjectives_absent']);
    expect(await codesIn('brand-voice', 'A warmer table', brief)).toEqual([]);
    const [note] = await findingsOf('brand-voice', copyOf('A table'), brief);
    expect(note?.severity).toBe('info');
  });

  test.each([
    ['slang', "You're gonna love it", ['tone_slang']],
    ['exclamations', 'Come! And stay! Now!', ['tone_exclamations']],
    ['capitals', 'This is AMAZING STUFF', ['tone_shouting']],
    ['abbreviations', 'NASA and ISO, by TABLY INC', []],
    ['one exclamation', 'Welcome!', []],
  ])('finds %s where the tone is to be sober', async (_, body, expected) => {
    const brief = briefWith({ tone: 'calm and professional', product: 'TABLY INC' });
    expect(await codesIn('brand-voice', body, brief)).toEqual(expected);
    expect(await codesIn('brand-voice', body, briefWith({ tone: 'playful' }))).toEqual([]);
  });
});

describe('palette', () => {
  const brief = briefWith({ brandGuidelines: { palette: ['Deep teal #0f766e', 'navy', 'cream'] } });
  test.each([
    ['deep teal', undefined],
    ['Teal', undefined],
    ['#0F766E', undefined],
    ['Navy blue', undefined],
    ['crème? no, cream', undefined],
    ['white', 'info'],
    ['#fff', 'info'],
    ['red', 'minor'],
    ['#ff0000', 'minor'],
    ['deep red', 'minor'],
    ['dark', 'minor'],
  ])('judges %j', async (colour, severity) => {
    const [finding] = await findingsOf('palette', posterOf({ palette: [colour] }), brief);
    expect(finding?.severity).toBe(severity);
  });

  test('without a brand palette judges nothing', async () => {
    expect(await findingsOf('palette', posterOf({ palette: ['red'] }))).toEqual([]);
  });

  test('reads short codes', async () => {
    const short = briefWith({ brandGuidelines: { palette: ['#F00'] } });
    expect(await findingsOf('palette', posterOf({ palette: ['#ff0000'] }), short)).toEqual([]);
  });
});
