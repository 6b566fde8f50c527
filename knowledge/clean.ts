/** Characters in the Unicode tag block spell out ASCII text that nobody sees. */
const TAGS = /[\u{E0000}-\u{E007F}]+/gu;
/** What Unicode says is not shown (zero-width signs, soft hyphens, signs that turn the direction), but for joiners and emoji styles. */
const INVISIBLE =
  /(?!\u200C|\u200D|\uFE0E|\uFE0F)[\p{Default_Ignorable_Code_Point}\u202A-\u202E\uFFF9-\uFFFB\uE000\uE001]/gu;
/** Joiners mean something between letters of some scripts and in emoji, and hide something between Latin letters. */
const JOINER =
  /(?<![^\p{ASCII}\p{Script=Latin}])[\u200C\u200D]|[\u200C\u200D](?![^\p{ASCII}\p{Script=Latin}])|(?<=[\u200C\u200D])[\u200C\u200D]/gu;
const CONTROL = /(?![\t\n\r\u0085])\p{Cc}/gu;
const SPACES = /[\s\u0085]+/gu;

/** Text as it stands in a fact. */
export interface Cleaned {
  text: string;
  /** What unseen characters spelt out, or how many there were more than a few; empty for ordinary text. */
  invisible: string;
}

/** How many unseen characters a text may hold by accident, such as hyphenation hints of a word processor. */
const ACCIDENTAL = 16;

/**
 * Brings text into one form: Unicode NFC, no control characters, nothing that cannot be seen, single spaces. What invisible
 * characters spelt out is told, since somebody wanted a machine to read what people do not.
 */
export function clean(given: string): Cleaned {
  const hidden = [...given.matchAll(TAGS)]
    .map(([run]) => Array.from(run, (sign) => String.fromCodePoint((sign.codePointAt(0) ?? 0) - 0xe0000)).join(''))
    .join('')
    .replaceAll(CONTROL, '');
  const unseen = given.match(INVISIBLE)?.length ?? 0;
  const text = given
    .toWellFormed()
    .replaceAll(TAGS, '')
    .replaceAll(INVISIBLE, '')
    .replaceAll(JOINER, '')
    .replaceAll(CONTROL, '')
    .normalize('NFC')
    .replaceAll(SPACES, ' ')
    .trim();
  // Flags of regions are spelt with tags behind a black flag, and end with a cancel tag.
  const spelt = /^(gb(eng|sct|wls))*$/.test(hidden) ? '' : hidden;
  return { text, invisible: spelt || (unseen > ACCIDENTAL ? `${unseen} invisible characters` : '') };
}

/** Without accents, in lower case, compatibility forms resolved: for comparing, not for showing. */
export function folded(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase();
}

const NUMBER = /\d{1,3}(?:[,' \u00A0\u202F]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?/g;

/** A number as written, without separators of thousands and without zeros behind: `1,500.00` is `1500`. */
export function plainNumber(written: string): string {
  return String(Number(written.replaceAll(/[,' \u00A0\u202F]/g, '')));
}

/** A text whose numbers are all written plainly. */
export function withPlainNumbers(text: string): string {
  return text.replaceAll(NUMBER, plainNumber);
}

/**
 * Spellings of the words of a text that differ from the text's own: without accents, numbers without separators.
 * @param more what is to be found beside the text
 */
export function aliasesOf(text: string, more = ''): string {
  const aliases = new Set<string>(more === '' ? [] : [clean(more).text.slice(0, 900).toWellFormed()]);
  for (const word of text.match(/[\p{L}\p{M}]+/gu) ?? []) {
    const plain = folded(word);
    if (plain !== word.toLowerCase()) aliases.add(plain);
  }
  for (const [written] of text.matchAll(NUMBER)) {
    const plain = plainNumber(written);
    if (plain !== written) aliases.add(plain);
  }
  return [...aliases].join(' ').slice(0, 1_000).toWellFormed();
}
