import type { Records } from '../../../database/records.ts';
import { RecordsError } from '../../../database/records.ts';
import { DatabaseUnavailableError } from '../../../shared/errors.ts';
import { WorkError } from '../../work.ts';
import type { SqlSource } from '../source.ts';
import { ReadingCollector } from './collector.ts';
import { excerpt, type KpiConnector, MOST_READINGS } from './connector.ts';

/** What the SQL function `kpi_view_readings` answers. */
type Answer =
  | { found: false }
  | { found: true; missing: string[] }
  | { found: true; missing: []; readings: [atMs: number | null, value: number | string | null][] };

/** Views of the records' own database, schema `public`, whose names begin with kpi_. */
export function sqlConnector(records: Pick<Records, 'call'>): KpiConnector<SqlSource> {
  return {
    async read(source, { signal }) {
      signal.throwIfAborted();
      const answer = await answerOf(records, source);
      if (!answer.found)
        throw new WorkError('KPI_SOURCE_MISSING', `There is no view public.${source.view} in the database.`);
      if (!('readings' in answer))
        throw new WorkError(
          'KPI_SOURCE_INVALID',
          `The view ${source.view} has no column ${answer.missing.join(' and no column ')}.`,
        );
      const collector = new ReadingCollector();
      for (const [atMs, value] of answer.readings)
        if (atMs === null || typeof value !== 'number')
          collector.report(
            `a row has the value ${excerpt(String(value))}${atMs === null ? ' and no finite time' : ''}`,
          );
        else collector.add(atMs, value);
      return collector.end(answer.readings.length > MOST_READINGS);
    },
  };
}

async function answerOf(records: Pick<Records, 'call'>, source: SqlSource): Promise<Answer> {
  try {
    return await records.call<Answer>('kpi_view_readings', {
      p_view: source.view,
      p_kpi: source.kpi ?? null,
      p_limit: MOST_READINGS + 1,
    });
  } catch (error) {
    // A view may be slow, or need a table that is locked: what is away is then not the database.
    if (error instanceof DatabaseUnavailableError)
      throw new WorkError('KPI_SOURCE_UNREADABLE', `The view ${source.view} did not answer.`, {
        retryable: true,
        cause: error,
      });
    if (!(error instanceof RecordsError)) throw error;
    const code = error.sqlState === '42501' ? 'KPI_SOURCE_FORBIDDEN' : 'KPI_SOURCE_INVALID';
    throw new WorkError(
      code,
      `The view ${source.view} cannot be read: ${excerpt(error.message)} (${error.sqlState}).`,
      {
        cause: error,
      },
    );
  }
}
