import { nextFire } from './calendar.ts';

/** The nominal times of a schedule that have come; only the newest ones one by one when there are very many. */
export interface DueTimes {
  /** Epoch milliseconds, in order. */
  times: number[];
  /** The oldest times, folded into one: its own time, how many they are, and whether that was counted or estimated. */
  folded: { first: number; count: number; exact: boolean } | null;
}

/** At most this many rows are written for one absence. */
export const MOST_ROWS = 1_000;
/** Counting goes so far; what lies beyond is estimated from the average distance. About a tenth of a second. */
const MOST_COUNTED = 10_000;

/**
 * The nominal times from `first` (itself one) to `last`, both inclusive. Bounded in work and in rows: after years of an
 * every-second schedule the newest {@link MOST_ROWS} less one come singly and the rest as one folded entry.
 */
export function dueTimes(cron: string, timezone: string, first: number, last: number): DueTimes {
  const times: number[] = [];
  let next: number | null = first;
  while (next !== null && next <= last && times.length <= MOST_COUNTED) {
    times.push(next);
    next = nextFire(cron, timezone, next);
  }
  if (times.length <= MOST_ROWS) return { times, folded: null };
  if (times.length <= MOST_COUNTED)
    return { times: times.slice(1 - MOST_ROWS), folded: { first, count: times.length - MOST_ROWS + 1, exact: true } };
  const distance = ((times.at(-1) ?? first) - first) / MOST_COUNTED;
  const newest = newestTimes(cron, timezone, first, last, distance);
  const count = Math.max(1, Math.round(((newest[0] ?? last) - first) / distance));
  return { times: newest, folded: { first, count, exact: false } };
}

/** The last times up to `last`, looked for from ever further back because a calendar cannot be walked backwards. */
function newestTimes(cron: string, timezone: string, first: number, last: number, distance: number): number[] {
  for (let span = distance * MOST_ROWS; ; span *= 2) {
    const times: number[] = [];
    const start = Math.max(first, Math.floor(last - span));
    for (
      let time = nextFire(cron, timezone, start);
      time !== null && time <= last;
      time = nextFire(cron, timezone, time)
    ) {
      times.push(time);
      if (times.length > MOST_COUNTED) times.splice(0, times.length - MOST_ROWS);
    }
    if (times.length >= MOST_ROWS - 1 || start === first) return times.slice(1 - MOST_ROWS);
  }
}
