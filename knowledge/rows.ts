import { FACT_TYPES, type FactType } from '../database/tables-knowledge.ts';
import { folded } from './clean.ts';
import { LONGEST_CONTEXT, LONGEST_FACT } from './limits.ts';
import type { Piece, Row } from './piece.ts';
import { passagesOf } from './sentences.ts';

type Field = readonly [name: string, value: string];

const TEXT = new Set(
  'fact text statement content description body note notes comment review quote testimonial message claim summary'.split(
    ' ',
  ),
);
const TYPE = new Set('type fact type kind category class label'.split(' ').concat('fact type'));
const SUBJECT = new Set(
  'subject name title product item plan service company business entity brand sku model segment persona audience topic'.split(
    ' ',
  ),
);
/** They number the sentences of a list, and say nothing about them. */
const NUMBERING = new Set(['id', 'index', 'line', 'row']);
const ATTRIBUTE = new Set(['attribute', 'property', 'field', 'key', 'metric', 'kpi']);
const VALUE = new Set(['value', 'amount', 'figure']);

/** What people call the types, beside their own names. */
const TYPE_NAMES: Readonly<Record<string, FactType>> = {
  benefit: 'product',
  feature: 'product',
  service: 'product',
  specification: 'product',
  customer: 'audience',
  icp: 'audience',
  persona: 'audience',
  'pain point': 'audience',
  segment: 'audience',
  'brand voice': 'brand',
  mission: 'brand',
  tone: 'brand',
  value: 'brand',
  voice: 'brand',
  deal: 'offer',
  discount: 'offer',
  price: 'offer',
  pricing: 'offer',
  promotion: 'offer',
  award: 'proof',
  'case study': 'proof',
  evidence: 'proof',
  review: 'proof',
  'social proof': 'proof',
  testimonial: 'proof',
  compliance: 'constraint',
  legal: 'constraint',
  policy: 'constraint',
  restriction: 'constraint',
  rule: 'constraint',
  kpi: 'metric',
  measure: 'metric',
  performance: 'metric',
  result: 'metric',
  statistic: 'metric',
};

/** A cell that is longer may stand in a text cut short. */
const CELL_IN_TEXT = LONGEST_FACT / 2;

const plainSpaces = (text: string) => text.replaceAll(/\s+/g, ' ').trim();
export const plainName = (name: string) =>
  folded(name)
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim();

/** The type that a word names, as people write it in a column; null for any other word. */
export function typeNamed(word: string): FactType | null {
  const plain = plainName(word);
  const names = [plain, plain.replace(/s$/, ''), plain.replace(/ies$/, 'y')];
  const known = FACT_TYPES.find((type) => type !== 'unclassified' && names.includes(type));
  return (
    known ?? names.map((name) => (Object.hasOwn(TYPE_NAMES, name) ? TYPE_NAMES[name] : undefined)).find(Boolean) ?? null
  );
}

/** Words of headings that name a type, beside those of columns. */
const HEADING_NAMES: Readonly<Record<string, FactType>> = {
  menu: 'product',
  catalogue: 'product',
  personas: 'audience',
  'who we serve': 'audience',
  constraint: 'constraint',
  guideline: 'constraint',
  figure: 'metric',
  number: 'metric',
  'what customers say': 'proof',
};

/**
 * The type that a heading names, whole or by the word that its first part ends with: `Our customers`, `Rules of the house`, `Pricing and
 * offers`; null for any other.
 */
export function typeOfHeading(heading: string): FactType | null {
  const plain = plainName(heading.replaceAll('&', ' and ')).replace(/^(the|our|your|key) /, '');
  const parts = plain.split(/ (?:of|for|about|in|and|or|from|at) /);
  if (plain.split(' ').length > 6) return null;
  for (const part of [plain, ...parts.flatMap((each) => [each, each.split(' ').at(-1) ?? ''])]) {
    const singular = part.replace(/s$/, '');
    const known =
      typeNamed(part) ??
      [part, singular].map((name) => (Object.hasOwn(HEADING_NAMES, name) ? HEADING_NAMES[name] : null)).find(Boolean);
    if (known) return known;
  }
  return null;
}

/**
 * The facts of a row. A column with text is the fact and a title stands over it; otherwise the fact says what the row is about and
 * its columns by name. Empty cells say nothing.
 */
export function rowPieces(line: number, lastLine: number, cells: readonly Field[]): Piece[] {
  const given = cells
    .map(([name, value]): Field => [plainSpaces(name), plainSpaces(value)])
    .filter(([, value]) => value !== '');
  const column = (names: ReadonlySet<string>) => given.find(([name]) => names.has(plainName(name)));
  const typeField = given.find(([name, value]) => TYPE.has(plainName(name)) && typeNamed(value) !== null);
  const fields = given.filter((field) => field !== typeField);
  if (fields.length === 0) return [];
  const subjectField = column(SUBJECT);
  const subject = (subjectField?.[1] ?? '').slice(0, LONGEST_CONTEXT).toWellFormed();
  const type = typeField ? typeNamed(typeField[1]) : null;
  const textField = column(TEXT);
  const question = fields.find(([name]) => plainName(name) === 'question');
  const answer = fields.find(([name]) => plainName(name) === 'answer');
  const text = question && answer ? `${question[1]} ${answer[1]}` : textField?.[1];
  if (text !== undefined) {
    const textFields = question && answer ? [question, answer] : [textField];
    const others = fields.filter(
      (field) => !textFields.includes(field) && (subject !== '' || !NUMBERING.has(plainName(field[0]))),
    );
    const passages = passagesOf([{ line, text }]);
    const row: Row = {
      subject,
      type,
      // Of a text in several passages each is a fact of its own, whatever the row says in the others.
      fields:
        passages.length > 1 ? others : fields.filter((field) => textFields.includes(field) || others.includes(field)),
      beside: others.filter((field) => field !== subjectField),
    };
    return passages.map((passage) => ({
      segment: { ...passage, lastLine, context: textField === subjectField ? '' : subject, row },
    }));
  }
  const named = namedColumns(subject, subjectField, fields);
  return named.map(({ text: said, told }) => {
    const own = named.length > 1 ? fields.filter((field) => field === subjectField || told.includes(field)) : fields;
    const beside = told.filter(([, value]) => value.length > CELL_IN_TEXT);
    return { segment: { line, lastLine, context: '', text: said, row: { subject, type, fields: own, beside } } };
  });
}

/** `Basic plan: price 29; seats 5`, cut into several where it gets too long; each with the columns that it tells. */
function namedColumns(
  subject: string,
  subjectField: Field | undefined,
  fields: readonly Field[],
): { text: string; told: Field[] }[] {
  const others = fields.filter((field) => field !== subjectField);
  if (others.length === 0) return [{ text: subject, told: [] }];
  const attribute = others.find(([name]) => ATTRIBUTE.has(plainName(name)));
  const value = others.find(([name]) => VALUE.has(plainName(name)));
  const parts: { label: string; cell: string; of: Field[] }[] =
    attribute && value
      ? [
          { label: attribute[1], cell: value[1], of: [attribute, value] },
          ...others
            .filter((field) => field !== attribute && field !== value)
            .map((field) => ({ label: field[0], cell: field[1], of: [field] })),
        ]
      : others.map((field) => ({
          label: field === value && subject !== '' ? '' : field[0],
          cell: field[1],
          of: [field],
        }));
  const lead = subject === '' ? '' : `${subject}: `;
  const texts: { text: string; told: Field[] }[] = [];
  for (const { label, cell, of } of parts) {
    const words = (label === '' ? cell : `${label} ${cell}`).slice(0, LONGEST_FACT).toWellFormed();
    const last = texts.at(-1);
    if (last !== undefined && last.text.length + words.length + 2 <= LONGEST_FACT) {
      last.text = `${last.text}; ${words}`;
      last.told.push(...of);
    } else texts.push({ text: `${lead}${words}`, told: [...of] });
  }
  return texts;
}

/** Attribute and value of a row that tells one thing in two columns; undefined for others. */
export function attributeOf({ fields }: Row): Field | undefined {
  const attribute = fields.find(([name]) => ATTRIBUTE.has(plainName(name)));
  const value = fields.find(([name]) => VALUE.has(plainName(name)));
  return attribute && value ? [attribute[1], value[1]] : undefined;
}

/** Whether a column says what its row is about. */
export function isSubject(name: string): boolean {
  return SUBJECT.has(plainName(name));
}

/** Whether a column holds whole sentences rather than a value. */
export function isText(name: string): boolean {
  return TEXT.has(plainName(name)) || plainName(name) === 'question' || plainName(name) === 'answer';
}
