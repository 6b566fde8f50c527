import { dailyReadings, newestReadings } from '../../database/queries/kpis.ts';
import type { Records } from '../../database/records.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { addDays, type Day } from '../calendar.ts';
import { MOST_READINGS, type Reading, type SourceReadings } from './connectors/connector.ts';
import { CLOCK_SKEW_MS } from './status.ts';

/** So many days before the first of a plan readings are kept. */
const DAYS_BEFORE = 30;

/** The first moment of which readings of a plan are kept. */
export const earliestReading = (startsOn: Day): string => `${addDays(startsOn, -DAYS_BEFORE)}T00:00:00.000Z`;

type PlanDays = { id: string; starts_on: Day };

/** The readings of a plan's KPIs. */
export class KpiReadings {
  readonly #records: Records;
  readonly #clock: Clock;

  constructor({ records, clock }: { records: Records; clock: Clock }) {
    this.#records = records;
    this.#clock = clock;
  }

  /** So many of the newest, newest first; none of a time to come. */
  async newest(plan: PlanDays, kpi: string, limit: number): Promise<Reading[]> {
    const rows = await newestReadings(this.#records, { planId: plan.id, kpi, ...this.#span(plan), limit });
    return rows.map(({ observed_at: observedAt, value }) => ({ observedAt, value }));
  }

  /** The last of each day, of every KPI; none of a time to come. */
  async daily(plan: PlanDays): Promise<Map<string, Reading[]>> {
    return dailyReadings(this.#records, { planId: plan.id, ...this.#span(plan) });
  }

  #span(plan: PlanDays) {
    return { from: earliestReading(plan.starts_on), to: iso(this.#clock.now() + CLOCK_SKEW_MS) };
  }

  /**
   * Keeps what a source gave; a value of a time that has one already replaces it. Figures of a time to come are forecasts, so
   * they are not kept, nor is what lies more than thirty days before the plan.
   * @returns how many readings are new or corrected, and the problems with a word about those to come
   */
  async keep(
    plan: PlanDays,
    kpi: string,
    { readings, problems, source }: SourceReadings & { source: string },
  ): Promise<{ written: number; problems: SourceReadings['problems'] }> {
    const { from: earliest, to: latest } = this.#span(plan);
    const wanted = readings.filter(({ observedAt }) => observedAt >= earliest && observedAt <= latest);
    const future = readings.filter(({ observedAt }) => observedAt > latest).length;
    const changed = await this.#changed(plan, kpi, wanted);
    // In the order of their key, so that two looks at once never wait for each other.
    await this.#records.upsert(
      'kpi_readings',
      changed.map(({ observedAt, value }) => ({
        plan_id: plan.id,
        kpi,
        observed_at: observedAt,
        value,
        source,
        read_at: iso(this.#clock.now()),
      })),
      ['plan_id', 'kpi', 'observed_at'],
    );
    const said = future === 0 ? [] : [{ message: `${future} readings lie in the future and are ignored` }];
    return { written: changed.length, problems: [...problems, ...said] };
  }

  async #changed(plan: PlanDays, kpi: string, wanted: readonly Reading[]): Promise<Reading[]> {
    const [first, last] = [wanted[0], wanted.at(-1)];
    if (!first || !last) return [];
    const kept = await newestReadings(this.#records, {
      planId: plan.id,
      kpi,
      from: first.observedAt,
      to: last.observedAt,
      limit: 2 * MOST_READINGS,
    });
    const values = new Map(kept.map((row) => [row.observed_at, row.value]));
    return wanted.filter(({ observedAt, value }) => values.get(observedAt) !== value);
  }
}
