import type { Colour, PlanRow } from '../../database/tables-moves.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { WorkError } from '../work.ts';
import type { SourceProblem } from './connectors/connector.ts';
import type { KpiStatus } from './status.ts';

/** Entries of the output of a step. */
const MOST_LISTED = 100;
const MOST_PROBLEMS = 3;
const LONGEST_PROBLEM = 400;

/** What reading a source came to. */
export interface SourceLook {
  /** Readings that are new or corrected. */
  written: number;
  problems: SourceProblem[];
  /** Why it could not be read; null: it could; left out: there is no source. */
  failure?: WorkError | null;
}

/** One look at one KPI. */
export interface LookedAt extends SourceLook {
  plan: Pick<PlanRow, 'id' | 'name'>;
  status: KpiStatus;
  changed: boolean;
  /** The colour on record before a change. */
  from: Colour | null;
}

const told = ({ line, message }: SourceProblem) => (line === undefined ? message : `line ${line}: ${message}`);

/** What was wrong with a source, in a few words for whoever looks after it; null when nothing was. */
export function problemText({ problems, failure }: SourceLook): string | null {
  if (failure) return `${failure.code}: ${failure.message}`.slice(0, LONGEST_PROBLEM).toWellFormed();
  if (problems.length === 0) return null;
  const more = problems.length > MOST_PROBLEMS ? [`${problems.length - MOST_PROBLEMS} more`] : [];
  const first = problems.slice(0, MOST_PROBLEMS).map(told);
  return [...first, ...more].join('; ').slice(0, LONGEST_PROBLEM).toWellFormed();
}

/** The output of the step: each KPI with its colour. Those that changed or failed come first, as long lists are cut. */
export function outputOf(looks: readonly LookedAt[]): JsonObject {
  const urgency = (look: LookedAt) => Number(look.changed) + Number(problemText(look) !== null);
  const listed = looks.toSorted((a, b) => urgency(b) - urgency(a)).slice(0, MOST_LISTED);
  const sources = looks.filter(({ failure }) => failure !== undefined);
  return {
    plans: new Set(looks.map(({ plan }) => plan.id)).size,
    looked: looks.length,
    sources: sources.length,
    failed: sources.filter(({ failure }) => failure !== null).length,
    changed: looks.filter(({ changed }) => changed).length,
    kpis: listed.map(entryOf),
    leftOut: looks.length - listed.length,
  };
}

function entryOf(look: LookedAt): JsonObject {
  const { plan, status, changed, from, written } = look;
  const { kpi, colour, value, expected, attainment, observedAt, stale } = status;
  return {
    plan: plan.id,
    kpi,
    colour,
    value,
    expected,
    attainment,
    observedAt,
    stale,
    changed,
    ...(from === null ? {} : { from }),
    readings: written,
    problem: problemText(look),
  };
}
