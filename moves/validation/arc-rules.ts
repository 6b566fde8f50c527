import type { Arc, KpiTarget, Milestone } from '../arc.ts';
import type { Kpi, PlanningContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import type { Evidence } from '../statement.ts';
import { cycleFindings, unknownDependencies } from './dependencies.ts';
import { flaw, type Keys, listed, repeats, strangeChannels } from './flaw.ts';
import { arcNumbers, targetNumbers, withShares, withThresholds } from './known-numbers.ts';
import { outsidePlan, phaseFindings } from './phase-rules.ts';
import { type Said, statementFindings } from './statements.ts';

/** How far shares may be from 1 together: what rounding to whole percents can leave. */
const SHARE_SLACK = 0.005;
/** How much of the way to the context's target an arc may ask for at most. */
const FURTHEST = 1.5;

function shareFindings(field: 'phases' | 'channels', arc: Arc): Finding[] {
  const sum = arc[field].reduce((total, { budgetShare }) => total + budgetShare, 0);
  // Sums of decimal fractions are off by less than this.
  if (Math.abs(sum - 1) <= SHARE_SLACK + 1e-9) return [];
  const what = `have ${Number(sum.toFixed(4))} of the budget together`;
  return [flaw('PLAN_BUDGET_SHARES', [field], what, 'change their budgetShare so that all of them add up to 1')];
}

function channelFindings({ channels }: Arc, context: PlanningContext): Finding[] {
  const path = (at: number): Keys => ['channels', at, 'channel'];
  return [
    ...repeats(
      channels.map(({ channel }) => channel),
      path,
      'put the shares of a channel together',
    ),
    ...strangeChannels(
      channels.map(({ channel }, at) => ({ channel, at: path(at) })),
      context.channels,
    ),
  ];
}

function milestoneDates(milestone: Milestone, at: Keys, { phases }: Arc, { startsOn }: PlanningContext): Finding[] {
  const phase = phases.find(({ id }) => id === milestone.phase);
  const outside = outsidePlan(startsOn, milestone.dueOn, [...at, 'dueOn']);
  if (!phase)
    return [
      ...outside,
      flaw(
        'PLAN_PHASE_UNKNOWN',
        [...at, 'phase'],
        `is ${milestone.phase}, which is no phase of this arc`,
        `use one of ${listed(phases.map(({ id }) => id))}`,
      ),
    ];
  const isWithin = milestone.dueOn >= phase.startsOn && milestone.dueOn <= phase.endsOn;
  if (outside.length > 0 || isWithin) return outside;
  const what = `is ${milestone.dueOn}, outside its phase ${phase.id}`;
  const mend = `choose a day from ${phase.startsOn} to ${phase.endsOn}, or another phase`;
  return [flaw('PLAN_PHASE_MISMATCH', [...at, 'dueOn'], what, mend)];
}

function milestoneFindings(arc: Arc, context: PlanningContext): Finding[] {
  const { milestones } = arc;
  const known = new Map(milestones.toReversed().map((milestone) => [milestone.id, milestone]));
  const each = milestones.flatMap((milestone, index) => {
    const at = ['milestones', index];
    const early = milestone.dependsOn.flatMap((id, nth) => {
      const before = known.get(id);
      if (!before || before.dueOn <= milestone.dueOn) return [];
      const what = `is ${id}, which is due on ${before.dueOn}, after ${milestone.dueOn}`;
      return [flaw('PLAN_DEPENDENCY_ORDER', [...at, 'dependsOn', nth], what, 'let it be due first, or take it out')];
    });
    return [
      ...milestoneDates(milestone, at, arc, context),
      ...unknownDependencies(milestone, (id) => known.has(id), [...at, 'dependsOn'], 'milestone of this arc'),
      ...early,
    ];
  });
  return [
    ...repeats(
      milestones.map(({ id }) => id),
      (at) => ['milestones', at, 'id'],
      'give each milestone an id of its own',
    ),
    ...each,
    ...cycleFindings(milestones, [], (at) => ['milestones', at, 'dependsOn']),
  ];
}

/**
 * An arc may not ask for less than the context, nor for more than half the way on top: the colours of a KPI are judged by the arc's
 * target, and a plan is neither to look good by asking little nor to be red by asking for what nobody wanted.
 */
function contradictsTarget(target: number, { baseline, target: asked }: Kpi): boolean {
  // Thirds of the numbers, so that the way between the two ends of what a number can be is one itself.
  const way = asked / 3 - baseline / 3;
  const slack = Math.abs(way) * 1e-9;
  const beyond = (target / 3 - asked / 3) * Math.sign(way);
  return target !== asked && (way === 0 || beyond < -slack || beyond > Math.abs(way) * (FURTHEST - 1) + slack);
}

function targetFindings(target: KpiTarget, at: Keys, context: PlanningContext): Finding[] {
  const { kpis } = context;
  const kpi = kpis.find(({ name }) => name === target.kpi);
  const names = listed(kpis.map(({ name }) => name));
  return [
    ...(kpi
      ? []
      : [
          flaw(
            'PLAN_KPI_UNKNOWN',
            [...at, 'kpi'],
            `is ${target.kpi}, which is no KPI of this plan`,
            `use one of ${names}`,
          ),
        ]),
    ...(kpi && contradictsTarget(target.target, kpi)
      ? [
          flaw(
            'PLAN_KPI_TARGET',
            [...at, 'target'],
            `is ${target.target}, while the context asks for ${kpi.target}, from ${kpi.baseline}`,
            `set ${kpi.target}`,
          ),
        ]
      : []),
    ...(target.amber < target.green
      ? []
      : [
          flaw(
            'PLAN_THRESHOLDS',
            [...at, 'amber'],
            `is not below green, ${target.green}`,
            'lower amber, or raise green',
          ),
        ]),
  ];
}

function kpiFindings({ kpis }: Arc, context: PlanningContext): Finding[] {
  const path = (at: number): Keys => ['kpis', at, 'kpi'];
  const set = kpis.map(({ kpi }) => kpi);
  return [
    ...repeats(set, path, 'keep one target for each KPI'),
    ...kpis.flatMap((target, at) => targetFindings(target, ['kpis', at], context)),
    ...context.kpis
      .filter(({ name }) => !set.includes(name))
      .map(({ name, target }) =>
        flaw('PLAN_KPI_MISSING', ['kpis'], `have no target for ${name}`, `add it, with the target ${target}`),
      ),
  ];
}

function saidBy(arc: Arc, context: PlanningContext): Said[] {
  const targets = targetNumbers(context, arc);
  return [
    { at: ['summary'], statement: arc.summary, numbers: arcNumbers(context, arc) },
    ...arc.phases.map((phase, at): Said => {
      const titles = [{ at: ['phases', at, 'name'], text: phase.name }];
      return { at: ['phases', at, 'goal'], statement: phase.goal, titles, numbers: withShares(targets, [phase]) };
    }),
    ...arc.channels.map((channel, at): Said => {
      return { at: ['channels', at, 'why'], statement: channel.why, numbers: withShares(targets, [channel]) };
    }),
    ...arc.milestones.map(({ evidence, name }, at): Said => {
      const titles = [{ at: ['milestones', at, 'name'], text: name }];
      return { at: ['milestones', at, 'evidence'], statement: evidence, titles, numbers: targets };
    }),
    ...arc.kpis.map((kpi, at): Said => {
      return { at: ['kpis', at, 'why'], statement: kpi.why, numbers: withThresholds(targets, kpi) };
    }),
  ];
}

/**
 * Checks an arc against what was asked for and what is known. Deterministic; throws for no arc that fits `arcSchema` and no context that
 * fits `planContextSchema`.
 * @returns every flaw, in the order phases, shares, channels, milestones, KPIs, statements
 */
export function checkArc(
  arc: Arc,
  { context, evidence }: { context: PlanningContext; evidence: readonly Evidence[] },
): Finding[] {
  return [
    ...phaseFindings(arc, context),
    ...shareFindings('phases', arc),
    ...shareFindings('channels', arc),
    ...channelFindings(arc, context),
    ...milestoneFindings(arc, context),
    ...kpiFindings(arc, context),
    ...statementFindings(saidBy(arc, context), evidence),
  ];
}
