import type { Period } from '../database/tables.ts';

/** The day, week or month that an instant falls in, in a time zone. */
export interface BudgetPeriod {
  period: Period;
  /** Its first day, `YYYY-MM-DD`. */
  startsOn: string;
  /** The instant at which the next one begins, in milliseconds since the epoch; always after the instant asked about. */
  turnsAtMs: number;
}

/**
 * The period around an instant. Weeks are those of ISO 8601 and begin on Monday. A day begins with its first instant in the
 * zone, which is not midnight where the clocks skip it.
 * @param timezone IANA name
 * @throws {RangeError} when the zone is not known
 */
export function periodAt(period: Period, atMs: number, timezone: string): BudgetPeriod {
  const key = `${period} ${timezone}`;
  const known = present.get(key);
  if (known && known.sinceMs <= atMs && atMs < known.turnsAtMs) return known;
  const first = firstDay(period, localDay(atMs, timezone));
  const found = {
    period,
    startsOn: first.toString(),
    turnsAtMs: startOf(following(period, first), timezone),
    sinceMs: atMs,
  };
  present.set(key, found);
  return found;
}

/** The periods last found, from the instant that was asked about: asked for again at every step. One for each zone in use. */
const present = new Map<string, BudgetPeriod & { sinceMs: number }>();

/**
 * The calendar day around an instant. Where the clocks go back over midnight (St John's did, at 00:01) the local date repeats the
 * day before for a while; money spent then belongs to the new day, so that a day never comes back.
 */
function localDay(atMs: number, timezone: string): Temporal.PlainDate {
  let day = Temporal.Instant.fromEpochMilliseconds(atMs).toZonedDateTimeISO(timezone).toPlainDate();
  while (startOf(day.add({ days: 1 }), timezone) <= atMs) day = day.add({ days: 1 });
  return day;
}

function firstDay(period: Period, day: Temporal.PlainDate): Temporal.PlainDate {
  switch (period) {
    case 'day':
      return day;
    case 'week':
      return day.subtract({ days: day.dayOfWeek - 1 });
    case 'month':
      return day.with({ day: 1 });
    default:
      return period satisfies never;
  }
}

function following(period: Period, first: Temporal.PlainDate): Temporal.PlainDate {
  return first.add({ [`${period}s`]: 1 });
}

function startOf(day: Temporal.PlainDate, timezone: string): number {
  return day.toZonedDateTime(timezone).epochMilliseconds;
}
