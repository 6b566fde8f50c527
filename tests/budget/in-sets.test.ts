import { afterAll, beforeAll, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type pg from 'pg';
import { newId } from '../../shared/ids.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';

let records: TestRecords;
let client: pg.PoolClient;
const campaigns = [newId(), newId()];
const runId = newId();
beforeAll(async () => {
  records = await freshRecords();
  await records.insert(
    'campaigns',
    campaigns.map((id) => ({ id, name: 'Campaign', config: {} })),
  );
  client = await records.pool.connect();
}, 60_000);
afterAll(async () => {
  client.release();
  await records.close();
});

/** What a function answers to a list, and what it has left in the ledger. */
interface Effect {
  answers: unknown;
  ledger: unknown[];
}

async function effect(name: string, list: unknown): Promise<Effect> {
  const { rows } = await client.query<{ answers: unknown }>(`select ${name}($1::jsonb) as answers`, [
    JSON.stringify(list),
  ]);
  const tables = ['budget_periods', 'budget_entries', 'budget_alerts'];
  const ledger: unknown[] = [];
  for (const table of tables)
    ledger.push((await client.query(`select to_jsonb(t) as row from ${table} t order by to_jsonb(t)::text`)).rows);
  return { answers: rows[0]?.answers, ledger };
}

/** The effect of the one, undone, beside the effect of the other, which stays. */
async function side(oneByOne: string, inSets: string, list: unknown): Promise<void> {
  await client.query('begin');
  const expected = await effect(oneByOne, list);
  await client.query('rollback');
  expect(await effect(inSets, list)).toEqual(expected);
}

const day = fc.constantFrom('2026-01-05', '2026-01-06');
/** Few keys, so that they meet again: held, released, charged, or charged without their cost being known. */
const key = fc.nat({ max: 11 }).map((at) => `${runId}/step/${at}`);
const AT = '2026-01-05T09:00:00.000Z';

const request = fc
  .record({
    key,
    at: day,
    campaign: fc.nat({ max: campaigns.length - 1 }),
    amount: fc.nat({ max: 6 }),
    limit: fc.option(fc.integer({ min: 0, max: 24 })),
    global: fc.option(fc.integer({ min: 4, max: 40 })),
  })
  .map(({ key: name, at, campaign, amount, limit, global }) => ({
    key: name,
    campaign_id: campaigns[campaign],
    run_id: runId,
    step_name: 'step',
    amount,
    at: AT,
    periods: [
      {
        scope: `campaign:${campaigns[campaign]}`,
        period: 'day',
        starts_on: at,
        limit,
        campaign_id: campaigns[campaign],
      },
      { scope: `campaign:${campaigns[campaign]}`, period: 'week', starts_on: '2026-01-05', limit: null },
      { scope: 'global', period: 'day', starts_on: at, limit: global },
    ],
  }));
const item = fc.record({ key, amount: fc.option(fc.nat({ max: 9 })), at: fc.constant(AT) });
const operation = fc.oneof(
  fc.record({ holds: fc.array(request, { minLength: 1, maxLength: 5 }) }),
  // The usual case, which the statements over all are for: keys that nobody has used.
  fc.record({ holds: fc.uniqueArray(request, { minLength: 1, maxLength: 5, selector: (each) => each.key }) }),
  fc.record({ charges: fc.uniqueArray(item, { minLength: 1, maxLength: 5, selector: (each) => each.key }) }),
  fc.record({ charges: fc.array(item, { minLength: 1, maxLength: 5 }) }),
);

test('holding and charging many at once answers and leaves what one by one does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 2, maxLength: 8 }), async (operations) => {
      for (const done of operations)
        if ('holds' in done) await side('budget_reserve', 'budget_hold', done.holds);
        else await side('budget_settle', 'budget_charge', done.charges);
      await client.query('truncate budget_periods, budget_entries, budget_alerts');
    }),
    { numRuns: 80 },
  );
}, 120_000);
