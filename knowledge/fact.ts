import type { FactType } from '../database/tables-knowledge.ts';
import type { JsonObject } from '../shared/json.ts';
import { aliasesOf, clean } from './clean.ts';
import { type Claim, claimsOf } from './claims.ts';
import { typeOf } from './fact-types.ts';
import { nameId } from './hash.ts';
import { LONGEST_CONTEXT } from './limits.ts';
import { nearKeyOf } from './near-duplicates.ts';
import { excerpt, type LineProblem, type Row, type Segment } from './piece.ts';
import { isSuspicious } from './suspicious.ts';

/** A fact before it is compared with others. */
export interface FactDraft {
  /** Follows from the collection, the heading and the text. */
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
  const { text, invisible } = clean(segment.text);
  const heading = clean(segment.context);
  const context = heading.text.slice(0, LONGEST_CONTEXT).toWellFormed().trim();
  const hidden = invisible || heading.invisible;
  const problem = hidden === '' ? null : unseen(segment.line, hidden);
  if (!/[\p{L}\p{N}]/u.test(text)) return { draft: null, problem };
  const { type, rank } = typeOf(context, text, segment.row?.type ?? null);
  return {
    problem,
    draft: {
      id: nameId('fact', collection, context, text),
      context,
      text,
      aliases: aliasesOf(`${context} ${text}`, segment.row && columnsOf(segment.row, text)),
      type,
      typeRank: rank,
      suspicious: isSuspicious(text) || isSuspicious(context) || isSuspicious(invisible),
      contentHash: nameId('content', context, text),
      nearKey: nearKeyOf({ context, text }),
      attributes: segment.row ? attributesOf(segment.row) : {},
      claims: claimsOf(context, text, segment.row),
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

/** What a row says beside its text, for the search: a price in a column is found, too. */
function columnsOf(row: Row, text: string): string {
  return row.fields
    .filter(([, value]) => !text.includes(value))
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
