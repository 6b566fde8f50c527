/**
 * A second implementation of the schedule's meaning, written to be obviously right rather than fast: it walks through every
 * minute of real time, reads the zone's wall clock there from Intl, and matches fields. It shares nothing with the code
 * under test.
 */
export interface WallMinute {
  instant: number;
  minute: number;
  hour: number;
  day: number;
  month: number;
  weekday: number;
  /** The wall clock showed this minute before. */
  repeated: boolean;
  /** Wall minutes that were jumped over right before this one. */
  skipped: Omit<WallMinute, 'instant' | 'repeated' | 'skipped'>[];
}

const MINUTE = 60_000;
const NONE: WallMinute['skipped'] = [];
const NAMES = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];

function fieldsOf(wall: number) {
  const date = new Date(wall);
  return {
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekday: date.getUTCDay(),
  };
}

/** Every minute of [from, to) as the zone's clocks show it. Clocks change on quarter hours only. */
export function wallMinutes(zone: string, from: number, to: number): WallMinute[] {
  const format = new Intl.DateTimeFormat('en-CA', {
    timeZone: zone,
    calendar: 'gregory',
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  });
  const wallAt = (instant: number) => {
    const part = Object.fromEntries(format.formatToParts(instant).map(({ type, value }) => [type, Number(value)]));
    const { year = 0, month = 0, day = 0, hour = 0, minute = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute);
  };
  const minutes: WallMinute[] = [];
  let latest = -Infinity;
  let before = Number.NaN;
  const show = (instant: number, wall: number) => {
    const skipped: WallMinute['skipped'] = wall > before + MINUTE ? [] : NONE;
    for (let jumped = before + MINUTE; jumped < wall; jumped += MINUTE) skipped.push(fieldsOf(jumped));
    minutes.push({ instant, ...fieldsOf(wall), repeated: wall <= latest, skipped });
    latest = Math.max(latest, wall);
    before = wall;
  };
  let next = wallAt(from);
  for (let hour = from; hour < to; hour += 60 * MINUTE) {
    const wall = next;
    next = wallAt(hour + 60 * MINUTE);
    const steady = next - wall === 60 * MINUTE;
    for (let index = 0; index < 60; index += 1) {
      const quarter = hour + (index - (index % 15)) * MINUTE;
      show(hour + index * MINUTE, steady ? wall + index * MINUTE : wallAt(quarter) + (index % 15) * MINUTE);
    }
  }
  return minutes;
}

function member(field: string, value: number, low: number, high: number, names: string[] = []): boolean {
  return field
    .toLowerCase()
    .split(',')
    .some((element) => {
      const [range = '', step = '1'] = element.split('/');
      const number = (text: string) => (names.includes(text) ? names.indexOf(text) + low : Number(text));
      const [a, b] = range === '*' ? [low, high] : range.split('-').map(number);
      const end = b ?? a ?? 0;
      return value >= (a ?? 0) && value <= end && (value - (a ?? 0)) % Number(step) === 0;
    });
}

/** The instants at which a five-field expression fires. */
export function bruteForceFires(cron: string, minutes: readonly WallMinute[]): number[] {
  const [minute = '', hour = '', day = '', month = '', weekday = ''] = cron.split(' ');
  const interval = /[*/]/.test(minute + hour);
  const minuteFits = Array.from({ length: 60 }, (_, value) => member(minute, value, 0, 59));
  const hourFits = Array.from({ length: 24 }, (_, value) => member(hour, value, 0, 23));
  const monthFits = Array.from({ length: 13 }, (_, value) => member(month, value, 1, 12, NAMES));
  const dayFits = Array.from({ length: 32 }, (_, value) => member(day, value, 1, 31));
  const weekdayFits = Array.from(
    { length: 7 },
    (_, value) => member(weekday, value, 0, 6, DAYS) || (value === 0 && member(weekday, 7, 0, 7, DAYS)),
  );
  const matches = (wall: Omit<WallMinute, 'instant' | 'repeated' | 'skipped'>) => {
    if (!minuteFits[wall.minute] || !hourFits[wall.hour]) return false;
    if (!monthFits[wall.month]) return false;
    const byDay = dayFits[wall.day] === true;
    const byWeekday = weekdayFits[wall.weekday] === true;
    return day.startsWith('*') || weekday.startsWith('*') ? byDay && byWeekday : byDay || byWeekday;
  };
  const instants: number[] = [];
  for (const wall of minutes) {
    const fires = interval
      ? matches(wall)
      : (!wall.repeated && matches(wall)) || wall.skipped.some((jumped) => matches(jumped));
    if (fires) instants.push(wall.instant);
  }
  return instants;
}
