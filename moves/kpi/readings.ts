import { newestReadings } from '../../database/queries/kpis.ts';
import type { Records } from '../../database/records.ts';
import type { KpiReadingRow } from '../../database/tables-moves.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { addDays, type Day } from '../calendar.ts';
import { MOST_READINGS, type Reading, type SourceReadings } from './connectors/connector.ts';
import { CLOCK_SKEW_MS } from './status.ts';

/** So many days before the first of a plan readings are kept. */
const DAYS_BEFORE = 30;

/** The first moment of which readings of a plan are kept. */
export const earliestReading = (startsOn: Day): string => `${addDays(startsOn, -DAYS_BEFORE)}T00:00:00.000Z`;

/** The readings of a plan's KPIs. */
export class KpiReadings {
  readonly #records: Records;
  readonly #clock: Clock;

  constructor({ records, clock }: { records: Records; clock: Clock }) {
    this.#records = records;
    this.#clock = clock;
  }

  /** The newest that there are, newest first; none of a time to come. */
  async newest(plan: { id: string; starts_on: Day }, kpi: string, limit = MOST_READINGS): Promise<KpiReadingRow[]> {
    return newestReadings(this.#records, {
      planId: plan.id,
      kpi,
      from: earliestReading(plan.starts_on),
      to: iso(this.#clock.now() + CLOCK_SKEW_MS),
      limit,
    });
  }

  /**
   * Keeps what a source gave; a value of a time that has one already replaces it. Figures of a time to come are forecasts, so
   * they are not kept, nor is what lies more than thirty days before the plan.
   * @returns how many readings are new or corrected, and the problems with a word about those to come
   */
  async keep(
    plan: { id: string; starts_on: Day },
    kpi: string,
    { readings, problems, source }: SourceReadings & { source: string },
  ): Promise<{ written: number; problems: SourceReadings['problems'] }> {
    const now = this.#clock.now();
    const latest = iso(now + CLOCK_SKEW_MS);
    const earliest = earliestReading(plan.starts_on);
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
        read_at: iso(now),
      })),
      ['plan_id', 'kpi', 'observed_at'],
    );
    const said = future === 0 ? [] : [{ message: `${future} readings lie in the future and are ignored` }];
    return { written: changed.length, problems: [...problems, ...said] };
  }

  async #changed(plan: { id: string }, kpi: string, wanted: readonly Reading[]): Promise<Reading[]> {
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
