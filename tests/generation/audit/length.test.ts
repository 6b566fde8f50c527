import { describe, expect, test } from '@jest/globals';
import type { Channel } from '../../../generation/artifacts.ts';
import { briefWith, codesIn, copyOf, findingsOf, postOn } from './support/auditing.ts';

const codes = async (...args: Parameters<typeof postOn>) =>
  (await findingsOf('length', postOn(...args))).map(({ code }) => code);
const title = 'A title';

describe('length', () => {
  test.each<[string, Channel, string, number]>([
    ['x in Latin letters', 'x', 'a', 280],
    ['x in Japanese, two each', 'x', 'あ', 140],
    ['x in emojis of several parts, two each', 'x', '👨‍👩‍👧‍👦', 140],
    ['x in accents of their own, one each', 'x', 'e\u0301', 280],
    ['facebook', 'facebook', 'a', 63_206],
    ['instagram', 'instagram', 'a', 2200],
    ['instagram in emojis, two each', 'instagram', '🔥', 1100],
    ['tiktok', 'tiktok', 'a', 2200],
    ['linkedin', 'linkedin', 'a', 3000],
    ['google business', 'gmb', 'a', 1500],
    ['youtube in bytes', 'youtube', 'é', 2500],
    ['reddit in code points', 'reddit', '🔥', 40_000],
  ])('takes what %s takes, and no more', async (_, channel, sign, most) => {
    expect(await codes(channel, sign.repeat(most), { title })).toEqual([]);
    const [finding] = await findingsOf('length', postOn(channel, sign.repeat(most + 1), { title }));
    expect(finding).toMatchObject({ code: 'too_long', severity: 'critical', path: '/posts/0/text' });
    expect(finding?.mend).toMatch(/^shorten it by \d+ or more$/);
  });

  test('counts an address on x as 23 characters, however long it is', async () => {
    const address = `https://tably.io/${'a'.repeat(300)}`;
    expect(await codes('x', `${'a'.repeat(256)} ${address}`)).toEqual([]);
    expect(await codes('x', `${'a'.repeat(257)} ${address}`)).toEqual(['too_long']);
  });

  test('counts the hashtags that the text does not hold already', async () => {
    expect(await codes('x', `${'a'.repeat(270)} #tably`, { hashtags: ['Tably', '#tably'] })).toEqual([]);
    expect(await codes('x', 'a'.repeat(274), { hashtags: ['tably'] })).toEqual(['too_long']);
  });

  test('points at what is too much', async () => {
    const [onX] = await findingsOf('length', postOn('x', `${'a'.repeat(280)}too much`));
    expect(onX?.excerpt).toBe('too much');
    const [inBytes] = await findingsOf('length', postOn('youtube', `${'é'.repeat(2500)}more`, { title }));
    expect(inBytes?.excerpt).toBe('more');
    const [far] = await findingsOf('length', postOn('reddit', `${'é'.repeat(40_000)}more`, { title }));
    expect(far?.excerpt).toBe('more');
    const [unbroken] = await findingsOf('length', postOn('x', 'a.'.repeat(5000)));
    expect(unbroken).toMatchObject({ code: 'too_long', message: expect.stringContaining('10000') });
  });

  test.each<[Channel, string, string[]]>([
    ['youtube', 'a'.repeat(100), []],
    ['youtube', 'a'.repeat(101), ['too_long']],
    ['reddit', 'é'.repeat(300), []],
    ['reddit', 'é'.repeat(301), ['too_long']],
    ['email', 'a'.repeat(78), []],
    ['email', 'a'.repeat(79), ['subject_cut_off']],
    ['email', 'é'.repeat(495), ['too_long', 'subject_cut_off']],
  ])('judges the title of a post on %s', async (channel, given, expected) => {
    const found = await codes(channel, 'Text', { title: given });
    expect(found.toSorted()).toEqual(expected.toSorted());
  });

  test.each<[Channel, string[]]>([
    ['youtube', ['title_missing']],
    ['reddit', ['title_missing']],
    ['email', ['title_missing']],
    ['x', []],
    ['facebook', []],
  ])('asks for a title on %s only where there is one', async (channel, expected) => {
    expect(await codes(channel, 'Text')).toEqual(expected);
  });

  test('counts hashtags and mentions on instagram', async () => {
    const tags = (count: number) => Array.from({ length: count }, (_, at) => `tag${at}`);
    const mentions = (count: number) => tags(count).map((tag) => `@${tag}`);
    expect(await codes('instagram', 'Text', { hashtags: tags(30) })).toEqual([]);
    expect(await codes('instagram', '#one Text', { hashtags: tags(30) })).toEqual(['too_many_hashtags']);
    expect(await codes('linkedin', 'Text', { hashtags: tags(40) })).toEqual([]);
    expect(await codes('instagram', mentions(20).join(' '))).toEqual([]);
    expect(await codes('instagram', mentions(21).join(' '))).toEqual(['too_many_mentions']);
    expect(await codes('instagram', `${mentions(20).join(' ')} me@tably.io`)).toEqual([]);
  });

  test.each([
    ['book a table', ['hashtag_invalid']],
    ['book-a-table', ['hashtag_invalid']],
    ['2026', ['hashtag_invalid']],
    ['#', ['hashtag_invalid']],
    ['#Table2026', []],
    ['ＴＡＢＬＥ_für_2', []],
  ])('asks whether %j is a hashtag', async (tag, expected) => {
    expect(await codes('x', 'Text', { hashtags: [tag] })).toEqual(expected);
  });

  describe('as the brief asks for it', () => {
    const limited = briefWith({
      constraints: { maxLength: { x: 100, copy: 50 }, minLength: { linkedin: 20, copy: 10 } },
    });
    const judged = async (channel: Channel, text: string, brief = limited) =>
      (await findingsOf('length', postOn(channel, text), brief)).map(({ code, severity }) => `${severity} ${code}`);

    test('is counted as the channel counts', async () => {
      expect(await judged('x', 'あ'.repeat(50))).toEqual([]);
      expect(await judged('x', 'あ'.repeat(51))).toEqual(['major too_long']);
      expect(await judged('facebook', 'a'.repeat(500))).toEqual([]);
    });

    test('can be too short', async () => {
      expect(await judged('linkedin', 'a'.repeat(20))).toEqual([]);
      expect(await judged('linkedin', 'a'.repeat(19))).toEqual(['major too_short']);
    });

    test('is asked of the body of a copy', async () => {
      expect(await codesIn('length', 'é'.repeat(50), limited)).toEqual([]);
      expect(await codesIn('length', 'é'.repeat(51), limited)).toEqual(['too_long']);
      expect(await codesIn('length', 'short', limited)).toEqual(['too_short']);
      expect(await findingsOf('length', copyOf('a'.repeat(20), { headline: 'a'.repeat(200) }), limited)).toEqual([]);
    });

    test('as one number holds for every post and the body', async () => {
      const brief = briefWith({ constraints: { maxLength: 30 } });
      expect(await judged('x', 'a'.repeat(31), brief)).toEqual(['major too_long']);
      expect(await judged('gmb', 'a'.repeat(31), brief)).toEqual(['major too_long']);
      expect(await codesIn('length', 'a'.repeat(31), brief)).toEqual(['too_long']);
    });
  });
});
