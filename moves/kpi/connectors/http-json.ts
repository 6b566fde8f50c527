import { iso } from '../../../shared/clock.ts';
import type { Json } from '../../../shared/json.ts';
import { WorkError } from '../../work.ts';
import { valuesAt } from '../json-path.ts';
import { type HttpSource, placeOf } from '../source.ts';
import { ReadingCollector } from './collector.ts';
import { excerpt, type KpiConnector, type SourceReadings } from './connector.ts';
import { fetchText, type HttpAccess } from './http-fetch.ts';
import { timeIn } from './times.ts';

/** JSON documents over HTTP, within the allow-list of origins. */
export function httpConnector(access: HttpAccess): KpiConnector<HttpSource> {
  return {
    async read(source, { signal, clock }) {
      const document = documentOf(await fetchText(source, access, signal), placeOf(source));
      return readingsOf(document, source, clock.now());
    },
  };
}

function documentOf(text: string, place: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch (error) {
    throw new WorkError('KPI_SOURCE_INVALID', `${place} answered with something else than JSON: ${excerpt(text)}.`, {
      cause: error,
    });
  }
}

function readingsOf(document: Json, { value, date, ...source }: HttpSource, nowMs: number): SourceReadings {
  const collector = new ReadingCollector();
  const invalid = (message: string, cause?: unknown) =>
    new WorkError('KPI_SOURCE_INVALID', `${placeOf({ value, ...source })}: ${message}.`, { cause });
  let values: Json[];
  let dates: Json[];
  try {
    values = valuesAt(value, document);
    dates = date === undefined ? values.map(() => iso(nowMs)) : valuesAt(date, document);
  } catch (error) {
    if (error instanceof RangeError) throw invalid(error.message, error);
    throw error;
  }
  if (values.length === 0) throw invalid(`${value} finds nothing`);
  if (date === undefined && values[0] === null) throw invalid(`${value} is null`);
  if (date === undefined && values.length > 1)
    throw invalid(`${value} finds ${values.length} values, and no "date" tells them apart`);
  if (dates.length !== values.length)
    throw invalid(`${value} finds ${values.length} values, and ${date} finds ${dates.length} dates`);
  for (const [at, found] of values.entries()) addReading(collector, found, dates[at] ?? null, at);
  return collector.end();
}

function addReading(collector: ReadingCollector, value: Json, date: Json, at: number): void {
  // A day without a value, as many services list it.
  if (value === null) return;
  const atMs = typeof date === 'number' ? epochTime(date) : typeof date === 'string' ? timeIn(date) : null;
  const number = typeof value === 'string' ? numberOf(value) : value;
  if (typeof number !== 'number') collector.report(`value ${at + 1} is no number: ${excerpt(JSON.stringify(value))}`);
  else if (atMs === null)
    collector.report(`date ${at + 1} is no day or time such as 2026-03-02: ${excerpt(JSON.stringify(date))}`);
  else collector.add(atMs, number);
}

/** Unix time in seconds or milliseconds, which cannot be taken for each other between 2001 and 2286. */
function epochTime(time: number): number | null {
  if (time >= 1e9 && time < 1e10) return Math.round(time * 1_000);
  return time >= 1e12 && time < 1e13 ? Math.round(time) : null;
}

/** Many services write exact numbers as texts; in JSON the decimal sign is a point. */
const numberOf = (text: string): number | null => (/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text) ? Number(text) : null);
