import { ARC_DAYS, type Day, daysBetween } from '../calendar.ts';
import type { Timeline, TimelineMilestone, TimelineMove, TimelinePhase } from './timeline.ts';

/** All in pixels. */
export const WIDTH = 1200;
export const MARGIN = 24;
/** Names stand left of the calendar. */
export const CHART_LEFT = 360;
export const CHART_RIGHT = WIDTH - MARGIN;
const DAY_WIDTH = (CHART_RIGHT - CHART_LEFT) / ARC_DAYS;
const ROW = 21;
const PHASE_ROW = 42;
const LANE_GAP = 10;

/** Where each day begins, from left to right; days outside of the plan are at its edges. */
export function scaleFrom(startsOn: Day) {
  const at = (days: number) => CHART_LEFT + Math.min(ARC_DAYS, Math.max(0, days)) * DAY_WIDTH;
  return {
    startOf: (day: Day) => at(daysBetween(startsOn, day)),
    middleOf: (day: Day) => at(daysBetween(startsOn, day) + 0.5),
    endOf: (day: Day) => at(daysBetween(startsOn, day) + 1),
  };
}
export type Scale = ReturnType<typeof scaleFrom>;

/** What a row shows, and the middle of the row. */
export type Row = { y: number } & (
  | { kind: 'milestone'; milestone: TimelineMilestone }
  | { kind: 'move'; move: TimelineMove }
);

export interface Lane {
  /** Null: moves of a phase that the present arc no longer has. */
  phase: TimelinePhase | null;
  top: number;
  bottom: number;
  /** Middle of the bar of the phase. */
  y: number;
  rows: Row[];
}

/** One lane a phase: its bar, its milestones, then its moves by week, each on a row of its own. */
export function lanesOf({ phases, milestones, moves }: Timeline, top: number): Lane[] {
  const ids = new Set(phases.map(({ id }) => id));
  const strays = moves.filter(({ phase }) => !ids.has(phase));
  const lanes: Lane[] = [];
  for (const phase of [...phases, ...(strays.length > 0 ? [null] : [])]) {
    const last = lanes.at(-1);
    lanes.push(
      laneAt(last ? last.bottom + LANE_GAP : top, {
        phase,
        milestones: milestones.filter((milestone) => milestone.phase === phase?.id),
        moves: phase ? moves.filter((move) => move.phase === phase.id) : strays,
      }),
    );
  }
  return lanes;
}

interface LaneParts {
  phase: TimelinePhase | null;
  milestones: readonly TimelineMilestone[];
  moves: readonly TimelineMove[];
}

function laneAt(top: number, { phase, milestones, moves }: LaneParts): Lane {
  const first = top + PHASE_ROW + ROW / 2;
  const rows: Row[] = [
    ...milestones.map((milestone, index) => ({ kind: 'milestone' as const, milestone, y: first + index * ROW })),
    ...moves.map((move, index) => ({ kind: 'move' as const, move, y: first + (milestones.length + index) * ROW })),
  ];
  return { phase, top, y: top + PHASE_ROW / 2, rows, bottom: top + PHASE_ROW + rows.length * ROW + 6 };
}

/** Room between the bars of two weeks that follow each other: arrows go up and down there. */
const GUTTER = 9;
export const DIAMOND = 7;

/** Where the bar of a move begins and ends. */
export function barOf(move: TimelineMove, scale: Scale): { left: number; right: number } {
  const left = scale.startOf(move.startsOn) + 1;
  return { left, right: Math.max(left + 6, scale.endOf(move.endsOn) - GUTTER + 1) };
}

/** Where an arrow to or from a row touches what the row shows. */
export interface Anchor {
  left: number;
  right: number;
  y: number;
}

/** Anchors of all rows, milestones and moves apart, by id. */
export function anchorsOf(lanes: readonly Lane[], scale: Scale): Record<Row['kind'], Map<string, Anchor>> {
  const anchors = { milestone: new Map<string, Anchor>(), move: new Map<string, Anchor>() };
  for (const row of lanes.flatMap(({ rows }) => rows))
    if (row.kind === 'move') anchors.move.set(row.move.id, { ...barOf(row.move, scale), y: row.y });
    else {
      const x = scale.middleOf(row.milestone.dueOn);
      anchors.milestone.set(row.milestone.id, { left: x - DIAMOND, right: x + DIAMOND, y: row.y });
    }
  return anchors;
}

/** The path of an arrow: out to the right, along between two weeks, and in from the left. */
export function arrowPath(from: Anchor, to: Anchor): string {
  const out = from.right + 4;
  const points =
    to.left - out >= 4
      ? [`H${out}`, `V${to.y}`]
      : [`H${out}`, `V${to.y + (from.y < to.y ? -1 : 1) * (ROW / 2)}`, `H${to.left - 5}`, `V${to.y}`];
  return [`M${from.right} ${from.y}`, ...points, `H${to.left}`]
    .join('')
    .replaceAll(/\d+\.\d+/g, (n) => Number(n).toFixed(1));
}
