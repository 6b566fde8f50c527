import type { FactType } from '../database/tables-knowledge.ts';
import type { JsonObject } from '../shared/json.ts';
import { aliasesOf, clean, folded, withPlainNumbers } from './clean.ts';
import { type Claim, claimsOf } from './claims.ts';
import { typeOf } from './fact-types.ts';
import { nameId } from './hash.ts';
import { LONGEST_CONTEXT, LONGEST_FACT } from './limits.ts';
import { nearKeyOf } from './near-duplicates.ts';
import { excerpt, type LineProblem, type Row, type Segment } from './piece.ts';
import { plainName, typeOfHeading } from './rows.ts';
import { isSuspicious } from './suspicious.ts';

/** A fact before it is compared with others. */
export interface FactDraft {
  /** Follows from the collection, the heading, the text, and the columns beside it. */
  id: string;
  context: string;
  text: string;
  aliases: string;
  type: FactType;
  typeRank: number;
  suspicious: boolean;
  /** Follows from the heading and the text: what is embedded once. */
  contentHash: string;
  nearKey: string | null;
  attributes: JsonObject;
  claims: readonly Claim[];
  line: number;
  lastLine: number;
}

const LARGEST_ATTRIBUTES = 4_096;

/**
 * The fact that a piece of a file makes, null when nothing is left of it. What unseen characters spelt out is told as a problem.
 */
export function factOf(collection: string, segment: Segment): { draft: FactDraft | null; problem: LineProblem | null } {
  const { row } = segment;
  const { text: said, invisible } = clean(segment.text);
  const heading = clean(segment.context);
  const context = heading.text.slice(0, LONGEST_CONTEXT).toWellFormed().trim();
  const hidden = invisible || heading.invisible;
  const problem = hidden === '' ? null : unseen(segment.line, hidden);
  if (!/[\p{L}\p{N}]/u.test(said)) return { draft: null, problem };
  const { type, rank } = typeOf(
    context,
    said,
    row?.type ?? null,
    row ? null : typeOfHeadings([context, ...(segment.outer ?? [])]),
  );
  const text = row ? withColumns(said, row) : said;
  return {
    problem,
    draft: {
      id: nameId('fact', collection, context, text, ...(row ? columnsId(row, (value) => value) : [])),
      context,
      text,
      aliases: aliasesOf(`${context} ${text}`, row && columnsOf(row, text)),
      type,
      typeRank: rank,
      suspicious: [said, context, invisible].some(isSuspicious) || (row !== undefined && hasSuspiciousColumn(row)),
      contentHash: nameId('content', context, text),
      nearKey: nearKeyOfRow(nearKeyOf({ context, text }), row),
      attributes: row ? attributesOf(row) : {},
      claims: claimsOf(context, said, row),
      line: segment.line,
      lastLine: segment.lastLine,
    },
  };
}

function unseen(line: number, hidden: string): LineProblem {
  return {
    line,
    code: 'INVISIBLE_CHARACTERS',
    message: `characters that nobody sees were left out: "${excerpt(hidden)}"`,
    mend: 'nothing, if they came by copying; otherwise ask who put them there',
  };
}

/** `A sturdy widget. (price 10; colour red)`: the columns that the text does not say itself, as far as there is room. */
function withColumns(text: string, { beside }: Row): string {
  let columns = '';
  for (const [name, value] of beside) {
    const told = clean(`${name} ${value}`).text;
    const more = columns === '' ? told : `${columns}; ${told}`;
    if (!says(text, value) && text.length + more.length + 3 <= LONGEST_FACT) columns = more;
  }
  return columns === '' ? text : `${text} (${columns})`;
}

const plainSign = (value: string) => withPlainNumbers(folded(clean(value).text));

/** The passages of one row share its columns, which may be long. */
const suspiciousRows = new WeakMap<Row, boolean>();

function hasSuspiciousColumn(row: Row): boolean {
  const known = suspiciousRows.get(row);
  if (known !== undefined) return known;
  const isIt = row.fields.flat().some(isSuspicious);
  suspiciousRows.set(row, isIt);
  return isIt;
}

/** The innermost heading that names a type decides. */
function typeOfHeadings(headings: readonly string[]): FactType | null {
  for (const heading of headings) {
    const type = typeOfHeading(heading);
    if (type) return type;
  }
  return null;
}

/** Names what columns say beside a text, in whatever order they stand; nothing where there are none. */
function columnsId({ beside }: Row, written: (value: string) => string): string[] {
  if (beside.length === 0) return [];
  const columns = beside.map(([name, value]) => [plainName(name) || name, written(clean(value).text)]);
  return [JSON.stringify(columns.map((column) => JSON.stringify(column)).toSorted())];
}

/** Rows are near duplicates when their columns agree, too; those of two subjects never are. */
function nearKeyOfRow(key: string | null, row: Row | undefined): string | null {
  const columns = row ? columnsId(row, plainSign) : [];
  if (key === null || !row || (columns.length === 0 && row.subject === '')) return key;
  return nameId('row', key, folded(row.subject), ...columns);
}

/** Whether a text says a value, not only as a part of another word or number. */
function says(text: string, value: string): boolean {
  for (let at = text.indexOf(value); at >= 0; at = text.indexOf(value, at + 1))
    if (!/[\p{L}\p{N}]$/u.test(text.slice(0, at)) && !/^[.,]?[\p{L}\p{N}]/u.test(text.slice(at + value.length)))
      return true;
  return false;
}

/** What a row says beside its text, for the search: a price in a column is found, too. */
function columnsOf(row: Row, text: string): string {
  return row.fields
    .filter(([, value]) => !says(text, value))
    .map(([name, value]) => `${name} ${value}`)
    .join(' ');
}

/** The columns by name, cut down to a bounded size. */
function attributesOf({ fields }: Row): JsonObject {
  const attributes: JsonObject = {};
  let size = 0;
  for (const [name, value] of fields) {
    const key = clean(name).text;
    const told = clean(value).text;
    size += key.length + told.length;
    if (key === '' || size > LARGEST_ATTRIBUTES) continue;
    Object.defineProperty(attributes, key, { value: told, enumerable: true, configurable: true, writable: true });
  }
  return attributes;
}

/** The text of a fact as a model sees it. */
export function embeddedText({ context, text }: { context: string; text: string }): string {
  return context === '' ? text : `${context}: ${text}`;
}
