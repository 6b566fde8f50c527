import { type Quantity, quantitiesOf } from '../../generation/audit/claims/quantities.ts';
import { memo } from '../../generation/audit/gate.ts';
import type { Arc, KpiTarget } from '../arc.ts';
import { ARC_DAYS, ARC_WEEKS } from '../calendar.ts';
import type { Kpi, PlanningContext } from '../context.ts';
import type { MoveDraft } from '../move.ts';

/** Days as ISO 8601 writes them, which are no three numbers. */
export const ISO_DAY = /(?<![\p{N}-])\d{4}-\d\d-\d\d(?![\p{N}-])/gu;

/** What the numbers of a plan's statements may rest on beside the facts that they cite. */
export interface KnownNumbers {
  context: PlanningContext;
  quantities: readonly Quantity[];
  /** Days that the context's own words name. */
  days: ReadonlySet<string>;
}

const known = (dimension: string, values: number[], isProof = false): Quantity => ({
  start: 0,
  end: 0,
  bound: 'exact',
  dimension,
  values,
  isProof,
});

/** A noun behind a number, perhaps behind the other end of a range: what is counted is no share, no price and no multiple. */
const COUNTED =
  /^\s?(?:(?:to|or|and|–|-)\s?[\d.,]+\s)?(?!(?:with|from|than|when|this|that|were|have|then|last|each|over|into|after|before|during|since|while|until)(?!\p{L}))\p{L}{4,}/u;

/** The quantities of a text that others wrote. */
export const quantitiesIn = (text: string): Quantity[] =>
  quantitiesOf(text.replaceAll(ISO_DAY, (day) => ' '.repeat(day.length))).map((quantity) => ({
    ...quantity,
    isProof:
      quantity.isProof || (quantity.dimension === 'count' && COUNTED.test(text.slice(quantity.end, quantity.end + 60))),
  }));

/** A number as people write it: as it is, and rounded to none, one and two decimals. Signs are left to the words around it. */
function written(value: number): number[] {
  const size = Math.abs(value);
  return [size, Math.round(size), Math.round(size * 10) / 10, Math.round(size * 100) / 100].filter(Number.isFinite);
}

/** Units that a bare number, a share and a multiple are all written in, such as a return on ad spend of 3, 3x or 300 %. */
const RATIO_UNIT = /ratio|rate|roas|index|score|factor|multiple/iu;

/** An amount in a unit that the context names in its own words. */
function measured(value: number, unit: string): Quantity[] {
  const [read] = quantitiesOf(`13.5 ${unit}`);
  const factor = (read?.values[0] ?? 13.5) / 13.5;
  const isBare = read === undefined || read.dimension === 'count';
  const values = written(value).map((one) => one * factor);
  if (!isBare) return [known(read.dimension, values)];
  // As a count of something it proves no percentage and no price.
  if (!RATIO_UNIT.test(unit)) return [known('count', values, true)];
  return [known('count', values), known('percent', written(value * 100))];
}

function ofKpi({ baseline, target, unit }: Kpi): Quantity[] {
  const way = target - baseline;
  const growth =
    baseline === 0
      ? []
      : [known('percent', written((way / Math.abs(baseline)) * 100)), known('times', written(target / baseline))];
  return [...measured(baseline, unit), ...measured(target, unit), ...measured(way, unit), ...growth];
}

/** What a share of the budget is, as a share and in dollars. */
const ofShare = (share: number, budget: number) => [
  known('percent', written(share * 100)),
  known('usd', written(share * budget)),
];

/** What whoever asked for the plan wrote himself; `facts` are not among it, since they are there to be cited. */
function proseOf({ objective, cohorts, foundation }: PlanningContext): string[] {
  const { brand, promise, tone, products, proof, constraints } = foundation;
  return [
    objective,
    ...cohorts.flatMap(({ name, description, pains }) => [name, description, ...pains]),
    brand,
    promise,
    tone,
    ...products,
    ...proof,
    ...constraints,
  ];
}

/** Dimension of our own for the days and weeks of an arc: it agrees with a bare number, as in “week 13”, and with nothing else. */
const PLAN = 'days and weeks of the plan';

/** The numbers of the business context: budget, KPIs with the way from baseline to target, and its own words. */
export const contextNumbers = memo((context: PlanningContext): KnownNumbers => {
  const prose = proseOf(context);
  return {
    context,
    quantities: [
      known(PLAN, [ARC_DAYS, ARC_WEEKS]),
      known('usd', written(context.budget)),
      ...context.kpis.flatMap(ofKpi),
      ...prose.flatMap(quantitiesIn),
    ],
    days: new Set(prose.flatMap((text) => text.match(ISO_DAY) ?? [])),
  };
});

const unitOf = ({ kpis }: PlanningContext, name: string) => kpis.find((kpi) => kpi.name === name)?.unit ?? '';

const unionWith = (numbers: KnownNumbers, more: readonly Quantity[]): KnownNumbers => ({
  ...numbers,
  quantities: [...numbers.quantities, ...more],
});

/** The context's numbers with the targets that an arc sets. */
export function targetNumbers(context: PlanningContext, { kpis }: Pick<Arc, 'kpis'>): KnownNumbers {
  const targets = kpis.flatMap(({ kpi, target }) => measured(target, unitOf(context, kpi)));
  return unionWith(contextNumbers(context), targets);
}

/** With shares of the budget. Only for what speaks of them: a share of the budget proves no other percentage. */
export const withShares = (numbers: KnownNumbers, parts: readonly { budgetShare: number }[]): KnownNumbers =>
  unionWith(
    numbers,
    parts.flatMap(({ budgetShare }) => ofShare(budgetShare, numbers.context.budget)),
  );

/** For what speaks of a whole arc: targets and all shares of it. */
export const arcNumbers = (context: PlanningContext, arc: Arc): KnownNumbers =>
  withShares(targetNumbers(context, arc), [...arc.phases, ...arc.channels]);

/** With the thresholds of a KPI, for the reason that is given for them. */
export const withThresholds = (numbers: KnownNumbers, { green, amber }: KpiTarget): KnownNumbers =>
  unionWith(numbers, [known('percent', [...written(green * 100), ...written(amber * 100)])]);

/** With what a move sets by itself: what it expects, what it costs, how long it takes. */
export function withMove(numbers: KnownNumbers, { expected, budget, effortHours, tasks }: MoveDraft): KnownNumbers {
  const unit = unitOf(numbers.context, expected.kpi);
  const changes = [expected.change, expected.low, expected.high].flatMap((value) => measured(value, unit));
  const hours = [effortHours, ...tasks.map((task) => task.effortHours)].flatMap((value) => measured(value, 'hours'));
  return unionWith(numbers, [...changes, ...hours, known('usd', written(budget))]);
}
