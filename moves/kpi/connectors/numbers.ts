export type DecimalSign = ',' | '.';

export interface NumberText {
  text: string;
  /** Of the file, from 1. */
  line: number;
}

/** Thousands may be parted by the other sign, by spaces or by apostrophes. No group begins with a zero: 0.123 is a fraction. */
const FORMS: Record<DecimalSign, RegExp> = {
  ',': /^-?(?:\d+|[1-9]\d{0,2}(?:(?:\.\d{3})+|(?:[ '’]\d{3})+))(?:,\d+)?$/,
  '.': /^-?(?:\d+|[1-9]\d{0,2}(?:(?:,\d{3})+|(?:[ '’]\d{3})+))(?:\.\d+)?$/,
};
const EXPONENT = /^-?\d+(?:\.\d+)?e[+-]?\d{1,3}$/i;

/** Spaces that programs put between thousands, and the minus of typography, as they are typed. */
const typed = (text: string) =>
  text
    .trim()
    .replaceAll(/[\u00a0\u2009\u202f]/g, ' ')
    .replace(/^\u2212/, '-')
    .replace(/^\+/, '');

/** The number that a text is with this decimal sign; null when it is none: no units, no percent signs, nothing left to guess. */
export function numberIn(text: string, sign: DecimalSign): number | null {
  const plain = typed(text);
  if (EXPONENT.test(plain)) return sign === '.' ? Number(plain) : null;
  if (!FORMS[sign].test(plain)) return null;
  const [whole = '', fraction] = plain.split(sign);
  const digits = whole.replaceAll(/[., '’]/g, '');
  return Number(fraction === undefined ? digits : `${digits}.${fraction}`);
}

/**
 * The decimal sign of a column. `1.5` and `1,234.5` leave no doubt, `1.234` alone does: it may be a fraction or more than a
 * thousand.
 * @throws {RangeError} in words for people, when both signs stand there or there is doubt
 */
export function decimalSignOf(values: readonly NumberText[]): DecimalSign {
  const evidence = new Map<DecimalSign, NumberText>();
  let doubtful: NumberText | undefined;
  for (const value of values) {
    const [asComma, asPoint] = [numberIn(value.text, ','), numberIn(value.text, '.')];
    if (asComma === asPoint) continue;
    if (asComma !== null && asPoint !== null) doubtful ??= value;
    else evidence.set(asComma === null ? '.' : ',', evidence.get(asComma === null ? '.' : ',') ?? value);
  }
  const [comma, point] = [evidence.get(','), evidence.get('.')];
  const name = ({ text, line }: NumberText) => `${JSON.stringify(text.trim())} in line ${line}`;
  if (comma && point)
    throw new RangeError(`has both decimal commas (${name(comma)}) and decimal points (${name(point)})`);
  if (!comma && !point && doubtful)
    throw new RangeError(`leaves open whether ${name(doubtful)} is a fraction or has thousands`);
  return comma ? ',' : '.';
}
