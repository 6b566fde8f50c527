import type { Colour } from '../../database/tables-moves.ts';
import type { Arc, Milestone, Phase } from '../arc.ts';
import { addDays, type Day, daysBetween } from '../calendar.ts';
import { kpiEvidenceId } from './variance-evidence.ts';
import type { ChannelVariance, Variance } from './variance.ts';

/** Of a share, what is moved at most: enough to be seen, little enough to be taken back. */
const MOST_MOVED = 0.2;
/** Shares are moved in steps of so much of the whole budget; less than one is not worth it. */
const STEP = 0.001;
/** A phase gets a week more, or nothing. */
const EXTENSION_DAYS = 7;
/** A phase that gives a week keeps at least so many days. */
const LEAST_DAYS = 7;
/** The day of a review is so many days ahead. */
const REVIEW_DAYS = 14;
/** As many as an arc has at most. */
const MOST_MILESTONES = 40;

const BADNESS: Record<Colour, number> = { green: 0, unknown: 1, amber: 2, red: 3 };

/** Channels by how they do: by the colour of their KPIs and work, then by moves that are late or blocked. */
export function bestFirst(channels: readonly ChannelVariance[]): ChannelVariance[] {
  const held = ({ moves }: ChannelVariance) => moves.late + moves.blocked;
  return channels.toSorted((a, b) => BADNESS[a.colour] - BADNESS[b.colour] || held(a) - held(b));
}

/** What can be taken of a share: at most a fifth of it, nothing that is used. */
function movable(share: number, { budgetMicros, budgetShare, usedMicros }: Spent): number {
  const used = budgetMicros === 0 ? 0 : (usedMicros / budgetMicros) * budgetShare;
  return Math.floor(Math.max(0, Math.min(share * MOST_MOVED, share - used)) / STEP + 1e-9) * STEP;
}
type Spent = Pick<ChannelVariance, 'budgetMicros' | 'budgetShare' | 'usedMicros'>;

/** Without the noise of sums of decimal fractions. */
const tidy = (share: number) => Number(share.toFixed(9));

interface ChannelShift {
  arc: Arc;
  from: string;
  to: string;
}

/** Budget from the channel that does worst and has some left to the best that a phase goes on with; null where there are no such two. */
export function shiftedChannels(arc: Arc, { channels, today }: Variance): ChannelShift | null {
  const used = new Set(arc.channels.map(({ channel }) => channel as string));
  const live = new Set(arc.phases.filter(({ endsOn }) => endsOn >= today).flatMap((phase): string[] => phase.channels));
  const ranked = bestFirst(channels.filter(({ channel }) => used.has(channel)));
  const to = ranked.find(({ channel }) => live.has(channel))?.channel;
  if (to === undefined) return null;
  for (const worst of ranked.toReversed()) {
    const from = worst.channel;
    const moved = movable(arc.channels.find(({ channel }) => channel === from)?.budgetShare ?? 0, worst);
    if (from === to || moved < STEP) continue;
    const shares = arc.channels.map((entry) => {
      const change = entry.channel === from ? -moved : entry.channel === to ? moved : 0;
      return change === 0 ? entry : { ...entry, budgetShare: tidy(entry.budgetShare + change) };
    });
    return { arc: { ...arc, channels: shares }, from, to };
  }
  return null;
}

/** Budget from the phase to come that has most to the first that is not over; null where there are no such two. */
export function shiftedPhases(arc: Arc, { phases, today }: Variance): Arc | null {
  const [to, ...others] = byDay(arc.phases).filter(({ endsOn }) => endsOn >= today);
  const [from] = others.toSorted((a, b) => b.budgetShare - a.budgetShare);
  const spent = phases.find(({ phase }) => phase === from?.id);
  if (!to || !from || !spent) return null;
  const moved = movable(from.budgetShare, spent);
  if (moved < STEP) return null;
  const shares = arc.phases.map((phase) => {
    const change = phase.id === from.id ? -moved : phase.id === to.id ? moved : 0;
    return change === 0 ? phase : { ...phase, budgetShare: tidy(phase.budgetShare + change) };
  });
  return { ...arc, phases: shares };
}

/**
 * A week more for the phase under way when its work is red, taken from the phase behind it; the same arc where that is not needed, or would leave
 * that phase less than a week or a milestone outside it.
 */
export function extended(arc: Arc, { phases, today }: Variance): Arc {
  const ordered = byDay(arc.phases);
  const at = ordered.findIndex(({ startsOn, endsOn }) => startsOn <= today && endsOn >= today);
  const [running, next] = [ordered[at], ordered[at + 1]];
  if (at === -1 || !running || !next) return arc;
  const isBehind = phases.find(({ phase }) => phase === running.id)?.colour === 'red';
  const begins = addDays(next.startsOn, EXTENSION_DAYS);
  const left = daysBetween(begins, addDays(next.endsOn, 1));
  const isFree = arc.milestones.every(({ phase, dueOn }) => phase !== next.id || dueOn >= begins);
  if (!isBehind || left < LEAST_DAYS || !isFree) return arc;
  return {
    ...arc,
    phases: arc.phases.map((phase) => {
      if (phase.id === running.id) return { ...phase, endsOn: addDays(phase.endsOn, EXTENSION_DAYS) };
      return phase.id === next.id ? { ...phase, startsOn: begins } : phase;
    }),
  };
}

/** A day on which people look at the readings; the same arc when the plan is over, or has as many milestones as it may have. */
export function reviewed(arc: Arc, variance: Variance): Arc {
  const { kpis, today } = variance;
  const [phase] = byDay(arc.phases).filter(({ endsOn }) => endsOn >= today);
  if (!phase || arc.milestones.length >= MOST_MILESTONES) return arc;
  const review: Milestone = {
    id: freeId(arc),
    name: 'Readings are reviewed',
    phase: phase.id,
    dueOn: reviewDay(phase, today),
    evidence: {
      text: 'The readings stand beside what was expected of them, and it is written down what goes on and what stops.',
      facts: kpis.slice(0, 1).map(({ kpi }) => kpiEvidenceId(kpi, variance)),
    },
    dependsOn: [],
  };
  return { ...arc, milestones: [...arc.milestones, review] };
}

function reviewDay({ startsOn, endsOn }: Phase, today: Day): Day {
  const wanted = addDays(startsOn > today ? startsOn : today, REVIEW_DAYS);
  return wanted < endsOn ? wanted : endsOn;
}

function freeId({ milestones }: Arc): string {
  const taken = new Set(milestones.map(({ id }) => id));
  for (let nth = 1; ; nth += 1) if (!taken.has(`review-${nth}`)) return `review-${nth}`;
}

const byDay = (phases: readonly Phase[]) => phases.toSorted((a, b) => (a.startsOn < b.startsOn ? -1 : 1));
