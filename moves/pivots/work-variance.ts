import type { Colour, MoveRow } from '../../database/tables-moves.ts';
import { dollarsToMicros, formatMicros } from '../../shared/money.ts';
import type { Phase } from '../arc.ts';
import { addDays, type Day, daysBetween } from '../calendar.ts';
import type { PlanContext } from '../context.ts';
import { phaseColour, isLate } from '../timeline/progress.ts';
import { percent } from './arc-diff.ts';
import type { ChannelVariance, KpiVariance, MoveTally, PhaseVariance, Spending, VarianceInput } from './variance.ts';

const RANK: Record<Colour, number> = { unknown: 0, green: 1, amber: 2, red: 3 };

/** The worst colour that is known. */
export const worst = (colours: readonly Colour[]): Colour =>
  colours.reduce<Colour>((so, colour) => (RANK[colour] > RANK[so] ? colour : so), 'unknown');

/** What results are together with the work behind them: work that falls behind is amber, not yet red. */
export function judged(results: Colour, work: Colour): Colour {
  const isBehind = work === 'red' || work === 'amber';
  return isBehind && results !== 'red' ? 'amber' : results;
}

export function phaseVariance(phase: Phase, input: VarianceInput): PhaseVariance {
  const { context, today } = input;
  const moves = input.moves.filter((move) => move.phase === phase.id);
  const days = daysBetween(phase.startsOn, addDays(phase.endsOn, 1));
  const timeGone = Math.min(1, Math.max(0, daysBetween(phase.startsOn, today) / days));
  const tally = tallyOf(moves, today);
  const spending = spendingOf(phase.budgetShare, moves, context);
  const colour = phaseColour(phase, moves.map(workOf), today);
  const line = `Phase ${phase.name}: ${percent(timeGone)} of its days are over, ${inWords(tally)}, ${spent(spending)}: ${colour}`;
  return { phase: phase.id, name: phase.name, timeGone, moves: tally, ...spending, colour, line };
}

/** The channels that the arc uses, then others that have moves or KPIs. */
export function channelsOf({ context, arc, moves }: VarianceInput): string[] {
  const bound = context.kpis.flatMap(({ channel }) => channel ?? []);
  return [...new Set([...arc.channels, ...moves].map(({ channel }) => channel).concat(bound))];
}

export function channelVariance(channel: string, kpis: readonly KpiVariance[], input: VarianceInput): ChannelVariance {
  const { context, arc, today } = input;
  const moves = input.moves.filter((move) => move.channel === channel);
  const names = new Set(context.kpis.filter((kpi) => kpi.channel === channel).map(({ name }) => name));
  const bound = kpis.filter(({ kpi }) => names.has(kpi)).map(({ kpi, colour }) => ({ kpi, colour }));
  const share = arc.channels.find((one) => one.channel === channel)?.budgetShare ?? 0;
  const tally = tallyOf(moves, today);
  const spending = spendingOf(share, moves, context);
  const work = phaseColour({ startsOn: context.startsOn }, moves.map(workOf), today);
  const colour = bound.length === 0 ? work : judged(worst(bound.map((kpi) => kpi.colour)), work);
  const results = bound.map((kpi) => `${kpi.kpi} is ${kpi.colour}, `).join('');
  const line = `Channel ${channel}: ${results}${inWords(tally)}, ${spent(spending)}: ${colour}`;
  return { channel, moves: tally, ...spending, kpis: bound, colour, line };
}

export const workOf = ({ ends_on, state }: MoveRow) => ({ endsOn: ends_on, state });

function tallyOf(moves: readonly MoveRow[], today: Day): MoveTally {
  const tally: MoveTally = { planned: 0, in_progress: 0, blocked: 0, done: 0, dropped: 0, late: 0 };
  for (const move of moves) {
    tally[move.state] += 1;
    if (isLate(workOf(move), today)) tally.late += 1;
  }
  return tally;
}

function inWords({ planned, in_progress, blocked, done, dropped, late }: MoveTally): string {
  const all = planned + in_progress + blocked + done;
  const rest = Object.entries({ late, blocked, dropped }).filter(([, count]) => count > 0);
  return [`${done} of ${all} moves done`, ...rest.map(([what, count]) => `${count} ${what}`)].join(', ');
}

function spendingOf(budgetShare: number, moves: readonly MoveRow[], { budget }: PlanContext): Spending {
  const begun = moves.filter(({ state }) => state === 'done' || state === 'in_progress');
  const budgetMicros = Math.round(budgetShare * dollarsToMicros(budget));
  return { budgetShare, budgetMicros, usedMicros: begun.reduce((sum, move) => sum + move.budget_micros, 0) };
}

const spent = ({ usedMicros, budgetMicros }: Spending) =>
  `${formatMicros(usedMicros)} of ${formatMicros(budgetMicros)} used`;
