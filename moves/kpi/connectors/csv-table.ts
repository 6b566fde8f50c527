import { type CsvRecord, csvRecords } from './csv-records.ts';
import { excerpt } from './connector.ts';

const DELIMITERS = [',', ';', '\t'] as const;

export interface CsvTable {
  /** The header's cells, without the spaces around them. */
  columns: string[];
  /** The rows under the header, with the place of each wanted column in `cells`. */
  rows: Generator<CsvRecord>;
  /** Places of the wanted columns, in their order. */
  places: number[];
}

/**
 * A CSV text with a header row, read by that one of `,` `;` and tab with which its header has the wanted columns. Names are the
 * same whatever their case.
 * @param report told of rows that are none
 * @throws {RangeError} in words for people, when the header has not got the columns, or has one twice
 */
export function csvTable(
  text: string,
  wanted: readonly string[],
  report: (message: string, line: number) => void,
): CsvTable {
  const headers = DELIMITERS.map((delimiter) => ({ delimiter, columns: headerOf(text, delimiter) }));
  const fitting = headers.find(({ columns }) => wanted.every((name) => placesOf(columns, name).length > 0));
  if (!fitting) {
    const [best] = headers.toSorted((a, b) => b.columns.length - a.columns.length);
    const columns = best?.columns ?? [];
    const missing = wanted.filter((name) => placesOf(columns, name).length === 0);
    throw new RangeError(
      `has no column ${missing.map(excerpt).join(' and no column ')}; its header has ${columns.slice(0, 20).map(excerpt).join(', ') || 'nothing'}`,
    );
  }
  const places = wanted.map((name) => {
    const [place = 0, second] = placesOf(fitting.columns, name);
    if (second !== undefined) throw new RangeError(`has the column ${excerpt(name)} twice`);
    return place;
  });
  const rows = csvRecords(text, fitting.delimiter, report);
  rows.next();
  return { columns: fitting.columns, rows, places };
}

/** The first row that is not empty. */
function headerOf(text: string, delimiter: string): string[] {
  for (const { cells } of csvRecords(text, delimiter)) return cells.map((cell) => cell.trim());
  return [];
}

function placesOf(columns: readonly string[], name: string): number[] {
  const same = (column: string) => column.toLowerCase() === name.toLowerCase();
  return columns.flatMap((column, place) => (same(column) ? [place] : []));
}
