import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { addDays } from '../../moves/calendar.ts';
import { sqlConnector } from '../../moves/kpi/connectors/sql-view.ts';
import { kpiSourceSchema, type SqlSource } from '../../moves/kpi/source.ts';
import { WorkError } from '../../moves/work.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';
import { makeMonitor, STARTS_ON, storeMonitoringRun, storePlan, workContext } from './kpi-support.ts';

// On a real server: views belong to operators there, and two looks at once are two connections.
let server: TestPostgres;
let on: TestDatabase;
beforeAll(async () => {
  server = await startPostgres({ supabaseRoles: true });
  on = await server.createDatabase();
}, 60_000);
afterAll(() => server.stop());

function read(source: Partial<SqlSource>, records: Parameters<typeof sqlConnector>[0] = on.records) {
  const parsed = kpiSourceSchema.parse({ type: 'sql', ...source }) as SqlSource;
  const signal = new AbortController().signal;
  return sqlConnector(records).read(parsed, { kpi: 'leads', signal, clock: new TestClock() });
}

const refusal = (reading: Promise<unknown>) =>
  reading.then(
    () => {
      throw new Error('it was read');
    },
    (error: unknown) => {
      if (!(error instanceof WorkError)) throw error;
      return { code: error.code, retryable: error.retryable, message: error.message };
    },
  );

describe('a view of the database', () => {
  test('gives its readings in the order of time', async () => {
    await on.pool.query(`create view kpi_sales as select * from (values
      (timestamptz '2026-01-06 10:00+02', 11.5::numeric, 'leads'), ('2026-01-05 00:00Z', 10, 'leads'),
      ('2026-01-05 00:00Z', 99, 'cost'), (null, 1, 'leads'), ('2026-01-07 00:00Z', null, 'leads')) as v (observed_at, value, kpi)`);
    expect(await read({ view: 'kpi_sales', kpi: 'leads' })).toEqual({
      readings: [
        { observedAt: '2026-01-05T00:00:00.000Z', value: 10 },
        { observedAt: '2026-01-06T08:00:00.000Z', value: 11.5 },
      ],
      problems: [],
    });
    expect((await read({ view: 'kpi_sales', kpi: "x' or true --" })).readings).toEqual([]);
  });

  test('may have days, texts and whole numbers, may be materialized, and is read in UTC', async () => {
    await on.pool.query(`create materialized view kpi_plain as
      select * from (values ('2026-01-05', 10), ('2026-01-06 09:30', 11)) as v (observed_at, value)`);
    await on.pool.query(`create view kpi_days as select date '2026-01-05' as observed_at, 7 as value`);
    expect((await read({ view: 'kpi_plain' })).readings).toEqual([
      { observedAt: '2026-01-05T00:00:00.000Z', value: 10 },
      { observedAt: '2026-01-06T09:30:00.000Z', value: 11 },
    ]);
    expect((await read({ view: 'kpi_days' })).readings).toEqual([{ observedAt: '2026-01-05T00:00:00.000Z', value: 7 }]);
  });

  test('with values and times that are none keeps the others', async () => {
    await on.pool.query(`create view kpi_odd as select * from (values
      (timestamptz '2026-01-05 00:00Z', 'NaN'::float8), ('infinity', 1), ('2026-01-06 00:00Z', 2)) as v (observed_at, value)`);
    const { readings, problems } = await read({ view: 'kpi_odd' });
    expect(readings).toEqual([{ observedAt: '2026-01-06T00:00:00.000Z', value: 2 }]);
    expect(problems).toHaveLength(2);
  });

  test('with very many rows gives the newest, and says so', async () => {
    await on.pool.query(`create view kpi_many as
      select timestamptz '2026-01-01 00:00Z' + n * interval '1 minute' as observed_at, n as value from generate_series(1, 20000) n`);
    const { readings, problems } = await read({ view: 'kpi_many' });
    expect(readings).toHaveLength(5_000);
    expect(readings.at(-1)?.value).toBe(20_000);
    expect(problems).toEqual([{ message: expect.stringContaining('only the newest') }]);
  });

  test('that is not there is told, and so is what is a table or stands in another schema', async () => {
    await on.pool.query('create schema other');
    await on.pool.query('create view other.kpi_hidden as select now() as observed_at, 1 as value');
    for (const view of ['kpi_none', 'kpi_readings', 'kpi_alerts', 'kpi_hidden'])
      expect(await refusal(read({ view }))).toEqual({
        code: 'KPI_SOURCE_MISSING',
        retryable: false,
        message: `There is no view public.${view} in the database.`,
      });
  });

  test('that lacks columns is told which', async () => {
    await on.pool.query('create view kpi_short as select 1 as value');
    expect((await refusal(read({ view: 'kpi_short', kpi: 'leads' }))).message).toBe(
      'The view kpi_short has no column kpi and no column observed_at.',
    );
  });

  test('that fails is told with its reason', async () => {
    await on.pool.query(`create view kpi_broken as select '2026-01-05'::text as observed_at, 'many'::text as value`);
    expect(await refusal(read({ view: 'kpi_broken' }))).toMatchObject({
      code: 'KPI_SOURCE_INVALID',
      retryable: false,
      message: expect.stringContaining('22P02'),
    });
  });

  test('cannot write, whatever it is made of', async () => {
    await on.pool.query('create table written (n integer)');
    await on.pool.query(`create function write_it() returns integer language plpgsql volatile as
      $$ begin insert into written values (1); return 1; end $$`);
    await on.pool.query('create view kpi_writing as select now() as observed_at, write_it() as value');
    await read({ view: 'kpi_writing' }).catch(() => undefined);
    const { rows } = await on.pool.query('select n from written');
    expect(rows).toEqual([]);
  });

  test('that the service has no right to is told', async () => {
    await on.pool.query('create view kpi_private as select now() as observed_at, 1 as value');
    const asService = {
      call: async <R>(name: string, args: Record<string, unknown>): Promise<R> => {
        await on.pool.query('alter role service_role set search_path = public');
        const client = await on.pool.connect();
        try {
          await client.query('set role service_role');
          const { rows } = await client.query('select kpi_view_readings($1, $2, $3) as answer', Object.values(args));
          return rows[0].answer as R;
        } catch (error) {
          const { RecordsError } = await import('../../database/records.ts');
          throw new RecordsError((error as { code: string }).code, (error as Error).message, error);
        } finally {
          await client.query('reset role');
          client.release();
        }
      },
    };
    expect(await refusal(read({ view: 'kpi_private' }, asService))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN' });
    await on.pool.query('grant select on kpi_private to service_role');
    expect((await read({ view: 'kpi_private' }, asService)).readings).toHaveLength(1);
  });

  test('that does not answer in time is worth another look', async () => {
    const call = () => Promise.reject(new DatabaseUnavailableError(new Error('statement timeout')));
    expect(await refusal(read({ view: 'kpi_sales' }, { call }))).toMatchObject({
      code: 'KPI_SOURCE_UNREADABLE',
      retryable: true,
    });
  });
});

describe('looks at the same KPI at the same time', () => {
  test('write nothing when somebody else has seen a change since', async () => {
    const { id } = await storePlan(on.records, [{ name: 'leads' }]);
    const look = (seen: number | null, colour: string | null, changes: number) =>
      on.records.call<boolean>('kpi_look', {
        p_plan_id: id,
        p_kpi: 'leads',
        p_seen: seen,
        p_colour: colour,
        p_changes: changes,
        p_problem: null,
        p_at: '2026-01-15T12:00:00.000Z',
        p_outbox: [],
      });
    const answers = [
      await look(null, 'red', 1),
      await look(null, 'amber', 1),
      await look(0, 'amber', 1),
      await look(1, 'green', 2),
      await look(1, 'amber', 2),
      await look(2, null, 2),
    ];
    expect(answers).toEqual([true, false, false, true, false, true]);
    const where = [{ column: 'plan_id' as const, op: 'eq' as const, value: id }];
    expect(await on.records.select('kpi_alerts', { where })).toMatchObject([{ colour: 'green', changes: 2 }]);
  });

  test('tell of each change once, whoever saw it first', async () => {
    await on.pool.query('create table figures (at timestamptz, value float8)');
    await on.pool.query('create view kpi_race as select at as observed_at, value from figures');
    const clock = new TestClock(`${addDays(STARTS_ON, 10)}T12:00:00.000Z`);
    const source = { type: 'sql' as const, view: 'kpi_race' };
    const plan = await storePlan(on.records, [
      { name: 'leads', source },
      { name: 'same', source },
    ]);
    const run = await storeMonitoringRun(on.records);
    const { monitor } = makeMonitor(on.records, clock);
    const told = async () => {
      const rows = await on.records.select('notifications', { order: [{ column: 'id' }] });
      return rows
        .map(({ facts }) => `${String(facts['kpi'])} ${String(facts['from'])}→${String(facts['to'])}`)
        .toSorted();
    };
    const expected: string[] = [];
    let before = 'unknown';
    for (const [share, colour] of [
      [0, 'red'],
      [0.9, 'amber'],
      [0, 'red'],
      [1, 'green'],
      [0.9, 'amber'],
    ] as const) {
      clock.set(clock.now() + 86_400_000);
      const days = Math.floor((clock.now() - Date.parse(STARTS_ON)) / 86_400_000);
      await on.pool.query('insert into figures values ($1, $2)', [new Date(clock.now()), days * 10 * share]);
      await Promise.all(Array.from({ length: 6 }, () => monitor.pull({}, workContext(run, clock))));
      expected.push(`leads ${before}→${colour}`, `same ${before}→${colour}`);
      before = colour;
      expect(await told()).toEqual(expected.toSorted());
    }
    const alerts = await on.records.select('kpi_alerts', {
      where: [{ column: 'plan_id', op: 'eq', value: plan.id }],
      order: [{ column: 'kpi' }],
    });
    expect(alerts).toMatchObject([
      { colour: 'amber', changes: 5 },
      { colour: 'amber', changes: 5 },
    ]);
  }, 60_000);
});
