import type { Colour } from '../../database/tables-moves.ts';
import { addDays, type Day } from '../calendar.ts';
import type { MoveState } from '../move.ts';

/** What is looked at of a move. */
interface Work {
  endsOn: Day;
  state: MoveState;
}

export interface Progress {
  done: number;
  /** Moves that are not dropped. */
  moves: number;
  late: number;
  blocked: number;
  /** Done of all, 0 to 1; null without moves. */
  share: number | null;
}

/** Nobody records that a milestone is reached, so none of these says so. */
export const MILESTONE_STATES = ['upcoming', 'due', 'passed', 'overdue'] as const;
export type MilestoneState = (typeof MILESTONE_STATES)[number];

/** A milestone is due for so many days up to its own. */
const DUE_DAYS = 7;
/** A phase is red when a smaller share of the moves that should be finished is done. */
const LEAST_DONE = 0.75;

const isOpen = ({ state }: Work) => state !== 'done' && state !== 'dropped';

/** Whether a move's last day is past while it is neither done nor dropped. */
export const isLate = (move: Work, today: Day): boolean => isOpen(move) && move.endsOn < today;

/** How far moves have come. */
export function progressOf(moves: readonly (Work & { late: boolean })[]): Progress {
  const kept = moves.filter(({ state }) => state !== 'dropped');
  const done = kept.filter(({ state }) => state === 'done').length;
  return {
    done,
    moves: kept.length,
    late: kept.filter(({ late }) => late).length,
    blocked: kept.filter(({ state }) => state === 'blocked').length,
    share: kept.length === 0 ? null : done / kept.length,
  };
}

/**
 * Whether the work of a phase keeps to its time; KPIs belong to no phase and say nothing here. Red: less than three
 * quarters of the moves whose last day is past are done. Amber: one of them is late, or a move is blocked. Green: neither.
 * Unknown: there are no moves, or the phase is yet to begin and nothing is amiss.
 */
export function phaseColour(phase: { startsOn: Day }, moves: readonly Work[], today: Day): Colour {
  const kept = moves.filter(({ state }) => state !== 'dropped');
  if (kept.length === 0) return 'unknown';
  const past = kept.filter(({ endsOn }) => endsOn < today);
  const done = past.filter(({ state }) => state === 'done').length;
  if (past.length > 0 && done / past.length < LEAST_DONE) return 'red';
  if (done < past.length || kept.some(({ state }) => state === 'blocked')) return 'amber';
  return phase.startsOn > today ? 'unknown' : 'green';
}

/**
 * Where a milestone stands by its day and by the moves of its phase that were to be finished by then. `due`: its day is
 * one of the next seven, today included. Once it is past: `passed` when there were such moves and all are done (whether
 * its evidence is there, people have to see), else `overdue`.
 */
export function milestoneState(milestone: { dueOn: Day }, moves: readonly Work[], today: Day): MilestoneState {
  const { dueOn } = milestone;
  if (dueOn >= addDays(today, DUE_DAYS)) return 'upcoming';
  if (dueOn >= today) return 'due';
  const before = moves.filter(({ endsOn, state }) => endsOn <= dueOn && state !== 'dropped');
  return before.length > 0 && before.every(({ state }) => state === 'done') ? 'passed' : 'overdue';
}
