import { eld } from 'eld/extrasmall';
import { published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { proseOf } from '../text/prose.ts';

/** Shorter texts are guessed wrongly too often, names and loan words alone in them. */
const LEAST_LETTERS = 60;
const LEAST_LETTERS_UNSPACED = 25;
const UNSPACED = new Set(['ja', 'ko', 'lo', 'th', 'zh']);
/** Languages so near to each other that n-grams take one for the other. */
const SIBLINGS = [
  'da no',
  'cs sk',
  'hr sr sl bs',
  'ms id',
  'es ca gl pt',
  'af nl',
  'ru be uk bg',
  'az tr',
  'fa ur',
  'hi mr ne',
].map((group) => new Set(group.split(' ')));
/** Of a language that the detector does not know, every text would seem to be another one. */
const KNOWN = new Set(Object.values(eld.info().Languages));
/** Share of the best score that the wanted language may reach and still be taken for it. */
const NEAR = 0.9;

function languageSpot(text: string, wanted: string): Spot[] {
  const prose = proseOf(text).replace(/\s+/gu, ' ').trim();
  const letters = prose.match(/\p{L}/gu)?.length ?? 0;
  if (letters < LEAST_LETTERS_UNSPACED) return [];
  const found = eld.detect(prose);
  const { language } = found;
  if (letters < LEAST_LETTERS && !(UNSPACED.has(language) && language !== wanted)) return [];
  if (language === '' || language === wanted || !found.isReliable()) return [];
  if (SIBLINGS.some((group) => group.has(language) && group.has(wanted))) return [];
  const scores = found.getScores();
  if ((scores[wanted] ?? 0) >= NEAR * (scores[language] ?? 1)) return [];
  return [
    {
      start: 0,
      end: text.length,
      severity: 'major',
      code: 'wrong_language',
      message: `This is most likely written in ${language}; the brief asks for ${wanted}.`,
      mend: `write it in ${wanted}`,
    },
  ];
}

/** The language of texts that are long enough to tell. */
export const language: Gate = {
  name: 'language',
  version: 1,
  check(candidate, brief) {
    const wanted = brief.language.slice(0, 2);
    if (!KNOWN.has(wanted)) return [];
    return spotsIn(
      published(candidate).filter(({ role }) => role !== 'hashtag'),
      ({ text }) => languageSpot(text, wanted),
    );
  },
};
