/** A checked cron expression. */
export interface CronExpression {
  /** Six fields from seconds to day of week, in numbers only. */
  text: string;
  /** Whether the seconds field was written. */
  hasSeconds: boolean;
  /**
   * Whether it follows real time over a change of the clocks: a wildcard or a step in seconds, minutes or hours, or an
   * hour field that names all 24. Everything else is a set of fixed local times.
   */
  isInterval: boolean;
  /** Whether day of month and day of week must both fit (one of them starts with `*`) rather than either. */
  daysJoinedByAnd: boolean;
}

export type CronParse = { expression: CronExpression; problem?: never } | { problem: string };

interface Field {
  name: string;
  low: number;
  high: number;
  names?: readonly string[];
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const WEEKDAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];
const LONGEST_MONTH_DAYS = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

const FIELDS: readonly Field[] = [
  { name: 'second', low: 0, high: 59 },
  { name: 'minute', low: 0, high: 59 },
  { name: 'hour', low: 0, high: 23 },
  { name: 'day of month', low: 1, high: 31 },
  { name: 'month', low: 1, high: 12, names: MONTHS },
  { name: 'day of week', low: 0, high: 7, names: WEEKDAYS },
];

const SHORTCUTS: Record<string, string> = {
  '@hourly': '0 * * * *',
  '@daily': '0 0 * * *',
  '@midnight': '0 0 * * *',
  '@weekly': '0 0 * * 0',
  '@monthly': '0 0 1 * *',
  '@yearly': '0 0 1 1 *',
  '@annually': '0 0 1 1 *',
};

/** Every value of every field written out stays far below this. */
const LONGEST_TEXT = 1_000;

class CronProblem extends Error {}

/** The number that a value stands for; a Sunday that ends a range is 7. */
function readValue(field: Field, text: string, isRangeEnd: boolean): number {
  const named = field.names?.indexOf(text.toUpperCase()) ?? -1;
  if (named !== -1) {
    const value = named + (field.low === 1 ? 1 : 0);
    return isRangeEnd && value === 0 ? 7 : value;
  }
  if (!/^\d{1,4}$/.test(text)) {
    const example = field.names ? `${field.names[1]}, ` : '';
    throw new CronProblem(
      text === ''
        ? `${field.name} has an empty place where a value belongs`
        : `${field.name} ${JSON.stringify(text)} is not understood; write a number from ${field.low} to ${field.high}, ` +
            `${example}a range such as 1-5, a list or a step such as */2`,
    );
  }
  const value = Number(text);
  if (value > field.high) throw new CronProblem(`${field.name} ${value} is above ${field.high}`);
  if (value < field.low) throw new CronProblem(`${field.name} ${value} is below ${field.low}`);
  return value;
}

function readStep(field: Field, text: string): number {
  const size = field.high === 7 ? 7 : field.high - field.low + 1;
  if (!/^\d{1,4}$/.test(text)) throw new CronProblem(`${field.name} step ${JSON.stringify(text)} is not a number`);
  const step = Number(text);
  if (step < 1) throw new CronProblem(`${field.name} step 0 is below 1`);
  if (step > size)
    throw new CronProblem(
      `${field.name} step ${step} is above ${size}; a step counts within the field and never past it`,
    );
  return step;
}

/** One element of a list: its values, and itself in numbers. */
function readElement(field: Field, text: string): { values: number[]; text: string } {
  const [range = '', stepText, ...more] = text.split('/');
  if (more.length > 0) throw new CronProblem(`${field.name} ${JSON.stringify(text)} has more than one step`);
  const step = stepText === undefined ? 1 : readStep(field, stepText);
  const suffix = stepText === undefined ? '' : `/${step}`;
  let from = field.low;
  let to = field.high === 7 ? 6 : field.high;
  let written = '*';
  if (range !== '*') {
    const [first = '', last, ...rest] = range.split('-');
    if (rest.length > 0) throw new CronProblem(`${field.name} ${JSON.stringify(text)} is not a range`);
    from = readValue(field, first, false);
    to = last === undefined ? from : readValue(field, last, true);
    written = last === undefined ? `${from}` : `${from}-${to}`;
    if (from > to) {
      const [bottom, top] =
        field.names && /^[a-z]/i.test(first) ? [field.names[0], field.names.at(-1)] : [field.low, field.high];
      throw new CronProblem(
        `${field.name} range ${range} runs backwards; write it as ${first}-${top},${bottom}-${last}`,
      );
    }
    if (last === undefined && stepText !== undefined)
      throw new CronProblem(`${field.name} "${text}" has a step but no range; write ${range}-${field.high}/${step}`);
  }
  const values = [];
  for (let value = from; value <= to; value += step) values.push(field.high === 7 ? value % 7 : value);
  return { values, text: written + suffix };
}

function readField(field: Field, text: string): { values: Set<number>; text: string } {
  const isDay = field.name.startsWith('day');
  if (/[?#+]/.test(text) || (isDay && text.split(',').some((element) => /^l|[lw]$/i.test(element))))
    throw new CronProblem(
      `${field.name} ${JSON.stringify(text)} uses an extension (L, W, #, ? or +) that standard cron does not have`,
    );
  const elements = text.split(',').map((element) => readElement(field, element));
  return {
    values: new Set(elements.flatMap((element) => element.values)),
    text: elements.map((element) => element.text).join(','),
  };
}

function splitFields(cron: string): { parts: string[]; hasSeconds: boolean } {
  if (cron.length > LONGEST_TEXT) throw new CronProblem(`the expression is longer than ${LONGEST_TEXT} characters`);
  const trimmed = cron.trim();
  if (trimmed === '') throw new CronProblem('the expression is empty; write five fields such as "0 9 * * MON"');
  const name = trimmed.toLowerCase();
  const shortcut = Object.hasOwn(SHORTCUTS, name) ? SHORTCUTS[name] : undefined;
  if (trimmed.startsWith('@') && shortcut === undefined)
    throw new CronProblem(
      `${JSON.stringify(trimmed)} is not a shortcut; there are ${Object.keys(SHORTCUTS).join(', ')}`,
    );
  const parts = (shortcut ?? trimmed).split(/[ \t]+/);
  if (parts.length === 7) throw new CronProblem('there are 7 fields; a year field is not supported');
  if (parts.length !== 5 && parts.length !== 6)
    throw new CronProblem(
      `there ${parts.length === 1 ? 'is 1 field' : `are ${parts.length} fields`}; ` +
        'write minute, hour, day of month, month and day of week, with seconds before them if wanted',
    );
  return { parts: parts.length === 5 ? ['0', ...parts] : parts, hasSeconds: parts.length === 6 };
}

/**
 * Reads a cron expression: five fields (minute, hour, day of month, month, day of week) or six (seconds first), with names,
 * ranges, lists and steps, or one of the `@daily`-style shortcuts, in any case. Sunday is 0 and 7.
 *
 * Days follow Vixie cron (crontab(5)): when day of month and day of week are both restricted either of them suffices; a
 * field that starts with `*`, a step such as `*\/2` included, is unrestricted, and then both must fit.
 *
 * Not supported, and refused by name: L, W, #, ?, +, a year field, `@reboot`, steps on a single number, ranges that
 * run backwards, and expressions that never fire.
 */
export function parseCron(cron: string): CronParse {
  try {
    const { parts, hasSeconds } = splitFields(cron);
    const fields = FIELDS.map((field, index) => readField(field, parts[index] ?? ''));
    const [, , , days, months] = fields;
    const daysJoinedByAnd = [parts[3], parts[5]].some((part) => part?.startsWith('*'));
    const longest = Math.max(...[...(months?.values ?? [])].map((month) => LONGEST_MONTH_DAYS[month - 1] ?? 0));
    const firstDay = Math.min(...(days?.values ?? []));
    if (daysJoinedByAnd && firstDay > longest)
      throw new CronProblem(`it never fires: none of its months has a day of month ${firstDay}`);
    const isInterval =
      parts.slice(0, 3).some((part) => part.includes('*') || part.includes('/')) || fields[2]?.values.size === 24;
    return {
      expression: { text: fields.map((field) => field.text).join(' '), hasSeconds, isInterval, daysJoinedByAnd },
    };
  } catch (error) {
    if (error instanceof CronProblem) return { problem: error.message };
    throw error;
  }
}
