import { kpiAlerts } from '../../database/queries/kpis.ts';
import { findPlan } from '../../database/queries/plans.ts';
import type { Records } from '../../database/records.ts';
import type { Colour, KpiAlertRow, PlanRow } from '../../database/tables-moves.ts';
import type { Iso } from '../../database/tables.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { NotFoundError, type Problem, ValidationError } from '../../shared/errors.ts';
import { valueProblem } from './connectors/connector.ts';
import { timeIn } from './connectors/times.ts';
import { earliestReading, KpiReadings } from './readings.ts';
import { placeOf } from './source.ts';
import { type AimedKpi, aimedKpis, standingOf } from './standing.ts';
import { CLOCK_SKEW_MS, type KpiStatus } from './status.ts';

/** Where a KPI stands, and what the last look at its source came to. */
export interface KpiShown extends KpiStatus {
  /** Connector and place; null: its values are entered by hand. */
  source: string | null;
  /** When its source was looked at last; null: never. */
  lookedAt: Iso | null;
  /** What was wrong at that look; null when nothing was. */
  problem: string | null;
  /** The last colour that was no `unknown`, as looks saw it, since when, and how often it has changed. */
  lastColour: { colour: Colour; since: Iso; changes: number } | null;
}

/** A value that somebody entered. */
export interface EnteredReading {
  value: number;
  /** A day or a time; now when left out. */
  observedAt?: string | undefined;
  by: string;
}

/** What people see of KPIs, and enter by hand. */
export class KpiDesk {
  readonly #records: Records;
  readonly #clock: Clock;
  readonly #readings: KpiReadings;

  constructor(dependencies: { records: Records; clock: Clock }) {
    this.#records = dependencies.records;
    this.#clock = dependencies.clock;
    this.#readings = new KpiReadings(dependencies);
  }

  /** Every KPI of a plan, computed now. @throws {NotFoundError} */
  async status(planId: string): Promise<KpiShown[]> {
    const plan = await this.#plan(planId);
    return this.#shown(plan, await aimedKpis(this.#records, plan));
  }

  /**
   * Keeps a value that was entered by hand, in place of one of the same time. People are told of a changed colour at the next look.
   * @throws {NotFoundError} when there is no such plan or KPI
   * @throws {ValidationError} for a time that is none, to come, or long before the plan
   */
  async enter(planId: string, kpi: string, { value, observedAt, by }: EnteredReading): Promise<KpiShown> {
    const plan = await this.#plan(planId);
    const nowMs = this.#clock.now();
    const atMs = observedAt === undefined ? nowMs : timeIn(observedAt);
    const problems = [...timeProblems(atMs, nowMs, plan), ...valueProblems(value)];
    if (problems.length > 0) throw new ValidationError('The request has problems.', problems);
    const at = (await aimedKpis(this.#records, plan)).find((one) => one.kpi.name === kpi);
    if (!at) throw new NotFoundError('KPI of the plan', kpi);
    const readings = [{ observedAt: iso(atMs ?? nowMs), value }];
    await this.#readings.keep(plan, kpi, { readings, problems: [], source: `manual:${by}` });
    const [shown] = await this.#shown(plan, [at]);
    if (!shown) throw new NotFoundError('KPI of the plan', kpi);
    return shown;
  }

  async #shown(plan: PlanRow, kpis: readonly AimedKpi[]): Promise<KpiShown[]> {
    const [alerts, readings] = await Promise.all([kpiAlerts(this.#records, plan.id), this.#readings.daily(plan)]);
    return kpis.map((at) => {
      const { name, source } = at.kpi;
      const alert = alerts.get(name);
      return {
        ...standingOf(at, readings.get(name) ?? [], this.#clock.now()),
        source: source === undefined ? null : placeOf(source),
        lookedAt: alert?.looked_at ?? null,
        problem: alert?.problem ?? null,
        lastColour: lastColour(alert),
      };
    });
  }

  async #plan(id: string): Promise<PlanRow> {
    const plan = await findPlan(this.#records, id);
    if (!plan) throw new NotFoundError('plan', id);
    return plan;
  }
}

function valueProblems(value: number): Problem[] {
  const problem = valueProblem(value);
  return problem === null ? [] : [{ path: 'value', message: problem, mend: 'write the figure in the unit of the KPI' }];
}

function timeProblems(atMs: number | null, nowMs: number, plan: PlanRow): Problem[] {
  const path = 'observedAt';
  const mend = 'write a day or a time such as 2026-03-02 or 2026-03-02T09:00:00Z';
  if (atMs === null) return [{ path, message: 'is no day or time', mend }];
  if (atMs > nowMs + CLOCK_SKEW_MS)
    return [{ path, message: 'lies in the future', mend: 'enter what has been observed' }];
  const earliest = earliestReading(plan.starts_on);
  if (iso(atMs) >= earliest) return [];
  return [
    {
      path,
      message: 'lies more than 30 days before the plan',
      mend: `enter what was observed from ${earliest.slice(0, 10)} on`,
    },
  ];
}

function lastColour(alert: KpiAlertRow | undefined): KpiShown['lastColour'] {
  if (alert === undefined || alert.colour === 'unknown') return null;
  const { colour, since_at: since, changes } = alert;
  return { colour, since, changes };
}
