import { z } from 'zod';

/** The publishing channels, in the order of requirement C1. */
export const CHANNELS = [
  'facebook',
  'instagram',
  'tiktok',
  'linkedin',
  'youtube',
  'gmb',
  'reddit',
  'email',
  'x',
] as const;
export type Channel = (typeof CHANNELS)[number];

/** Text as the database can hold it: no U+0000, no half of a surrogate pair; both become U+FFFD. */
export const storable = (text: string) => text.toWellFormed().replaceAll('\u0000', '\uFFFD');

/** `most`: UTF-16 code units. */
const text = (most: number) => z.string().overwrite(storable).trim().min(1).max(most);

/** A written piece: landing page, advertisement, the text of a mail. */
export const copySchema = z.object({
  headline: text(500),
  subheadline: text(1000).optional(),
  body: text(20_000),
  callToAction: text(500),
});
export type Copy = z.infer<typeof copySchema>;

/** One publication on one channel. */
export const postSchema = z.object({
  channel: z.enum(CHANNELS),
  /** Subject of an e-mail, title of a YouTube video or a Reddit post; the other channels have none. */
  title: text(1000).optional(),
  text: text(70_000),
  /** With or without their `#`. Those that the text does not hold already are published behind it. */
  hashtags: z.array(text(200)).max(60),
});
export type Post = z.infer<typeof postSchema>;

export const socialSchema = z.object({ posts: z.array(postSchema).min(1).max(36) });
export type Social = z.infer<typeof socialSchema>;

/** The concept of a poster: what is printed on it, and how it is to look. */
export const posterSchema = z.object({
  headline: text(500),
  tagline: text(500).optional(),
  /** What the picture shows and why. Read by a designer, not by the public. */
  concept: text(5000),
  /** Where things stand in the picture. Read by a designer, not by the public. */
  composition: text(5000),
  /** Names of colours or `#rrggbb`. */
  palette: z.array(text(100)).min(1).max(12),
  /** What a person hears who cannot see the poster. */
  altText: text(2000),
  callToAction: text(500).optional(),
});
export type Poster = z.infer<typeof posterSchema>;

/** What a brief can yield: what each kind of artifact has to look like. */
export const artifactSchemas = { copy: copySchema, social: socialSchema, poster: posterSchema } as const;
export type ArtifactKind = keyof typeof artifactSchemas;
export type ArtifactContent = { copy: Copy; social: Social; poster: Poster };

/** An artifact with the id that it keeps for life. */
export type Artifact = {
  [Kind in ArtifactKind]: { id: string; kind: Kind; content: ArtifactContent[Kind] };
}[ArtifactKind];

export type PassageRole =
  | 'headline'
  | 'subheadline'
  | 'body'
  | 'call_to_action'
  | 'title'
  | 'post'
  | 'hashtag'
  | 'tagline'
  | 'concept'
  | 'composition'
  | 'colour'
  | 'alt_text';

/** One text of an artifact. */
export interface Passage {
  /** JSON pointer into the artifact's content, such as `/posts/0/text`. */
  path: string;
  role: PassageRole;
  /** Where it is published; only posts have one. */
  channel?: Channel;
  /** Whether the public reads or hears it; the directions of a poster are for the designer alone. */
  published: boolean;
  /** JSON pointer of what is published together with it: `/posts/0`, or empty for the whole artifact. */
  unit: string;
  text: string;
}

function postPassages(post: Post, index: number): Passage[] {
  const unit = `/posts/${index}`;
  const base = { channel: post.channel, published: true, unit };
  return [
    ...(post.title === undefined ? [] : [{ ...base, path: `${unit}/title`, role: 'title' as const, text: post.title }]),
    { ...base, path: `${unit}/text`, role: 'post', text: post.text },
    ...post.hashtags.map((tag, at) => ({
      ...base,
      path: `${unit}/hashtags/${at}`,
      role: 'hashtag' as const,
      text: tag,
    })),
  ];
}

function whole(path: string, role: PassageRole, value: string | undefined, published = true): Passage[] {
  return value === undefined ? [] : [{ path, role, published, unit: '', text: value }];
}

const passagesByKind: { [Kind in ArtifactKind]: (content: ArtifactContent[Kind]) => Passage[] } = {
  copy: (copy) => [
    ...whole('/headline', 'headline', copy.headline),
    ...whole('/subheadline', 'subheadline', copy.subheadline),
    ...whole('/body', 'body', copy.body),
    ...whole('/callToAction', 'call_to_action', copy.callToAction),
  ],
  social: (social) => social.posts.flatMap(postPassages),
  poster: (poster) => [
    ...whole('/headline', 'headline', poster.headline),
    ...whole('/tagline', 'tagline', poster.tagline),
    ...whole('/concept', 'concept', poster.concept, false),
    ...whole('/composition', 'composition', poster.composition, false),
    ...poster.palette.flatMap((colour, at) => whole(`/palette/${at}`, 'colour', colour, false)),
    ...whole('/altText', 'alt_text', poster.altText),
    ...whole('/callToAction', 'call_to_action', poster.callToAction),
  ],
};

/** Every text of an artifact, in the order in which it is read. */
export function passagesOf<Kind extends ArtifactKind>(kind: Kind, content: ArtifactContent[Kind]): Passage[] {
  return passagesByKind[kind](content);
}

/** A hashtag as it is published, with exactly one `#`. */
export const hashtagOf = (tag: string) => `#${tag.trim().replace(/^[#＃]+/u, '')}`;

/** A post as it is published: its text, then the hashtags that the text does not hold. */
export function publishedText(post: Pick<Post, 'text' | 'hashtags'>): string {
  const held = new Set(post.text.toLowerCase().match(/#[\p{L}\p{M}\p{N}_]+/gu));
  const more = post.hashtags.map(hashtagOf).filter((tag) => !held.has(tag.toLowerCase()));
  return [post.text, ...more].join(' ');
}
