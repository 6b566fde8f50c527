import type { NormalizedBrief } from '../../normalized-brief.ts';
import { namedRanges } from '../evidence.ts';
import { quoted } from '../finding.ts';
import { memo, published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { isLiteral, LiteralTerms } from '../text/literal-terms.ts';
import { passageLetters } from '../text/passage-reading.ts';
import { TermMatcher, type TermHit } from '../text/term-matcher.ts';

const matchersOf = memo(({ constraints, language }: NormalizedBrief) => ({
  // A literal term keeps its place in the list, with nothing to find.
  words: new TermMatcher(
    constraints.prohibitedTerms.map((term) => (isLiteral(term) ? '' : term)),
    { language, inflected: true, disguised: true },
  ),
  literal: new LiteralTerms(constraints.prohibitedTerms),
}));

function spotOf(hit: TermHit, term: string, isName: boolean): Spot {
  const place = { start: hit.start, end: hit.end };
  if (isName)
    return {
      ...place,
      severity: 'info',
      code: 'prohibited_term_in_name',
      message: `The prohibited term ${quoted(term)} stands here as part of the product's name.`,
      mend: 'nothing, if the name is meant',
    };
  return {
    ...place,
    severity: 'critical',
    code: hit.disguised ? 'prohibited_term_disguised' : 'prohibited_term',
    message: `The brief prohibits ${quoted(term)}${hit.disguised ? ', which stands here in disguise' : ''}.`,
    mend: 'take it out and say it in other words',
  };
}

/** Terms that the brief prohibits, in any form and any disguise. */
export const prohibitedTerms: Gate = {
  name: 'prohibited-terms',
  version: 1,
  check(candidate, brief) {
    const terms = brief.constraints.prohibitedTerms;
    if (terms.length === 0) return [];
    const { words, literal } = matchersOf(brief);
    return spotsIn(published(candidate), (passage) => {
      const names = namedRanges(passage.text, brief);
      return [...words.find(passageLetters(passage, words.folding)), ...literal.find(passage.text)].map((hit) =>
        spotOf(
          hit,
          terms[hit.term] as string,
          names.some(([start, end]) => hit.start >= start && hit.end <= end && hit.end - hit.start < end - start),
        ),
      );
    });
  },
};
