import { Cron } from 'croner';
import cronstrue from 'cronstrue';
import { parseCron, type CronExpression } from './cron-expression.ts';
import { firstInstantOf, segmentAt } from './time-zone.ts';

export { checkTimezone } from './time-zone.ts';

interface Schedule {
  expression: CronExpression;
  /** Matches local times as if they were UTC; never started. */
  matcher: Cron;
}

const schedules = new Map<string, Schedule>();
const MOST_SCHEDULES = 10_000;
/** Beyond the year 2999 croner stops looking. */
const LAST_MS = Date.UTC(3000, 0, 1);

function scheduleOf(cron: string): Schedule {
  const known = schedules.get(cron);
  if (known) return known;
  const parsed = parseCron(cron);
  if (parsed.problem !== undefined) throw new RangeError(`not a cron expression: ${parsed.problem}`);
  const { expression } = parsed;
  const matcher = new Cron(expression.text, {
    mode: '6-part',
    utcOffset: 0,
    domAndDow: expression.daysJoinedByAnd,
    paused: true,
  });
  if (schedules.size >= MOST_SCHEDULES) schedules.clear();
  const schedule = { expression, matcher };
  schedules.set(cron, schedule);
  return schedule;
}

/** What to write instead of an expression or a zone that is refused. */
export const CRON_MEND = 'write minute, hour, day of month, month and day of week, such as "0 9 * * MON"';
export const TIMEZONE_MEND = 'write an IANA name such as America/New_York, Europe/Berlin or UTC';

/** What is wrong with a cron expression, or null. The message names the field; see {@link parseCron} for the syntax. */
export function checkCron(cron: string): string | null {
  return parseCron(cron).problem ?? null;
}

/** The first matching local time after another, both as if they were UTC. */
function nextLocal(matcher: Cron, localMs: number): number | null {
  return matcher.nextRun(new Date(localMs))?.getTime() ?? null;
}

/** Every-hour and every-n-minutes expressions: each instant whose local time matches, stretch by stretch of one offset. */
function nextByRealTime({ matcher }: Schedule, zone: string, afterMs: number): number | null {
  let segment = segmentAt(zone, afterMs);
  let from = afterMs;
  for (;;) {
    const local = nextLocal(matcher, from + segment.offset);
    if (local === null) return null;
    if (local - segment.offset < segment.end) return local - segment.offset;
    from = segment.end - 1;
    segment = segmentAt(zone, segment.end);
  }
}

/** Fixed local times: each once, at its first instant, or right after the gap that swallows it. */
function nextByLocalTime({ matcher }: Schedule, zone: string, afterMs: number): number | null {
  let local: number | null = afterMs + segmentAt(zone, afterMs).offset;
  for (;;) {
    local = nextLocal(matcher, local);
    if (local === null) return null;
    const instant = firstInstantOf(zone, local);
    // Within the second pass of a repeated hour its times have fired already.
    if (instant > afterMs) return instant;
  }
}

/**
 * The next time a schedule fires, in epoch milliseconds, strictly after `afterMs`; null when that is past the year 2999.
 *
 * Over a change of the clocks: an expression with a wildcard or a step in its seconds, minutes or hours is an interval and
 * follows real time, so it fires in both passes of a repeated hour and not in a skipped one (`30 * * * *`, and
 * likewise `*\/15 2 * * *`). Every other expression names fixed local times (lists and ranges too): in a repeated hour
 * it fires the first time only; one in a skipped hour fires once, at the first instant after it, and several of them
 * there together fire once. This is Vixie cron's rule, which croner has as `fixedTimeRule: 'no-wildcard'`; it is applied
 * here because croner looks for the end of a gap on the same day only.
 * @throws {RangeError} for an expression or a zone that {@link checkCron} or {@link checkTimezone} refuses
 */
export function nextFire(cron: string, timezone: string, afterMs: number): number | null {
  if (!(afterMs < LAST_MS)) return null;
  const schedule = scheduleOf(cron);
  return schedule.expression.isInterval
    ? nextByRealTime(schedule, timezone, afterMs)
    : nextByLocalTime(schedule, timezone, afterMs);
}

/** The next `count` fires after `afterMs`, in order, each as {@link nextFire} gives it. */
export function fires(cron: string, timezone: string, afterMs: number, count: number): number[] {
  const times: number[] = [];
  let last: number | null = afterMs;
  while (times.length < count) {
    last = nextFire(cron, timezone, last);
    if (last === null) break;
    times.push(last);
  }
  return times;
}

/**
 * The schedule in words, such as "At 09:00, only on Monday".
 * @throws {RangeError} for an expression that {@link checkCron} refuses
 */
export function describeCron(cron: string): string {
  const { expression } = scheduleOf(cron);
  const fields = expression.text.split(' ').slice(expression.hasSeconds ? 0 : 1);
  const words = (parts: readonly string[]) =>
    cronstrue.toString(parts.join(' '), {
      use24HourTimeFormat: true,
      logicalAndDayFields: expression.daysJoinedByAnd,
    });
  const all = words(fields);
  if (expression.daysJoinedByAnd) return all;
  // cronstrue joins the two kinds of days by "and" or by a comma alone, though either of them suffices.
  const withoutWeekdays = words([...fields.slice(0, -2), '*', '*']);
  if (!all.startsWith(withoutWeekdays)) return all;
  const rest = all
    .slice(withoutWeekdays.length)
    .replace(/^, (?:and )?(?:on )?(?=(.))/, (_all, next: string) => (/[A-Z]/.test(next) ? ', or on ' : ', or '));
  return withoutWeekdays + rest;
}
