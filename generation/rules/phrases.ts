import type { NormalizedBrief } from '../normalized-brief.ts';

const saysSomething = (text: string) => /[\p{L}\p{N}]/u.test(text);

/** The first sentence of a text that says something, without its full stop. */
export function firstSentence(text: string): string {
  const sentence =
    text
      .trim()
      .split(/(?<=[.!?…])\s|\n/u)
      .find(saysSomething) ?? text;
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
export function productName({ product }: Pick<NormalizedBrief, 'product'>): string {
  const sentence = firstSentence(product);
  const name = sentence.split(/[,:;(–—]|\s-\s|\s(?:is|are|that|which|for|with)\s/iu).find(saysSomething);
  return clip((name ?? sentence).trim(), 60);
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

/** A text with the required terms that it does not hold yet behind it, cut so that they have room. */
export function withRequired(text: string, { constraints }: NormalizedBrief, most: number): string {
  const held = text.toLowerCase();
  const { requiredTerms: required } = constraints;
  const missing = required.filter((term) => !held.includes(term.toLowerCase()));
  const whole = missing.length === 0 ? text : `${text.replace(/[.\s]+$/u, '')} (${missing.join(', ')}).`;
  if (whole.length <= most || required.length === 0) return clip(whole, most);
  // What is cut off may have held some of them.
  const all = required.join(', ');
  const room = most - all.length - ' ()'.length;
  return room > 0 ? `${clip(text, room)} (${all})` : clip(all, most);
}
