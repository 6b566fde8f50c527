import { parse } from 'csv-parse/sync';
import { excerpt, type Piece, type RawLine, type Reader } from './piece.ts';
import { rowPieces } from './rows.ts';

const DELIMITERS = [',', ';', '\t', '|'];
/** A quoted field goes on over this many lines at most; a quote that is open for longer was forgotten. */
const LONGEST_RECORD = 50;

/**
 * CSV after RFC 4180, with any of four delimiters and a header where the first row looks like one. A row with a quote that is never
 * closed, or with too few or too many columns, is reported, and reading goes on with the next line: half a row takes no others along.
 */
export class CsvReader implements Reader {
  #delimiter: string | null = null;
  #columns: string[] | null = null;
  #open: RawLine[] = [];
  /** Whether a quote is open at the end of the lines kept. */
  #inQuotes = false;

  push(line: RawLine): Piece[] {
    const pieces: Piece[] = [];
    const waiting = [line];
    for (let next = waiting.shift(); next; next = waiting.shift()) pieces.push(...this.#take(next, waiting));
    return pieces;
  }

  end(): Piece[] {
    const pieces: Piece[] = [];
    while (this.#open.length > 0) {
      const waiting: RawLine[] = [];
      pieces.push(...this.#giveUp(waiting));
      for (let next = waiting.shift(); next; next = waiting.shift()) pieces.push(...this.#take(next, waiting));
    }
    return pieces;
  }

  /** Takes one line; lines that are to be looked at again are put in front of those that wait. */
  #take(line: RawLine, waiting: RawLine[]): Piece[] {
    const last = this.#open.at(-1);
    if (last && line.line !== last.line + 1) {
      waiting.unshift(line);
      return this.#giveUp(waiting);
    }
    this.#open.push(line);
    if (countQuotes(line.text) % 2 === 1) this.#inQuotes = !this.#inQuotes;
    if (!this.#inQuotes) return this.#record(waiting);
    return this.#open.length >= LONGEST_RECORD ? this.#giveUp(waiting) : [];
  }

  /** Reports the first of the lines kept and has the others looked at by themselves. */
  #giveUp(waiting: RawLine[]): Piece[] {
    const [first, ...others] = this.#open;
    this.#open = [];
    this.#inQuotes = false;
    waiting.unshift(...others);
    if (!first) return [];
    return [
      {
        problem: {
          line: first.line,
          code: 'CSV_QUOTE',
          message: `a quotation mark is not closed, or stands inside a field; the row was left out: "${excerpt(first.text)}"`,
          mend: 'close the quotation mark, and write one inside a quoted field twice',
        },
      },
    ];
  }

  #record(waiting: RawLine[]): Piece[] {
    const lines = this.#open;
    const [first] = lines;
    const last = lines.at(-1);
    if (!first || !last) return [];
    const text = lines.map((line) => line.text).join('\n');
    this.#delimiter ??= delimiterOf(text);
    const cells = cellsOf(text, this.#delimiter);
    // Several lines that make no row together: the quote of the first belongs to none of them.
    if (!cells || (lines.length > 1 && this.#columns && cells.length !== this.#columns.length))
      return this.#giveUp(waiting);
    this.#open = [];
    if (cells.every((cell) => cell.trim() === '')) return [];
    if (!this.#columns) {
      this.#columns = headerOf(cells);
      if (this.#columns.some((name) => name !== '')) return [];
    }
    const columns = this.#columns;
    if (cells.length !== columns.length) return [{ problem: wrongColumns(first, cells.length, columns.length) }];
    return rowPieces(
      first.line,
      last.line,
      cells.map((cell, at) => [columns[at] ?? '', cell] as const),
    );
  }
}

function countQuotes(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at + 1)) count += 1;
  return count;
}

function delimiterOf(text: string): string {
  const outside = text.replaceAll(/"[^"]*"/g, '');
  const counted = DELIMITERS.map((sign) => ({ sign, count: outside.split(sign).length }));
  return counted.toSorted((a, b) => b.count - a.count)[0]?.sign ?? ',';
}

/** The cells of one record; null when its quotes are wrong. */
function cellsOf(text: string, delimiter: string): string[] | null {
  if (!text.includes('"')) return text.split(delimiter);
  try {
    const records = parse(text, { delimiter, relax_column_count: true, skip_empty_lines: false });
    return records.length === 1 ? (records[0] ?? null) : null;
  } catch {
    return null;
  }
}

/** Names of the columns; empty names where the first row is no header but data already. */
function headerOf(cells: readonly string[]): string[] {
  const names = cells.map((cell) => cell.trim());
  const isHeader =
    new Set(names).size === names.length &&
    names.every((name) => name !== '' && name.length <= 60 && !/^[\d.,%$€£\s-]+$/.test(name) && !/[.!?]$/.test(name));
  return isHeader ? names : names.map(() => '');
}

function wrongColumns({ line, text }: RawLine, found: number, expected: number) {
  return {
    line,
    code: 'CSV_COLUMNS' as const,
    message: `the row has ${found} of ${expected} columns and was left out: "${excerpt(text)}"`,
    mend:
      found < expected
        ? 'add what is missing; empty columns need their delimiters'
        : 'quote fields that hold the delimiter',
  };
}
