import type { Iso } from '../../../database/tables.ts';
import type { Clock } from '../../../shared/clock.ts';
import type { KpiSource } from '../source.ts';

/** One value of a KPI at a time, in the KPI's unit. */
export interface Reading {
  observedAt: Iso;
  value: number;
}

/** Something that was left out. `line`: of the file, from 1. */
export interface SourceProblem {
  line?: number;
  message: string;
}

export interface SourceReadings {
  /** No two of the same time, in the order of time. */
  readings: Reading[];
  problems: SourceProblem[];
}

export interface SourceRequest {
  /** Name of the KPI. */
  kpi: string;
  signal: AbortSignal;
  clock: Clock;
}

/** Reads the values of a KPI where an outside system keeps them. */
export interface KpiConnector<S extends KpiSource = KpiSource> {
  /**
   * What stands there now; single rows that make no sense are left out and told.
   * @throws {WorkError} KPI_SOURCE_FORBIDDEN, KPI_SOURCE_MISSING, KPI_SOURCE_INVALID, KPI_SOURCE_TOO_LARGE, KPI_SOURCE_UNREADABLE;
   * `retryable` says whether looking again may help. Or the signal's reason.
   */
  read(source: S, request: SourceRequest): Promise<SourceReadings>;
}

/** Readings of one look; the newest that are kept. */
export const MOST_READINGS = 5_000;
/** Single problems that are told of one look. */
export const MOST_PROBLEMS = 50;
/** Beyond this a value is no figure of a business but a fault. */
const LARGEST_VALUE = 1e15;

/** What is wrong with a value as a number, null when nothing is. */
export function valueProblem(value: number): string | null {
  if (!Number.isFinite(value)) return 'is no finite number';
  return Math.abs(value) > LARGEST_VALUE ? 'is beyond 10^15' : null;
}

/** What somebody else wrote, short and in one line, for a message. */
export function excerpt(text: string): string {
  const flat = text
    .slice(0, 200)
    .replaceAll(/[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\s]+/gu, ' ')
    .trim();
  return JSON.stringify(flat.length > 60 ? `${flat.slice(0, 59)}…` : flat).toWellFormed();
}
