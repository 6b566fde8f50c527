import type { Passage } from '../../artifacts.ts';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import { CLAIM_KINDS, HEALING_VERBS, ILLNESSES, type ClaimKind } from '../claims/claim-phrases.ts';
import { isSaid } from '../evidence.ts';
import { quoted } from '../finding.ts';
import { published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { passageLetters, passageWords } from '../text/passage-reading.ts';
import { TermMatcher, type TermHit } from '../text/term-matcher.ts';
import { wordAt, type Word } from '../text/words.ts';

const split = (phrases: string) => phrases.split(',').map((phrase) => phrase.trim());
const wordSet = (words = '') => new Set(words.split(' ').filter((word) => word !== ''));

interface Claim extends Omit<ClaimKind, 'notBefore' | 'notAfter'> {
  phrase: string;
  notBefore: ReadonlySet<string>;
  notAfter: ReadonlySet<string>;
}

const claims: readonly Claim[] = CLAIM_KINDS.flatMap((kind) => {
  const [notBefore, notAfter] = [wordSet(kind.notBefore), wordSet(kind.notAfter)];
  return split(kind.phrases).map((phrase) => ({ ...kind, phrase, notBefore, notAfter }));
});
const matcherOf = (terms: readonly string[]) =>
  new TermMatcher(terms, { language: 'en', inflected: true, disguised: true });
const phrases = matcherOf(claims.map(({ phrase }) => phrase));
const healing = matcherOf(split(HEALING_VERBS));
const illnesses = matcherOf(split(ILLNESSES));

/** Words between a verb of healing and the illness at most. */
const HEALING_REACH = 5;
/** `#1`, `No. 1`, `Nr. 1`, `№ 1`; `no one` is a pronoun. */
const NUMBER_ONE =
  /#\s?1(?![\p{N}\p{L}]|[.,]\d)|(?<![\p{L}\p{N}])(?:no\.\s?1|no 1|nr\.\s?1|№\s?1|número 1|numéro 1)(?![\p{N}\p{L}])/giu;
const COUNTED = new Set(
  'tip step reason rule lesson mistake myth chapter part day week question idea round'.split(' '),
);
const COMPARATIVE = /^(?:better|worse|more|less|\p{L}{2,}er)$/u;
/** Words that end in -er and compare nothing, and what a comparison may be made with that is nobody else's. */
const NO_COMPARATIVE = new Set('other rather never ever later sooner earlier'.split(' '));
const OTHERS = new Set('any other others competitors rivals anyone'.split(' '));
const OWN_STANDARD = new Set(
  'ever before just that you usual expected words a an one this i we it think never'.split(' '),
);

/** The words at a place, and the neighbours of it within its sentence. */
interface Surroundings {
  before: string;
  behind: string;
  /** The two words before it, joined by `_`. */
  twoBefore: string;
}

function surroundings(text: string, words: readonly Word[], start: number, end: number): Surroundings {
  const first = wordAt(words, start);
  const [early, previous, next] = [words[first - 2], words[first - 1], words[wordAt(words, end)]];
  const isSame = (from: number, to: number) => !/[.!?\n]/.test(text.slice(from, to).slice(0, 200));
  return {
    before: previous && isSame(previous.end, start) ? previous.word : '',
    behind: next && isSame(end, next.start) ? next.word : '',
    twoBefore: early && previous && isSame(early.end, start) ? `${early.word}_${previous.word}` : '',
  };
}

/** Words that tie a phrase to nothing in particular. */
const LOOSE = new Set(['', 'a', 'an', 'the', 'and', 'or', 'of', 'in', 'for', 'to', 'is', 'are', 'our', 'your', 'with']);

/**
 * Whether the brief makes the claim itself. A phrase of more words is enough; a single word has to stand beside the same word as in
 * the brief, or “Best Western” would prove the best hotel in town.
 */
function isBacked(brief: NormalizedBrief, said: string, { before, behind }: Surroundings): boolean {
  if (!isSaid(brief, said)) return false;
  if (/\p{L}[\s\p{P}]+\p{L}/u.test(said)) return true;
  return (
    (!LOOSE.has(before) && isSaid(brief, `${before} ${said}`)) ||
    (!LOOSE.has(behind) && isSaid(brief, `${said} ${behind}`))
  );
}

function phraseSpot(passage: Passage, hit: TermHit, brief: NormalizedBrief): Spot[] {
  const claim = claims[hit.term] as Claim;
  const around = surroundings(passage.text, passageWords(passage), hit.start, hit.end);
  const { before, twoBefore, behind } = around;
  if (claim.notBefore.has(behind) || claim.notAfter.has(before) || claim.notAfter.has(twoBefore)) return [];
  if (before.endsWith("n't")) return [];
  const said = passage.text.slice(hit.start, hit.end);
  if (!hit.disguised && isBacked(brief, said, around)) return [];
  const { code, severity, message, mend } = claim;
  return [
    { start: hit.start, end: hit.end, code, severity, mend, message: `${message.slice(0, -1)}: ${quoted(said)}.` },
  ];
}

/** Drops claims that lie within a longer one that is as grave. */
function longestOnly(spots: readonly Spot[]): Spot[] {
  let reach = { end: -1, severity: '' };
  return spots
    .toSorted((a, b) => a.start - b.start || b.end - a.end)
    .filter(({ end, severity }) => {
      if (end <= reach.end && (severity === reach.severity || severity === 'minor')) return false;
      reach = { end, severity };
      return true;
    });
}

function healingSpots(passage: Passage, brief: NormalizedBrief): Spot[] {
  const letters = passageLetters(passage, healing.folding);
  const verbs = healing.find(letters);
  if (verbs.length === 0) return [];
  const words = passageWords(passage);
  let next = 0;
  return illnesses.find(letters).flatMap((illness): Spot[] => {
    while (next + 1 < verbs.length && (verbs[next + 1] as TermHit).end <= illness.start) next += 1;
    const verb = verbs[next] as TermHit;
    const distance = wordAt(words, illness.start) - wordAt(words, verb.end);
    const between = passage.text.slice(verb.end, illness.start);
    if (verb.end > illness.start || distance > HEALING_REACH || /[.!?]\s/.test(between)) return [];
    const said = passage.text.slice(verb.start, illness.end);
    if (isSaid(brief, said)) return [];
    return [
      {
        start: verb.start,
        end: illness.end,
        severity: 'critical',
        code: 'unsupported_health_claim',
        message: `A promise to heal that no fact supports: ${quoted(said)}.`,
        mend: 'take it out; such claims need evidence and often a licence',
      },
    ];
  });
}

function numberOneSpots(passage: Passage, brief: NormalizedBrief): Spot[] {
  const words = passageWords(passage);
  return Array.from(passage.text.matchAll(NUMBER_ONE)).flatMap((found): Spot[] => {
    const [start, end] = [found.index, found.index + found[0].length];
    const around = surroundings(passage.text, words, start, end);
    const isCounted = COUNTED.has(around.before) || COUNTED.has(around.behind);
    const isKnown =
      around.behind !== '' && (isSaid(brief, `1 ${around.behind}`) || isSaid(brief, `number one ${around.behind}`));
    if (isCounted || isKnown) return [];
    return [
      {
        start,
        end,
        severity: 'major',
        code: 'unsupported_superlative',
        message: `A first place that no fact supports: ${quoted(found[0])}.`,
        mend: 'take it out, or add the fact that it rests on',
      },
    ];
  });
}

/** `faster than …`, unless the comparison is with nobody, as in “better than ever”. */
function comparisonSpots(passage: Passage, brief: NormalizedBrief): Spot[] {
  const words = passageWords(passage);
  return words.flatMap((than, at): Spot[] => {
    const [compared, next] = [words[at - 1], words[at + 1]];
    if (than.word !== 'than' || !compared || !next) return [];
    const isMore = /^(?:more|less)$/.test(words[at - 2]?.word ?? '');
    const isAmount = /^(?:more|less)$/.test(compared.word) && !OTHERS.has(next.word);
    const isComparative = COMPARATIVE.test(compared.word) && !isAmount && !NO_COMPARATIVE.has(compared.word);
    if (!(isMore || isComparative) || OWN_STANDARD.has(next.word)) return [];
    const said = passage.text.slice(compared.start, than.end);
    if (isSaid(brief, said)) return [];
    return [
      {
        start: (isMore ? (words[at - 2] as Word) : compared).start,
        end: next.end,
        severity: 'minor',
        code: 'unsupported_comparison',
        message: `A comparison that no fact supports: ${quoted(passage.text.slice(compared.start, next.end))}.`,
        mend: 'say what the comparison rests on, or take it out',
      },
    ];
  });
}

/** Superlatives, guarantees, proofs, promises of health and money, comparisons and pressure that the brief does not back. */
export const claimsGate: Gate = {
  name: 'claims',
  version: 1,
  check(candidate, brief) {
    return spotsIn(published(candidate), (passage) => [
      ...longestOnly(
        phrases.find(passageLetters(passage, phrases.folding)).flatMap((hit) => phraseSpot(passage, hit, brief)),
      ),
      ...healingSpots(passage, brief),
      ...numberOneSpots(passage, brief),
      ...comparisonSpots(passage, brief),
    ]);
  },
};
