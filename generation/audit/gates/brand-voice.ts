import type { Passage } from '../../artifacts.ts';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import { isSaid } from '../evidence.ts';
import { quoted, type Flaw } from '../finding.ts';
import { memo, published, spotsIn, type Candidate, type Gate, type Spot } from '../gate.ts';
import { passageLetters, passageWords } from '../text/passage-reading.ts';
import { TermMatcher } from '../text/term-matcher.ts';

/** Words of a tone that goes with no slang and no shouting. */
const SOBER = new Set(
  (
    'formal professional serious authoritative calm sober understated elegant sophisticated premium luxury luxurious respectful ' +
    'trustworthy discreet scientific academic factual measured refined dignified minimal minimalist restrained'
  ).split(' '),
);
const SLANG =
  'gonna, wanna, gotta, kinda, ain’t, omg, lol, lmao, yolo, yay, woohoo, wow, dude, awesome sauce, lit af, no cap, super duper, hell yeah, crazy good, insane deal, epic'.split(
    ', ',
  );
const slang = new TermMatcher(SLANG, { language: 'en' });
/** Exclamation marks that a sober text can bear. */
const MOST_EXCLAMATIONS = 1;
/** Two words in capitals, of four letters and more: shorter ones are abbreviations. */
const SHOUT = /(?<![\p{L}\p{N}])\p{Lu}{4,40}(?:[\s-]\p{Lu}{2,40}){1,40}(?![\p{L}\p{N}])/gu;

const avoidedBy = memo(
  ({ brandGuidelines, language }: NormalizedBrief) =>
    new TermMatcher(brandGuidelines.avoidAdjectives ?? [], { language, inflected: true, adjectives: true }),
);
const wantedBy = memo(
  ({ brandGuidelines, language }: NormalizedBrief) =>
    new TermMatcher(brandGuidelines.adjectives, { language, inflected: true, adjectives: true }),
);
const isSober = memo((brief: NormalizedBrief) => {
  const words = `${brief.tone} ${brief.brandGuidelines.adjectives.join(' ')}`.toLowerCase().split(/[^\p{L}]+/u);
  return { sober: words.some((word) => SOBER.has(word)) };
});

function avoidedSpots(passage: Passage, brief: NormalizedBrief): Spot[] {
  const matcher = avoidedBy(brief);
  return matcher.find(passageLetters(passage, matcher.folding)).map(({ term, start, end }) => ({
    start,
    end,
    severity: 'major',
    code: 'avoided_adjective',
    message: `The brand does not want to be called ${quoted(brief.brandGuidelines.avoidAdjectives?.[term] ?? '')}.`,
    mend: 'use another word',
  }));
}

function unsoberSpots(passage: Passage, brief: NormalizedBrief): Spot[] {
  const { text } = passage;
  const spot = (start: number, end: number, code: string, message: string, mend: string): Spot => ({
    start,
    end,
    severity: 'minor',
    code,
    message,
    mend,
  });
  const marks = Array.from(text.matchAll(/!/g), ({ index }) => index);
  const extra = marks[MOST_EXCLAMATIONS];
  return [
    ...slang
      .find(passageLetters(passage, slang.folding))
      .map(({ start, end }) =>
        spot(start, end, 'tone_slang', 'Slang does not go with the tone of the brief.', 'say it plainly'),
      ),
    ...(extra === undefined
      ? []
      : [
          spot(
            extra,
            extra + 1,
            'tone_exclamations',
            `${marks.length} exclamation marks do not go with the tone of the brief.`,
            'end sentences with a full stop',
          ),
        ]),
    ...Array.from(text.matchAll(SHOUT))
      .filter((found) => !isSaid(brief, found[0]))
      .map((found) =>
        spot(
          found.index,
          found.index + found[0].length,
          'tone_shouting',
          'Words in capitals do not go with the tone of the brief.',
          'write small letters',
        ),
      ),
  ];
}

/** A note, not a fault: a tone can be met without naming it, and only a reader can tell. */
function absentFlaws(candidate: Candidate, brief: NormalizedBrief): Flaw[] {
  const matcher = wantedBy(brief);
  const passages = published(candidate);
  const main = passages.find(({ role }) => role === 'body' || role === 'post') ?? passages[0];
  if (!main || brief.brandGuidelines.adjectives.length === 0) return [];
  if (passages.some((passage) => matcher.find(passageLetters(passage, matcher.folding)).length > 0)) return [];
  return [
    {
      passage: main,
      start: 0,
      end: passageWords(main)[0]?.end ?? main.text.length,
      severity: 'info',
      code: 'brand_adjectives_absent',
      message: `None of the brand's adjectives stands in the text: ${brief.brandGuidelines.adjectives.slice(0, 5).map(quoted).join(', ')}.`,
      mend: 'read whether it sounds like them',
    },
  ];
}

/** Adjectives that the brand avoids or wants, and slips in a tone that is to be sober. */
export const brandVoice: Gate = {
  name: 'brand-voice',
  version: 1,
  check(candidate, brief) {
    const { sober } = isSober(brief);
    return [
      ...spotsIn(published(candidate), (passage) => [
        ...avoidedSpots(passage, brief),
        ...(sober ? unsoberSpots(passage, brief) : []),
      ]),
      ...absentFlaws(candidate, brief),
    ];
  },
};
