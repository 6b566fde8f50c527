import { createHash } from 'node:crypto';
import type { Colour, MoveRow } from '../../database/tables-moves.ts';
import type { Micros } from '../../shared/money.ts';
import type { Arc } from '../arc.ts';
import type { Day } from '../calendar.ts';
import type { Kpi, PlanContext } from '../context.ts';
import type { KpiStatus } from '../kpi/status.ts';
import type { MoveState } from '../move.ts';
import { isLate } from '../timeline/progress.ts';
import { channelsOf, channelVariance, judged, phaseVariance, workOf, worst } from './work-variance.ts';

/** What of a KPI's status the analysis rests on. */
export type KpiStanding = Pick<KpiStatus, 'kpi' | 'value' | 'expected' | 'colour' | 'stale'>;

export interface KpiVariance {
  kpi: string;
  label: string;
  unit: string;
  baseline: number;
  target: number;
  value: number | null;
  expected: number | null;
  /** How much better the value is than expected, in the KPI's unit; negative: worse. */
  ahead: number | null;
  /** What the moves that are done were to change, all together. */
  promised: number;
  colour: Colour;
  line: string;
}

/** How many moves are in each state, and how many of them are late. */
export type MoveTally = Record<MoveState | 'late', number>;

/** Money in micro-dollars. `used`: the budgets of moves that are done or in progress. */
export interface Spending {
  budgetShare: number;
  budgetMicros: Micros;
  usedMicros: Micros;
}

export interface PhaseVariance extends Spending {
  phase: string;
  name: string;
  /** Share of its days that are over, 0 to 1; today is not over. */
  timeGone: number;
  moves: MoveTally;
  colour: Colour;
  line: string;
}

export interface ChannelVariance extends Spending {
  channel: string;
  moves: MoveTally;
  kpis: { kpi: string; colour: Colour }[];
  colour: Colour;
  line: string;
}

export interface MoveVariance {
  id: string;
  title: string;
  week: number;
  channel: string;
  phase: string;
  state: MoveState;
  late: boolean;
  kpi: string;
  expectedChange: number;
  /** What its KPI has changed since the start, by whatever; null without a reading. */
  kpiChange: number | null;
  colour: Colour;
  line: string;
}

/** How a plan does, as plain JSON. */
export interface Variance {
  today: Day;
  colour: Colour;
  kpis: KpiVariance[];
  phases: PhaseVariance[];
  channels: ChannelVariance[];
  moves: MoveVariance[];
}

export interface VarianceInput {
  context: PlanContext;
  arc: Arc;
  moves: readonly MoveRow[];
  statuses: readonly KpiStanding[];
  today: Day;
}

/**
 * How a plan does against what was expected, by KPI, phase, channel and move. What counts are the KPIs: the overall colour is the
 * worst of theirs that is known. Work that falls behind turns it to amber at most, since it is not yet a result. A KPI's change is
 * set beside what moves were to bring, not ascribed to any of them.
 */
export function varianceOf(input: VarianceInput): Variance {
  const moves = input.moves.toSorted((a, b) => a.week - b.week || (a.id < b.id ? -1 : 1));
  const kpis = input.context.kpis.map((kpi) => kpiVariance(kpi, input));
  const phases = input.arc.phases.map((phase) => phaseVariance(phase, input));
  const work = worst(phases.map(({ colour }) => colour));
  return {
    today: input.today,
    colour: judged(worst(kpis.map(({ colour }) => colour)), work),
    kpis,
    phases,
    channels: channelsOf(input).map((channel) => channelVariance(channel, kpis, input)),
    moves: moves.map((move) => moveVariance(move, kpis, input.today)),
  };
}

/** What is only planned, or dropped, tells nothing of how a plan does; weekly planning replaces such moves. */
const BEGUN: ReadonlySet<MoveState> = new Set(['in_progress', 'blocked', 'done']);

/**
 * SHA-256, in hex, of what a pivot rests on: the newest values and colours of the KPIs, and the moves that people have begun, with their
 * states. The same evidence gives the same hash, on whatever day it is looked at, and whichever version the arc has.
 */
export function evidenceHash({ kpis, moves }: Variance): string {
  const byName = (a: unknown[], b: unknown[]) => (String(a[0]) < String(b[0]) ? -1 : 1);
  // Lists only: JSON writes them in one way.
  const evidence = [
    kpis.map(({ kpi, value, colour }) => [kpi, value, colour]).toSorted(byName),
    moves
      .filter(({ state }) => BEGUN.has(state))
      .map(({ id, state }) => [id, state])
      .toSorted(byName),
  ];
  return createHash('sha256').update(JSON.stringify(evidence)).digest('hex');
}

function kpiVariance(kpi: Kpi, { arc, moves, statuses }: VarianceInput): KpiVariance {
  const standing = statuses.find((status) => status.kpi === kpi.name);
  const { value = null, expected = null, colour = 'unknown' } = standing ?? {};
  const target = arc.kpis.find((one) => one.kpi === kpi.name)?.target ?? kpi.target;
  const done = moves.filter((move) => move.kpi === kpi.name && move.state === 'done');
  const promised = done.reduce((sum, move) => sum + changeOf(move), 0);
  const label = kpi.label ?? kpi.name;
  const seen =
    value === null ? 'no reading yet' : `${figure(value)} ${kpi.unit}${standing?.stale ? ', an old reading' : ''}`;
  const wanted = expected === null ? '' : `, expected ${figure(expected)}`;
  const moved = done.length === 0 ? '' : `; the moves that are done were to change it by ${signed(promised)}`;
  const way = value === null ? '' : `, from ${figure(kpi.baseline)} at the start`;
  return {
    kpi: kpi.name,
    label,
    unit: kpi.unit,
    baseline: kpi.baseline,
    target,
    value,
    expected,
    ahead: value === null || expected === null ? null : ahead(value - expected, target - kpi.baseline),
    promised,
    colour,
    line: `${label}: ${seen}${wanted}${way}, target ${figure(target)}${moved}: ${colour}`,
  };
}

/** @param way the direction that is wanted; with none, every difference is for the worse */
const ahead = (difference: number, way: number) => (way === 0 ? -Math.abs(difference) : difference * Math.sign(way));

function moveVariance(move: MoveRow, kpis: readonly KpiVariance[], today: Day): MoveVariance {
  const { id, title, week, channel, phase, state, kpi: name } = move;
  const kpi = kpis.find((one) => one.kpi === name);
  const kpiChange = kpi === undefined || kpi.value === null ? null : kpi.value - kpi.baseline;
  const late = isLate(workOf(move), today);
  const effect = `${kpi?.label ?? name} by ${signed(changeOf(move))}`;
  const so = kpiChange === null ? 'has no reading' : `has changed by ${signed(kpiChange)} since the start`;
  const standing = `${state.replace('_', ' ')}${late ? `, late since ${move.ends_on}` : ''}`;
  const note =
    state === 'blocked' && move.state_note !== null ? ` (${move.state_note.slice(0, 200).toWellFormed()})` : '';
  const was = state === 'done' ? 'was' : 'is';
  return {
    id,
    title,
    week,
    channel,
    phase,
    state,
    late,
    kpi: name,
    expectedChange: changeOf(move),
    kpiChange,
    colour: moveColour(state, late),
    line: `Move ${title} (week ${week}): ${standing}${note}; it ${was} to change ${effect}, which ${so}`,
  };
}

function moveColour(state: MoveState, late: boolean): Colour {
  if (late) return 'red';
  if (state === 'blocked') return 'amber';
  return state === 'done' || state === 'in_progress' ? 'green' : 'unknown';
}

const changeOf = ({ expected }: MoveRow) => Number(expected['change'] ?? 0);

/** At most two decimals; small numbers with three digits. */
const figure = (value: number) => String(Number(Math.abs(value) < 1 ? value.toPrecision(3) : value.toFixed(2)));
const signed = (value: number) => `${value < 0 ? '' : '+'}${figure(value)}`;
