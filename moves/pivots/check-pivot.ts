import { isDeepStrictEqual } from 'node:util';
import { dollarsToMicros, formatMicros, type Micros } from '../../shared/money.ts';
import type { Arc, Milestone, Phase } from '../arc.ts';
import type { Day } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import type { Evidence } from '../statement.ts';
import { flaw, type Keys, listed, repeats } from '../validation/flaw.ts';
import { arcNumbers } from '../validation/known-numbers.ts';
import { statementFindings } from '../validation/statements.ts';
import { isSame } from './arc-diff.ts';
import type { PivotGiven, PivotProposal } from './pivot.ts';
import type { Variance } from './variance.ts';

/** How an arc is checked; validation/arc-rules.ts has the one that counts. */
export type ArcCheck = (arc: Arc, given: { context: PlanningContext; evidence: readonly Evidence[] }) => Finding[];

type Given = Pick<PivotGiven, 'context' | 'evidence' | 'arcBefore' | 'variance'>;

/** Shares are compared with this much room for sums of decimal fractions. */
const SLACK = 1e-6;

/**
 * Checks a pivot: the new arc by itself, that nothing is rewritten which has happened, that anything changes at all, that its reasons
 * are supported, and that it says what it does to every KPI that is red or amber. Deterministic.
 * @returns every flaw; paths lead into the proposal
 */
export function checkPivot(proposal: PivotProposal, { checkArc, ...given }: Given & { checkArc: ArcCheck }): Finding[] {
  return [
    ...arcFindings(proposal.arc, { ...given, checkArc }).map((finding) => ({
      ...finding,
      path: finding.path === '' ? 'arc' : `arc.${finding.path}`,
    })),
    ...phasePast(proposal.arc, given),
    ...milestonePast(proposal.arc, given),
    ...spentFindings(proposal.arc, given),
    ...changeFindings(proposal.arc, given),
    ...reasonFindings(proposal, given),
    ...effectFindings(proposal, given),
    ...costFindings(proposal, given),
  ];
}

/**
 * What is wrong with the new arc by itself. Numbers in what is past and stays as it was are left alone: they may rest on shares that the
 * pivot changes, and may not be reworded.
 */
export function arcFindings(arc: Arc, { checkArc, ...given }: Given & { checkArc: ArcCheck }): Finding[] {
  const { arcBefore, variance } = given;
  const overBefore = [
    ...arcBefore.phases.filter(({ endsOn }) => endsOn < variance.today),
    ...arcBefore.milestones.filter(({ dueOn }) => dueOn < variance.today),
  ];
  const isSettled = (entry: Phase | Milestone) => overBefore.some((was) => was.id === entry.id && isSame(was, entry));
  const settled = (['phases', 'milestones'] as const).flatMap((list) =>
    arc[list].flatMap((entry, at) => (isSettled(entry) ? [`${list}[${at}].`] : [])),
  );
  return checkArc(arc, given).filter(
    ({ code, path }) => code !== 'PLAN_NUMBER_UNSUPPORTED' || !settled.some((start) => path.startsWith(start)),
  );
}

const PAST = 'PLAN_PAST_CHANGED';

function phasePast({ phases }: Arc, { arcBefore, variance: { today } }: Given): Finding[] {
  const found = new Map(phases.map((phase, at) => [phase.id, { phase, at: ['arc', 'phases', at] as Keys }]));
  const known = arcBefore.phases.filter(({ startsOn }) => startsOn <= today);
  const ids = new Set(known.map(({ id }) => id));
  return [
    ...known.flatMap((was) => {
      const is = found.get(was.id);
      if (is) return phaseKept(was, is.phase, is.at, today);
      return [flaw(PAST, ['arc', 'phases'], `have no ${was.id}, which has begun`, `keep ${was.id}`)];
    }),
    ...phases.flatMap(({ id, startsOn }, at) =>
      ids.has(id) || startsOn > today
        ? []
        : [
            flaw(
              PAST,
              ['arc', 'phases', at, 'startsOn'],
              `is ${startsOn}, when ${id} had not begun`,
              `start after ${today}`,
            ),
          ],
    ),
  ];
}

/** @param was a phase that has begun */
function phaseKept(was: Phase, is: Phase, at: Keys, today: Day): Finding[] {
  if (was.endsOn < today)
    return isSame(was, is)
      ? []
      : [flaw(PAST, at, `changes ${was.id}, which ended on ${was.endsOn}`, 'leave it as it is in "arc"')];
  return [
    ...(is.startsOn === was.startsOn
      ? []
      : [flaw(PAST, [...at, 'startsOn'], `is ${is.startsOn}, while ${was.id} has begun`, `keep ${was.startsOn}`)]),
    ...(is.endsOn >= today
      ? []
      : [flaw(PAST, [...at, 'endsOn'], `is ${is.endsOn}, while ${was.id} goes on today`, `end on ${today} or later`)]),
  ];
}

function milestonePast({ milestones }: Arc, { arcBefore, variance: { today } }: Given): Finding[] {
  const found = new Map(milestones.map((milestone, at) => [milestone.id, { milestone, at }]));
  const past = arcBefore.milestones.filter(({ dueOn }) => dueOn < today);
  const ids = new Set(past.map(({ id }) => id));
  return [
    ...past.flatMap((was) => {
      const is = found.get(was.id);
      if (is && isSame(was, is.milestone)) return [];
      const at = ['arc', 'milestones', ...(is ? [is.at] : [])];
      const what = is ? `changes ${was.id}` : `have no ${was.id}`;
      return [flaw(PAST, at, `${what}, which was due on ${was.dueOn}`, 'keep it as it is in "arc"')];
    }),
    ...milestones.flatMap(({ id, dueOn }, at) => {
      if (ids.has(id) || dueOn >= today) return [];
      const what = `is ${dueOn}, a day that is past`;
      return [flaw(PAST, ['arc', 'milestones', at, 'dueOn'], what, `choose ${today} or a later day`)];
    }),
  ];
}

/** Money that moves have used cannot be given to others; where it is more than the share already, the share is not to shrink. */
function spentFindings(arc: Arc, { context, variance }: Given): Finding[] {
  const budget = dollarsToMicros(context.budget);
  const check = (at: Keys, share: number, now: { budgetShare: number; usedMicros: Micros } | undefined): Finding[] => {
    const used = budget === 0 ? 0 : (now?.usedMicros ?? 0) / budget;
    const least = Math.min(used, now?.budgetShare ?? 0);
    if (share >= least - SLACK) return [];
    const what = `is ${share}, while ${formatMicros(now?.usedMicros ?? 0)} are used already`;
    return [flaw('PLAN_BUDGET_EXCEEDED', at, what, `leave at least ${Number(least.toFixed(4))}`)];
  };
  const gone = variance.channels
    .filter(({ channel }) => !arc.channels.some((one) => one.channel === channel))
    .flatMap((now) => check(['arc', 'channels'], 0, now));
  return [
    ...arc.phases.flatMap(({ id, budgetShare }, at) =>
      check(
        ['arc', 'phases', at, 'budgetShare'],
        budgetShare,
        variance.phases.find(({ phase }) => phase === id),
      ),
    ),
    ...arc.channels.flatMap(({ channel, budgetShare }, at) =>
      check(
        ['arc', 'channels', at, 'budgetShare'],
        budgetShare,
        variance.channels.find((one) => one.channel === channel),
      ),
    ),
    ...gone,
  ];
}

/** An arc without its wording and without the order of what has none. */
function bones({ phases, channels, milestones, kpis }: Arc): unknown {
  const byKey = <T>(list: readonly T[], key: (entry: T) => string, rest: (entry: T) => unknown) =>
    new Map(list.map((entry) => [key(entry), rest(entry)]));
  return [
    byKey(
      phases,
      ({ id }) => id,
      ({ startsOn, endsOn, budgetShare, channels: used }) => [startsOn, endsOn, budgetShare, new Set(used)],
    ),
    byKey(
      channels,
      ({ channel }) => channel,
      ({ budgetShare }) => budgetShare,
    ),
    byKey(
      milestones,
      ({ id }) => id,
      ({ phase, dueOn, dependsOn }) => [phase, dueOn, new Set(dependsOn)],
    ),
    byKey(
      kpis,
      ({ kpi }) => kpi,
      ({ target, green, amber }) => [target, green, amber],
    ),
  ];
}

function changeFindings(arc: Arc, { arcBefore }: Given): Finding[] {
  if (!isDeepStrictEqual(bones(arc), bones(arcBefore))) return [];
  const mend = 'change a share, a day, a channel, a milestone or a threshold';
  return [flaw('PLAN_PIVOT_EMPTY', ['arc'], 'is the same as before, but for words at most', mend)];
}

function reasonFindings({ reasons, arc }: PivotProposal, { context, evidence, arcBefore }: Given): Finding[] {
  const after = arcNumbers(context, arc);
  const numbers = { ...after, quantities: [...arcNumbers(context, arcBefore).quantities, ...after.quantities] };
  return statementFindings(
    reasons.map((statement, at) => ({ at: ['reasons', at], statement, numbers })),
    evidence,
  );
}

function effectFindings({ expectedEffect }: PivotProposal, { variance }: Given): Finding[] {
  const names = expectedEffect.map(({ kpi }) => kpi);
  const needed = variance.kpis.filter(({ kpi, colour }) => isWanting(colour) && !names.includes(kpi));
  return [
    ...repeats(names, (at) => ['expectedEffect', at, 'kpi'], 'say it once for each KPI'),
    ...expectedEffect.flatMap((effect, at) => effectFlaws(effect, ['expectedEffect', at], variance)),
    ...needed.map(({ kpi, colour }) => {
      const mend = `add what the pivot changes of ${kpi}`;
      return flaw('PLAN_KPI_MISSING', ['expectedEffect'], `says nothing of ${kpi}, which is ${colour}`, mend);
    }),
  ];
}

function effectFlaws(
  { kpi: name, change, low, high }: PivotProposal['expectedEffect'][number],
  at: Keys,
  { kpis }: Variance,
): Finding[] {
  const range = `has a change of ${change} outside its interval, ${low} to ${high}`;
  const inRange =
    low <= change && change <= high ? [] : [flaw('PLAN_EXPECTED_RANGE', at, range, 'give low ≤ change ≤ high')];
  const kpi = kpis.find((one) => one.kpi === name);
  if (!kpi) {
    const mend = `use one of ${listed(kpis.map((one) => one.kpi))}`;
    return [flaw('PLAN_KPI_UNKNOWN', [...at, 'kpi'], `is ${name}, which is no KPI of this plan`, mend), ...inRange];
  }
  const { baseline, target } = kpi;
  // Of a KPI that does well the pivot may take something.
  const way = isWanting(kpi.colour) ? Math.sign(target - baseline) : 0;
  if (change * way >= 0) return inRange;
  const away = `is ${change}, away from the target: ${name} is to go from ${baseline} to ${target}`;
  const mend = 'expect a change towards the target, or none';
  return [...inRange, flaw('PLAN_EXPECTED_DIRECTION', [...at, 'change'], away, mend)];
}

/** Whether a KPI of this colour falls short. */
export const isWanting = (colour: string): boolean => colour === 'red' || colour === 'amber';

function costFindings({ cost }: PivotProposal, { context, variance }: Given): Finding[] {
  const used = variance.channels.reduce((sum, { usedMicros }) => sum + usedMicros, 0);
  const left = Math.max(0, dollarsToMicros(context.budget) - used);
  if (cost.dollars * 1_000_000 <= left + 1) return [];
  const what = `is ${cost.dollars}, more than the ${formatMicros(left)} that are left of the budget`;
  return [flaw('PLAN_BUDGET_EXCEEDED', ['cost', 'dollars'], what, 'let it cost less')];
}
