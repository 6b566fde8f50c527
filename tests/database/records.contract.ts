import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Pool } from 'pg';
import { COLUMNS } from '../../database/columns.ts';
import { isContention, RecordsError, type Filter, type Records } from '../../database/records.ts';
import type { CampaignRow, IdempotencyRow } from '../../database/tables.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { newId } from '../../shared/ids.ts';

export interface RecordsUnderTest {
  records: Records;
  /** The database behind them. */
  pool: Pool;
  /** Empties all tables. */
  truncate(): Promise<void>;
  close(): Promise<void>;
}

const AT = '2026-03-29T01:30:00.123Z';
const at = (ms: number) => new Date(Date.parse(AT) + ms).toISOString();

/** What an implementation of {@link Records} must do; every one runs this suite. */
export function recordsContract(name: string, open: () => Promise<RecordsUnderTest>): void {
  describe(`records over ${name}`, () => {
    let under: RecordsUnderTest;
    let records: Records;
    beforeAll(async () => {
      under = await open();
      ({ records } = under);
      await under.pool.query(
        'create function fail_with(p_state text) returns integer language plpgsql as ' +
          '$$ begin raise exception using errcode = p_state; end $$',
      );
    }, 60_000);
    beforeEach(() => under.truncate());
    afterAll(() => under?.close());

    const key = (index: number, more: Partial<IdempotencyRow> = {}): Partial<IdempotencyRow> => ({
      key: `key-${String(index).padStart(5, '0')}`,
      request_hash: 'hash',
      created_at: at(index),
      ...more,
    });
    const keysOf = (rows: { key: string }[]) => rows.map((row) => row.key);
    const campaign = (more: Partial<CampaignRow> = {}): Partial<CampaignRow> => ({
      id: newId(),
      name: 'Weekly',
      config: { steps: [] },
      ...more,
    });

    describe('columns', () => {
      test('a row comes back as it went in: text, uuid, integers, times, jsonb, flags, nulls', async () => {
        const row: CampaignRow = {
          id: newId(),
          name: `O'Reilly "quoted" \\ back\nline \u{1f680} Ω`,
          description: null,
          config: { steps: [{ name: 'a', params: { list: [1, 2.5, null, [true, { deep: null }]] } }] },
          schedule_cron: '0 9 * * 1',
          schedule_timezone: 'Europe/Berlin',
          status: 'paused',
          status_reason: 'because',
          paused_by: 'budget',
          resume_at: AT,
          source_file: 'weekly.json',
          source_hash: 'abc',
          last_run_at: null,
          next_run_at: '1999-12-31T23:59:59.999Z',
          due_at: '2099-01-01T00:00:00.000Z',
          total_runs: 2_147_483_647,
          total_cost_micros: Number.MAX_SAFE_INTEGER,
          project_id: newId(),
          version: 7,
          created_at: AT,
          updated_at: AT,
          deleted_at: null,
        };
        expect(await records.insert('campaigns', [row])).toEqual([row]);
        expect(await records.select('campaigns')).toEqual([row]);
      });

      test('dates and fractions come back as text and number', async () => {
        const { id } = (await records.insert('campaigns', [campaign()]))[0] as CampaignRow;
        const period = { scope: `campaign:${id}`, period: 'day' as const, starts_on: '2026-03-29', campaign_id: id };
        const [stored] = await records.insert('budget_periods', [{ ...period, spent_micros: 12_345_678_901 }]);
        expect(stored).toEqual({ ...period, spent_micros: 12_345_678_901, held_micros: 0 });
        const [decision] = await records.insert('agent_decisions', [
          { id: newId(), agent: 'budget', action: 'pause', decided_at: AT, reasoning: 'spent', confidence: 0.875 },
        ]);
        expect(decision).toMatchObject({ confidence: 0.875, predicted: {}, evidence: {}, campaign_id: null });
      });

      test.each([
        ['an object', { a: { b: [null, { c: null }] } }],
        ['a list', [1, 'two', null, { three: [] }]],
        ['text', 'plain "text" with \\ and \u2028'],
        ['a number', 12.5],
        ['false', false],
        ['an empty object', {}],
        ['an empty list', []],
        ['all kinds of characters', { 'ключ "x"': "\u{1f600} \t\n\\u0041 '; drop table campaigns; --" }],
        ['nothing', null],
      ])('jsonb holds %s', async (_, response) => {
        const [row] = await records.insert('idempotency_keys', [key(1, { response })]);
        expect(row?.response).toEqual(response);
        expect((await records.select('idempotency_keys'))[0]?.response).toEqual(response);
      });

      test('every table can be read and names the same columns everywhere', async () => {
        for (const table of Object.keys(COLUMNS) as (keyof typeof COLUMNS)[])
          expect(await records.select(table, { limit: 1 })).toEqual([]);
        const [row] = await records.insert('campaigns', [campaign()]);
        expect(Object.keys(row ?? {}).toSorted()).toEqual(Object.keys(COLUMNS.campaigns).toSorted());
      });

      test('a number beyond the safe integers is refused rather than rounded', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        // Written past the type, as a mistaken sum in SQL would.
        const tooMuch = '9007199254740993' as unknown as number;
        await expect(records.update('campaigns', { total_cost_micros: tooMuch }, [eq('id', id)])).rejects.toThrow(
          RangeError,
        );
      });
    });

    describe('writing', () => {
      test('columns that are not given take their defaults, row by row', async () => {
        const rows = await records.insert('campaigns', [
          campaign({ version: 5 }),
          campaign({ schedule_timezone: 'Asia/Tokyo', description: undefined as unknown as null }),
        ]);
        expect(rows).toHaveLength(2);
        const sorted = rows.toSorted((a, b) => a.version - b.version);
        expect(sorted.map((row) => [row.version, row.schedule_timezone, row.status])).toEqual([
          [1, 'Asia/Tokyo', 'active'],
          [5, 'UTC', 'active'],
        ]);
      });

      test('no rows are no work', async () => {
        expect(await records.insert('idempotency_keys', [])).toEqual([]);
        expect(await records.upsert('idempotency_keys', [], ['key'])).toEqual([]);
      });

      test('an insert is all or nothing', async () => {
        await records.insert('idempotency_keys', [key(2)]);
        await expect(records.insert('idempotency_keys', [key(1), key(2), key(3)])).rejects.toMatchObject({
          sqlState: '23505',
        });
        expect(keysOf(await records.select('idempotency_keys'))).toEqual(['key-00002']);
      });

      test('an insert that ignores conflicts returns only what is new and changes nothing else', async () => {
        await records.insert('idempotency_keys', [key(2, { request_hash: 'first' })]);
        const added = await records.insert('idempotency_keys', [key(1), key(2), key(3)], { conflict: 'ignore' });
        expect(keysOf(added).toSorted()).toEqual(['key-00001', 'key-00003']);
        const [kept] = await records.select('idempotency_keys', { where: [eq('key', 'key-00002')] });
        expect(kept?.request_hash).toBe('first');
      });

      test('ignoring conflicts means the primary key, not every unique column', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        const fire = { campaign_id: id, scheduled_for: AT, effective_for: AT, outcome: 'ran' as const };
        await records.insert('campaign_fires', [{ id: newId(), ...fire }]);
        await expect(
          records.insert('campaign_fires', [{ id: newId(), ...fire }], { conflict: 'ignore' }),
        ).rejects.toMatchObject({ sqlState: '23505' });
      });

      test('an upsert inserts what is new, replaces the given columns and leaves the others', async () => {
        await records.insert('idempotency_keys', [
          key(1, { request_hash: 'old', status: 200, response: { kept: true } }),
        ]);
        const rows = await records.upsert(
          'idempotency_keys',
          [
            { key: 'key-00001', request_hash: 'new', status: null },
            { key: 'key-00002', request_hash: 'new', status: 201 },
          ],
          ['key'],
        );
        expect(rows).toHaveLength(2);
        const stored = await records.select('idempotency_keys', { order: [{ column: 'key' }] });
        expect(stored.map((row) => [row.key, row.request_hash, row.status, row.response])).toEqual([
          ['key-00001', 'new', null, { kept: true }],
          ['key-00002', 'new', 201, null],
        ]);
        expect(stored[0]?.created_at).toBe(at(1));
      });

      test('an upsert on a key of several columns', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        const episode = { campaign_id: id, key: 'failed', opened_at: AT, notified_at: AT };
        await records.upsert('alert_episodes', [{ ...episode, occurrences: 1 }], ['campaign_id', 'key']);
        await records.upsert('alert_episodes', [{ ...episode, occurrences: 2 }], ['campaign_id', 'key']);
        expect((await records.select('alert_episodes')).map((row) => row.occurrences)).toEqual([2]);
      });

      test('an upsert whose rows differ in their columns is refused before it is sent', async () => {
        const rows = [key(1, { status: 200 }), key(2)];
        await expect(records.upsert('idempotency_keys', rows, ['key'])).rejects.toThrow(TypeError);
        expect(await records.count('idempotency_keys')).toBe(0);
      });

      test('an update returns the rows it changed, and nothing when the comparison is lost', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id }), campaign()]);
        const compareAndSet = (version: number) =>
          records.update('campaigns', { version: version + 1, description: `was ${version}`, config: { a: [1] } }, [
            eq('id', id),
            { column: 'version', op: 'eq', value: version },
          ]);
        expect(await compareAndSet(1)).toMatchObject([{ id, version: 2, description: 'was 1', config: { a: [1] } }]);
        expect(await compareAndSet(1)).toEqual([]);
        expect(await records.count('campaigns', [{ column: 'version', op: 'eq', value: 2 }])).toBe(1);
      });

      test('of many comparisons at once one is won', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        const answers = await Promise.all(
          Array.from({ length: 10 }, () =>
            records.update('campaigns', { version: 2 }, [eq('id', id), { column: 'version', op: 'eq', value: 1 }]),
          ),
        );
        expect(answers.filter((rows) => rows.length === 1)).toHaveLength(1);
      });

      test('a removal says how many rows went', async () => {
        await records.insert('idempotency_keys', [key(1), key(2), key(3)]);
        expect(await records.remove('idempotency_keys', [{ column: 'created_at', op: 'lt', value: at(3) }])).toBe(2);
        expect(await records.remove('idempotency_keys', [eq('key', 'none')])).toBe(0);
        expect(keysOf(await records.select('idempotency_keys'))).toEqual(['key-00003']);
      });

      test('a change without a filter is refused', async () => {
        await records.insert('idempotency_keys', [key(1)]);
        await expect(records.remove('idempotency_keys', [])).rejects.toMatchObject({ sqlState: '21000' });
        await expect(records.update('idempotency_keys', { status: 1 }, [])).rejects.toMatchObject({
          sqlState: '21000',
        });
      });
    });

    describe('reading', () => {
      const find = async (...where: Filter<'idempotency_keys'>[]) =>
        keysOf(await records.select('idempotency_keys', { where, order: [{ column: 'key' }] })).map((each) =>
          Number(each.slice(4)),
        );
      beforeEach(async () => {
        await records.insert('idempotency_keys', [
          key(1, { status: 200 }),
          key(2, { status: 404 }),
          key(3, { status: null }),
          key(4, { status: 500 }),
        ]);
      });

      test('compares', async () => {
        expect(await find({ column: 'status', op: 'eq', value: 404 })).toEqual([2]);
        expect(await find({ column: 'status', op: 'neq', value: 404 })).toEqual([1, 4]);
        expect(await find({ column: 'status', op: 'lt', value: 404 })).toEqual([1]);
        expect(await find({ column: 'status', op: 'lte', value: 404 })).toEqual([1, 2]);
        expect(await find({ column: 'status', op: 'gt', value: 404 })).toEqual([4]);
        expect(await find({ column: 'status', op: 'gte', value: 404 })).toEqual([2, 4]);
        expect(await find({ column: 'created_at', op: 'gt', value: at(3) })).toEqual([4]);
        expect(await find({ column: 'created_at', op: 'lte', value: at(2) })).toEqual([1, 2]);
      });

      test('joins conditions with and', async () => {
        expect(
          await find({ column: 'status', op: 'gte', value: 200 }, { column: 'created_at', op: 'lt', value: at(4) }),
        ).toEqual([1, 2]);
      });

      test('knows null, also when it is compared with', async () => {
        expect(await find({ column: 'status', op: 'is', value: null })).toEqual([3]);
        expect(await find({ column: 'status', op: 'is_not', value: null })).toEqual([1, 2, 4]);
        expect(await find({ column: 'status', op: 'eq', value: null })).toEqual([3]);
        expect(await find({ column: 'status', op: 'neq', value: null })).toEqual([1, 2, 4]);
      });

      test('knows lists, of any length', async () => {
        expect(await find({ column: 'status', op: 'in', value: [200, 500, 7] })).toEqual([1, 4]);
        expect(await find({ column: 'status', op: 'in', value: [] })).toEqual([]);
        const many = Array.from({ length: 400 }, (_, index) => `key-${String(400 - index).padStart(5, '0')}`);
        expect(await find({ column: 'key', op: 'in', value: [...many, ...many] })).toEqual([1, 2, 3, 4]);
        const last = {
          where: [{ column: 'key', op: 'in', value: many }],
          order: [{ column: 'key', descending: true }],
          limit: 2,
        } as const;
        expect(keysOf(await records.select('idempotency_keys', last))).toEqual(['key-00004', 'key-00003']);
        expect(await records.count('idempotency_keys', [{ column: 'key', op: 'in', value: many }])).toBe(4);
      });

      test('knows flags', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        const run = { campaign_id: id, trigger: 'manual' as const, definition: {} };
        await records.insert('campaign_runs', [
          { id: newId(), ...run, dry_run: true },
          { id: newId(), ...run, dry_run: false },
        ]);
        const dry = (op: 'is' | 'is_not', value: boolean) =>
          records.count('campaign_runs', [{ column: 'dry_run', op, value }]);
        expect(await dry('is', true)).toBe(1);
        expect(await dry('is_not', true)).toBe(1);
        expect(await records.count('campaign_runs', [{ column: 'dry_run', op: 'eq', value: false }])).toBe(1);
      });

      test.each([
        'with,comma',
        'with "quotes"',
        String.raw`with \ backslash`,
        '(brackets)',
        'null',
        'a.b.eq.c',
        '*percent%',
        "it's",
        ' spaces ',
        'Ω &=?#+',
        '',
      ])('finds the text %j, alone and in a list', async (text) => {
        await records.insert('idempotency_keys', [{ key: text, request_hash: 'odd' }]);
        expect(keysOf(await records.select('idempotency_keys', { where: [eq('key', text)] }))).toEqual([text]);
        const listed = { column: 'key', op: 'in', value: [text, 'key-00001'] } as const;
        expect(keysOf(await records.select('idempotency_keys', { where: [listed] })).toSorted()).toEqual(
          [text, 'key-00001'].toSorted(),
        );
        expect(await records.remove('idempotency_keys', [eq('key', text)])).toBe(1);
      });

      test('orders by several columns, nulls last ascending and first descending', async () => {
        await records.insert('idempotency_keys', [key(5, { status: 200 })]);
        const order = async (descending: boolean) =>
          keysOf(
            await records.select('idempotency_keys', {
              order: [
                { column: 'status', descending },
                { column: 'key', descending: true },
              ],
            }),
          ).map((each) => Number(each.slice(4)));
        expect(await order(false)).toEqual([5, 1, 2, 4, 3]);
        expect(await order(true)).toEqual([3, 4, 2, 5, 1]);
      });

      test('reads only the columns that are asked for', async () => {
        const rows = await records.select('idempotency_keys', {
          columns: ['created_at', 'key'],
          where: [{ column: 'status', op: 'is', value: null }],
          order: [{ column: 'key' }],
        });
        expect(rows.map((row) => Object.keys(row).toSorted())).toEqual(rows.map(() => ['created_at', 'key']));
        expect(rows[0]?.created_at).toBe(at(Number(rows[0]?.key.slice(4))));
        const many = Array.from({ length: 400 }, (_, index) => `key-${String(index).padStart(5, '0')}`);
        const listed = await records.select('idempotency_keys', {
          columns: ['key'],
          where: [{ column: 'key', op: 'in', value: many }],
          order: [{ column: 'key', descending: true }],
        });
        expect(listed.map((row) => Object.entries(row))).toEqual(keysOf(listed).map((each) => [['key', each]]));
        expect(keysOf(listed)).toEqual(keysOf(listed).toSorted().toReversed());
      });

      test('refuses columns that are not there, and an order by what is not read', async () => {
        const odd = { columns: ['key', 'nothing' as 'key'] } as const;
        await expect(records.select('idempotency_keys', odd)).rejects.toThrow(TypeError);
        const blind = { columns: ['key'], order: [{ column: 'status' as 'key' }] } as const;
        await expect(records.select('idempotency_keys', blind)).rejects.toThrow(TypeError);
      });

      test('counts', async () => {
        expect(await records.count('idempotency_keys')).toBe(4);
        expect(await records.count('idempotency_keys', [{ column: 'status', op: 'gt', value: 200 }])).toBe(2);
        expect(await records.count('idempotency_keys', [eq('key', 'none')])).toBe(0);
      });
    });

    test('reads and writes thousands of rows without losing one', async () => {
      const rows = Array.from({ length: 2_345 }, (_, index) => key(index, { status: index % 7 }));
      expect(await records.insert('idempotency_keys', rows)).toHaveLength(2_345);
      const all = await records.select('idempotency_keys', { order: [{ column: 'status' }] });
      expect(new Set(keysOf(all)).size).toBe(2_345);
      expect(all.map((row) => row.status)).toEqual(
        all.map((row) => row.status).toSorted((a, b) => (a ?? 0) - (b ?? 0)),
      );
      const some = await records.select('idempotency_keys', {
        order: [{ column: 'key', descending: true }],
        limit: 1_500,
      });
      expect(some).toHaveLength(1_500);
      expect(some.at(-1)?.key).toBe('key-00845');
      expect(await records.select('idempotency_keys', { limit: 1_000 })).toHaveLength(1_000);
      expect(await records.count('idempotency_keys')).toBe(2_345);
      expect(await records.remove('idempotency_keys', [eq('request_hash', 'hash')])).toBe(2_345);
    });

    describe('functions', () => {
      test('takes named arguments and answers with plain values', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id, config: { note: 'at 2026-01-01T00:00:00+00:00' } })]);
        const run = { id: newId(), trigger: 'manual', steps_total: 2 };
        const admitted = await records.call('start_run', { p_campaign_id: id, p_run: run, p_force: false, p_at: AT });
        expect(admitted).toEqual({ admitted: true, run_id: run.id });
        expect(await records.call('max_waiting_runs', {})).toBe(100);
        expect(await records.call('cancel_run', { p_run_id: newId(), p_reason: null, p_at: AT })).toEqual({
          found: false,
        });
        expect(await records.call('runs_to_requeue', { p_now: AT, p_queued_before: AT, p_limit: 5 })).toEqual([run.id]);
      });

      test('rows in an answer have times in the form of the port, and their jsonb untouched', async () => {
        const id = newId();
        const kept = { note_at: '2026-01-01T00:00:00+00:00', list: [{ sent_at: '2026-01-01T00:00:00.5+00:00' }] };
        await records.insert('campaigns', [campaign({ id, config: kept })]);
        const run = { id: newId(), trigger: 'schedule', scheduled_for: AT };
        await records.call('start_run', { p_campaign_id: id, p_run: run, p_force: false, p_at: AT });
        const claim = { p_run_id: run.id, p_worker: 'w', p_now: AT, p_lease_ms: 1_000 };
        const claimed = await records.call<Record<string, unknown>>('claim_run', claim);
        expect(claimed).toMatchObject({
          id: run.id,
          status: 'running',
          epoch: 1,
          scheduled_for: AT,
          lease_until_at: at(1_000),
          completed_at: null,
          definition: kept,
        });
        const [stored] = await records.select('campaign_runs');
        expect(stored).toMatchObject({ lease_until_at: at(1_000), definition: kept });
        expect(await records.call('claim_run', claim)).toBeNull();
      });

      test('a function that does not exist is refused', async () => {
        await expect(records.call('no_such_function', { p_a: 1 })).rejects.toBeInstanceOf(RecordsError);
      });
    });

    describe('refusals', () => {
      const refused = (work: Promise<unknown>) =>
        work.then(
          () => 'accepted',
          (error: unknown) => (error instanceof RecordsError ? error.sqlState : error),
        );

      test('carry their SQLSTATE', async () => {
        const id = newId();
        await records.insert('campaigns', [campaign({ id })]);
        expect(await refused(records.insert('campaigns', [campaign({ status: 'odd' as 'active' })]))).toBe('23514');
        expect(await refused(records.insert('campaigns', [{ id: newId(), name: 'no config' }]))).toBe('23502');
        expect(
          await refused(
            records.insert('campaign_runs', [{ id: newId(), campaign_id: newId(), trigger: 'manual', definition: {} }]),
          ),
        ).toBe('23503');
        expect(await refused(records.select('campaigns', { where: [eq('id', 'not a uuid')] }))).toBe('22P02');
        expect(await refused(records.update('campaigns', { version: 'x' as unknown as number }, [eq('id', id)]))).toBe(
          '22P02',
        );
      });

      test.each(['57014', '40001', '40P01', '55P03', '53200'])(
        'of the moment are worth a retry, and leave the next statement alone: %s',
        async (sqlState) => {
          const error = await records.call('fail_with', { p_state: sqlState }).catch((thrown: unknown) => thrown);
          expect(error).toBeInstanceOf(DatabaseUnavailableError);
          expect(isContention(error)).toBe(/^(40|55)/.test(sqlState));
          await records.ping();
        },
      );

      test('do not spoil what comes after', async () => {
        for (let index = 0; index < 20; index++)
          expect(await refused(records.insert('campaigns', [campaign({ status: 'odd' as 'active' })]))).toBe('23514');
        await records.ping();
        expect(await records.insert('campaigns', [campaign()])).toHaveLength(1);
      });

      test('unknown tables and columns never reach the database', async () => {
        const odd = 'id" or true --' as 'id';
        await expect(records.select('campaigns; drop table campaigns' as 'campaigns')).rejects.toThrow(TypeError);
        await expect(records.select('campaigns', { where: [{ column: odd, op: 'eq', value: '' }] })).rejects.toThrow(
          TypeError,
        );
        await expect(records.select('campaigns', { order: [{ column: odd }] })).rejects.toThrow(TypeError);
        await expect(records.insert('campaigns', [{ ...campaign(), [odd]: 'x' }])).rejects.toThrow(TypeError);
        await expect(records.update('campaigns', { [odd]: 'x' }, [eq('id', newId())])).rejects.toThrow(TypeError);
        await expect(records.upsert('campaigns', [campaign()], [odd])).rejects.toThrow(TypeError);
        await expect(records.call('ping(); drop table campaigns', {})).rejects.toThrow(TypeError);
        expect(await records.count('campaigns')).toBe(0);
      });
    });
  });
}

function eq<C extends string>(column: C, value: string) {
  return { column, op: 'eq', value } as const;
}
