import { LONGEST_FACT } from './limits.ts';

/** A stretch of text and the lines that it stands on. */
export interface Passage {
  text: string;
  line: number;
  lastLine: number;
}

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' });

/** Such a sentence speaks of the one before and would say little without it. */
const LEANS =
  /^(it|its|this|that|these|those|they|their|them|he|she|his|her|but|and|or|so|then|however|therefore|also|moreover|furthermore|otherwise|instead|for example|for instance|in addition|as a result)\b/i;
const FEWEST_WORDS = 4;
/** Periods behind these end no sentence. */
const ABBREVIATION =
  /\b(e\.g|i\.e|etc|approx|incl|excl|no|vs|mr|mrs|ms|dr|st|inc|ltd|co|corp|tel|fig|min|max|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec)\.\s*$/i;

/**
 * Cuts text, given line by line, into sentences that can stand alone: short ones and those that lean on what was said before stay with
 * it, as far as {@link LONGEST_FACT} allows. Each knows its lines.
 */
export function passagesOf(lines: readonly { line: number; text: string }[]): Passage[] {
  const starts: { at: number; line: number }[] = [];
  let whole = '';
  for (const { line, text } of lines) {
    const plain = text.replaceAll(/\s+/g, ' ').trim();
    if (plain === '') continue;
    if (whole !== '') whole += ' ';
    starts.push({ at: whole.length, line });
    whole += plain;
  }
  const lineAt = (at: number) => starts.findLast((start) => start.at <= at)?.line ?? lines[0]?.line ?? 1;
  return cut(whole).map(({ from, to }) => ({
    text: whole.slice(from, to).trim(),
    line: lineAt(from),
    lastLine: lineAt(Math.max(from, to - 1)),
  }));
}

interface Span {
  from: number;
  to: number;
}

function cut(text: string): Span[] {
  const spans: Span[] = [];
  let open = false;
  for (const { segment, index } of segmenter.segment(text)) {
    const to = index + segment.length;
    const last = spans.at(-1);
    const leans = open || LEANS.test(segment) || wordsIn(segment) < FEWEST_WORDS;
    if (last && leans && to - last.from <= LONGEST_FACT) last.to = to;
    else spans.push({ from: index, to });
    open = ABBREVIATION.test(segment);
  }
  const [first, second, ...others] = spans;
  // A short beginning belongs to what follows.
  if (
    first &&
    second &&
    wordsIn(text.slice(first.from, first.to)) < FEWEST_WORDS &&
    second.to - first.from <= LONGEST_FACT
  )
    spans.splice(0, spans.length, { from: first.from, to: second.to }, ...others);
  return spans.flatMap((span) => cutLong(text, span)).filter(({ from, to }) => text.slice(from, to).trim() !== '');
}

const wordsIn = (text: string) => text.match(/[\p{L}\p{N}]+/gu)?.length ?? 0;

function cutLong(text: string, { from, to }: Span): Span[] {
  const parts: Span[] = [];
  let at = from;
  while (to - at > LONGEST_FACT) {
    // Looked for in this part only: through all that comes before it would take long.
    const space = text.slice(at, at + LONGEST_FACT + 1).lastIndexOf(' ');
    const end = space > 0 ? at + space : safeEnd(text, at + LONGEST_FACT);
    parts.push({ from: at, to: end });
    at = end;
  }
  parts.push({ from: at, to });
  return parts;
}

/** Not between the two halves of one character. */
function safeEnd(text: string, at: number): number {
  return /[\uD800-\uDBFF]/.test(text[at - 1] ?? '') ? at - 1 : at;
}
