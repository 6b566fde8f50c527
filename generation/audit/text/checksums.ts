/** The Luhn check of payment cards (ISO/IEC 7812-1, annex B). @param digits nothing but digits */
export function passesLuhn(digits: string): boolean {
  let sum = 0;
  for (let at = 0; at < digits.length; at += 1) {
    const digit = Number(digits[digits.length - 1 - at]);
    const doubled = at % 2 === 1 ? digit * 2 : digit;
    sum += doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** Number ranges of the card networks: Visa, Mastercard, American Express, Discover, JCB, Diners, UnionPay. */
const CARD =
  /^(?:4\d{12}(?:\d{3}){0,2}|(?:5[1-5]|2[2-7])\d{14}|3[47]\d{13}|6(?:011|4[4-9]\d|5\d\d)\d{12}|35\d{14}|3[068]\d{12}|62\d{14,17})$/;

/** @param digits nothing but digits */
export const isCardNumber = (digits: string) => CARD.test(digits) && !/^(\d)\1+$/.test(digits) && passesLuhn(digits);

/** Lengths of the account numbers by country, from the SWIFT IBAN registry. */
const IBAN_LENGTHS: ReadonlyMap<string, number> = new Map(
  (
    'AD24 AE23 AT20 BE16 BG22 CH21 CY28 CZ24 DE22 DK18 EE20 ES24 FI18 FR27 GB22 GI23 GR27 HR21 HU28 IE22 IL23 IS26 IT27 LI21 ' +
    'LT20 LU20 LV21 MC27 MT31 NL18 NO15 PL28 PT25 RO24 RS22 SA24 SE24 SI19 SK24 SM27 TR26 UA29'
  )
    .split(' ')
    .map((entry) => [entry.slice(0, 2), Number(entry.slice(2))]),
);

/**
 * The IBAN that begins at an offset, by its country's length and its check digits (ISO 13616, ISO 7064 mod 97-10).
 * @returns the offset behind it, or undefined when there is none
 */
export function ibanEnd(text: string, start: number): number | undefined {
  const length = IBAN_LENGTHS.get(text.slice(start, start + 2).toUpperCase());
  if (length === undefined) return undefined;
  let [iban, at] = ['', start];
  while (iban.length < length && at < text.length) {
    const char = text[at] as string;
    if (/[A-Za-z0-9]/.test(char)) iban += char.toUpperCase();
    else if (char !== ' ' || text[at - 1] === ' ') return undefined;
    at += 1;
  }
  if (iban.length < length || /[A-Za-z0-9]/.test(text[at] ?? '')) return undefined;
  let rest = 0;
  for (const char of `${iban.slice(4)}${iban.slice(0, 4)}`)
    for (const digit of String(Number.parseInt(char, 36))) rest = (rest * 10 + Number(digit)) % 97;
  return rest === 1 ? at : undefined;
}
