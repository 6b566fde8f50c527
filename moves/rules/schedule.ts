import type { Channel } from '../../generation/artifacts.ts';
import type { Arc, Phase } from '../arc.ts';
import { ARC_WEEKS, daysBetween, type Day, weekOf } from '../calendar.ts';
import type { Kpi, PlanningContext } from '../context.ts';
import { phasesOfWeek } from '../validation/money.ts';
import { type Play, playsOf } from './plays.ts';

/** One move of the offline planner's 13 weeks, before it is put into words. */
export interface Slot {
  /** Names it within the plan, whichever weeks are asked for. */
  key: string;
  week: number;
  /** Its place in the week, from 0. */
  place: number;
  phase: Phase;
  play: Play;
  channel: Channel;
  /** Indexes in the context's lists. */
  cohort: number;
  product: number;
  kpi: Kpi;
  owner: string;
  /** Keys of earlier slots. */
  after: string[];
}

const nth = <T>(list: readonly T[], at: number): T => list[at % list.length] as T;

/** Days that a phase has in a week. */
function daysIn(phase: Phase, startsOn: Day, week: number): number {
  const { startsOn: first, endsOn: last } = weekOf(startsOn, week);
  const from = phase.startsOn > first ? phase.startsOn : first;
  const to = phase.endsOn < last ? phase.endsOn : last;
  return Math.max(0, daysBetween(from, to) + 1);
}

/** The phases that each of the 13 weeks works for: the one with the most days, and those that have no other week of their own. */
function phasesByWeek(arc: Arc, startsOn: Day): Phase[][] {
  const weeks = Array.from({ length: ARC_WEEKS }, (_, at): Phase[] => {
    const here = phasesOfWeek(arc, startsOn, at + 1);
    const days = here.map((phase) => daysIn(phase, startsOn, at + 1));
    const main = here[days.indexOf(Math.max(...days))];
    return main ? [main] : [];
  });
  for (const phase of arc.phases) {
    if (weeks.some((phases) => phases.includes(phase))) continue;
    const days = weeks.map((_, at) => daysIn(phase, startsOn, at + 1));
    const most = Math.max(...days);
    if (most > 0) weeks[days.indexOf(most)]?.push(phase);
  }
  return weeks;
}

/** Moves of a week: three, two where the phase has one channel or two, and one for each phase at least. 60 are the most of a proposal. */
function placesOf(phases: readonly Phase[]): number {
  const channels = Math.max(0, ...phases.map((phase) => phase.channels.length));
  return phases.length === 0 ? 0 : Math.max(phases.length, channels > 2 ? 3 : 2);
}

/**
 * The KPI with the fewest moves of those that the channel says most about and those that belong to no channel of the plan; of all, where
 * there are none of these.
 */
function kpiOf(channel: Channel, { kpis, channels }: PlanningContext, slots: readonly Slot[]): Kpi {
  const own = kpis.filter((kpi) => kpi.channel === channel);
  const free = kpis.filter((kpi) => kpi.channel === undefined || !channels.includes(kpi.channel));
  const fitting = own.length + free.length > 0 ? [...own, ...free] : kpis;
  const moves = fitting.map((kpi) => slots.filter((slot) => slot.kpi === kpi).length);
  return fitting[moves.indexOf(Math.min(...moves))] as Kpi;
}

/** Cohorts that are to be found on the channel, or all, in turn. */
function cohortOf(channel: Channel, { cohorts }: PlanningContext, turn: number): number {
  const there = [...cohorts.keys()].filter((at) => cohorts[at]?.channels.includes(channel));
  return nth(there.length > 0 ? there : [...cohorts.keys()], turn);
}

/**
 * All moves of all 13 weeks, whichever are asked for, so that a week is the same whether it is planned alone or with the others. Plays go
 * round within a phase; channels, cohorts, products, KPIs and owners in turn.
 */
export function scheduleOf(context: PlanningContext, arc: Arc): Slot[] {
  const slots: Slot[] = [];
  const used = new Map<string, number>();
  const owners = [...new Set(context.owners)];
  for (const [at, phases] of phasesByWeek(arc, context.startsOn).entries())
    for (let place = 0; place < placesOf(phases); place += 1) {
      const phase = nth(phases, place);
      const turn = used.get(phase.id) ?? 0;
      used.set(phase.id, turn + 1);
      const plays = playsOf(arc.phases.indexOf(phase), arc.phases.length);
      const play = nth(plays, turn);
      // One further in each round, so that a play meets every channel.
      const channel = nth(phase.channels, turn + Math.floor(turn / plays.length));
      const before = slots.findLast((slot) => slot.play.id === play.after);
      slots.push({
        key: `w${String(at + 1).padStart(2, '0')}-${place + 1}-${play.id}`,
        week: at + 1,
        place,
        phase,
        play,
        channel,
        cohort: cohortOf(channel, context, turn),
        product: slots.length % context.foundation.products.length,
        kpi: kpiOf(channel, context, slots),
        owner: nth(owners, slots.length),
        after: before ? [before.key] : [],
      });
    }
  return slots;
}
