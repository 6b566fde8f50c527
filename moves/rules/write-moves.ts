import { microsToDollars, type Micros } from '../../shared/money.ts';
import type { Arc } from '../arc.ts';
import { addDays, daysBetween, weekOf } from '../calendar.ts';
import type { Kpi, PlanningContext } from '../context.ts';
import type { MoveDraft, MovesProposal } from '../move.ts';
import type { Evidence, Statement } from '../statement.ts';
import { targetNumbers } from '../validation/known-numbers.ts';
import { type ExistingMove, moneyLeft } from '../validation/money.ts';
import { Notebook } from './notebook.ts';
import { amountOf, channelName, cohortName, kpiName, nameOfProduct, phrase, placeOf } from './phrasing.ts';
import type { MoveWords } from './plays.ts';
import { scheduleOf, type Slot } from './schedule.ts';

interface MovesWanted {
  context: PlanningContext;
  arc: Arc;
  evidence: readonly Evidence[];
  weeks: readonly number[];
  existing: readonly ExistingMove[];
}

const CENT: Micros = 10_000;
/** The priorities of moves, 1 to 5. */
const LAST_PRIORITY = 5;
const LONGEST_TITLE = 200;

function wordsOf({ cohort: at, product, channel, kpi }: Slot, { cohorts, foundation }: PlanningContext): MoveWords {
  const cohort = cohorts[at];
  const pains = cohort?.pains ?? [];
  const pain = phrase(pains[product % Math.max(1, pains.length)] ?? '', 100, '');
  return {
    cohort: cohortName(cohort?.name ?? ''),
    pain: pain === '' ? 'what bothers them most' : `“${pain}”`,
    product: nameOfProduct(foundation.products[product] ?? ''),
    promise: phrase(foundation.promise, 120, 'our promise'),
    channel: channelName(channel),
    where: placeOf(channel),
    kpi: kpiName(kpi),
  };
}

const finite = (value: number) => Math.min(Number.MAX_VALUE, Math.max(-Number.MAX_VALUE, value));

/**
 * What an even pace asks of one of so many moves, from nothing to twice as much. No forecast: templates know nothing of what will happen, and
 * the hypothesis says so.
 */
function expectedOf({ name, baseline, target }: Kpi, moves: number): MoveDraft['expected'] {
  const change = Number(finite(target / moves - baseline / moves).toPrecision(3));
  const [low, high] = change < 0 ? [finite(2 * change), 0] : [0, finite(2 * change)];
  return { kpi: name, change: finite(change), low, high };
}

const paceOf = (kpi: Kpi) =>
  kpi.baseline === kpi.target
    ? `It is to help ${kpiName(kpi)} stay at ${amountOf(kpi.target, kpi)}; that is no forecast.`
    : `The expected change is an even part of the way from ${kpi.baseline} to ${amountOf(kpi.target, kpi)}, no forecast.`;
const PLAIN_PACE = 'The expected change is an even part of the way to the target, no forecast.';

/** What is known of a move beside the context, and whether it is the first move that says so. */
interface Lead {
  fact: Evidence | undefined;
  isFirst: boolean;
}

/** Facts for each slot of the plan, by key; where more are at hand, one after the other. */
function leadsOf(
  slots: readonly Slot[],
  { cohorts, foundation }: PlanningContext,
  notebook: Notebook,
): Map<string, Lead> {
  const told = new Set<Evidence>();
  const wordsIn = (text = '', least: number) => text.split(/\s+/u).filter((word) => word.length >= least);
  return new Map(
    slots.map(({ key, channel, cohort, product }, at) => {
      const words = [
        channelName(channel),
        ...wordsIn(cohorts[cohort]?.name, 5),
        ...wordsIn(foundation.products[product], 6),
      ];
      const fact = notebook.mentioning(words, at);
      const isFirst = fact !== undefined && !told.has(fact);
      if (fact) told.add(fact);
      return [key, { fact, isFirst }];
    }),
  );
}

function hypothesisOf(
  { play, kpi, cohort, product }: Slot,
  words: MoveWords,
  { fact, isFirst }: Lead,
  notebook: Notebook,
): Statement {
  const bet = play.bet(words);
  const facts = notebook.cite(
    `cohort-${cohort + 1}`,
    bet.includes(words.product) ? `foundation-product-${product + 1}` : undefined,
    bet.includes(words.promise) ? 'foundation-promise' : undefined,
    `kpi-${kpi.name}`,
    fact?.id,
  );
  // Pages of the web are cited, but nothing is copied out of them.
  const isTold = fact !== undefined && isFirst && fact.source.kind !== 'web';
  const known = isTold ? `What is known: ${phrase(fact.text, 200, 'see the fact')}. ` : '';
  return notebook.say(
    [
      `${bet} ${known}${paceOf(kpi)}`,
      `${bet} ${paceOf(kpi)}`,
      `${bet} ${PLAIN_PACE}`,
      `${play.plainBet} ${PLAIN_PACE}`,
    ],
    facts,
  );
}

function tasksOf({ play, week }: Slot, { startsOn }: PlanningContext): MoveDraft['tasks'] {
  const { startsOn: first, endsOn: last } = weekOf(startsOn, week);
  const days = daysBetween(first, last);
  return play.tasks.map(([title, effortHours, day]) => ({
    title,
    effortHours,
    dueOn: addDays(first, Math.min(day, days)),
  }));
}

/**
 * The money of each wanted move, in micro-dollars and whole cents. A phase's money is divided evenly over its weeks, a week's over its
 * moves by the arc's shares of their channels; never more than the existing moves leave.
 */
function budgetsOf(
  wanted: readonly Slot[],
  all: readonly Slot[],
  { context, arc, existing }: MovesWanted,
): Map<string, Micros> {
  const left = moneyLeft({ context, arc, existing });
  const whole = moneyLeft({ context, arc, existing: [] });
  const ofPhase = new Map(left.phases);
  let rest = left.total;
  const weightOf = ({ channel }: Slot) => arc.channels.find((one) => one.channel === channel)?.budgetShare ?? 0;
  return new Map(
    wanted.map((slot) => {
      const { id } = slot.phase;
      const fellows = all.filter(({ phase }) => phase === slot.phase);
      const together = fellows.filter(({ week }) => week === slot.week);
      const sum = together.reduce((total, one) => total + weightOf(one), 0);
      const part = sum > 0 ? weightOf(slot) / sum : 1 / together.length;
      const weekly = (whole.phases.get(id) ?? 0) / new Set(fellows.map(({ week }) => week)).size;
      const most = Math.max(0, Math.min(weekly * part, ofPhase.get(id) ?? 0, rest));
      const micros = Math.floor(most / CENT) * CENT;
      ofPhase.set(id, (ofPhase.get(id) ?? 0) - micros);
      rest -= micros;
      return [slot.key, micros];
    }),
  );
}

/** What the moves of one proposal are written from. */
interface Desk {
  context: PlanningContext;
  notebook: Notebook;
  leads: ReadonlyMap<string, Lead>;
  budgets: ReadonlyMap<string, Micros>;
  /** How many moves of the whole plan are to move a KPI, by its name. */
  servants: ReadonlyMap<string, number>;
}

function moveOf(slot: Slot, { context, notebook, leads, budgets, servants }: Desk): MoveDraft {
  const { key, week, phase, play, channel, kpi, owner, place } = slot;
  const words = wordsOf(slot, context);
  const hypothesis = hypothesisOf(slot, words, leads.get(key) as Lead, notebook);
  const tasks = tasksOf(slot, context);
  return {
    key,
    week,
    phase: phase.id,
    title: notebook.title([play.title(words), play.plainTitle], LONGEST_TITLE, hypothesis.facts),
    hypothesis,
    channel,
    owner,
    tasks,
    expected: expectedOf(kpi, servants.get(kpi.name) ?? 1),
    dependsOn: slot.after.filter((before) => budgets.has(before)),
    effortHours: tasks.reduce((sum, { effortHours }) => sum + effortHours, 0),
    priority: Math.min(place + 1, LAST_PRIORITY),
    budget: microsToDollars(budgets.get(key) ?? 0),
  };
}

/**
 * Moves for the weeks asked for, put together from the context's own words. They pass `checkMoves` for an arc that passes `checkArc`, where
 * there is any evidence; the same input gives the same moves.
 */
export function writeMoves(asked: MovesWanted): MovesProposal {
  const { context, arc, evidence, weeks } = asked;
  const all = scheduleOf(context, arc);
  const wanted = all.filter(({ week }) => weeks.includes(week));
  const notebook = new Notebook(evidence, targetNumbers(context, arc));
  const servants = new Map([...Map.groupBy(all, ({ kpi }) => kpi.name)].map(([name, slots]) => [name, slots.length]));
  const desk: Desk = {
    context,
    notebook,
    leads: leadsOf(all, context, notebook),
    budgets: budgetsOf(wanted, all, asked),
    servants,
  };
  return { moves: wanted.map((slot) => moveOf(slot, desk)) };
}
