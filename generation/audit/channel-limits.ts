import twitter from 'twitter-text';
import type { Channel } from '../artifacts.ts';

/** How a platform counts a text. */
export type Count = 'weighted' | 'code points' | 'UTF-16 units' | 'bytes';

export interface Limit {
  most: number;
  count: Count;
}

export interface ChannelLimits {
  text: Limit;
  /** Title of a video or a post, subject of a mail; required where it stands here. */
  title?: Limit & { required: boolean };
  hashtags?: number;
  mentions?: number;
}

const utf16 = (most: number): Limit => ({ most, count: 'UTF-16 units' });

/**
 * What each platform takes, as its documentation said in November 2026. Where it speaks of "characters" and names no unit, UTF-16
 * units are counted, the strictest reading that is in use: what passes here is never refused there.
 *
 * - facebook: 63,206 characters a post; long-standing figure of the product, not in the Graph API reference
 * - instagram: 2,200 characters, 30 hashtags, 20 mentions; Graph API reference, IG User Media, `caption`
 * - tiktok: 2,200 UTF-16 runes; Content Posting API reference, Direct Post, `post_info.title`
 * - linkedin: 3,000 characters; Posts API, `commentary`
 * - youtube: title 100 characters, description 5,000 bytes; Data API v3 reference, `snippet.title`, `snippet.description`
 * - gmb: 1,500 characters; Google Business Profile help, posts, and `LocalPost.summary`
 * - reddit: title 300, text 40,000 characters, counted as code points; API reference, POST /api/submit
 * - email: subject 998 octets with its name, the longest line of RFC 5322 section 2.1.1; no limit of the text
 * - x: 280 weighted characters, a URL is 23 and an emoji 2; docs.x.com, Counting characters, twitter-text configuration v3.
 *   Accounts with longer posts are judged by the ordinary limit.
 */
export const CHANNEL_LIMITS: Record<Channel, ChannelLimits> = {
  facebook: { text: utf16(63_206) },
  instagram: { text: utf16(2200), hashtags: 30, mentions: 20 },
  tiktok: { text: utf16(2200) },
  linkedin: { text: utf16(3000) },
  youtube: { text: { most: 5000, count: 'bytes' }, title: { ...utf16(100), required: true } },
  gmb: { text: utf16(1500) },
  reddit: {
    text: { most: 40_000, count: 'code points' },
    title: { most: 300, count: 'code points', required: true },
  },
  email: { text: utf16(70_000), title: { most: 998 - 'Subject: '.length, count: 'bytes', required: true } },
  x: { text: { most: 280, count: 'weighted' } },
};

/** Subjects are cut off behind this by most mail programs on a desktop; the telephone shows about half. */
export const SUBJECT_SHOWN = 78;

/**
 * The library's search for URLs grows with the square of an unbroken text such as `a.a.a.…`; what is longer than this exceeds the
 * limit however it is counted, unless it is made of URLs of a size that nobody publishes.
 */
const LONGEST_PARSED = 5000;

function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count += 1;
  return count;
}

/** How long a text is for a platform. */
export function lengthOf(text: string, count: Count): number {
  switch (count) {
    case 'weighted':
      return text.length > LONGEST_PARSED ? codePoints(text) : twitter.parseTweet(text).weightedLength;
    case 'code points':
      return codePoints(text);
    case 'UTF-16 units':
      return text.length;
    case 'bytes':
      return Buffer.byteLength(text);
    default:
      return count satisfies never;
  }
}

/** UTF-16 offset behind which a text exceeds a limit; its length when it does not. For X, the platform's limit counts. */
export function fittingEnd(text: string, { most, count }: Limit): number {
  if (count === 'UTF-16 units') return Math.min(most, text.length);
  if (count === 'weighted' && text.length <= LONGEST_PARSED) {
    const { weightedLength, validRangeEnd } = twitter.parseTweet(text);
    return weightedLength <= most ? text.length : Math.min(Math.max(0, validRangeEnd + 1), text.length);
  }
  let [end, used] = [0, 0];
  for (const char of text) {
    used += count === 'bytes' ? Buffer.byteLength(char) : 1;
    if (used > most) return end;
    end += char.length;
  }
  return end;
}
