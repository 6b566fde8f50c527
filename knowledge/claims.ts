import { folded } from './clean.ts';
import { nameId } from './hash.ts';
import type { Row } from './piece.ts';
import { attributeOf, isSubject, isText } from './rows.ts';
import { isFunctionWord, isNegation, standsAlone, stem, type Word, wordsOf } from './words.ts';

/** One thing that can have one value only, and the value that a fact gives it. */
export interface Claim {
  /** The same for all facts that speak of the same thing. */
  key: string;
  /** What the value is of, in words. */
  attribute: string;
  value: string;
}

const MOST_CLAIMS = 12;
/** Columns whose value says when or where the others hold, rather than what. */
const FRAME =
  /^(date|day|week|month|year|quarter|period|time|season|region|country|city|market|channel|campaign|currency|language|unit|id|line|row|number)$/;
/** What follows one of these is said of what stands before it. */
const VERB =
  /\b(is|are|was|were|has|have|had|costs?|takes?|needs?|lasts?|weighs?|measures?|serves?|employs?|offers?|includes?|contains?|ships?|starts?|ends?|opens?|closes?|runs?|rose|fell|grew|dropped|increased|decreased|reached|within|until|after|before|below|above|for|at|by|from|to|in|of|:)(?=\s|$)/i;
const YEAR = /^(19|20)\d\d$/;
/** Attributes of which a thing has one, and the ways in which their value is given in a sentence. */
const SINGLE =
  'headquarters|head office|ceo|owner|founder|slogan|tagline|motto|phone number|phone|hotline|e-?mail|email address|address|website|warehouse|launch date|release date|opening hours|currency|capital|manager|contact|warranty|guarantee|colou?r|flagship store|return window|parent company|supplier';
const OF = new RegExp(`^(?:the |our )?(${SINGLE}) (?:of|for) (.{2,60}?) (?:is|are|was) (.{1,80})$`, 'i');
const POSSESSIVE = new RegExp(`^(.{2,60}?)(?:'s|\u2019s|s') (${SINGLE}) (?:is|are|was) (.{1,80})$`, 'i');
const OUR = new RegExp(`^(?:the|our) (${SINGLE}) (?:is|are|was) (.{1,80})$`, 'i');
const PLACED =
  /^(.{2,60}?) (?:is|are|was|were) (founded|headquartered|based|located|launched|established|owned|led|run) (?:in|by|at|from|since) (.{1,60})$/i;

/**
 * What a fact claims, to be compared with others of its collection. From the columns of a row with a subject: each column. From a
 * sentence: its numbers, where everything else agrees; whether it is denied; and attributes that a thing has one of, such as an owner.
 * Names with numbers before the verb and years beside other numbers say what is spoken of, not what is said of it.
 */
export function claimsOf(context: string, text: string, row: Row | undefined): Claim[] {
  const claims = new Map<string, Claim>();
  for (const claim of [...(row ? columnClaims(row) : []), ...sentenceClaims(context, text)])
    if (claims.size < MOST_CLAIMS && !claims.has(claim.key))
      claims.set(claim.key, { ...claim, attribute: claim.attribute.toWellFormed() });
  return [...claims.values()];
}

const keyOf = (kind: string, ...parts: readonly string[]) =>
  nameId(
    kind,
    ...parts.map((part) =>
      wordsOf(part)
        .map(({ plain }) => stem(plain))
        .join(' '),
    ),
  );

function columnClaims(row: Row): Claim[] {
  if (row.subject === '') return [];
  const frame = row.fields
    .filter(([name]) => FRAME.test(folded(name).trim()))
    .map(([name, value]) => `${name} ${value}`);
  const single = attributeOf(row);
  const told = single
    ? [single]
    : row.fields.filter(([name]) => !isSubject(name) && !isText(name) && !FRAME.test(folded(name).trim()));
  return told.flatMap(([name, value]) => {
    const plain = valueOf(value);
    if (name === '' || plain === '') return [];
    return [
      {
        key: keyOf('attribute', row.subject, name, frame.join(' ')),
        attribute: `${row.subject}: ${name}`,
        value: plain,
      },
    ];
  });
}

/** A value as it is compared: words and numbers without the way they are written. */
function valueOf(text: string): string {
  return wordsOf(text)
    .filter((word) => !isFunctionWord(word))
    .map(({ plain, kind }) => (kind === 'number' ? plain : stem(plain)))
    .join(' ');
}

function sentenceClaims(context: string, text: string): Claim[] {
  const plain = text.replace(/[.!]+$/, '');
  const named = namedClaim(context, plain);
  if (named) return [named];
  const words = wordsOf(plain).filter((word) => !isFunctionWord(word));
  const matter = words.filter((word) => !isNegation(word));
  if (matter.length < 2) return [];
  const about = standsAlone(matter) ? '' : context;
  const denied: Claim = {
    key: nameId('denied', folded(about), matter.map(({ plain: word }) => stem(word)).join(' ')),
    attribute: excerptOf(matter),
    value: words.some(isNegation) ? 'no' : 'yes',
  };
  return [...numberClaim(about, plain, words), denied];
}

function namedClaim(context: string, text: string): Claim | null {
  const [, ofAttribute, ofSubject, ofValue] = OF.exec(text) ?? [];
  if (ofAttribute && ofSubject && ofValue) return attributeClaim(ofSubject, ofAttribute, ofValue);
  const [, subject, attribute, value] = POSSESSIVE.exec(text) ?? [];
  if (subject && attribute && value) return attributeClaim(subject, attribute, value);
  const [, ourAttribute, ourValue] = OUR.exec(text) ?? [];
  if (ourAttribute && ourValue) return attributeClaim(context, ourAttribute, ourValue);
  const [, placed, how, where] = PLACED.exec(text) ?? [];
  if (placed && how && where) return attributeClaim(placed, how, where);
  const [, label, told] = new RegExp(`^(${SINGLE}) ?: (.{1,80})$`, 'i').exec(text) ?? [];
  return label && told ? attributeClaim(context, label, told) : null;
}

function attributeClaim(subject: string, attribute: string, value: string): Claim | null {
  const plain = valueOf(value);
  if (plain === '') return null;
  const about = wordsOf(subject)
    .filter((word) => !isFunctionWord(word))
    .map((word) => word.plain)
    .join(' ');
  return {
    key: keyOf('attribute', about, attribute, ''),
    attribute: `${subject}: ${attribute}`.replace(/^: /, ''),
    value: plain,
  };
}

/** The numbers behind the verb, under everything else that the sentence says. */
function numberClaim(context: string, text: string, words: readonly Word[]): Claim[] {
  const verb = VERB.exec(text);
  const before = verb ? wordsOf(text.slice(0, verb.index)).filter((word) => !isFunctionWord(word)).length : 0;
  const numbers = words.filter(({ kind }, at) => kind === 'number' && at >= before);
  const values = numbers.some(({ plain }) => !YEAR.test(plain))
    ? numbers.filter(({ plain }) => !YEAR.test(plain))
    : numbers;
  if (values.length === 0 || values.length > 4) return [];
  const skeleton = words.map((word) => (values.includes(word) ? '#' : stem(word.plain)));
  if (skeleton.filter((word) => word !== '#').length < 2) return [];
  return [
    {
      key: nameId('number', folded(context), skeleton.join(' ')),
      attribute: excerptOf(words.filter((word) => !values.includes(word))),
      value: values.map(({ plain }) => plain).join(' '),
    },
  ];
}

const excerptOf = (words: readonly Word[]) =>
  words
    .map(({ plain }) => plain)
    .join(' ')
    .slice(0, 120)
    .toWellFormed();
