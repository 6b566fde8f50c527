import { findPhoneNumbersInText, type CountryCode } from 'libphonenumber-js/max';
import type { NormalizedBrief } from '../../normalized-brief.ts';
import { briefTexts, isSaid } from '../evidence.ts';
import { memo, published, spotsIn, type Gate, type Spot } from '../gate.ts';
import { ibanEnd, isCardNumber } from '../text/checksums.ts';
import { windowsOf } from '../text/windows.ts';

interface Place {
  start: number;
  end: number;
}

/** `example.com` and the like stand for an address that is still missing; that is the business of the placeholders. */
const RESERVED = /(?:^|[@.])example\.(?:com|org|net)$|\.(?:example|invalid|test)$/;
/** Mailboxes of a task, not of a person. */
const ROLE =
  /^(?:info|hello|hi|support|help|sales|contact|press|jobs|team|office|service|orders|booking|bookings|kontakt)@/;

function emailsOf(text: string): (Place & { address: string })[] {
  const found: (Place & { address: string })[] = [];
  for (let at = text.indexOf('@'); at !== -1; at = text.indexOf('@', at + 1)) {
    const local = /[\p{L}\p{N}._%+-]+$/u.exec(text.slice(Math.max(0, at - 64), at))?.[0];
    const domain = /^[\p{L}\p{N}-]{1,63}(?:\.[\p{L}\p{N}-]{1,63})+/u.exec(text.slice(at + 1, at + 256))?.[0];
    if (local === undefined || domain === undefined) continue;
    const start = at - local.length;
    const end = at + 1 + domain.length;
    found.push({ start, end, address: text.slice(start, end).toLowerCase() });
  }
  // “name (at) domain (dot) com”, written for people and not for machines.
  for (const { index, 0: whole } of text.matchAll(/[([{]\s?at\s?[)\]}]/giu)) {
    const local = /[\p{L}\p{N}._%+-]{1,64}\s?$/u.exec(text.slice(Math.max(0, index - 65), index))?.[0];
    const behind = index + whole.length;
    const domain = /^\s?[\p{L}\p{N}-]{1,63}(?:(?:\.|\s?[([{]\s?dot\s?[)\]}]\s?)[\p{L}\p{N}-]{1,63})+/iu.exec(
      text.slice(behind, behind + 256),
    )?.[0];
    if (local === undefined || domain === undefined) continue;
    const address = `${local}@${domain}`.replace(/\s?[([{]\s?dot\s?[)\]}]\s?/gi, '.').replace(/\s/g, '');
    found.push({ start: index - local.length, end: behind + domain.length, address: address.toLowerCase() });
  }
  return found;
}

/** Where the national numbers of a text are called from, by its language alone. */
const COUNTRIES: Record<string, CountryCode> = {
  da: 'DK',
  de: 'DE',
  en: 'US',
  es: 'ES',
  fi: 'FI',
  fr: 'FR',
  it: 'IT',
  nl: 'NL',
  no: 'NO',
  pl: 'PL',
  pt: 'PT',
  sv: 'SE',
};
const countryOf = (language: string) => (language.slice(3, 5) as CountryCode | '') || COUNTRIES[language.slice(0, 2)];

/** The search in a row of digits grows with its length squared, and with it this bounds the work. */
const PHONE_WINDOW = 1000;
const OTHER_NUMBER =
  /(?:order|invoice|ref(?:erence)?|sku|model|item|article|art|part|serial|tracking|ticket|isbn|ean|no|nr|id|number|case|code|#)[\s.:#-]*$/i;
const PHONE_CUE =
  /(?:call|phone|tel|telephone|text|whatsapp|fax|mobile|dial|ring|sms|☎|📞)[^\p{L}\p{N}]{0,12}(?:us\s|me\s|at\s|on\s|now\s){0,3}$/iu;

function phonesOf(text: string, country: CountryCode | undefined): (Place & { number: string })[] {
  return windowsOf(text, PHONE_WINDOW).flatMap((window) => {
    if ((window.text.match(/\p{Nd}/gu)?.length ?? 0) < 7) return [];
    return findPhoneNumbersInText(window.text, country === undefined ? {} : { defaultCountry: country }).flatMap(
      ({ number, startsAt, endsAt }) => {
        const place = { start: window.offset + startsAt, end: window.offset + endsAt };
        const written = text.slice(place.start, place.end);
        const before = text.slice(Math.max(0, place.start - 40), place.start);
        const isCalled = PHONE_CUE.test(before);
        const isBare = /^\p{Nd}+$/u.test(written);
        if (!isCalled && (OTHER_NUMBER.test(before) || isBare)) return [];
        return [{ ...place, number: number.number }];
      },
    );
  });
}

const SURE_STREET = 'Street|Avenue|Ave|Road|Lane|Boulevard|Blvd|Terrace|Highway';
const STREETS = [
  // A house number, one to three capitalized words, and what only streets are called.
  new RegExp(
    String.raw`(?<![\p{L}\p{N}])\d{1,5}\s(?:\p{Lu}[\p{L}'’.-]{1,20}\s){1,3}(?:${SURE_STREET})(?![\p{L}])`,
    'gu',
  ),
  // The same with a word that has other meanings, if a town follows.
  /(?<![\p{L}\p{N}])\d{1,5}\s(?:\p{Lu}[\p{L}'’.-]{1,20}\s){1,3}(?:St|Rd|Dr|Drive|Way|Court|Ct|Square|Place)\.?,\s\p{Lu}/gu,
  /(?<![\p{L}\p{N}])\p{Lu}\p{L}{1,30}(?:straße|strasse|gasse|allee)\s\d{1,4}[a-z]?(?![\p{L}\p{N}])/gu,
  /(?<![\p{L}\p{N}])\d{1,4},?\s(?:rue|avenue|boulevard|via|calle)\s(?:\p{L}{1,20}\s){0,3}\p{Lu}\p{L}{1,30}/giu,
];

const contactsOf = memo((brief: NormalizedBrief) => {
  const texts = briefTexts(brief);
  const emails = texts.flatMap(emailsOf).map(({ address }) => address);
  return {
    emails: new Set(emails),
    phones: new Set(texts.flatMap((text) => phonesOf(text, countryOf(brief.language)).map(({ number }) => number))),
    text: texts.join('\n').toLowerCase(),
    digits: texts.map((text) => text.replace(/\P{Nd}/gu, '')).join(' '),
  };
});

const EMPTY: Pick<Spot, 'severity' | 'mend'> = {
  severity: 'major',
  mend: 'take it out, or add it to the brief if it is meant to be public',
};

function contactSpots(text: string, brief: NormalizedBrief): Spot[] {
  const own = contactsOf(brief);
  const emails = emailsOf(text)
    .filter(({ address }) => !own.emails.has(address) && !RESERVED.test(address))
    .map(({ start, end, address }): Spot => {
      const isOwnDomain = ROLE.test(address) && own.text.includes(address.slice(address.indexOf('@') + 1));
      return {
        ...EMPTY,
        ...(isOwnDomain ? { severity: 'minor' } : {}),
        start,
        end,
        code: 'email_address',
        message: 'An e-mail address that does not stand in the brief.',
      };
    });
  const phones = phonesOf(text, countryOf(brief.language))
    .filter(({ number }) => !own.phones.has(number) && !own.digits.includes(number.slice(-9)))
    .map(({ start, end }): Spot => ({
      ...EMPTY,
      start,
      end,
      code: 'phone_number',
      message: 'A telephone number that does not stand in the brief.',
    }));
  const streets = STREETS.flatMap((street) => Array.from(text.matchAll(street)))
    .filter((found) => !isSaid(brief, found[0]))
    .map((found): Spot => ({
      ...EMPTY,
      severity: 'minor',
      start: found.index,
      end: found.index + found[0].length,
      code: 'street_address',
      message: 'What looks like a street address, and does not stand in the brief.',
    }));
  return [...emails, ...phones, ...streets];
}

function accountSpots(text: string, brief: NormalizedBrief): Spot[] {
  const own = contactsOf(brief);
  const spots: Spot[] = [];
  const add = (start: number, end: number, code: string, message: string) =>
    spots.push({ start, end, code, message, severity: 'critical', mend: 'take it out' });
  for (const { index, 0: digits } of text.matchAll(/(?<!\d)\d(?:[ -]?\d){12,18}(?!\d)/g))
    if (isCardNumber(digits.replace(/[ -]/g, '')))
      add(index, index + digits.length, 'card_number', 'The number of a payment card.');
  for (const { index } of text.matchAll(/(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}/g)) {
    const end = ibanEnd(text, index);
    const isOwn =
      end !== undefined &&
      own.text.replace(/\s/g, '').includes(text.slice(index, end).replace(/\s/g, '').toLowerCase());
    if (end !== undefined && !isOwn) add(index, end, 'iban', 'The number of a bank account.');
  }
  for (const { index, 0: number } of text.matchAll(/(?<![\d-])(?!000|666|9)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])/g))
    add(index, index + number.length, 'social_security_number', 'What looks like a US social security number.');
  return spots;
}

/** E-mail addresses, telephone numbers, streets and account numbers, unless the brief gives them itself. */
export const personalData: Gate = {
  name: 'personal-data',
  version: 1,
  check(candidate, brief) {
    return spotsIn(published(candidate), ({ text }) => [...contactSpots(text, brief), ...accountSpots(text, brief)]);
  },
};
