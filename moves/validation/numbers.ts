import { agrees } from '../../generation/audit/claims/agreement.ts';
import { type Quantity, quantitiesOf } from '../../generation/audit/claims/quantities.ts';
import { GRAVE_DIMENSIONS } from '../../generation/audit/claims/quantity-units.ts';
import { memo } from '../../generation/audit/gate.ts';
import { addDays, ARC_DAYS, ARC_WEEKS, type Day, lastDayOf } from '../calendar.ts';
import type { Evidence } from '../statement.ts';
import { ISO_DAY, type KnownNumbers, quantitiesIn } from './known-numbers.ts';

const DAY_SECONDS = 86_400;
/** Thirteen weeks, as people call 90 days. */
const LONGEST_SPAN: Readonly<Record<string, number>> = { time: ARC_WEEKS * 7 * DAY_SECONDS, months: 3 };

/** `day 45`, `weeks 2 to 5`: places in the plan, which claim nothing. */
const PLACE = /(?<![\p{L}\p{N}])(day|week)s?\s+(\d{1,2})(?:\s*(?:–|-|to|and)\s*(\d{1,2}))?(?![\p{L}\p{N}])/giu;

const factQuantities = memo((fact: Evidence) => quantitiesIn(fact.text));

/** The days of the arc as `quantitiesOf` reads them: month times 100 plus day of the month. */
const daysOfPlan = (startsOn: Day) =>
  new Set(
    Array.from({ length: ARC_DAYS }, (_, at) => addDays(startsOn, at).slice(5).split('-').map(Number)).map(
      ([month, day]) => (month as number) * 100 + (day as number),
    ),
  );

/** Spans no longer than the plan, and days within it, are plans and not claims. */
function isPlanning({ dimension, values }: Quantity, startsOn: Day): boolean {
  const longest = LONGEST_SPAN[dimension];
  if (longest !== undefined) return values.some((value) => value <= longest);
  return dimension === 'date' && values.some((value) => daysOfPlan(startsOn).has(value));
}

function withoutPlaces(text: string): string {
  return text.replaceAll(PLACE, (whole: string, what: string, from: string, to: string | undefined) => {
    const most = what.toLowerCase() === 'day' ? ARC_DAYS : ARC_WEEKS;
    return Number(from) <= most && Number(to ?? from) <= most ? ' '.repeat(whole.length) : whole;
  });
}

/**
 * The numbers of a text that nothing supports: neither a fact that it cites, nor what the plan itself says. Left alone are counts up
 * to twelve, years, times of day and names, as in the audit of artifacts; days inside the plan and spans no longer than it.
 * @param cited the facts that the text cites
 * @param onlyGrave only shares, money, multiples and ratings, as for titles
 * @returns pieces of the text
 */
export function unsupportedNumbers(
  text: string,
  cited: readonly Evidence[],
  { context, quantities, days }: KnownNumbers,
  { onlyGrave = false } = {},
): string[] {
  const { startsOn } = context;
  const last = lastDayOf(startsOn);
  const strangeDays = (onlyGrave ? [] : (text.match(ISO_DAY) ?? [])).filter(
    (day) => (day < startsOn || day > last) && !days.has(day) && !cited.some((fact) => fact.text.includes(day)),
  );
  const bare = withoutPlaces(text).replaceAll(ISO_DAY, (day) => ' '.repeat(day.length));
  const claimed = quantitiesOf(bare).filter(
    (quantity) => (!onlyGrave || GRAVE_DIMENSIONS.has(quantity.dimension)) && !isPlanning(quantity, startsOn),
  );
  if (claimed.length === 0) return strangeDays;
  const known = [...quantities, ...cited.flatMap(factQuantities)];
  const strange = claimed.filter((claim) => !known.some((one) => agrees(claim, one)));
  return [...strangeDays, ...strange.map(({ start, end }) => text.slice(start, end))];
}
