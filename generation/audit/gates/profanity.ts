import { DataSet, englishDataset, englishRecommendedTransformers, RegExpMatcher } from 'obscenity';
import { isSaid } from '../evidence.ts';
import type { Severity } from '../finding.ts';
import { published, spotsIn, type Gate } from '../gate.ts';
import { windowsOf } from '../text/windows.ts';

/** Words and names that hold a bad word and mean none; the library's own list has more. */
const INNOCENT =
  'fukushima,fukuoka,analgesi,cumin,cum laude,cumquat,cockpit,cocktail,cockatoo,cockerel,cockroach,penistone,pissarro,rapeseed,' +
  'rape oil,pasta e fagioli,fagioli,flame retard,fire retard,retardant,dickinson,dickies,dickson,dick van,dickey,moby dick,' +
  'philip k dick,philip k. dick,hooker furn,john lee hooker,pussy willow,pussycat,booby trap,booby prize,boobytrap,sextant,' +
  'sextet,sussex,essex,middlesex,wessex,unisex,chinkapin,titmouse,blue tit,great tit,coal tit,semen indic,scat singing,' +
  "dick's sporting,scunthorpe,lightwater,shih tzu,shitake,shiitake,kanal,negroni,rio negro,vaginal health,arsenal,assassin,assault";

const dataset = new DataSet<{ originalWord: string }>().addAll(englishDataset).addPhrase((phrase) => {
  let innocent = phrase.setMetadata({ originalWord: '' });
  for (const term of INNOCENT.split(',')) innocent = innocent.addWhitelistedTerm(term);
  return innocent;
});
const matcher = new RegExpMatcher({ ...dataset.build(), ...englishRecommendedTransformers });

/** Insults of people for what they are. */
const SLURS = new Set(
  'abo,abeed,africoon,arabush,boonga,chingchong,chink,dyke,fag,kike,negro,nigger,retard,spastic,tranny'.split(','),
);
/** What is a bad word in a text of any language. */
const STRONG = new Set(
  'bitch,blowjob,cunt,fuck,gangbang,handjob,incest,nigger,faggot,fag,shit,slut,whore,masturbate'.split(','),
);

const severityOf = (word: string): Severity => (SLURS.has(word) || STRONG.has(word) ? 'critical' : 'major');

/** The library's work on a long row of equal letters grows faster than the row. */
const WINDOW = 2000;

interface Match {
  start: number;
  end: number;
  word: string;
}

function matchesIn(text: string): Match[] {
  return windowsOf(text, WINDOW).flatMap((window) =>
    matcher.getAllMatches(window.text, true).map((match) => ({
      // The library's end is that of the last character, not behind it.
      start: window.offset + match.startIndex,
      end: Math.min(text.length, window.offset + match.endIndex + 1),
      word: dataset.getPayloadWithPhraseMetadata(match).phraseMetadata?.originalWord ?? '',
    })),
  );
}

/** The whole word around a match, for asking whether the brief uses it. */
function wordAround(text: string, { start, end }: Match): string {
  const before = /[\p{L}\p{N}'’]{0,40}$/u.exec(text.slice(Math.max(0, start - 40), start))?.[0] ?? '';
  const behind = /^[\p{L}\p{N}'’]{0,40}/u.exec(text.slice(end, end + 40))?.[0] ?? '';
  return `${before}${text.slice(start, end)}${behind}`;
}

/**
 * Bad words by the English list of the obscenity library, which also sees through letters in disguise. In texts of other languages
 * only the strong ones count, since the others are ordinary words there. A word of the brief's own is told and does not count.
 */
export const profanity: Gate = {
  name: 'profanity',
  version: 1,
  check(candidate, brief) {
    const isEnglish = brief.language.startsWith('en');
    return spotsIn(published(candidate), ({ text }) =>
      matchesIn(text)
        .filter(({ word }) => isEnglish || STRONG.has(word))
        .map((match) => {
          const isOwn = isSaid(brief, wordAround(text, match));
          return {
            start: match.start,
            end: match.end,
            severity: isOwn ? 'info' : severityOf(match.word),
            code: SLURS.has(match.word) ? 'slur' : 'profanity',
            message: isOwn ? 'A word that can offend; the brief uses it itself.' : 'A word that offends.',
            mend: isOwn ? 'nothing, if it is meant' : 'say it in other words',
          };
        }),
    );
  },
};
