import { parse } from 'csv-parse/sync';
import { excerpt } from './connector.ts';

/** A quoted field goes on over this many lines at most; a quote that is open for longer was forgotten. */
const LONGEST_RECORD = 50;

export interface CsvRecord {
  /** Of the file, from 1. */
  line: number;
  cells: string[];
}

/**
 * The rows of a CSV text (RFC 4180), one by one, so that half a row takes no others along. Empty lines are left out.
 * @param report told of rows that are none
 */
export function* csvRecords(
  text: string,
  delimiter: string,
  report: (message: string, line: number) => void = () => undefined,
): Generator<CsvRecord> {
  const lines = text.split(/\r\n|\n|\r/);
  for (let at = 0; at < lines.length;) {
    const taken = linesOfRecord(lines, at);
    const record = lines.slice(at, at + Math.max(taken, 1)).join('\n');
    const cells = taken === 0 ? null : cellsOf(record, delimiter);
    if (cells === null) report(`a quotation mark is not closed, or stands inside a field: ${excerpt(record)}`, at + 1);
    else if (cells.some((cell) => cell.trim() !== '')) yield { line: at + 1, cells };
    // Of a record that is none only its first line is lost.
    at += cells === null ? 1 : taken;
  }
}

/** How many lines the record that begins here has; 0 when its quote is never closed. */
function linesOfRecord(lines: readonly string[], from: number): number {
  let quotes = 0;
  const last = Math.min(lines.length, from + LONGEST_RECORD);
  for (let at = from; at < last; at++) {
    quotes += (lines[at] ?? '').split('"').length - 1;
    if (quotes % 2 === 0) return at - from + 1;
  }
  return 0;
}

/** The cells of one record; null when its quotes are wrong. */
function cellsOf(record: string, delimiter: string): string[] | null {
  if (!record.includes('"')) return record.split(delimiter);
  try {
    const found = parse(record, { delimiter, relax_column_count: true });
    return found.length === 1 ? (found[0] ?? null) : null;
  } catch {
    return null;
  }
}
