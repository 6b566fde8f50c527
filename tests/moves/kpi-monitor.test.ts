import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PlanRow } from '../../database/tables-moves.ts';
import { addDays } from '../../moves/calendar.ts';
import { colourChange } from '../../moves/kpi/alert.ts';
import { KpiDesk } from '../../moves/kpi/kpi-desk.ts';
import type { KpiSource } from '../../moves/kpi/source.ts';
import { WorkError } from '../../moves/work.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { TestClock } from '../support/clock.ts';
import { intercepted } from '../support/intercept.ts';
import { type EmbeddedRecords, embeddedRecords } from '../support/records.ts';
import { makeMonitor, STARTS_ON, storeMonitoringRun, storePlan, workContext } from './kpi-support.ts';

let records: EmbeddedRecords;
let folder: Awaited<ReturnType<typeof mkdtempDisposable>>;
let clock: TestClock;
let run: { runId: string; campaignId: string };
beforeAll(async () => {
  records = await embeddedRecords();
  folder = await mkdtempDisposable(join(tmpdir(), 'pipeline-orchestrator-kpis-'));
});
beforeEach(async () => {
  await records.truncate();
  clock = new TestClock(`${addDays(STARTS_ON, 10)}T12:00:00.000Z`);
  run = await storeMonitoringRun(records);
});
afterAll(async () => {
  await records.close();
  await folder.remove();
});

const csv = (file: string): KpiSource => ({ type: 'csv', file, value: 'value', date: 'date' });
const write = (file: string, ...rows: string[]) =>
  writeFile(join(folder.path, file), ['date,value', ...rows].join('\n'));
const day = (n: number) => addDays(STARTS_ON, n);
/** Ten more are expected each day, so this is the share of the way. */
const onDay = (n: number, share: number) => `${day(n)},${Math.round(n * 10 * share)}`;

function watching(change: Parameters<typeof makeMonitor>[2] = {}) {
  const made = makeMonitor(records, clock, { kpiDir: folder.path, ...change });
  const pull = (params: JsonObject = {}) => made.monitor.pull(params, workContext(run, clock));
  return { ...made, pull };
}

const messages = () => records.select('notifications', { order: [{ column: 'created_at' }, { column: 'id' }] });
const changesTold = async () =>
  (await messages()).map(({ facts }) => `${String(facts['from'])}→${String(facts['to'])}`);
const alerts = () => records.select('kpi_alerts', { order: [{ column: 'kpi' }] });
const readings = () => records.select('kpi_readings', { order: [{ column: 'kpi' }, { column: 'observed_at' }] });

async function failureOf(work: Promise<unknown>): Promise<WorkError> {
  const error: unknown = await work.then(
    () => new Error('it did not fail'),
    (reason: unknown) => reason,
  );
  if (error instanceof WorkError) return error;
  throw error;
}

describe('a look at the KPIs', () => {
  test('keeps what the sources give, and tells where each KPI stands', async () => {
    await write('leads.csv', onDay(9, 1), onDay(10, 0.9));
    const plan = await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }, { name: 'bookings' }]);
    const { outcome, output, costMicros } = await watching().pull();
    expect({ outcome, costMicros }).toEqual({ outcome: 'completed', costMicros: 0 });
    expect(output).toMatchObject({ plans: 1, looked: 2, sources: 1, failed: 0, changed: 1, leftOut: 0 });
    expect(output['kpis']).toEqual([
      {
        plan: plan.id,
        kpi: 'leads',
        colour: 'amber',
        value: 90,
        expected: 100,
        attainment: 0.9,
        observedAt: `${day(10)}T00:00:00.000Z`,
        stale: false,
        changed: true,
        from: 'unknown',
        readings: 2,
        problem: null,
      },
      expect.objectContaining({ kpi: 'bookings', colour: 'unknown', changed: false, readings: 0 }),
    ]);
    expect(await readings()).toMatchObject([
      { observed_at: `${day(9)}T00:00:00.000Z`, value: 90, source: 'csv:leads.csv' },
      { observed_at: `${day(10)}T00:00:00.000Z`, value: 90 },
    ]);
  });

  test('replaces a value that was corrected, and writes nothing that is as it was', async () => {
    await write('leads.csv', onDay(9, 1), onDay(10, 1));
    await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }]);
    const { pull } = watching();
    await pull();
    clock.set(clock.now() + 1_000);
    await write('leads.csv', onDay(9, 1), `${day(10)},99`);
    expect((await pull()).output['kpis']).toMatchObject([{ readings: 1, value: 99 }]);
    const [before, corrected] = await readings();
    expect(corrected?.value).toBe(99);
    expect(before && corrected && before.read_at < corrected.read_at).toBe(true);
    expect((await pull()).output['kpis']).toMatchObject([{ readings: 0 }]);
  });

  test('keeps no forecasts, and says so, nor what is long before the plan', async () => {
    await write('leads.csv', `${day(-31)},1`, `${day(-30)},2`, onDay(10, 1), `${day(11)},110`, `${day(12)},120`);
    await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }]);
    const { output } = await watching().pull();
    expect((await readings()).map(({ value }) => value)).toEqual([2, 100]);
    expect(output['kpis']).toMatchObject([{ problem: '2 readings lie in the future and are ignored' }]);
  });

  test('goes on where a source fails, keeps what is known, and says which failed and why', async () => {
    await write('leads.csv', onDay(10, 1), 'x,y');
    await storePlan(records, [
      { name: 'leads', source: csv('leads.csv') },
      { name: 'gone', source: csv('gone.csv') },
    ]);
    const { outcome, output } = await watching().pull();
    expect(outcome).toBe('completed');
    expect(output).toMatchObject({ sources: 2, failed: 1 });
    expect(await alerts()).toMatchObject([
      {
        kpi: 'gone',
        colour: 'unknown',
        problem: expect.stringMatching(/^KPI_SOURCE_MISSING: "gone\.csv" is not there/),
      },
      { kpi: 'leads', colour: 'green', problem: expect.stringMatching(/^line 3: "y" is no number/) },
    ]);
  });

  test('fails when every source failed, and has still looked at everything', async () => {
    await storePlan(records, [{ name: 'leads', source: csv('gone.csv') }, { name: 'bookings' }]);
    const failure = await failureOf(watching().pull());
    expect(failure).toMatchObject({ code: 'KPI_SOURCES_FAILED', retryable: false, costMicros: 0 });
    expect(failure.output).toMatchObject({ looked: 2, failed: 1 });
    expect(await alerts()).toHaveLength(2);
  });

  test('is worth a retry when one of the failures is', async () => {
    await storePlan(records, [
      { name: 'leads', source: csv('gone.csv') },
      { name: 'cost', source: { type: 'http', url: 'http://127.0.0.1:1/', value: '$.a' } },
    ]);
    expect(await failureOf(watching().pull())).toMatchObject({ code: 'KPI_SOURCES_FAILED', retryable: true });
  });

  test('forgets the problem of a source once it can be read', async () => {
    await storePlan(records, [{ name: 'leads', source: csv('late.csv') }]);
    const { pull } = watching();
    await failureOf(pull());
    await write('late.csv', onDay(10, 1));
    await pull();
    expect(await alerts()).toMatchObject([{ problem: null, colour: 'green' }]);
  });

  test('is at the active plans of a workspace, or at one plan', async () => {
    const one = await storePlan(records, [{ name: 'leads' }]);
    const other = await storePlan(records, [{ name: 'leads' }]);
    const away = await storePlan(records, [{ name: 'leads' }], { workspace: 'acme' });
    const ended = await storePlan(records, [{ name: 'leads' }], { state: 'ended' });
    const { pull } = watching();
    const plansOf = async (params: JsonObject) =>
      ((await pull(params)).output['kpis'] as JsonObject[]).map(({ plan }) => plan);
    expect(await plansOf({})).toEqual([one.id, other.id]);
    expect(await plansOf({ workspace: 'acme' })).toEqual([away.id]);
    expect(await plansOf({ plan: other.id })).toEqual([other.id]);
    expect(await pull({ plan: ended.id })).toMatchObject({ outcome: 'empty' });
    expect(await pull({ workspace: 'nobody' })).toMatchObject({ outcome: 'empty', output: { looked: 0 } });
    expect(await failureOf(pull({ plan: newId() }))).toMatchObject({ code: 'PLAN_UNKNOWN', retryable: false });
  });

  test('ends four weeks after the 90 days of a plan, unless the plan is asked for', async () => {
    const plan = await storePlan(records, [{ name: 'leads' }]);
    const looked = async (params: JsonObject) => (await watching().pull(params)).output['looked'];
    clock.set(`${day(89 + 28)}T23:59:59.000Z`);
    expect(await looked({})).toBe(1);
    clock.set(`${day(89 + 29)}T00:00:00.000Z`);
    expect(await looked({})).toBe(0);
    expect(await looked({ plan: plan.id })).toBe(1);
  });

  test('follows the approved arc where it aims at something else than the context', async () => {
    await write('leads.csv', `${day(10)},50`);
    const kpis = [{ name: 'leads', source: csv('leads.csv') }];
    await storePlan(records, kpis, { targets: [{ target: 445 }] });
    expect((await watching().pull()).output['kpis']).toMatchObject([{ colour: 'green', expected: 50 }]);
  });

  test('reads a view of the embedded database, and writes afterwards', async () => {
    await records.pool.query(`create or replace view kpi_sales as
      select timestamptz '${day(10)} 08:00Z' as observed_at, 100 as value, 'leads' as kpi`);
    await storePlan(records, [{ name: 'leads', source: { type: 'sql', view: 'kpi_sales', kpi: 'leads' } }]);
    expect((await watching().pull()).output['kpis']).toMatchObject([{ colour: 'green', readings: 1 }]);
    expect(await readings()).toMatchObject([{ value: 100, source: 'sql:kpi_sales:leads' }]);
  });

  test('ends as soon as the work is broken off, and counts that as no failure of a source', async () => {
    await write('leads.csv', onDay(10, 1));
    await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }]);
    const { monitor } = watching();
    const broken = AbortSignal.abort(new Error('stop'));
    await expect(monitor.pull({}, workContext(run, clock, broken))).rejects.toThrow('stop');
    expect(await alerts()).toEqual([]);
  });

  test('fails as the database does when that is away', async () => {
    await storePlan(records, [{ name: 'leads' }]);
    const away = new DatabaseUnavailableError(new Error('away'));
    const { monitor } = makeMonitor(
      intercepted(records, () => Promise.reject(away)),
      clock,
    );
    await expect(monitor.pull({}, workContext(run, clock))).rejects.toBe(away);
    await write('leads.csv', onDay(10, 1));
    await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }]);
    const unwritable = new Proxy(
      intercepted(records, (_name, _args, next) => next()),
      {
        get: (target, name) =>
          name === 'upsert' ? () => Promise.reject(away) : (Reflect.get(target, name) as unknown),
      },
    );
    const other = makeMonitor(unwritable, clock, { kpiDir: folder.path }).monitor;
    await expect(other.pull({}, workContext(run, clock))).rejects.toBe(away);
  });

  test('has an output of bounded size, with what needs attention first', async () => {
    const kpis = Array.from({ length: 20 }, (_, n) => ({ name: `kpi-${n}` }));
    for (let n = 0; n < 6; n++) await storePlan(records, kpis);
    await write('bad.csv', onDay(10, 0));
    const last = await storePlan(records, [{ name: 'leads', source: csv('bad.csv') }]);
    const { output } = await watching().pull();
    expect(output).toMatchObject({ plans: 7, looked: 121, leftOut: 21 });
    expect((output['kpis'] as JsonObject[])[0]).toMatchObject({ plan: last.id, colour: 'red' });
  });
});

describe('people are told', () => {
  let plan: PlanRow;
  let pull: ReturnType<typeof watching>['pull'];
  let seen: ReturnType<typeof watching>['seen'];
  /** Days go on, and on each the source says how much of the way is behind. */
  const goOn = async (...shares: (number | null)[]) => {
    for (const share of shares) {
      clock.set(clock.now() + 86_400_000);
      const today = Math.floor((clock.now() - Date.parse(STARTS_ON)) / 86_400_000);
      if (share !== null) await write('leads.csv', onDay(today, share));
      await pull();
    }
  };
  beforeEach(async () => {
    plan = await storePlan(records, [{ name: 'leads', source: csv('leads.csv') }]);
    ({ pull, seen } = watching());
  });

  test('nothing of a KPI that begins green, and stays so', async () => {
    await goOn(1, 1, 1.2, 1);
    expect(await changesTold()).toEqual([]);
    expect(await alerts()).toMatchObject([{ colour: 'green', changes: 1 }]);
  });

  test.each([
    [0.9, 'unknown→amber'],
    [0.1, 'unknown→red'],
  ])('of a KPI that begins with %d of the way behind', async (share, change) => {
    await goOn(share, share, share);
    expect(await changesTold()).toEqual([change]);
  });

  test('once of each change, also of one for the better', async () => {
    await goOn(1, 0.9, 0.9, 0.5, 0.5, 0.9, 1, 1);
    expect(await changesTold()).toEqual(['green→amber', 'amber→red', 'red→amber', 'amber→green']);
    expect(await alerts()).toMatchObject([
      { colour: 'green', changes: 5, since_at: expect.stringContaining('2026-01-22') },
    ]);
  });

  test('of every turn of a KPI that flaps, and of none twice', async () => {
    await goOn(1, 0, 1, 0, 1, 0);
    expect(await changesTold()).toEqual(['green→red', 'red→green', 'green→red', 'red→green', 'green→red']);
    const keys = (await messages()).map(({ dedupe_key }) => dedupe_key);
    expect(new Set(keys).size).toBe(5);
    expect(keys[0]).toContain(`kpi:${plan.id}:leads:2:email:`);
  });

  test('nothing when nobody knows where a KPI is, and nothing when it comes back as it was', async () => {
    await goOn(0);
    await goOn(...Array.from({ length: 12 }, () => null));
    expect((await new KpiDesk({ records, clock }).status(plan.id))[0]).toMatchObject({
      colour: 'unknown',
      stale: true,
    });
    await goOn(0, 1);
    expect(await changesTold()).toEqual(['unknown→red', 'red→green']);
  });

  test('with facts that stand by themselves, through the campaign whose run looked', async () => {
    await goOn(0.5);
    expect(await messages()).toMatchObject([
      {
        kind: 'kpi.changed',
        notifier: 'email',
        recipient: 'ops@example.com',
        campaign_id: run.campaignId,
        run_id: run.runId,
        status: 'pending',
        facts: { planId: plan.id, plan: 'Spring', kpi: 'leads', to: 'red', value: 55, expected: 110, target: 890 },
      },
    ]);
    expect(seen).toEqual([
      {
        type: 'kpi.changed',
        facts: { ...run, planId: plan.id, kpi: 'leads', from: 'unknown', to: 'red', told: true },
      },
    ]);
  });

  test('nothing twice when a look is made again after its answer was lost', async () => {
    let lost = false;
    const flaky = intercepted(records, async (name, _, next) => {
      const answer = await next();
      if (name !== 'kpi_look' || lost) return answer;
      lost = true;
      throw new DatabaseUnavailableError(new Error('the answer was lost'));
    });
    await write('leads.csv', onDay(10, 0));
    const { monitor } = makeMonitor(flaky, clock, { kpiDir: folder.path });
    await expect(monitor.pull({}, workContext(run, clock))).rejects.toBeInstanceOf(DatabaseUnavailableError);
    await monitor.pull({}, workContext(run, clock));
    expect(await changesTold()).toEqual(['unknown→red']);
  });

  test('in one with the change itself: when the messages cannot be written, neither is the colour', async () => {
    await write('leads.csv', onDay(10, 0));
    const broken = watching({ tell: async () => [{ id: 'no uuid' } as never] });
    await expect(broken.pull()).rejects.toThrow();
    expect(await alerts()).toEqual([]);
    await pull();
    expect(await changesTold()).toEqual(['unknown→red']);
  });
});

test('what changes on record is one step of a small machine', () => {
  const change = (colour: 'green' | 'amber' | 'red' | 'unknown' | null, now: 'green' | 'amber' | 'red' | 'unknown') =>
    colourChange(colour === null ? undefined : { colour, changes: 3 }, now);
  expect(change(null, 'green')).toEqual({ colour: 'green', changes: 1, tell: false });
  expect(change(null, 'amber')).toEqual({ colour: 'amber', changes: 1, tell: true });
  expect(change(null, 'unknown')).toEqual({ colour: null, changes: 0, tell: false });
  expect(change('unknown', 'green')).toEqual({ colour: 'green', changes: 4, tell: false });
  expect(change('unknown', 'red')).toEqual({ colour: 'red', changes: 4, tell: true });
  for (const colour of ['green', 'amber', 'red'] as const) {
    expect(change(colour, colour)).toEqual({ colour: null, changes: 3, tell: false });
    expect(change(colour, 'unknown')).toEqual({ colour: null, changes: 3, tell: false });
  }
  expect(change('red', 'green')).toEqual({ colour: 'green', changes: 4, tell: true });
});
