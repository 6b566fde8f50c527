import retextEnglish from 'retext-english';
import retextRepeatedWords from 'retext-repeated-words';
import retextStringify from 'retext-stringify';
import { unified } from 'unified';
import type { Passage } from '../../artifacts.ts';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import type { Flaw } from '../finding.ts';
import { published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { passageWords } from '../text/passage-reading.ts';
import { proseOf } from '../text/prose.ts';
import { windowsOf } from '../text/windows.ts';
import { sentencesOf, wordsOf } from '../text/words.ts';

const WINDOW = 4000;
/** Words of a sentence from which saying it twice is noticed. */
const LEAST_WORDS = 5;
const PHRASE_WORDS = 4;
const PHRASE_TIMES = 3;
/** Share of common rows of three words from which two posts are one, and words from which posts are compared. */
const SAME_SHARE = 0.6;
const LEAST_COMPARED = 12;
const MOST_ROWS = 2000;

const doubled = unified().use(retextEnglish).use(retextRepeatedWords).use(retextStringify);

/** `the the`, by the retext plug-in, which knows the words that may stand twice in English. */
function doubledWords(text: string): Spot[] {
  return windowsOf(proseOf(text), WINDOW).flatMap((window) =>
    doubled.processSync(window.text).messages.flatMap(({ place }): Spot[] => {
      const [start, end] = place && 'start' in place ? [place.start.offset, place.end.offset] : [];
      if (start === undefined || end === undefined) return [];
      return [
        {
          start: window.offset + start,
          end: window.offset + end,
          severity: 'minor',
          code: 'doubled_word',
          message: 'The same word twice in a row.',
          mend: 'take one out',
        },
      ];
    }),
  );
}

/** Sentences that were said before, in the same text or in another one of the artifact. */
function repeatedSentences(passages: readonly Passage[], brief: NormalizedBrief): Flaw[] {
  const said = new Map<string, string>();
  const key = (text: string) => wordsOf(text).map(({ word }) => word);
  const required = new Set(brief.constraints.requiredTerms.map((term) => key(term).join(' ')));
  return passages.flatMap((passage) =>
    sentencesOf(passage.text).flatMap(({ start, end }): Flaw[] => {
      const words = key(passage.text.slice(start, end));
      const sentence = words.join(' ');
      if (words.length < LEAST_WORDS || required.has(sentence)) return [];
      const first = said.get(sentence);
      if (first === undefined) {
        said.set(sentence, passage.path);
        return [];
      }
      return [
        {
          passage,
          start,
          end,
          severity: 'minor',
          code: 'repeated_sentence',
          message: first === passage.path ? 'This sentence was said before.' : `This sentence stands at ${first} too.`,
          mend: 'say it once, or in other words',
        },
      ];
    }),
  );
}

/** Rows of words with the index of the first word of each occurrence. */
function rowsOf(words: readonly string[], size: number): Map<string, number[]> {
  const rows = new Map<string, number[]>();
  for (let at = 0; at + size <= words.length; at += 1) {
    const row = words.slice(at, at + size).join(' ');
    const places = rows.get(row);
    if (places) places.push(at);
    else rows.set(row, [at]);
  }
  return rows;
}

/** Four words in a row that stand in one text three times and more. */
function repeatedPhrases(passage: Passage): Spot[] {
  const words = passageWords(passage);
  const rows = rowsOf(
    words.map(({ word }) => word),
    PHRASE_WORDS,
  );
  let reach = -1;
  return [...rows.values()]
    .filter((places) => places.length >= PHRASE_TIMES)
    .flatMap((places): Spot[] => {
      const at = places[PHRASE_TIMES - 1] as number;
      // A longer phrase is told once, not once for each of its parts.
      if (at <= reach) return [];
      reach = at + PHRASE_WORDS - 1;
      return [
        {
          start: words[at]?.start ?? 0,
          end: words[at + PHRASE_WORDS - 1]?.end ?? 0,
          severity: 'minor',
          code: 'repeated_phrase',
          message: `These words stand here ${places.length} times.`,
          mend: 'vary them',
        },
      ];
    });
}

/** Posts that are nearly the same: the Jaccard index of their rows of three words. */
function similarPosts(passages: readonly Passage[]): Flaw[] {
  const posts = passages
    .filter((passage) => passage.role === 'post' && passageWords(passage).length >= LEAST_COMPARED)
    .map((passage) => ({
      passage,
      rows: new Set(
        rowsOf(
          passageWords(passage)
            .slice(0, MOST_ROWS)
            .map(({ word }) => word),
          3,
        ).keys(),
      ),
    }));
  return posts.flatMap(({ passage, rows }, at): Flaw[] => {
    const twin = posts.slice(0, at).find((earlier) => {
      const common = rows.intersection(earlier.rows).size;
      return common / (rows.size + earlier.rows.size - common) >= SAME_SHARE;
    });
    if (!twin) return [];
    return [
      {
        passage,
        start: 0,
        end: passage.text.length,
        severity: 'minor',
        code: 'similar_posts',
        message: `This post is nearly the same as ${twin.passage.path}.`,
        mend: 'write it for its own channel',
      },
    ];
  });
}

const repeatedSigns = (text: string): Spot[] =>
  Array.from(text.matchAll(/[!?]{3,200}/g), (found) => ({
    start: found.index,
    end: found.index + found[0].length,
    severity: 'minor',
    code: 'repeated_punctuation',
    message: 'A row of exclamation or question marks.',
    mend: 'leave one',
  }));

/** The same words, phrases and sentences again, within a text and across the posts of an artifact. */
export const repetition: Gate = {
  name: 'repetition',
  version: 1,
  check(candidate, brief) {
    const passages = published(candidate).filter(({ role }) => role !== 'hashtag');
    const isEnglish = brief.language.startsWith('en');
    return [
      ...spotsIn(passages, (passage) => [
        ...(isEnglish ? doubledWords(passage.text) : []),
        ...repeatedPhrases(passage),
        ...repeatedSigns(passage.text),
      ]),
      ...repeatedSentences(passages, brief),
      ...similarPosts(passages),
    ];
  },
};
