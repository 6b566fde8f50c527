import type { RulesTemplates } from '../../generation/providers/rules.ts';
import { clip } from '../../generation/rules/phrases.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Arc } from '../arc.ts';
import type { PlanContext } from '../context.ts';
import type { Evidence, Statement } from '../statement.ts';
import { checkArc } from '../validation/arc-rules.ts';
import { arcDiff } from './arc-diff.ts';
import { arcFindings, isWanting } from './check-pivot.ts';
import type { PivotProposal } from './pivot.ts';
import { bestFirst, extended, reviewed, shiftedChannels, shiftedPhases } from './shifts.ts';
import { channelEvidenceId, kpiEvidenceId } from './variance-evidence.ts';
import type { KpiVariance, Variance } from './variance.ts';

interface Asked {
  context: PlanContext;
  evidence: Evidence[];
  arc: Arc;
  variance: Variance;
}

/**
 * How much of what is missing a pivot brings back, as the offline writer says: it knows no effects, so it says a fifth, as much as it moves
 * at most, and nothing to two fifths for the interval. Without a reading, of a twentieth of the whole way.
 */
const [BROUGHT_BACK, OF_THE_WAY] = [0.2, 0.05];
/** How sure it is: not very, and less where nothing was read. */
const [SURE, UNSURE] = [0.3, 0.2];
/** Person-hours for each move that is planned anew: a rule of thumb. */
const HOURS_A_MOVE = 1;
const LONGEST_SHIFT = 500;
const MOST_SHIFTS = 20;
const MOST_REASONS = 5;
const LONGEST_REASON = 2_000;
const MOST_CITED = 30;

/** The templates of the offline writer for pivots. */
export const pivotTemplates: RulesTemplates = {
  'plan.pivot': (input) => writePivot(askedOf(input)),
  // Rules leave nothing to object to that this writer could do in another way.
  'plan.pivot.revise': (input) => writePivot(askedOf(input)),
};

const askedOf = (input: JsonObject) => input as unknown as Asked;

/**
 * Moves up to a fifth of the budget share of the channel that does worst to the one that does best, within what is not used; where that cannot
 * be, between phases to come; where that cannot be either, sets a day to look at the readings. A phase under way whose work is far
 * behind gets a week more. The target stays: it is what was asked for. Deterministic.
 */
function writePivot({ context, evidence, arc, variance }: Asked): PivotProposal {
  const given = { context, evidence, arcBefore: arc, variance, checkArc };
  const candidates = changedArcs(arc, variance);
  const after = candidates.find((one) => arcFindings(one, given).length === 0) ?? candidates[0] ?? arc;
  const shifts = arcDiff(arc, after).changes.map((line) => clip(line, LONGEST_SHIFT));
  const wanting = variance.kpis.filter(({ colour }) => isWanting(colour));
  const hasReading = variance.kpis.some(({ value }) => value !== null);
  return {
    reasons: reasonsOf(variance),
    shifts: shifts.length > 0 ? shifts.slice(0, MOST_SHIFTS) : ['Nothing is left that could be changed'],
    arc: after,
    expectedEffect: wanting.map(effectOf),
    cost: {
      dollars: 0,
      effortHours: HOURS_A_MOVE * Math.max(1, plannedMoves(variance)),
      what: 'Planning the moves of the weeks to come anew; the budget as a whole stays as it is.',
    },
    confidence: hasReading ? SURE : UNSURE,
  };
}

/** What could be done, in the order of preference. Statements that name a share may forbid one of them. */
function changedArcs(arc: Arc, variance: Variance): Arc[] {
  const longer = extended(arc, variance);
  const shifted = (from: Arc) => {
    const shift = shiftedChannels(from, variance);
    return shift && { ...shift.arc, channels: shift.arc.channels.map((entry) => explained(entry, shift, variance)) };
  };
  return [shifted(longer), shifted(arc), longer, shiftedPhases(arc, variance), reviewed(arc, variance)].filter(
    (candidate): candidate is Arc => candidate !== null && candidate !== arc,
  );
}

type ChannelShare = Arc['channels'][number];

/** The reason of a share that has changed: the one before may name the old share. */
function explained(entry: ChannelShare, { from, to }: { from: string; to: string }, variance: Variance): ChannelShare {
  const { channel, why } = entry;
  if (channel !== from && channel !== to) return entry;
  const text =
    channel === to
      ? 'It gets a part of what a channel had that does worse.'
      : 'It gives a part of its share to a channel that does better.';
  const facts = [...new Set([...citedOf(variance, from), ...citedOf(variance, to), ...why.facts])];
  return { ...entry, why: { text, facts: facts.slice(0, MOST_CITED) } };
}

const citedOf = (variance: Variance, name: string) =>
  variance.channels
    .filter(({ channel }) => channel === name)
    .flatMap(({ channel, kpis }) => [
      channelEvidenceId(channel, variance),
      ...kpis.map(({ kpi }) => kpiEvidenceId(kpi, variance)),
    ]);

/** What is seen, each with what shows it: the KPIs that fall short, worst first; without any, the first that there is. */
function reasonsOf(variance: Variance): Statement[] {
  const { kpis, channels } = variance;
  const wanting = kpis.filter(({ colour }) => isWanting(colour)).toSorted((a, b) => (a.colour < b.colour ? 1 : -1));
  const shown = (wanting.length > 0 ? wanting : kpis).slice(0, MOST_REASONS - 1);
  const [worst] = bestFirst(channels).toReversed();
  const seen = shown.map(({ kpi, line }) => ({
    text: clip(line, LONGEST_REASON),
    facts: [kpiEvidenceId(kpi, variance)],
  }));
  if (!worst) return seen;
  return [...seen, { text: clip(worst.line, LONGEST_REASON), facts: [channelEvidenceId(worst.channel, variance)] }];
}

function effectOf({ kpi, baseline, target, value, expected }: KpiVariance): PivotProposal['expectedEffect'][number] {
  const way = target - baseline;
  const missing = value === null || expected === null ? 0 : expected - value;
  const isBehind = missing !== 0 && (way === 0 || Math.sign(missing) === Math.sign(way));
  const change = rounded(isBehind ? missing * BROUGHT_BACK : way * OF_THE_WAY);
  const most = rounded(isBehind ? missing * BROUGHT_BACK * 2 : way * OF_THE_WAY * 2);
  return { kpi, change, low: Math.min(0, most), high: Math.max(0, most) };
}

/** Three digits; greater numbers do not become smaller ones by it. */
const rounded = (value: number) => Number(value.toPrecision(3));

/** Moves that nobody has begun. */
const plannedMoves = ({ phases }: Variance) => phases.reduce((sum, { moves }) => sum + moves.planned, 0);
