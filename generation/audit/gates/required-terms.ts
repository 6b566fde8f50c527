import type { Passage } from '../../artifacts.ts';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import { quoted, type Flaw } from '../finding.ts';
import { memo, published, type Gate } from '../gate.ts';
import { isLiteral, LiteralTerms } from '../text/literal-terms.ts';
import { passageLetters } from '../text/passage-reading.ts';
import { TermMatcher } from '../text/term-matcher.ts';

const matchersOf = memo(({ constraints, language }: NormalizedBrief) => ({
  words: new TermMatcher(
    constraints.requiredTerms.map((term) => (isLiteral(term) ? '' : term)),
    { language },
  ),
  literal: new LiteralTerms(constraints.requiredTerms),
}));

function missingFrom(unit: readonly Passage[], brief: NormalizedBrief): string[] {
  const { words, literal } = matchersOf(brief);
  const present = new Set<number>();
  for (const passage of unit)
    for (const { term, disguised } of [
      ...words.find(passageLetters(passage, words.folding)),
      ...literal.find(passage.text),
    ])
      // A term that is hidden from readers or searches is not there.
      if (!disguised) present.add(term);
  return brief.constraints.requiredTerms.filter((_, index) => !present.has(index));
}

/** Terms that the brief requires, in each unit that is published: the copy, every post, the poster. */
export const requiredTerms: Gate = {
  name: 'required-terms',
  version: 1,
  check(candidate, brief) {
    if (brief.constraints.requiredTerms.length === 0) return [];
    const units = Map.groupBy(published(candidate), ({ unit }) => unit);
    return [...units.values()].flatMap((unit) => {
      const main = unit.find(({ role }) => role === 'body' || role === 'post') ?? unit[0];
      if (!main) return [];
      return missingFrom(unit, brief).map((term): Flaw => ({
        passage: main,
        start: 0,
        end: main.text.length,
        severity: 'major',
        code: 'required_term_missing',
        message: `The brief requires ${quoted(term)}, which does not stand here.`,
        mend: `work ${quoted(term)} in, in just these words`,
      }));
    });
  },
};
