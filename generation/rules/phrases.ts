import type { NormalizedBrief } from '../normalized-brief.ts';

/** The first sentence of a text, without its full stop. */
export function firstSentence(text: string): string {
  const [sentence = ''] = text.trim().split(/(?<=[.!?…])\s|\n/u);
  return sentence.replace(/[.…]+$/u, '').trim();
}

/** Cut at a word, with an ellipsis where something is missing; never longer than `most` UTF-16 code units. */
export function clip(text: string, most: number): string {
  if (text.length <= most) return text;
  const room = text.slice(0, Math.max(0, most - 1));
  const at = room.lastIndexOf(' ');
  return `${(at > most / 2 ? room.slice(0, at) : room).replace(/[\s,;:.–-]+$/u, '').toWellFormed()}…`;
}

/** How the product is called: what stands before the first punctuation, verb of being or relative clause. */
export function productName({ product }: NormalizedBrief): string {
  const [name = ''] = firstSentence(product).split(/[,:;(–—]|\s-\s|\s(?:is|are|that|which|for|with)\s/iu);
  return clip(name.trim() || firstSentence(product), 60);
}

/** What is said of the product after its name, such as `a family restaurant`; its first sentence where that does not name it. */
export function productDescription(brief: NormalizedBrief): { named: boolean; text: string } {
  const sentence = firstSentence(brief.product);
  const name = productName(brief);
  const rest = sentence.startsWith(name) ? sentence.slice(name.length).replace(/^[\s,:;–—-]+/u, '') : '';
  const isDescription = /^(a|an|the|one|our|your|its)\s/iu.test(rest);
  return isDescription ? { named: true, text: rest } : { named: false, text: sentence };
}

export const capitalized = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** The phrase as part of a sentence: lower case, unless its first word is written in capitals or has them inside. */
export function inSentence(text: string): string {
  const [word = ''] = text.split(/\s/u);
  const isName = /^\p{Lu}(.*\p{Lu}|$)/u.test(word) || /\d/u.test(word);
  return isName ? text : text.charAt(0).toLowerCase() + text.slice(1);
}

/** Required terms that a text does not hold yet, put behind it. */
export function withRequired(text: string, { constraints }: NormalizedBrief): string {
  const held = text.toLowerCase();
  const missing = constraints.requiredTerms.filter((term) => !held.includes(term.toLowerCase()));
  return missing.length === 0 ? text : `${text.replace(/[.\s]+$/u, '')} (${missing.join(', ')}).`;
}
