import type { NormalizedBrief } from '../../normalized-brief.ts';
import { quoted } from '../finding.ts';
import { memo, spotsIn, type Gate } from '../gate.ts';
import { wordsOf } from '../text/words.ts';

interface Colour {
  /** `#rrggbb` in small letters. */
  codes: Set<string>;
  /** The words of its name. */
  words: Set<string>;
}

const HEX = /#([0-9a-f]{6}|[0-9a-f]{3})(?![0-9a-f])/giu;
const NEUTRALS = new Set(['white', 'black', 'grey', 'gray', '#ffffff', '#000000']);
/** Words that say of a colour how light, strong or warm it is, and do not name it. */
const SHADES = new Set(
  'light dark deep pale bright soft warm cool muted vivid rich and with accent accents background'.split(' '),
);

function colourOf(text: string): Colour {
  const codes = Array.from(text.matchAll(HEX), ([, digits = '']) =>
    `#${digits.length === 3 ? digits.replace(/./g, '$&$&') : digits}`.toLowerCase(),
  );
  return { codes: new Set(codes), words: new Set(wordsOf(text.replace(HEX, ' ')).map(({ word }) => word)) };
}

const namesOf = ({ words }: Colour) => words.difference(SHADES);

/** The same code, or one name that holds the other: teal and deep teal, navy and navy blue. */
function isSame(a: Colour, b: Colour): boolean {
  if (a.codes.size > 0 && b.codes.size > 0) return !a.codes.isDisjointFrom(b.codes);
  const [ours, theirs] = [namesOf(a), namesOf(b)];
  if (ours.size === 0 || theirs.size === 0) return a.words.size > 0 && a.words.symmetricDifference(b.words).size === 0;
  return ours.isSubsetOf(theirs) || theirs.isSubsetOf(ours);
}

const brandColours = memo((brief: NormalizedBrief) => brief.brandGuidelines.palette.map(colourOf));

/** Colours of a poster that the brand's palette does not hold. White, black and grey only get a note. */
export const palette: Gate = {
  name: 'palette',
  version: 1,
  check({ passages }, brief) {
    const brand = brandColours(brief);
    if (brand.length === 0) return [];
    return spotsIn(
      passages.filter(({ role }) => role === 'colour'),
      ({ text }) => {
        const colour = colourOf(text);
        if (brand.some((own) => isSame(own, colour))) return [];
        const isNeutral = !NEUTRALS.isDisjointFrom(colour.codes) || !NEUTRALS.isDisjointFrom(colour.words);
        return [
          {
            start: 0,
            end: text.length,
            severity: isNeutral ? 'info' : 'minor',
            code: 'colour_not_of_brand',
            message: `The brand's palette does not hold ${quoted(text)}.`,
            mend: `use ${brief.brandGuidelines.palette.slice(0, 5).map(quoted).join(', ')}`,
          },
        ];
      },
    );
  },
};
