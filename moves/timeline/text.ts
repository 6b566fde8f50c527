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

/** Width in em of a character as people see it, rather too wide than too narrow: fonts differ, and none is at hand. */
function widthOf(grapheme: string): number {
  const code = grapheme.codePointAt(0) ?? 0;
  if (code >= 0x1100) return 1.1;
  if (/[iljtfrI.,;:'|!()[\] ]/.test(grapheme)) return 0.33;
  if (/[mwMW@%—…]/.test(grapheme)) return 0.9;
  return /[A-Z&]/.test(grapheme) ? 0.72 : 0.57;
}

/** How wide a text is about, in pixels. @param size of the font, in pixels */
export function measure(text: string, size: number): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOf(segment);
  return width * size;
}

/** The text, cut with an ellipsis where it would be wider than so many pixels. */
export function fit(text: string, pixels: number, size: number): string {
  const clean = withFewMarks(plain(text));
  if (measure(clean, size) <= pixels) return clean;
  let room = pixels / size - widthOf('…');
  let kept = '';
  for (const { segment } of segmenter.segment(clean)) {
    room -= widthOf(segment);
    if (room < 0) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
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
