import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { agents } from '../../generation/agents/registry.ts';
import { requestOf } from '../../generation/agents/agent.ts';
import { type ArtifactKind, CHANNELS, type Copy, publishedText, type Social } from '../../generation/artifacts.ts';
import { lengthOf } from '../../generation/audit/channel-limits.ts';
import { type NormalizedBrief, normalizedBriefSchema } from '../../generation/normalized-brief.ts';
import { RulesModel } from '../../generation/providers/rules.ts';
import { templates } from '../../generation/rules/templates.ts';
import { TestClock } from '../support/clock.ts';
import { call } from './model-support.ts';

const model = new RulesModel({ templates, clock: new TestClock() });

async function written<Kind extends ArtifactKind>(kind: Kind, brief: NormalizedBrief) {
  const request = requestOf<Kind>(agents[kind], { brief, channels: CHANNELS }, 'best');
  return (await model.generate(request, call())).value;
}

const briefWith = (changes: object) =>
  normalizedBriefSchema.parse({ objective: 'Sell', audience: 'Owners', product: 'Tably', tone: 'warm', ...changes });

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 120 }),
  fc.string({ unit: 'binary', maxLength: 60 }).map((noise) => `${noise} a`),
  fc.constantFrom('... !!! Tably', '(a) b', '– 7', '…\nx', ', , b', 'レストランの予約を簡単にするアプリ'.repeat(9)),
);
const anyBrief = fc
  .record({
    objective: text,
    audience: text,
    product: text,
    tone: text,
    constraints: fc.record({
      maxLength: fc.integer({ min: 20, max: 300 }),
      requiredTerms: fc.array(fc.string({ minLength: 1, maxLength: 12 }), { maxLength: 3 }),
    }),
    brandGuidelines: fc.record({ palette: fc.array(fc.string({ maxLength: 20 }), { maxLength: 3 }) }),
  })
  .map((brief) => normalizedBriefSchema.safeParse(brief))
  .filter(({ success }) => success)
  .map(({ data }) => data as NormalizedBrief);

describe('the offline writer', () => {
  test.each<ArtifactKind>(['copy', 'social', 'poster'])('writes a %s for every brief that is taken', async (kind) => {
    await fc.assert(
      fc.asyncProperty(anyBrief, async (brief) => void (await written(kind, brief))),
      { numRuns: 300 },
    );
  });

  test('keeps the length that the brief allows, with what it requires', async () => {
    await fc.assert(
      fc.asyncProperty(anyBrief, async (brief) => {
        const most = brief.constraints.maxLength as number;
        const { posts }: Social = await written('social', brief);
        const { body }: Copy = await written('copy', brief);
        for (const post of [{ text: body, hashtags: [] }, ...posts])
          expect(publishedText(post).length).toBeLessThanOrEqual(most);
      }),
      { numRuns: 200 },
    );
  });

  test.each([20, 40, 300])('has room for required terms where %d characters are allowed', async (maxLength) => {
    const brief = briefWith({
      product: 'Tably, '.repeat(60),
      constraints: { maxLength, requiredTerms: ['T&Cs apply', '18+'] },
    });
    const { posts } = await written('social', brief);
    for (const post of [...posts, { text: (await written('copy', brief)).body }]) {
      expect(post.text).toContain('T&Cs apply');
      expect(post.text).toContain('18+');
      expect(post.text.length).toBeLessThanOrEqual(maxLength);
    }
  });

  test('fits a post into X in any script', async () => {
    const { posts } = await written('social', briefWith({ product: 'レストランの予約を簡単にするアプリ'.repeat(20) }));
    const post = posts.find(({ channel }) => channel === 'x');
    expect(lengthOf(post ? publishedText(post) : '', 'weighted')).toBeLessThanOrEqual(280);
  });

  test.each([
    ['... Tably', 'Tably'],
    ['(Beta) Tably', 'Beta) Tably'],
    ['!!!\nTably: bookings', 'Tably'],
  ])('finds a name in %j', async (product, name) => {
    expect((await written('poster', briefWith({ product }))).headline).toBe(name);
  });
});
