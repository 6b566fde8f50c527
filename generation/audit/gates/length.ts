import { publishedText, type Passage, type Post } from '../../artifacts.ts';
import { lengthFor, type NormalizedBrief } from '../../normalized-brief.ts';
import { CHANNEL_LIMITS, fittingEnd, lengthOf, SUBJECT_SHOWN, type Limit } from '../channel-limits.ts';
import type { Flaw } from '../finding.ts';
import { published, type Gate } from '../gate.ts';

/** One post put together again from its passages. */
interface PostPassages {
  text: Passage & { channel: Post['channel'] };
  title: Passage | undefined;
  hashtags: Passage[];
}

function postsOf(passages: readonly Passage[]): PostPassages[] {
  return [...Map.groupBy(passages, ({ unit }) => unit).values()].flatMap((unit) => {
    const text = unit.find(({ role }) => role === 'post');
    if (text?.channel === undefined) return [];
    return [
      {
        text: { ...text, channel: text.channel },
        title: unit.find(({ role }) => role === 'title'),
        hashtags: unit.filter(({ role }) => role === 'hashtag'),
      },
    ];
  });
}

const units = ({ count }: Limit) => (count === 'weighted' ? 'characters as X counts them' : count);

function tooLong(passage: Passage, whole: string, limit: Limit, whose: string, severity: Flaw['severity']): Flaw[] {
  const length = lengthOf(whole, limit.count);
  if (length <= limit.most) return [];
  return [
    {
      passage,
      // Hashtags behind the text can be what is too much; then the end of the text is shown.
      start: Math.min(fittingEnd(whole, limit), passage.text.length),
      end: passage.text.length,
      severity,
      code: 'too_long',
      message: `${length} ${units(limit)}, ${whose} ${limit.most}.`,
      mend: `shorten it by ${length - limit.most} or more`,
    },
  ];
}

function platformFlaws({ text, title, hashtags }: PostPassages): Flaw[] {
  const limits = CHANNEL_LIMITS[text.channel];
  const whole = publishedText({ text: text.text, hashtags: hashtags.map((tag) => tag.text) });
  const flaws = tooLong(text, whole, limits.text, `${text.channel} takes`, 'critical');
  if (title !== undefined && limits.title)
    flaws.push(...tooLong(title, title.text, limits.title, `a title on ${text.channel} takes`, 'critical'));
  flaws.push(...titleFlaws(text, title), ...tagFlaws(text, whole, hashtags));
  return flaws;
}

function titleFlaws(text: PostPassages['text'], title: Passage | undefined): Flaw[] {
  const { channel } = text;
  const place = { passage: title ?? text, start: 0, end: (title ?? text).text.length };
  const wanted = CHANNEL_LIMITS[channel].title;
  if (wanted?.required === true && title === undefined)
    return [
      {
        ...place,
        severity: 'minor',
        code: 'title_missing',
        message: `A post on ${channel} needs a ${channel === 'email' ? 'subject' : 'title'}.`,
        mend: 'write one as its title',
      },
    ];
  if (channel !== 'email' || title === undefined || title.text.length <= SUBJECT_SHOWN) return [];
  return [
    {
      ...place,
      start: SUBJECT_SHOWN,
      severity: 'minor',
      code: 'subject_cut_off',
      message: `Mail programs show about ${SUBJECT_SHOWN} characters of a subject; this one has ${title.text.length}.`,
      mend: 'say what matters in the first 40 characters, and shorten the rest',
    },
  ];
}

function tagFlaws(text: PostPassages['text'], whole: string, hashtags: readonly Passage[]): Flaw[] {
  const { hashtags: mostTags = Infinity, mentions: mostMentions = Infinity } = CHANNEL_LIMITS[text.channel];
  const place = { passage: text, start: 0, end: text.text.length, severity: 'critical' as const };
  const flaws: Flaw[] = hashtags
    .filter((tag) => !/^\s*[#＃]?[\p{L}\p{M}\p{N}_]+\s*$/u.test(tag.text) || !/[\p{L}\p{M}]/u.test(tag.text))
    .map((tag) => ({
      passage: tag,
      start: 0,
      end: tag.text.length,
      severity: 'minor',
      code: 'hashtag_invalid',
      message: 'Platforms end a hashtag at the first space or sign, and take none without a letter.',
      mend: 'write letters, digits and _ only',
    }));
  const tags = whole.match(/#[\p{L}\p{M}\p{N}_]/gu)?.length ?? 0;
  if (tags > mostTags)
    flaws.push({
      ...place,
      code: 'too_many_hashtags',
      message: `${tags} hashtags; ${text.channel} takes ${mostTags}.`,
      mend: `leave out ${tags - mostTags} or more`,
    });
  const mentions = whole.match(/(?<![\w.])@\w/gu)?.length ?? 0;
  if (mentions > mostMentions)
    flaws.push({
      ...place,
      code: 'too_many_mentions',
      message: `${mentions} mentions; ${text.channel} takes ${mostMentions}.`,
      mend: `leave out ${mentions - mostMentions} or more`,
    });
  return flaws;
}

/** What the brief itself asks of a length. */
function briefFlaws(passage: Passage, whole: string, limit: Omit<Limit, 'most'>, brief: NormalizedBrief): Flaw[] {
  const key = passage.channel ?? 'copy';
  const most = lengthFor(brief.constraints.maxLength, key);
  const least = lengthFor(brief.constraints.minLength, key);
  const flaws = most === undefined ? [] : tooLong(passage, whole, { ...limit, most }, 'the brief allows', 'major');
  const length = lengthOf(whole, limit.count);
  if (least !== undefined && length < least)
    flaws.push({
      passage,
      start: 0,
      end: passage.text.length,
      severity: 'major',
      code: 'too_short',
      message: `${length} ${units({ ...limit, most: 0 })}; the brief asks for ${least}.`,
      mend: `write ${least - length} or more in addition`,
    });
  return flaws;
}

/** Lengths as each platform counts them, and the counts of hashtags and mentions. Limits: `channel-limits.ts`. */
export const length: Gate = {
  name: 'length',
  version: 1,
  check(candidate, brief) {
    const passages = published(candidate);
    const posts = postsOf(passages).flatMap((post) => {
      const whole = publishedText({ text: post.text.text, hashtags: post.hashtags.map(({ text }) => text) });
      return [...platformFlaws(post), ...briefFlaws(post.text, whole, CHANNEL_LIMITS[post.text.channel].text, brief)];
    });
    const bodies = passages
      .filter(({ role }) => role === 'body')
      .flatMap((body) => briefFlaws(body, body.text, { count: 'code points' }, brief));
    return [...posts, ...bodies];
  },
};
