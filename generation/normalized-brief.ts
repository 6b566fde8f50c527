import { z } from 'zod';
import { CHANNELS } from './artifacts.ts';

/** What a length can be asked of: the posts of one channel, or the body of the copy. */
const LENGTH_KEYS = [...CHANNELS, 'copy'] as const;
export type LengthKey = (typeof LENGTH_KEYS)[number];

const MOST_CHARACTERS = 70_000;
/** Shorter texts say nothing: a name and a verb. */
const LEAST_ALLOWED = 20;
const characters = (least: number) => z.int().min(least).max(MOST_CHARACTERS);
/** One number for every post and the body of the copy, or a number for each of them by name. */
const lengths = (least: number) =>
  z.union([characters(least), z.partialRecord(z.enum(LENGTH_KEYS), characters(least))]);

/** A word, a phrase or a sign of which something can be seen. */
const term = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .refine((text) => /[^\p{White_Space}\p{Default_Ignorable_Code_Point}\p{M}\p{C}]/u.test(text), {
    message: 'holds nothing that can be seen',
    params: { mend: 'write a word or a phrase' },
  });
const terms = z.array(term).max(200);

/** A text that says something. */
const prose = (most: number) =>
  z
    .string()
    .trim()
    .min(1)
    .max(most)
    .refine((text) => text === '' || /[\p{L}\p{N}]/u.test(text), {
      message: 'holds neither a letter nor a digit',
      params: { mend: 'say it in words' },
    });
const adjectives = z
  .array(
    term.refine((text) => /\p{L}/u.test(text), {
      message: 'holds no letter',
      params: { mend: 'write a word such as warm' },
    }),
  )
  .max(50);

const LANGUAGE = /^[a-z]{2}(-[A-Z]{2})?$/;
const languageNames = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' });
const isLanguage = (code: string) => LANGUAGE.test(code) && languageNames.of(code.slice(0, 2)) !== undefined;

export const constraintsSchema = z.strictObject({
  /** Characters as the channel counts them, hashtags included. */
  maxLength: lengths(LEAST_ALLOWED).optional(),
  minLength: lengths(0).optional(),
  prohibitedTerms: terms.default([]),
  /** Each of them has to stand in every published unit: the copy, each post, the poster. */
  requiredTerms: terms.default([]),
  /** US school grade at most, such as 8. English only. */
  maxReadingGrade: z.number().min(1).max(18).optional(),
  allowEmojis: z.boolean().optional(),
});
export type BriefConstraints = z.infer<typeof constraintsSchema>;

export const brandGuidelinesSchema = z.strictObject({
  /** How the brand wants to sound, such as `warm`. */
  adjectives: adjectives.default([]),
  /** How it must not sound; these words are not used either. */
  avoidAdjectives: adjectives.optional(),
  /** Names of colours, `#rrggbb`, or both as in `deep teal #0f766e`. */
  palette: z.array(term).max(24).default([]),
});

/** What a claim may rest on. */
export const factSchema = z.strictObject({
  id: z.string().trim().min(1).max(100),
  text: prose(2000),
});

export type Fact = z.infer<typeof factSchema>;

const briefShape = z.strictObject({
  objective: prose(2000),
  audience: prose(2000),
  product: prose(4000),
  tone: prose(500),
  /** ISO 639-1, with a region if it matters. */
  language: z
    .string()
    .refine(isLanguage, {
      message: 'is not the code of a language',
      params: { mend: 'write the two small letters of ISO 639-1 such as en, and if it matters a region, as in en-GB' },
    })
    .meta({ pattern: LANGUAGE.source })
    .default('en'),
  constraints: constraintsSchema.prefault({}),
  brandGuidelines: brandGuidelinesSchema.prefault({}),
  facts: z.array(factSchema).max(200).default([]),
});

const bare = (text: string) => text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();

/** Something that a brief asks for and forbids at once. */
interface Contradiction {
  path: (string | number)[];
  message: string;
  mend: string;
}

function overlaps(
  lists: [path: string[], list: readonly string[]],
  against: [name: string, list: readonly string[]],
): Contradiction[] {
  const others = new Set(against[1].map(bare));
  return lists[1].flatMap((entry, at) =>
    others.has(bare(entry))
      ? [{ path: [...lists[0], at], message: `stands in ${against[0]} too`, mend: 'keep it in one of the two' }]
      : [],
  );
}

/**
 * How long a text has to be at least and may be at most.
 * @returns undefined where the brief says nothing
 */
export function lengthFor(limit: BriefConstraints['maxLength'], key: LengthKey): number | undefined {
  return typeof limit === 'object' ? limit[key] : limit;
}

function contradictions({ constraints, brandGuidelines, facts }: z.infer<typeof briefShape>): Contradiction[] {
  const found = [
    ...overlaps(
      [['constraints', 'requiredTerms'], constraints.requiredTerms],
      ['prohibitedTerms', constraints.prohibitedTerms],
    ),
    ...overlaps(
      [['brandGuidelines', 'avoidAdjectives'], brandGuidelines.avoidAdjectives ?? []],
      ['adjectives', brandGuidelines.adjectives],
    ),
  ];
  const crossed = LENGTH_KEYS.find(
    (key) => (lengthFor(constraints.minLength, key) ?? 0) > (lengthFor(constraints.maxLength, key) ?? Infinity),
  );
  if (crossed !== undefined)
    found.push({
      path: ['constraints', 'minLength', ...(typeof constraints.minLength === 'object' ? [crossed] : [])],
      message: `is more than maxLength allows (${lengthFor(constraints.maxLength, crossed)})`,
      mend: 'lower it, or raise maxLength',
    });
  const required = constraints.requiredTerms.join(', ').length;
  const tight = LENGTH_KEYS.find((key) => required > (lengthFor(constraints.maxLength, key) ?? Infinity));
  if (tight !== undefined)
    found.push({
      path: ['constraints', 'maxLength', ...(typeof constraints.maxLength === 'object' ? [tight] : [])],
      message: `leaves no room for requiredTerms, which have ${required} characters together`,
      mend: 'raise it, or require fewer terms',
    });
  const ids = new Set<string>();
  for (const [at, { id }] of facts.entries()) {
    if (ids.has(id))
      found.push({
        path: ['facts', at, 'id'],
        message: 'belongs to another fact too',
        mend: 'give it an id of its own',
      });
    ids.add(id);
  }
  return found;
}

/**
 * A brief with every default filled in: what all agents are given, and what their work is judged against. Unknown fields and
 * contradictions (a term both required and prohibited, a least length above the greatest) are issues with their path and a mend.
 */
export const normalizedBriefSchema = briefShape.superRefine((brief, context) => {
  for (const { path, message, mend } of contradictions(brief))
    context.addIssue({ code: 'custom', path, message, params: { mend } });
});
export type NormalizedBrief = z.infer<typeof normalizedBriefSchema>;
