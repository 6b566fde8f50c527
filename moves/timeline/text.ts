/**
 * Text on one line as pictures and calendars can hold it: no control characters, none that turn the direction of writing, no
 * noncharacters, no half of a surrogate pair, and any run of white space as one blank.
 */
export function plain(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[\p{Cc}\p{Bidi_Control}\p{Noncharacter_Code_Point}]/gu, '')
    .trim();
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** The characters of a text as people see them, one after another, so that nobody has to wait for the end of a long one. */
function* charactersOf(text: string): Generator<string> {
  // The segmenter is slow, and most texts do not need it.
  if (/^[ -~]*$/.test(text)) yield* text;
  else for (const { segment } of segmenter.segment(text)) yield segment;
}

/** Width in em of a character as people see it, rather too wide than too narrow: fonts differ, and none is at hand. */
function widthOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  if (code >= 0x1100) return 1.1;
  if (/[iljtfrI.,;:'|!()[\] ]/.test(character)) return 0.33;
  if (/[wW@%—…]/.test(character)) return 0.95;
  return /[mM]/.test(character) ? 0.87 : /[A-Z&]/.test(character) ? 0.72 : 0.57;
}

/** How wide a text is about, in pixels. @param size of the font, in pixels */
export function measure(text: string, size: number): number {
  let width = 0;
  for (const character of charactersOf(text)) width += widthOf(character);
  return width * size;
}

/** The text, cut with an ellipsis where it would be wider than so many pixels. */
export function fit(text: string, pixels: number, size: number): string {
  const clean = withFewMarks(plain(text));
  const room = pixels / size;
  let width = 0;
  let kept = '';
  let fitting = '';
  for (const character of charactersOf(clean)) {
    width += widthOf(character);
    if (width > room) return `${fitting.trimEnd()}…`;
    kept += character;
    if (width + widthOf('…') <= room) fitting = kept;
  }
  return clean;
}

/** Marks piled on one letter reach into other lines; no language needs more than three. */
const withFewMarks = (text: string) => text.replaceAll(/(\p{M}{3})\p{M}+/gu, '$1');

const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', timeZone: 'UTC' });
const numberFormat = new Intl.NumberFormat('en-US', { maximumFractionDigits: 2 });

/** Such as `2 Mar`. */
export const shortDay = (day: string): string => dayFormat.format(Date.parse(day));

export const numeral = (value: number): string => numberFormat.format(value);

/** Such as `35 %`, of a share from 0 to 1. */
export const percent = (share: number): string => `${Math.round(share * 100)} %`;
