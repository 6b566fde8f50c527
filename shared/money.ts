/** An amount of money in micro-dollars (1 USD = 1,000,000), a safe integer, zero or more. */
export type Micros = number;

const MICROS_PER_DOLLAR = 1_000_000;
/** Above this an amount is a mistake, and below it every sum of a period stays a safe integer: one billion dollars. */
export const MAX_DOLLARS = 1_000_000_000;

/**
 * Dollars to micro-dollars, rounded to the nearest. Goes through the shortest decimal text of the number, so 0.29 is
 * 290,000 and not 289,999.
 * @throws {RangeError} for anything but a finite amount between 0 and `MAX_DOLLARS`.
 */
export function dollarsToMicros(dollars: number): Micros {
  if (!Number.isFinite(dollars) || dollars < 0 || dollars > MAX_DOLLARS)
    throw new RangeError(`not an amount of dollars: ${dollars}`);
  return Math.round(Number(`${dollars}e6`.includes('e-') ? dollars * MICROS_PER_DOLLAR : `${dollars}e6`));
}

/** Micro-dollars to dollars, as the API shows them. */
export function microsToDollars(micros: Micros): number {
  return micros / MICROS_PER_DOLLAR;
}

/** For people: `$3.85`, `$0.0042`; at least two decimals, at most six. */
export function formatMicros(micros: Micros): string {
  const text = (micros / MICROS_PER_DOLLAR).toFixed(6);
  return `$${text.replace(/(\.\d{2}\d*?)0+$/, '$1')}`;
}
