import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { messageOf, type Problem, ValidationError } from '../shared/errors.ts';
import type { Micros } from '../shared/money.ts';
import { problemsOf } from '../shared/zod-problems.ts';
import type { ModelUsage } from './model.ts';
import { VERTEX_PRICES } from './prices-vertex.ts';

/** Micro-dollars for a million tokens, whole numbers. */
interface Rates {
  /** The prompt, and what tools put into it. */
  input: number;
  /** Of the prompt, what the provider had in its cache. */
  cached: number;
  /** The answer, and what the model thought on the way. */
  output: number;
}

export interface Price extends Rates {
  /** The first day in UTC on which it holds, `2027-01-01`; the first price of a model holds from the beginning. */
  from?: string | undefined;
  /** What the whole call costs when its prompt has more tokens than this. */
  longPrompt?: (Rates & { aboveTokens: number }) | undefined;
  /** By how much everywhere but at the global endpoint is dearer. */
  regionalPercent?: number | undefined;
}

/** Prices by model name, the older ones first. */
export type PriceTable = Readonly<Record<string, readonly Price[]>>;

const MILLION = 1_000_000n;
const rate = z.int().min(0).max(1_000_000_000);
const rates = { input: rate, cached: rate, output: rate };
const priceSchema = z.strictObject({
  ...rates,
  from: z.iso.date().optional(),
  longPrompt: z.strictObject({ ...rates, aboveTokens: z.int().min(1) }).optional(),
  regionalPercent: z.int().min(0).max(1_000).optional(),
});
const tableSchema = z.record(z.string().min(1), z.array(priceSchema).min(1));

/**
 * The prices that ship, with those of a file before them. In a file's place a model has its own list only.
 * @throws {ValidationError} when the file cannot be read or has problems, all of them together
 */
export function loadPrices(file: string | null): PriceTable {
  if (file === null) return VERTEX_PRICES;
  const refuse = (problems: Problem[]) => new ValidationError(`The prices in ${file} have problems.`, problems);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    const mend = 'name a JSON file of prices by model name, as docs/generation.md shows it';
    throw refuse([{ path: 'MODEL_PRICES_FILE', message: `cannot be read: ${messageOf(error)}`, mend }]);
  }
  const parsed = tableSchema.safeParse(content);
  if (!parsed.success) throw refuse(problemsOf(parsed.error, content));
  return { ...VERTEX_PRICES, ...parsed.data };
}

/** What a model costs at a time; null when nobody said what it costs. */
export function priceAt(table: PriceTable, model: string, atMs: number): Price | null {
  const prices = Object.hasOwn(table, model) ? (table[model] ?? []) : [];
  const begins = (price: Price) => (price.from === undefined ? -Infinity : Date.parse(price.from));
  const valid = prices.filter((price, index) => index === 0 || begins(price) <= atMs);
  return valid.toSorted((a, b) => begins(a) - begins(b)).at(-1) ?? null;
}

/** Where a call is made: `global`, or anywhere else. */
export type PriceLocation = string;

/**
 * What a call costs, in micro-dollars, rounded up to a whole one. Exact: rates and tokens are multiplied as integers. Thoughts
 * are charged as output, and the provider counts cached tokens among those of the prompt.
 */
export function costOf(usage: ModelUsage, price: Price, location: PriceLocation): Micros {
  const { longPrompt } = price;
  const valid = longPrompt && usage.prompt + usage.tool > longPrompt.aboveTokens ? longPrompt : price;
  const cached = Math.min(usage.cached, usage.prompt);
  const exact =
    BigInt(usage.prompt - cached + usage.tool) * BigInt(valid.input) +
    BigInt(cached) * BigInt(valid.cached) +
    BigInt(usage.output + usage.thoughts) * BigInt(valid.output);
  const percent = 100n + BigInt(location === 'global' ? 0 : (price.regionalPercent ?? 0));
  const divisor = MILLION * 100n;
  return Number((exact * percent + divisor - 1n) / divisor);
}
