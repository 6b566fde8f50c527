import type { Colour, MoveRow, PlanRow } from '../../database/tables-moves.ts';
import { microsToDollars } from '../../shared/money.ts';
import type { Arc, Milestone, Phase } from '../arc.ts';
import { ARC_WEEKS, type Day, lastDayOf, weekOf } from '../calendar.ts';
import type { MoveState } from '../move.ts';
import { isLate, type MilestoneState, milestoneState, phaseColour, type Progress, progressOf } from './progress.ts';

export interface TimelineWeek {
  /** 1 to 13. */
  week: number;
  startsOn: Day;
  endsOn: Day;
  moves: number;
  done: number;
}

export interface TimelinePhase {
  id: string;
  name: string;
  goal: string;
  startsOn: Day;
  endsOn: Day;
  /** Of the whole budget, 0 to 1. */
  budgetShare: number;
  channels: string[];
  progress: Progress;
  colour: Colour;
}

export interface TimelineMilestone {
  id: string;
  name: string;
  phase: string;
  dueOn: Day;
  evidence: string;
  dependsOn: string[];
  state: MilestoneState;
}

export interface TimelineMove {
  id: string;
  title: string;
  /** May be of an arc before this one, and then unknown to it. */
  phase: string;
  week: number;
  startsOn: Day;
  endsOn: Day;
  channel: string;
  owner: string;
  kpi: string;
  state: MoveState;
  /** Its last day is past and it is neither done nor dropped. */
  late: boolean;
  priority: number;
  /** Person-hours. */
  effortHours: number;
  /** Dollars. */
  budget: number;
  dependsOn: string[];
  arcVersion: number;
  version: number;
}

/** `from` has to be finished before `to`; both are in the timeline. */
export interface TimelineDependency {
  kind: 'milestone' | 'move';
  from: string;
  to: string;
}

/** Where a KPI stands, in its own unit. */
export interface TimelineKpi {
  kpi: string;
  label: string;
  unit: string;
  colour: Colour;
  value: number | null;
  /** On the way to the target, by the day of the value. */
  expected: number | null;
  target: number;
  stale: boolean;
  observedAt: string | null;
}

export interface Timeline {
  plan: {
    id: string;
    name: string;
    state: PlanRow['state'];
    /** 0: no arc is approved yet, and there is nothing to show but the weeks. */
    arcVersion: number;
    startsOn: Day;
    endsOn: Day;
  };
  /** Null when it is none of the plan's days. */
  today: Day | null;
  weeks: TimelineWeek[];
  phases: TimelinePhase[];
  milestones: TimelineMilestone[];
  /** By week, then by priority. */
  moves: TimelineMove[];
  dependencies: TimelineDependency[];
  kpis: TimelineKpi[];
}

export interface TimelineParts {
  plan: Pick<PlanRow, 'id' | 'name' | 'starts_on' | 'state' | 'arc_version'>;
  /** The approved arc; null before there is one. */
  arc: Arc | null;
  moves: readonly MoveRow[];
  kpis: readonly TimelineKpi[];
  today: Day;
}

/** What a plan looks like over its 90 days, as plain data. How states and colours come about: progress.ts. */
export function timelineOf({ plan, arc, moves, kpis, today }: TimelineParts): Timeline {
  const startsOn = plan.starts_on;
  const endsOn = lastDayOf(startsOn);
  const shown = moves
    .toSorted((a, b) => a.week - b.week || a.priority - b.priority || (a.id < b.id ? -1 : 1))
    .map((move) => moveOf(move, today));
  const milestones = (arc?.milestones ?? [])
    .toSorted((a, b) => (a.dueOn < b.dueOn ? -1 : Number(a.dueOn > b.dueOn)))
    .map((milestone) => milestoneOf(milestone, shown, today));
  return {
    plan: { id: plan.id, name: plan.name, state: plan.state, arcVersion: plan.arc_version, startsOn, endsOn },
    today: today >= startsOn && today <= endsOn ? today : null,
    weeks: Array.from({ length: ARC_WEEKS }, (_, index) => weekWith(index + 1, startsOn, shown)),
    phases: (arc?.phases ?? [])
      .toSorted((a, b) => (a.startsOn < b.startsOn ? -1 : 1))
      .map((phase) => phaseOf(phase, shown, today)),
    milestones,
    moves: shown,
    dependencies: [...dependenciesOf('milestone', milestones), ...dependenciesOf('move', shown)],
    kpis: [...kpis],
  };
}

function weekWith(week: number, startsOn: Day, moves: readonly TimelineMove[]): TimelineWeek {
  const ofWeek = moves.filter((move) => move.week === week && move.state !== 'dropped');
  const done = ofWeek.filter(({ state }) => state === 'done').length;
  return { week, ...weekOf(startsOn, week), moves: ofWeek.length, done };
}

function phaseOf(phase: Phase, moves: readonly TimelineMove[], today: Day): TimelinePhase {
  const { id, name, goal, startsOn, endsOn, budgetShare, channels } = phase;
  const own = moves.filter((move) => move.phase === id);
  const progress = progressOf(own);
  const colour = phaseColour(phase, own, today);
  return { id, name, goal: goal.text, startsOn, endsOn, budgetShare, channels: [...channels], progress, colour };
}

function milestoneOf(milestone: Milestone, moves: readonly TimelineMove[], today: Day): TimelineMilestone {
  const { id, name, phase, dueOn, evidence, dependsOn } = milestone;
  const own = moves.filter((move) => move.phase === phase);
  const state = milestoneState(milestone, own, today);
  return { id, name, phase, dueOn, evidence: evidence.text, dependsOn: [...dependsOn], state };
}

function moveOf(row: MoveRow, today: Day): TimelineMove {
  return {
    id: row.id,
    title: row.title,
    phase: row.phase,
    week: row.week,
    startsOn: row.starts_on,
    endsOn: row.ends_on,
    channel: row.channel,
    owner: row.owner,
    kpi: row.kpi,
    state: row.state,
    late: isLate({ endsOn: row.ends_on, state: row.state }, today),
    priority: row.priority,
    effortHours: row.effort_hours,
    budget: microsToDollars(row.budget_micros),
    dependsOn: [...row.depends_on],
    arcVersion: row.arc_version,
    version: row.version,
  };
}

function dependenciesOf(
  kind: TimelineDependency['kind'],
  things: readonly { id: string; dependsOn: readonly string[] }[],
): TimelineDependency[] {
  const known = new Set(things.map(({ id }) => id));
  return things.flatMap(({ id, dependsOn }) =>
    [...new Set(dependsOn)].filter((other) => known.has(other)).map((from) => ({ kind, from, to: id })),
  );
}
