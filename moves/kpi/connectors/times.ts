import { isDay } from '../../calendar.ts';

const DOTTED = /^(\d{1,2})\.(\d{1,2})\.(\d{4})$/;
const INSTANT = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) ?(Z|[+-]\d\d:?\d\d)?$/i;

/**
 * Milliseconds since the epoch of a day (`2026-03-02`, or `2.3.2026` with dots, which is day first everywhere) or a time in ISO
 * 8601; null for anything else, such as `02/03/2026`, which is in March or in February. A day is its beginning, and a time
 * without an offset is meant, in UTC.
 */
export function timeIn(text: string): number | null {
  const trimmed = text.trim();
  const dotted = DOTTED.exec(trimmed);
  const day = dotted
    ? `${dotted[3]}-${(dotted[2] ?? '').padStart(2, '0')}-${(dotted[1] ?? '').padStart(2, '0')}`
    : trimmed;
  if (isDay(day)) return Date.parse(day);
  const instant = INSTANT.exec(trimmed);
  if (!instant || !isDay(instant[1] ?? '')) return null;
  const offset = (instant[3] ?? 'Z').toUpperCase().replace(/^([+-]\d\d)(\d\d)$/, '$1:$2');
  const ms = Date.parse(`${instant[1]}T${(instant[2] ?? '').replace(',', '.')}${offset}`);
  return Number.isNaN(ms) ? null : ms;
}
