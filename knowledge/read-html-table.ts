import type { Piece } from './piece.ts';
import { rowPieces } from './rows.ts';
import { passagesOf } from './sentences.ts';

/** A table of a page as far as it has been read. */
export interface Table {
  header: string[];
  cells: { text: string; isHeader: boolean }[];
  cell: string | null;
  isHeaderCell: boolean;
  line: number;
}

/** What a row says that ends on a line; the cells of a header become the names of columns. */
export function endRow(table: Table, lastLine: number, context: string): Piece[] {
  const { cells, header } = table;
  table.cells = [];
  if (cells.every(({ text }) => text === '')) return [];
  if (cells.every(({ isHeader }) => isHeader) && cells.length > 1) {
    table.header = cells.map(({ text }) => text);
    return [];
  }
  if (header.length === cells.length && header.length > 0)
    return rowPieces(
      table.line,
      lastLine,
      cells.map(({ text }, at) => [header[at] ?? '', text] as const),
    );
  const text = cells
    .map((cell) => cell.text)
    .filter(Boolean)
    .join(cells.length === 2 ? ': ' : ' · ');
  return passagesOf([{ line: table.line, text }]).map((passage) => ({ segment: { ...passage, lastLine, context } }));
}
