import type { JsonObject } from '../../shared/json.ts';
import { microsToDollars } from '../../shared/money.ts';
import type { Arc } from '../arc.ts';
import { ARC_WEEKS, lastDayOf, weekOf } from '../calendar.ts';
import type { PlanContext, PlanningContext } from '../context.ts';
import { withoutQuery } from '../kpi/source.ts';
import type { Evidence } from '../statement.ts';
import { type ExistingMove, moneyLeft, phasesOfWeek } from '../validation/money.ts';

/** What every request of planning starts from. */
export interface PlanGiven {
  context: PlanContext;
  evidence: readonly Evidence[];
}

/** An existing move, with what a planner should know of it so as not to repeat it. */
export interface KnownMove extends ExistingMove {
  title?: string;
  channel?: string;
  owner?: string;
  state?: string;
}

/** What a plan's moves are asked for with. */
export interface MovesAsked extends PlanGiven {
  arc: Arc;
  /** 1 to 13. */
  weeks: readonly number[];
  existing: readonly KnownMove[];
  /** What became of earlier moves, each as whoever asks describes it. */
  outcomes: readonly JsonObject[];
}

/** The context without what comes as evidence, and without where readings come from: addresses are nobody's business here. */
export function planningContext({
  facts: _facts,
  knowledge: _knowledge,
  research: _research,
  kpis,
  ...rest
}: PlanContext): PlanningContext {
  return { ...rest, kpis: kpis.map(({ source: _source, ...kpi }) => kpi) };
}

/** As the input of a request: what JSON leaves out is gone. */
export const asJson = (value: object) => JSON.parse(JSON.stringify(value)) as JsonObject;

/** Where it was found, without what stands in the query of an address. */
const withoutSecrets = ({ id, text, source: { kind, location } }: Evidence): Evidence => ({
  id,
  text,
  source: { kind, location: kind === 'web' ? withoutQuery(location) : location },
});

/** The data of every request about a plan. */
export function planData({ context, evidence }: PlanGiven): JsonObject {
  const days = { startsOn: context.startsOn, endsOn: lastDayOf(context.startsOn) };
  return asJson({ context: planningContext(context), days, evidence: evidence.map(withoutSecrets) });
}

/** With the weeks that are asked for, what of the budget is left, and what there is already. */
export function movesData({ context, evidence, arc, weeks, existing, outcomes }: MovesAsked): JsonObject {
  const { startsOn } = context;
  const left = moneyLeft({ context, arc, existing });
  const dollars = (micros: number) => microsToDollars(Math.max(0, micros));
  return {
    ...planData({ context, evidence }),
    ...asJson({
      arc,
      weeks: [...new Set(weeks)]
        .filter((week) => Number.isInteger(week) && week >= 1 && week <= ARC_WEEKS)
        .map((week) => ({
          week,
          ...weekOf(startsOn, week),
          phases: phasesOfWeek(arc, startsOn, week).map(({ id }) => id),
        })),
      money: {
        left: dollars(left.total),
        phases: arc.phases.map(({ id }) => ({ id, left: dollars(left.phases.get(id) ?? 0) })),
      },
      existing: existing.map(({ budgetMicros, ...move }) => ({ ...move, budget: microsToDollars(budgetMicros) })),
      outcomes,
    }),
  };
}
