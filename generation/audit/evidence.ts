import type { NormalizedBrief } from '../normalized-brief.ts';
import { memo } from './gate.ts';
import { wordsOf } from './text/words.ts';

/** Everything that a brief says by itself and that a claim may rest on. */
export const briefTexts = memo((brief: NormalizedBrief): readonly string[] => [
  brief.objective,
  brief.audience,
  brief.product,
  brief.tone,
  ...brief.facts.map(({ text }) => text),
  ...brief.constraints.requiredTerms,
]);

const phrasesOf = memo(
  (brief: NormalizedBrief) =>
    ` ${briefTexts(brief)
      .map((text) =>
        wordsOf(text)
          .map(({ word }) => word)
          .join(' '),
      )
      .join(' | ')} `,
);

/** Whether the brief itself holds these words, in this order and next to each other, whatever their case and accents. */
export function isSaid(brief: NormalizedBrief, phrase: string): boolean {
  const words = wordsOf(phrase).map(({ word }) => word);
  return words.length > 0 && phrasesOf(brief).includes(` ${words.join(' ')} `);
}

/** Names of the product: two and more words with capitals, or what stands in quotation marks. */
const NAME = /\p{Lu}[\p{L}\p{N}'’&-]*(?:\s\p{Lu}[\p{L}\p{N}'’&-]*)+|[“"]([^“”"]{2,80})[”"]/gu;

const MOST_NAMES = 50;

/** An article that begins a name is often left out, and a sentence begins with one that is none of it. */
function withoutArticle(name: string): string[] {
  const rest = name.replace(/^(?:The|A|An)\s/u, '');
  return rest === name ? [name] : rest.includes(' ') ? [name, rest] : [];
}

const productNames = memo((brief: NormalizedBrief): readonly string[] =>
  Array.from(brief.product.matchAll(NAME), (found) => found[1] ?? found[0])
    .flatMap(withoutArticle)
    .slice(0, MOST_NAMES),
);

/** Where a text names the product, as UTF-16 ranges. */
export function namedRanges(text: string, brief: NormalizedBrief): [start: number, end: number][] {
  return productNames(brief).flatMap((name) => {
    const ranges: [number, number][] = [];
    for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + name.length))
      ranges.push([at, at + name.length]);
    return ranges;
  });
}
