import type { Json, JsonObject } from '../database/tables.ts';
import { dollarsToMicros, MAX_DOLLARS, type Micros } from '../shared/money.ts';
import type { EngineAnswer, StepLog, StepResult } from './step.ts';

/** Where engines put the fields of a result, nearest first: every vintage has its own wrapping. */
const WRAPPINGS: readonly (readonly string[])[] = [
  ['data'],
  [],
  ['result'],
  ['summary'],
  ['data', 'summary'],
  ['result', 'summary'],
  ['data', 'result'],
  ['result', 'data'],
  ['data', 'result', 'summary'],
  ['result', 'data', 'summary'],
  ['results'],
  ['data', 'results'],
  ['stats'],
  ['data', 'stats'],
];
const COST_FIELDS = ['cost', 'totalCost', 'total_cost', 'analysis_cost', 'cost_usd', 'costUsd'];
/** Counts are stored in integer columns. */
const MOST_COUNTED = 2_147_483_647;
const ITEM_LISTS = ['results', 'leads', 'items'];

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function objectAt(holder: JsonObject, ...path: readonly string[]): JsonObject | undefined {
  let at: Json | undefined = holder;
  for (const field of path) at = isObject(at) && Object.hasOwn(at, field) ? at[field] : undefined;
  return isObject(at) ? at : undefined;
}

/** The objects of an answer in which a field may stand, in the order in which they are asked. */
function holders(payload: JsonObject): JsonObject[] {
  return WRAPPINGS.map((path) => objectAt(payload, ...path)).filter((holder) => holder !== undefined);
}

/** The first value under any of the names, the earlier name first, wherever it is wrapped. */
function lookup<T>(payload: JsonObject, names: readonly string[], read: (value: Json) => T | undefined): T | undefined {
  const places = holders(payload);
  for (const name of names) {
    for (const place of places) {
      const value = Object.hasOwn(place, name) ? place[name] : undefined;
      const found = value === undefined || value === null ? undefined : read(value);
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

/** A count that can be stored; no real one is beyond. */
export function boundedCount(count: number): number {
  return Math.min(count, MOST_COUNTED);
}

/** A number, or one in text as `toFixed` leaves it, a dollar sign allowed. */
function numberOf(value: Json): number | undefined {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value.trim().replace(/^\$/, '')) : value;
  return typeof number === 'number' && Number.isFinite(number) && number >= 0 ? number : undefined;
}

function countFrom(value: Json): number | undefined {
  if (Array.isArray(value)) return value.length;
  const number = numberOf(value);
  return number === undefined ? undefined : boundedCount(Math.floor(number));
}

/** A count from 0 to 2,147,483,647: a number, or how long a list is, under the first of the names that the answer has. */
export function countAt(payload: JsonObject, names: readonly string[]): number | undefined {
  return lookup(payload, names, countFrom);
}

export function flagAt(payload: JsonObject, names: readonly string[]): boolean {
  return lookup(payload, names, (value) => (value === true || value === 'true' ? true : undefined)) ?? false;
}

/** The items of an answer that lists what became of each, `[]` when it lists none. */
export function itemsOf(payload: JsonObject): JsonObject[] {
  const list = lookup(payload, ITEM_LISTS, (value) => (Array.isArray(value) ? value : undefined));
  return (list ?? []).filter(isObject);
}

function dollarsOf(value: Json): number | undefined {
  const amount = isObject(value) ? (value['total'] ?? value['usd'] ?? value['amount'] ?? null) : value;
  const dollars = amount === null ? undefined : numberOf(amount);
  return dollars !== undefined && dollars <= MAX_DOLLARS ? dollars : undefined;
}

/** Dollars under any cost field of one object and its wrappings: the first that is above zero, else 0 where one said 0. */
function dollarsIn(payload: JsonObject): number | undefined {
  const zero = lookup(payload, COST_FIELDS, dollarsOf);
  return lookup(payload, COST_FIELDS, (value) => dollarsOf(value) || undefined) ?? zero;
}

function sumDollars(items: readonly JsonObject[]): number | undefined {
  const known = items.map(dollarsIn).filter((dollars) => dollars !== undefined);
  return known.length === 0 ? undefined : known.reduce((sum, dollars) => sum + dollars, 0);
}

/** The jobs of a job answer, `[]` for every other. */
export function jobsOf(payload: JsonObject): JsonObject[] {
  const jobs = payload['jobs'];
  return Array.isArray(jobs) ? jobs.filter(isObject) : [];
}

/**
 * What an answer says it cost, in micro-dollars: its own total, or the sum over its jobs or items; null when it says nothing.
 * A sum counts what is known, so that an item without a price never hides the prices of the others. A figure that is
 * negative or beyond a billion dollars says nothing.
 */
export function costOf(payload: JsonObject): Micros | null {
  const total = dollarsIn(payload);
  const dollars = total || sumDollars([...jobsOf(payload), ...itemsOf(payload)]) || total;
  return dollars === undefined || dollars > MAX_DOLLARS ? null : dollarsToMicros(dollars);
}

/** What a job brought, by whichever name; `{}` when it says nothing of it. */
export function jobResult(job: JsonObject): JsonObject {
  return objectAt(job, 'result') ?? objectAt(job, 'data') ?? {};
}

/** A job is done and its own result does not say that it failed. */
export function jobSucceeded(job: JsonObject): boolean {
  return job['state'] === 'completed' && job['success'] !== false && jobResult(job)['success'] !== false;
}

/** The results to count: the payload itself, or of a job answer the result of each job that succeeded. */
export function resultsOf(answer: EngineAnswer): JsonObject[] {
  if (answer.dialect !== 'job') return [answer.payload];
  return jobsOf(answer.payload).filter(jobSucceeded).map(jobResult);
}

/** Sum of a count over several results, at most 2,147,483,647; undefined when none has it. */
export function sumCounts(
  results: readonly JsonObject[],
  count: (result: JsonObject) => number | undefined,
): number | undefined {
  const known = results.map(count).filter((value) => value !== undefined);
  return known.length === 0 ? undefined : boundedCount(known.reduce((sum, value) => sum + value, 0));
}

/**
 * The cost to charge. Engines that do not track money report 0 though they worked, so 0 after work is as good as nothing
 * said: null, and the reservation is charged.
 */
export function chargeableCost(costMicros: Micros | null, didWork: boolean): Micros | null {
  return costMicros === 0 && didWork ? null : costMicros;
}

/** `completed` unless the count is known to be zero. An answer without any count is worth a line in the log. */
export function outcomeOf(count: number | undefined, log: StepLog): StepResult['outcome'] {
  if (count === undefined) log.warn('The answer of the engine has no count');
  return count === 0 ? 'empty' : 'completed';
}
