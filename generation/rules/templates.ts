import type { JsonObject } from '../../database/tables.ts';
import { type Channel, type Copy, hashtagOf, type Post, type Poster, type Social } from '../artifacts.ts';
import { lengthFor, type NormalizedBrief } from '../normalized-brief.ts';
import {
  capitalized,
  clip,
  firstSentence,
  inSentence,
  productDescription,
  productName,
  withRequired,
} from './phrases.ts';

/**
 * What the offline writer says: sentences put together from the brief's own words. It adds no claim, because it knows none;
 * it does not write well, and its artifacts say who wrote them.
 */

const LONGEST_BODY = 4_000;
const ROOMY = 1_200;
/** Of a post on X with its hashtags, 280 weighted characters; kept below, since some signs count twice there. */
const TIGHT: Partial<Record<Channel, number>> = { x: 200, gmb: 600, tiktok: 600, instagram: 900 };
/** Signs that X counts as two; of nothing but them, 140 are a post. */
const WIDE = /[\u1100-\u1fff\u2e80-\u{10ffff}]/u;
const TIGHT_WIDE = 130;
const LONGEST_TAGLINE = 400;
const TITLED: ReadonlySet<Channel> = new Set(['email', 'youtube', 'reddit']);
const USUAL_PALETTE = ['#1f2937', '#f9fafb', '#2563eb'];

function lede(brief: NormalizedBrief): string {
  return `${capitalized(productName(brief))} is made for ${inSentence(firstSentence(brief.audience))}.`;
}

function about(brief: NormalizedBrief): string {
  const { named, text } = productDescription(brief);
  return named ? `It is ${text}.` : `${capitalized(text)}.`;
}

function facts(brief: NormalizedBrief, most: number): string[] {
  return brief.facts.slice(0, most).map(({ text }) => `${firstSentence(text)}.`);
}

function copyOf(brief: NormalizedBrief): Copy {
  const paragraphs = [lede(brief), about(brief), ...(brief.facts.length > 0 ? [facts(brief, 3).join(' ')] : [])];
  const most = Math.min(LONGEST_BODY, lengthFor(brief.constraints.maxLength, 'copy') ?? LONGEST_BODY);
  return {
    headline: clip(`${capitalized(productName(brief))} for ${inSentence(firstSentence(brief.audience))}`, 90),
    body: withRequired(paragraphs.join('\n\n'), brief, most),
    callToAction: `See what ${productName(brief)} can do for you`,
  };
}

function hashtagsOf(brief: NormalizedBrief): string[] {
  const words = productName(brief).match(/[\p{L}\p{N}]+/gu) ?? [];
  const tag = words.slice(0, 3).map(capitalized).join('');
  return tag === '' || /^\d+$/u.test(tag) ? [] : [hashtagOf(tag)];
}

const nthFact = (brief: NormalizedBrief, nth: number) => facts(brief, nth + 1).slice(nth);

/** Each channel says something else first, so that no post is a copy of another. */
const POSTS: Record<Channel, (brief: NormalizedBrief) => string[]> = {
  facebook: (brief) => [lede(brief), ...nthFact(brief, 1), 'Come and see for yourself.'],
  instagram: (brief) => [`Meet ${productName(brief)}.`, ...nthFact(brief, 0)],
  tiktok: (brief) => [`This is ${productName(brief)}.`, 'Have you seen it yet?'],
  linkedin: (brief) => {
    const { named, text } = productDescription(brief);
    const what = named ? `${productName(brief)}, ${text}` : productName(brief);
    return [`For ${inSentence(firstSentence(brief.audience))}: ${what}.`, ...nthFact(brief, 2)];
  },
  youtube: (brief) => [`A closer look at ${productName(brief)}: what it is, and whom it is made for.`],
  gmb: (brief) => [`Ask us about ${productName(brief)}.`, ...nthFact(brief, 3)],
  reddit: (brief) => [`We make ${productName(brief)} and would like to hear what you think of it.`],
  email: (brief) => ['Hello,\n\n', `we would like to show you ${productName(brief)}.`, about(brief)],
  x: (brief) => {
    const { named, text } = productDescription(brief);
    return [named ? `${capitalized(productName(brief))}: ${text}.` : `${capitalized(text)}.`];
  },
};

function postOf(channel: Channel, brief: NormalizedBrief): Post {
  const text = POSTS[channel](brief).join(' ').replace('\n\n ', '\n\n');
  const asked = lengthFor(brief.constraints.maxLength, channel) ?? ROOMY;
  const room = Math.min(channel === 'x' && WIDE.test(text) ? TIGHT_WIDE : (TIGHT[channel] ?? ROOMY), asked);
  const tags = channel === 'email' || channel === 'reddit' ? [] : hashtagsOf(brief);
  const tagged = tags.join(' ').length + 1;
  // Where there is little room, the text needs it more.
  const hashtags = tagged > (room - brief.constraints.requiredTerms.join(', ').length) / 2 ? [] : tags;
  return {
    channel,
    ...(TITLED.has(channel) ? { title: clip(capitalized(productName(brief)), 60) } : {}),
    text: withRequired(text, brief, hashtags.length > 0 ? room - tagged : room),
    hashtags,
  };
}

function posterOf(brief: NormalizedBrief): Poster {
  const name = productName(brief);
  const palette = brief.brandGuidelines.palette.length > 0 ? brief.brandGuidelines.palette : USUAL_PALETTE;
  const mood = brief.brandGuidelines.adjectives.join(', ') || brief.tone;
  return {
    headline: clip(capitalized(name), 60),
    tagline: withRequired(`Made for ${inSentence(firstSentence(brief.audience))}`, brief, LONGEST_TAGLINE),
    concept: clip(
      `${capitalized(name)} as ${inSentence(firstSentence(brief.audience))} would meet it. Mood: ${mood}.`,
      600,
    ),
    composition: 'The product in the middle third, the headline above it, the tagline below, plain ground all around.',
    palette: palette.slice(0, 5),
    altText: clip(`A poster that shows ${name}, with its name above it.`, 300),
    callToAction: 'Find out more',
  };
}

/** The templates of the offline writer, one line a task. */
export const templates: Record<string, (input: JsonObject) => unknown> = {
  'brief.copy': (input) => copyOf(briefOf(input)),
  'brief.poster': (input) => posterOf(briefOf(input)),
  'brief.social': (input): Social => ({
    posts: (input['channels'] as unknown as Channel[]).map((channel) => postOf(channel, briefOf(input))),
  }),
};

const briefOf = (input: JsonObject) => input['brief'] as unknown as NormalizedBrief;
