import { describe, expect, test } from '@jest/globals';
import { z } from 'zod';
import { artifactSchemas, hashtagOf, passagesOf, publishedText } from '../../generation/artifacts.ts';

const copy = { headline: 'A', body: 'B', callToAction: 'C' };
const poster = { headline: 'A', concept: 'B', composition: 'C', palette: ['red'], altText: 'D' };

describe('artifacts', () => {
  test('are what their schemas say', () => {
    expect(artifactSchemas.copy.parse({ ...copy, extra: 1 })).toEqual(copy);
    expect(artifactSchemas.poster.parse(poster)).toEqual(poster);
    expect(artifactSchemas.social.safeParse({ posts: [] }).success).toBe(false);
    expect(artifactSchemas.social.safeParse({ posts: [{ channel: 'fax', text: 'A', hashtags: [] }] }).success).toBe(
      false,
    );
    expect(artifactSchemas.copy.safeParse({ ...copy, body: ' \n' }).success).toBe(false);
  });

  test('hold nothing that the database cannot', () => {
    const parsed = artifactSchemas.copy.parse({ ...copy, body: ' a\0b\ud83d ' });
    expect(parsed.body).toBe('a\ufffdb\ufffd');
  });

  test.each(['copy', 'social', 'poster'] as const)('of kind %s can be asked of a provider as JSON Schema', (kind) => {
    expect(z.toJSONSchema(artifactSchemas[kind])).toMatchObject({ type: 'object', additionalProperties: false });
  });

  test('give every text with its place', () => {
    const social = {
      posts: [
        { channel: 'x' as const, text: 'One', hashtags: ['a'] },
        { channel: 'email' as const, title: 'Hello', text: 'Two', hashtags: [] },
      ],
    };
    expect(passagesOf('social', social).map(({ path, role, channel, unit }) => [path, role, channel, unit])).toEqual([
      ['/posts/0/text', 'post', 'x', '/posts/0'],
      ['/posts/0/hashtags/0', 'hashtag', 'x', '/posts/0'],
      ['/posts/1/title', 'title', 'email', '/posts/1'],
      ['/posts/1/text', 'post', 'email', '/posts/1'],
    ]);
    expect(passagesOf('copy', { ...copy, subheadline: 'S' }).map(({ path }) => path)).toEqual([
      '/headline',
      '/subheadline',
      '/body',
      '/callToAction',
    ]);
    const open = passagesOf('poster', { ...poster, tagline: 'T', callToAction: 'X' }).filter(
      ({ published }) => published,
    );
    expect(open.map(({ path }) => path)).toEqual(['/headline', '/tagline', '/altText', '/callToAction']);
  });

  test('are published with the hashtags that the text does not hold', () => {
    expect(publishedText({ text: 'Now #Tably', hashtags: ['tably', '##food', ' new '] })).toBe('Now #Tably #food #new');
    expect(hashtagOf('＃food')).toBe('#food');
  });
});
