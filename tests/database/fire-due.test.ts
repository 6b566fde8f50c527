import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { PoolClient } from 'pg';
import type { JsonObject } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { AT, RunCalls, times } from '../support/run-calls.ts';

interface Answer {
  held?: boolean;
  stale?: boolean;
  fires?: { outcome: string; reason: string | null; run_id: string | null }[];
}

let server: TestPostgres;
let on: RunCalls;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
beforeEach(async () => {
  on = new RunCalls(await server.createDatabase());
});
afterAll(() => server.stop());

function item(campaign: string, version = 1): JsonObject {
  const run = { id: newId(), trigger: 'schedule', scheduled_for: AT, steps_total: 1 };
  const fire = { id: newId(), scheduled_for: AT, effective_for: AT, outcome: 'ran', run };
  return { campaign_id: campaign, version, fires: [fire], next: AT, due: AT };
}

const fireDue = (items: JsonObject[]) => on.call<Answer[]>('fire_due', { p_items: items, p_at: AT });
const runsOf = (campaign: string) =>
  on.database.records.count('campaign_runs', [{ column: 'campaign_id', op: 'eq', value: campaign }]);

/** How many rows of campaigns have been read through the index that has nothing to do with ids, and one after the other. */
async function readOf(client: PoolClient): Promise<{ bySourceFile: string; inSequence: string }> {
  await client.query('select pg_stat_force_next_flush()');
  const { rows } = await client.query<{ bySourceFile: string; inSequence: string }>(
    `select (select idx_tup_read from pg_stat_user_indexes where indexrelname = 'campaigns_source_file') as "bySourceFile",
       (select seq_tup_read from pg_stat_user_tables where relname = 'campaigns') as "inSequence"`,
  );
  return rows[0] ?? { bySourceFile: '', inSequence: '' };
}

describe('firing what is due', () => {
  test('leaves a campaign that somebody is changing, fires the others, and answers in the order asked', async () => {
    const [a, held, c] = await Promise.all(times(3, () => on.campaign('allow')));
    const somebody = await on.database.pool.connect();
    await somebody.query('begin');
    await somebody.query('select from campaigns where id = $1 for no key update', [held]);
    const items = [held, c, a].map((id) => item(String(id)));
    const answers = await fireDue(items);
    expect(answers.map(({ held: is, stale }) => is ?? stale)).toEqual([true, false, false]);
    const runs = items.map(({ fires }) => (fires as { run: { id: string } }[])[0]?.run.id);
    expect(answers.map(({ fires }) => fires?.[0]?.run_id)).toEqual([undefined, runs[1], runs[2]]);
    await somebody.query('commit');
    somebody.release();
    expect(await fireDue([item(String(held)), item(String(a))])).toMatchObject([
      { stale: false, fires: [{ outcome: 'ran' }] },
      { stale: true, fires: [] },
    ]);
    expect(await Promise.all([a, held, c].map((id) => runsOf(String(id))))).toEqual([1, 1, 1]);
  });

  test('in many connections at once fires each campaign once, and none twice', async () => {
    const campaigns = await Promise.all(times(40, (nth) => on.campaign(nth % 2 === 0 ? 'allow' : 'queue')));
    const fired = new Map<string, number>();
    const lane = async () => {
      while (fired.size < campaigns.length) {
        const asked = campaigns.toSorted(() => Math.random() - 0.5);
        const answers = await fireDue(asked.map((id) => item(id)));
        for (const [nth, { held, stale }] of answers.entries())
          if (!held && !stale) fired.set(String(asked[nth]), (fired.get(String(asked[nth])) ?? 0) + 1);
      }
    };
    await Promise.all(times(6, lane));
    expect([...fired.values()]).toEqual(campaigns.map(() => 1));
    expect(await on.database.records.count('campaign_runs')).toBe(campaigns.length);
  });

  test('looks campaigns up by their ids, also by plans that were made when there were hardly any', async () => {
    const client = await on.database.pool.connect();
    const fireHere = (campaigns: string[]) =>
      client.query('select fire_due($1, $2)', [JSON.stringify(campaigns.map((id) => item(id))), AT]);
    for (const overlap of ['allow', 'queue'] as const) await fireHere([await on.campaign(overlap)]);
    const many = await Promise.all(times(120, (nth) => on.campaign(nth % 2 === 0 ? 'allow' : 'queue')));
    const before = await readOf(client);
    await fireHere(many);
    const after = await readOf(client);
    client.release();
    expect(await on.database.records.count('campaign_runs')).toBe(122);
    expect(after.bySourceFile).toBe(before.bySourceFile);
    expect(after.inSequence).toBe(before.inSequence);
  });

  test('answers nothing for nothing', async () => {
    expect(await fireDue([])).toEqual([]);
  });
});
