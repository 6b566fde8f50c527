import type { Passage } from '../artifacts.ts';

/** A text in which every row of white space is one space, with the offset of each of its units in the original. */
function collapse(text: string): { text: string; offsets: number[] } {
  let collapsed = '';
  const offsets: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const isSpace = /\s/.test(text[at] as string);
    if (isSpace && (collapsed === '' || collapsed.endsWith(' '))) continue;
    collapsed += isSpace ? ' ' : (text[at] as string);
    offsets.push(at);
  }
  return { text: collapsed, offsets };
}

/** Letters and digits that a quote needs to say anything, unless the whole passage has fewer. */
const LEAST_QUOTED = 4;
const said = (text: string) => text.match(/[\p{L}\p{N}]/gu)?.length ?? 0;

/**
 * Where a quote stands word by word in one of the passages; only white space may differ.
 * @returns undefined where it does not stand, or says too little to show anything
 */
export function findQuote(
  passages: readonly Passage[],
  quote: string,
): { passage: Passage; start: number; end: number } | undefined {
  const wanted = quote.replace(/\s+/g, ' ').trim();
  if (said(wanted) === 0) return undefined;
  for (const passage of passages) {
    const { text, offsets } = collapse(passage.text);
    const at = text.indexOf(wanted);
    if (at === -1 || (said(wanted) < LEAST_QUOTED && said(wanted) < said(text))) continue;
    return { passage, start: offsets[at] as number, end: (offsets[at + wanted.length - 1] as number) + 1 };
  }
  return undefined;
}
