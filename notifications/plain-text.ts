// Names of campaigns and steps and the messages of engines come from outside: they may hold line breaks, terminal
// escapes, characters that reverse the reading direction, and megabytes.

const DIRECTION_MARKS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const CONTROLS_BUT_NEWLINE = /(?!\n)\p{Cc}/gu;

/** Cut to at most `limit` UTF-16 units with an ellipsis, never through the middle of a character. */
export function cut(text: string, limit: number): string {
  if (text.length <= limit) return text;
  return `${text.slice(0, Math.max(0, limit - 1)).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** One line of printable text: for headers, titles and table cells. */
export function oneLine(text: string, limit = 200): string {
  const flat = text
    .slice(0, limit * 4)
    .replace(DIRECTION_MARKS, '')
    .replace(CONTROLS_BUT_NEWLINE, ' ');
  return cut(flat.replace(/\s+/gu, ' ').trim(), limit).toWellFormed();
}

/** Several lines of printable text. */
export function printable(text: string, limit = 2_000): string {
  const clean = cut(text, limit).replaceAll('\r\n', '\n').replaceAll('\t', ' ').replace(DIRECTION_MARKS, '');
  return clean.replace(CONTROLS_BUT_NEWLINE, ' ').trim().toWellFormed();
}

/** One path segment of a URL; also inert in a shell, which `encodeURIComponent` alone is not (`'`, `(`, `!`). */
export function segment(text: string): string {
  return encodeURIComponent(text.toWellFormed()).replace(/[!'()*]/g, percentEncoded);
}

function percentEncoded(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
