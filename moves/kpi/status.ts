import type { Colour } from '../../database/tables-moves.ts';
import type { Iso } from '../../database/tables.ts';
import type { KpiTarget } from '../arc.ts';
import { ARC_DAYS, type Day, dayOf, daysBetween } from '../calendar.ts';
import type { Kpi } from '../context.ts';
import type { Reading } from './connectors/connector.ts';

const DAY_MS = 86_400_000;
/** Thresholds of a KPI of which the arc says nothing. */
const DEFAULT_THRESHOLDS = { green: 0.95, amber: 0.8 };
/** A weekly report and a day to hand it in: what is older says nothing about today. */
const STALE_AFTER_MS = 8 * DAY_MS;
/** Clocks of sources may be ahead by so much; what is later lies in the future. */
export const CLOCK_SKEW_MS = 300_000;
/** The trend is seen over so long. */
const TREND_MS = 7 * DAY_MS;
/** Changes below this share of the whole way are no trend. */
const STEADY_SHARE = 0.01;
/** Shares of the way are compared with this much room for rounding. */
const ROUNDING = 1e-9;
const MOST_HISTORY = 180;

/** What is expected of a KPI on a day, and how a value stands to it. */
interface Judgement {
  /** In the KPI's unit; null before the first day, when nothing is expected. */
  expected: number | null;
  /** (value − baseline) / (expected − baseline); null where nothing is expected beyond the baseline. */
  attainment: number | null;
  colour: Colour;
}

export interface KpiStatus extends Judgement {
  kpi: string;
  label: string;
  unit: string;
  baseline: number;
  /** To be reached on the last day. */
  target: number;
  /** The newest value; null without a reading. */
  value: number | null;
  observedAt: Iso | null;
  /** Whether the newest reading is older than eight days; its colour is then `unknown`. */
  stale: boolean;
  /** Whole days since the newest reading. */
  ageDays: number | null;
  /** From the newest reading that is a week older, or else from the oldest, to the newest. */
  trend: 'improving' | 'worsening' | 'steady' | 'unknown';
  /** Readings of a time to come, which are ignored. */
  futureReadings: number;
  /** The last reading of each day, in UTC, oldest first. */
  history: (Judgement & { observedAt: Iso; value: number })[];
}

export interface KpiInput {
  kpi: Kpi;
  /** As the approved arc has it; without one the plan's context counts. */
  target: KpiTarget | undefined;
  /** First day of the 90. */
  startsOn: Day;
  readings: readonly Reading[];
  /** Milliseconds since the epoch. */
  now: number;
}

/** The line that a KPI is to follow, and the thresholds. */
type Line = { baseline: number; target: number; startsOn: Day; green: number; amber: number };

/**
 * Where a KPI stands, computed from its readings alone: the same readings give the same answer, whatever it was before.
 *
 * The expected value is linear: baseline + (target − baseline) × share of the way, which is 0 on the first day and 1 on the last.
 * The newest value is compared with what was expected on its own day, so that a report that comes once a week is not held to
 * be late. Attainment is (value − baseline) / (expected − baseline), which counts the same way up or down. Green from the
 * target's `green` on, amber from `amber` on, red below. While nothing but the baseline is expected, at least as good is green.
 * A target that is the baseline is to be held: attainment is 1 less the deviation, as a share of the baseline, either way.
 */
export function kpiStatus({ kpi, target, startsOn, readings, now }: KpiInput): KpiStatus {
  const line: Line = {
    baseline: kpi.baseline,
    target: target?.target ?? kpi.target,
    startsOn,
    green: target?.green ?? DEFAULT_THRESHOLDS.green,
    amber: target?.amber ?? DEFAULT_THRESHOLDS.amber,
  };
  const past = readings
    .filter(({ observedAt }) => Date.parse(observedAt) <= now + CLOCK_SKEW_MS)
    .toSorted((a, b) => Date.parse(a.observedAt) - Date.parse(b.observedAt));
  const newest = past.at(-1);
  const ageMs = newest ? Math.max(0, now - Date.parse(newest.observedAt)) : null;
  const stale = ageMs !== null && ageMs > STALE_AFTER_MS;
  const { expected, attainment, colour } = newest
    ? judged(line, newest)
    : { expected: expectedOn(line, dayOf(now)), attainment: null, colour: 'unknown' as const };
  return {
    kpi: kpi.name,
    label: kpi.label ?? kpi.name,
    unit: kpi.unit,
    baseline: line.baseline,
    target: line.target,
    colour: stale ? 'unknown' : colour,
    value: newest?.value ?? null,
    expected,
    attainment,
    observedAt: newest?.observedAt ?? null,
    stale,
    ageDays: ageMs === null ? null : Math.floor(ageMs / DAY_MS),
    trend: trendOf(line, past),
    futureReadings: readings.length - past.length,
    history: lastOfEachDay(past).map((reading) => ({ ...reading, ...judged(line, reading) })),
  };
}

/** In the KPI's unit; null before the first day. After the last day it stays at the target. */
function expectedOn({ baseline, target, startsOn }: Line, day: Day): number | null {
  const days = daysBetween(startsOn, day);
  if (days < 0) return null;
  const share = Math.min(1, days / (ARC_DAYS - 1));
  return share === 1 ? target : baseline + (target - baseline) * share;
}

function judged(line: Line, { observedAt, value }: Reading): Judgement {
  const expected = expectedOn(line, dayOf(Date.parse(observedAt)));
  if (expected === null) return { expected, attainment: null, colour: 'unknown' };
  const { baseline, target } = line;
  if (target === baseline) {
    const attainment = value === baseline ? 1 : 1 - Math.abs(value - baseline) / Math.abs(baseline);
    return {
      expected,
      attainment: Number.isFinite(attainment) ? attainment : null,
      colour: colourOf(line, attainment),
    };
  }
  if (expected === baseline) {
    const isAsGood = target > baseline ? value >= baseline : value <= baseline;
    return { expected, attainment: null, colour: isAsGood ? 'green' : 'red' };
  }
  const attainment = (value - baseline) / (expected - baseline);
  return { expected, attainment, colour: colourOf(line, attainment) };
}

function colourOf({ green, amber }: Line, attainment: number): Colour {
  if (attainment >= green - ROUNDING) return 'green';
  return attainment >= amber - ROUNDING ? 'amber' : 'red';
}

/** @param past in the order of time */
function trendOf({ baseline, target }: Line, past: readonly Reading[]): KpiStatus['trend'] {
  const newest = past.at(-1);
  if (newest === undefined || past.length === 1) return 'unknown';
  const weekBefore = Date.parse(newest.observedAt) - TREND_MS;
  const earlier = past.findLast(({ observedAt }) => Date.parse(observedAt) <= weekBefore) ?? past[0];
  if (earlier === undefined || target === baseline) return 'unknown';
  const share = (newest.value - earlier.value) / (target - baseline);
  if (Math.abs(share) < STEADY_SHARE) return 'steady';
  return share > 0 ? 'improving' : 'worsening';
}

/** @param past in the order of time */
function lastOfEachDay(past: readonly Reading[]): Reading[] {
  const days = new Map(past.map((reading) => [dayOf(Date.parse(reading.observedAt)), reading]));
  return [...days.values()].slice(-MOST_HISTORY).map(({ observedAt, value }) => ({ observedAt, value }));
}
