import { WorkError } from '../../work.ts';
import type { CsvSource } from '../source.ts';
import { ReadingCollector } from './collector.ts';
import { excerpt, type KpiConnector } from './connector.ts';
import { csvTable } from './csv-table.ts';
import { kpiFileText } from './kpi-file.ts';
import { decimalSignOf, numberIn, type NumberText } from './numbers.ts';
import { timeIn } from './times.ts';

/** A row as far as its columns were found. */
interface Row extends NumberText {
  date: string;
}

/** CSV files below a folder, with a header row. A row without a value is a day without a reading. */
export function csvConnector(folder: string): KpiConnector<CsvSource> {
  return {
    async read(source, { signal }) {
      const text = await kpiFileText(folder, source.file, signal);
      const collector = new ReadingCollector();
      try {
        const rows = rowsOf(text, source, collector);
        addReadings(rows, source, collector);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        throw new WorkError('KPI_SOURCE_INVALID', `${excerpt(source.file)} ${error.message}.`, { cause: error });
      }
      return collector.end();
    },
  };
}

/** @throws {RangeError} when a column is missing */
function rowsOf(text: string, { value, date, where }: CsvSource, collector: ReadingCollector): Row[] {
  const report = (message: string, line: number) => collector.report(message, line);
  const { columns, rows, places } = csvTable(text, [value, date, ...(where ? [where.column] : [])], report);
  const [valueAt = 0, dateAt = 0, whereAt] = places;
  const found: Row[] = [];
  for (const { line, cells } of rows) {
    if (cells.length !== columns.length) {
      report(`the row has ${cells.length} of ${columns.length} columns`, line);
      continue;
    }
    if (where && whereAt !== undefined && cells[whereAt]?.trim() !== where.equals) continue;
    const cell = (cells[valueAt] ?? '').trim();
    if (cell !== '') found.push({ line, text: cell, date: cells[dateAt] ?? '' });
  }
  return found;
}

/** @throws {RangeError} when the values leave open what their commas and points mean */
function addReadings(rows: readonly Row[], source: CsvSource, collector: ReadingCollector): void {
  let sign = source.decimal;
  try {
    sign ??= decimalSignOf(rows);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new RangeError(`${error.message}; say "decimal" in the source`, { cause: error });
  }
  for (const { line, text, date } of rows) {
    const value = numberIn(text, sign);
    const atMs = timeIn(date);
    if (value === null) collector.report(`${excerpt(text)} is no number with the decimal sign ${sign}`, line);
    else if (atMs === null) collector.report(`${excerpt(date)} is no day or time such as 2026-03-02`, line);
    else collector.add(atMs, value, line);
  }
}
