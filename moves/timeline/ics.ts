import {
  escape,
  ICalCalendar,
  type ICalEventData,
  ICalCalendarMethod,
  ICalEventStatus,
  ICalEventTransparency,
} from 'ical-generator';
import { addDays, type Day } from '../calendar.ts';
import { MILESTONE, MOVE, STATUS } from './palette.ts';
import { numeral, percent, plain } from './text.ts';
import type { Timeline, TimelineMilestone, TimelineMove, TimelinePhase } from './timeline.ts';

export interface IcsOptions {
  /** Where links lead to. */
  publicUrl: string;
  /** When it is made, in milliseconds since the epoch. */
  now: number;
}

const DOMAIN = 'pipeline-orchestrator';
/** How often subscribers should ask again, in seconds. */
const REFRESH_S = 3_600;

interface Entry {
  id: string;
  sequence: number;
  summary: string;
  description: readonly string[];
  category: string;
  startsOn: Day;
  /** Its last day; the calendar is told the day after it. */
  endsOn: Day;
  path: string;
  status?: ICalEventStatus;
  priority?: number;
}

/**
 * The timeline as a calendar (RFC 5545): phases, milestones and moves as events of whole days that leave their owners free.
 * Their UIDs stay and their SEQUENCE grows, by the version of the arc or the move, so that importing it again changes the
 * events that are there. A move that was dropped is cancelled.
 */
export function timelineIcs(timeline: Timeline, { publicUrl, now }: IcsOptions): string {
  const calendar = new ICalCalendar({
    prodId: { company: DOMAIN, product: 'timeline', language: 'EN' },
    method: ICalCalendarMethod.PUBLISH,
    // The library escapes what is in events, but not this.
    name: escape(plain(timeline.plan.name), false),
    ttl: REFRESH_S,
  });
  const root = publicUrl.replace(/\/+$/, '');
  for (const entry of entriesOf(timeline)) calendar.createEvent(eventOf(entry, root, now));
  return `${calendar.toString()}\r\n`;
}

function entriesOf(timeline: Timeline): Entry[] {
  return [
    ...timeline.phases.map((phase) => phaseEntry(phase, timeline)),
    ...timeline.milestones.map((milestone) => milestoneEntry(milestone, timeline)),
    ...timeline.moves.map(moveEntry),
  ];
}

function eventOf(entry: Entry, root: string, now: number): ICalEventData {
  return {
    id: `${entry.id}@${DOMAIN}`,
    sequence: entry.sequence,
    stamp: new Date(now),
    start: entry.startsOn,
    end: addDays(entry.endsOn, 1),
    allDay: true,
    summary: plain(entry.summary),
    description: entry.description.map(plain).join('\n'),
    categories: [{ name: entry.category }],
    url: `${root}${entry.path}`,
    status: entry.status ?? ICalEventStatus.CONFIRMED,
    transparency: ICalEventTransparency.TRANSPARENT,
    ...(entry.priority === undefined ? {} : { priority: entry.priority }),
  };
}

function phaseEntry(phase: TimelinePhase, { plan }: Timeline): Entry {
  const { done, moves } = phase.progress;
  return {
    id: `${plan.id}-phase-${phase.id}`,
    sequence: plan.arcVersion,
    summary: `Phase: ${phase.name}`,
    description: [
      phase.goal,
      `Status: ${STATUS[phase.colour].word}, ${done} of ${moves} moves done`,
      `Budget: ${percent(phase.budgetShare)}`,
      `Channels: ${phase.channels.join(', ')}`,
    ],
    category: 'Phase',
    startsOn: phase.startsOn,
    endsOn: phase.endsOn,
    path: `/api/plans/${plan.id}`,
  };
}

function milestoneEntry(milestone: TimelineMilestone, { plan }: Timeline): Entry {
  return {
    id: `${plan.id}-milestone-${milestone.id}`,
    sequence: plan.arcVersion,
    summary: `Milestone: ${milestone.name}`,
    description: [milestone.evidence, `Status: ${MILESTONE[milestone.state].word}`],
    category: 'Milestone',
    startsOn: milestone.dueOn,
    endsOn: milestone.dueOn,
    path: `/api/plans/${plan.id}`,
  };
}

const MOVE_STATUS: Record<TimelineMove['state'], ICalEventStatus> = {
  planned: ICalEventStatus.CONFIRMED,
  in_progress: ICalEventStatus.CONFIRMED,
  blocked: ICalEventStatus.TENTATIVE,
  done: ICalEventStatus.CONFIRMED,
  dropped: ICalEventStatus.CANCELLED,
};

function moveEntry(move: TimelineMove): Entry {
  return {
    id: `move-${move.id}`,
    sequence: move.version,
    summary: move.title,
    description: [
      `Owner: ${move.owner}`,
      `Channel: ${move.channel}`,
      `Status: ${MOVE[move.state].word}${move.late ? ', late' : ''}`,
      `KPI: ${move.kpi}`,
      `Effort: ${numeral(move.effortHours)} h`,
      `Budget: $${numeral(move.budget)}`,
    ],
    category: 'Move',
    startsOn: move.startsOn,
    endsOn: move.endsOn,
    path: `/api/moves/${move.id}`,
    status: MOVE_STATUS[move.state],
    // 1 to 5 as the 1 to 9 of a calendar.
    priority: move.priority * 2 - 1,
  };
}
