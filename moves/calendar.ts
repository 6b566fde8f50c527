const DAY_MS = 86_400_000;

/** Days of an arc. */
export const ARC_DAYS = 90;
/** Weeks of an arc; the last one has six days, since thirteen whole weeks would have 91. */
export const ARC_WEEKS = 13;

/** A day, as `YYYY-MM-DD`. Plans know days, not times. */
export type Day = string;

/** Whether the text is a day that there is, such as `2026-02-28`. */
export function isDay(text: string): boolean {
  return /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && dayOf(Date.parse(text)) === text;
}

/** The day, in UTC, of an instant in milliseconds since the epoch. */
export const dayOf = (ms: number): Day => new Date(ms).toISOString().slice(0, 10);

/** The day so many days later; earlier with a negative number. */
export const addDays = (day: Day, days: number): Day => dayOf(Date.parse(day) + days * DAY_MS);

/** How many days the second day is after the first. */
export const daysBetween = (from: Day, to: Day): number => Math.round((Date.parse(to) - Date.parse(from)) / DAY_MS);

/** The last day of the arc that starts on this day. */
export const lastDayOf = (startsOn: Day): Day => addDays(startsOn, ARC_DAYS - 1);

/** First and last day of a week, 1 to 13, of the arc that starts on this day. */
export function weekOf(startsOn: Day, week: number): { startsOn: Day; endsOn: Day } {
  const first = addDays(startsOn, (week - 1) * 7);
  const last = addDays(first, 6);
  const end = lastDayOf(startsOn);
  return { startsOn: first, endsOn: last > end ? end : last };
}

/** In which week of the arc a day lies: below 1 before it, above 13 after it. */
export const weekNumber = (startsOn: Day, day: Day): number => Math.floor(daysBetween(startsOn, day) / 7) + 1;

/** The first Monday on or after an instant, UTC. */
export function nextMonday(ms: number): Day {
  const weekday = new Date(ms).getUTCDay();
  return addDays(dayOf(ms), (8 - weekday) % 7);
}
