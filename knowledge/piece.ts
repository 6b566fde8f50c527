import type { FactType } from '../database/tables-knowledge.ts';

/** One line of a file as it came. */
export interface RawLine {
  /** From 1. */
  line: number;
  text: string;
}

/** What was wrong with a line, and how to mend it. `code` stands in docs/errors.md. */
export interface LineProblem {
  line: number;
  code: LineProblemCode;
  message: string;
  mend: string;
}

export type LineProblemCode =
  | 'CSV_COLUMNS'
  | 'CSV_QUOTE'
  | 'LINE_ENCODING'
  | 'HIDDEN_TEXT'
  | 'HTML_TOO_DEEP'
  | 'INVISIBLE_CHARACTERS'
  | 'JSON_BROKEN'
  | 'LINE_TOO_LONG';

/** A piece of text that can stand as a fact. */
export interface Segment {
  line: number;
  lastLine: number;
  /** The heading over it, or the title of its row; empty without one. */
  context: string;
  text: string;
  /** The headings over that heading, the innermost first. */
  outer?: readonly string[];
  /** The columns of a row that it was made of. */
  row?: Row;
}

/** A row of a table, a CSV file or a JSON Lines file. */
export interface Row {
  /** What the row is about, where a column says so. */
  subject: string;
  fields: readonly (readonly [name: string, value: string])[];
  /** Those of them that neither the title nor the text of the piece says. */
  beside: readonly (readonly [name: string, value: string])[];
  /** The type that a column names. */
  type: FactType | null;
}

export type Piece = { segment: Segment } | { problem: LineProblem };

/** Makes pieces of lines, which come in order; a line that could not be read is left out of them. The same lines give the same pieces. */
export interface Reader {
  push(line: RawLine): Piece[];
  /** What is left at the end of the file. */
  end(): Piece[];
}

/** Text without what no database keeps: U+0000 and halves of characters, which JSON can spell. */
export function storable(text: string): string {
  return text.replaceAll('\0', '').toWellFormed();
}

const EXCERPT = 80;

/** The beginning of a text, for a message. */
export function excerpt(text: string): string {
  const plain = storable(text).replaceAll(/\s+/g, ' ').trim();
  return plain.length > EXCERPT ? `${plain.slice(0, EXCERPT).toWellFormed()}…` : plain;
}
