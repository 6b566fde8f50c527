import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { NotificationRow } from '../../database/tables.ts';
import { Dispatcher } from '../../notifications/dispatcher.ts';
import type { Notifier } from '../../notifications/notifier.ts';
import { iso } from '../../shared/clock.ts';
import { TestClock } from '../support/clock.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { outboxRow, storeRun, testConfig, watchers } from './support.ts';

// The embedded database has one connection and can show no race; a server has.
let postgres: TestPostgres;

beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop(), 60_000);

test('four dispatchers on one outbox of a Postgres server send each of 400 messages once', async () => {
  const { records } = await postgres.createDatabase();
  const clock = new TestClock();
  const ids = await storeRun(records);
  const rows = Array.from({ length: 400 }, (_, at) => outboxRow(ids, 'email', `person${at}@example.com`));
  await records.call('outbox_put', { p_rows: rows, p_now: iso(clock.now()) });
  const sent: string[] = [];
  const notifier: Notifier = {
    notifier: 'email',
    async deliver(row: NotificationRow) {
      sent.push(row.id);
      await new Promise((resolve) => setImmediate(resolve));
    },
    close: () => Promise.resolve(),
  };
  const config = testConfig();
  const makeOne = () => new Dispatcher({ records, clock, config, notifiers: [notifier], ...watchers() });
  const drain = async (dispatcher: Dispatcher) => {
    while ((await dispatcher.runOnce()) > 0);
  };
  await Promise.all(Array.from({ length: 4 }, () => drain(makeOne())));
  expect(sent.toSorted((a, b) => a.localeCompare(b))).toEqual(
    rows.map(({ id }) => id).toSorted((a, b) => a.localeCompare(b)),
  );
  expect(await records.count('notifications', [{ column: 'status', op: 'eq', value: 'sent' }])).toBe(400);
}, 30_000);
