import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import {
  chainedWorkspaces,
  findDecision,
  listDecisions,
  recordDecisions,
  verifyChain,
} from '../../database/queries/decisions.ts';
import { SupabaseRecords } from '../../database/supabase.ts';
import { type DecisionEntry, DecisionLog } from '../../moves/decisions/decision-log.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { derivedId, newId } from '../../shared/ids.ts';
import { insertCampaign, insertRun } from '../support/api.ts';
import { TestClock } from '../support/clock.ts';
import { tamper } from '../support/decisions.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { startPostgres, type TestDatabase, type TestPostgres } from '../support/postgres.ts';

// On a real server: each of the pool's connections stands for a process of its own.
let server: TestPostgres;
let database: TestDatabase;
let log: DecisionLog;
beforeAll(async () => {
  server = await startPostgres({ supabaseRoles: true });
  database = await server.createDatabase();
  log = new DecisionLog({ records: database.records, clock: new TestClock() });
}, 60_000);
beforeEach(() => database.pool.query('truncate agent_decisions, decision_chains, campaigns cascade'));
afterAll(() => server?.stop());

const times = <R>(count: number, make: (index: number) => R): R[] => Array.from({ length: count }, (_, at) => make(at));
const decision = (key: string, runId?: string): DecisionEntry => ({
  key,
  agent: 'planner',
  action: 'choose',
  reasoning: key,
  confidence: 0.5,
  predicted: {},
  evidence: {},
  ...(runId === undefined ? {} : { runId }),
});

describe('writers at the same time', () => {
  test('make one unbroken chain, in which what two of them write stands once', async () => {
    const runs = times(4, () => newId());
    // Two writers a run: the second does what a step does that runs again.
    const counts = await Promise.all(
      [...runs, ...runs].map(async (runId) => {
        let written = 0;
        for (let index = 0; index < 30; index += 1)
          written += await log.record('acme', [decision(`${index}`, runId), decision(`${index}b`, runId)]);
        return written;
      }),
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(240);
    expect(await verifyChain(database.records, 'acme')).toMatchObject({ valid: true, entries: 240, head_seq: 240 });
  }, 60_000);

  test('never wait for each other in a circle', async () => {
    const { records } = database;
    const row = (workspace: string) => ({
      id: newId(),
      agent: 'a',
      action: 'b',
      campaign_id: null,
      run_id: null,
      plan_id: null,
      decided_at: '2026-01-05T09:00:00.000Z',
      reasoning: '',
      confidence: 1,
      predicted: {},
      evidence: {},
      workspace,
    });
    await Promise.all(
      times(8, async (writer) => {
        const order = writer % 2 === 0 ? ['one', 'two', 'three'] : ['three', 'two', 'one'];
        for (const _ of times(25, () => 0)) expect(await recordDecisions(records, order.map(row))).toBe(3);
      }),
    );
    for (const workspace of ['one', 'two', 'three'])
      expect(await verifyChain(records, workspace)).toMatchObject({ valid: true, entries: 200 });
  }, 60_000);

  test('do not disturb whoever verifies meanwhile', async () => {
    const under = { way: true };
    const writers = Promise.all(
      times(4, async (writer) => {
        for (const index of times(40, (at) => at)) await log.record('acme', [decision(`${writer}/${index}`)]);
      }),
    ).finally(() => {
      under.way = false;
    });
    const seen: number[] = [];
    while (under.way) {
      const report = await verifyChain(database.records, 'acme', 7);
      if (report) {
        expect(report).toMatchObject({ valid: true });
        seen.push(report.entries);
      }
    }
    await writers;
    expect(seen.length).toBeGreaterThan(1);
    expect(await verifyChain(database.records, 'acme')).toMatchObject({ valid: true, entries: 160 });
  }, 60_000);

  test('may be killed and begin again', async () => {
    const runs = times(3, () => newId());
    const start = (runId: string) =>
      spawn(process.execPath, [join(import.meta.dirname, 'decision-writer.ts'), database.url, runId, '60'], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    const ended = async (child: ChildProcess) => (await once(child, 'exit'))[0] as number | null;
    const children = runs.map(start);
    const [victim] = children as [ChildProcess];
    const others = Promise.all(children.slice(1).map(ended));
    let written = 0;
    for await (const _ of createInterface({ input: victim.stdout as NodeJS.ReadableStream }))
      if ((written += 1) === 5) victim.kill('SIGKILL');
    expect(await ended(start(runs[0] as string))).toBe(0);
    expect(await others).toEqual([0, 0]);
    expect(await verifyChain(database.records, 'processes')).toMatchObject({ valid: true, entries: 180 });
  }, 60_000);
});

describe('retention', () => {
  const OLD = '2020-01-01T00:00:00.000Z';
  const prune = (name: string) => database.records.call(name, { p_before: '2021-01-01T00:00:00Z', p_limit: 50 });
  const unchained = (runId: string | null) => ({
    id: newId(),
    agent: 'scheduler',
    action: 'skip_fire',
    run_id: runId,
    decided_at: OLD,
    reasoning: '',
    confidence: 1,
  });

  test('takes a run with its decisions, and leaves those of a workspace with the name of the run', async () => {
    const { records } = database;
    const { id: campaignId } = await insertCampaign(records);
    const run = await insertRun(records, campaignId, { status: 'completed', completed_at: OLD });
    await log.record('acme', [{ ...decision('a', run.id), campaignId }]);
    await records.insert('agent_decisions', [unchained(run.id)]);
    expect(await prune('prune_runs')).toBe(1);
    expect(await records.count('campaign_runs')).toBe(0);
    expect(await records.select('agent_decisions')).toMatchObject([{ workspace: 'acme', run_id: run.id }]);
    expect(await verifyChain(records, 'acme')).toMatchObject({ valid: true, entries: 1 });
  });

  test('takes old decisions about no run, but none of a workspace, by one replica at a time', async () => {
    const { records, pool } = database;
    await new DecisionLog({ records, clock: new TestClock(OLD) }).record('acme', [decision('a')]);
    await records.insert('agent_decisions', [unchained(null), unchained(null)]);
    const other = await pool.connect();
    try {
      await other.query('begin');
      await other.query("select prune_decisions('2021-01-01', 1)");
      expect(await prune('prune_decisions')).toBeNull();
      await other.query('commit');
    } finally {
      other.release();
    }
    expect(await prune('prune_decisions')).toBe(1);
    expect(await prune('prune_decisions')).toBeNull();
    expect(await records.select('agent_decisions')).toMatchObject([{ workspace: 'acme' }]);
  });
});

describe('the role of the service on a Supabase project', () => {
  /** Runs statements as the role, past row level security as Supabase has it, and takes them back. */
  async function asService<R>(work: (query: (sql: string) => Promise<{ rows: unknown[] }>) => Promise<R>): Promise<R> {
    await database.pool.query('alter role service_role bypassrls');
    const client = await database.pool.connect();
    try {
      await client.query('begin');
      await client.query('set local role service_role');
      return await work((sql) => client.query(sql));
    } finally {
      await client.query('rollback');
      client.release();
    }
  }
  const at = '2020-01-01T00:00:00Z';
  const one = JSON.stringify([
    { id: newId(), workspace: 'acme', agent: 'a', action: 'b', decided_at: at, reasoning: '', confidence: 1 },
  ]);

  test('may append, verify, list and prune', async () => {
    await database.records.insert('agent_decisions', [
      { id: newId(), agent: 'x', action: 'y', decided_at: at, reasoning: '', confidence: 1 },
    ]);
    await asService(async (query) => {
      expect((await query(`select record_decisions('${one}') as n`)).rows).toEqual([{ n: 1 }]);
      expect((await query("select verify_decisions('acme') ->> 'valid' as valid")).rows).toEqual([{ valid: 'true' }]);
      expect((await query('select decision_workspaces() as w')).rows).toEqual([{ w: ['acme'] }]);
      expect((await query("select prune_decisions('2026-01-01', 10) as n")).rows).toEqual([{ n: 1 }]);
      expect((await query("select prune_runs('2026-01-01', 10) as n")).rows).toEqual([{ n: null }]);
    });
  });

  test.each([
    ['change a decision', "update agent_decisions set reasoning = 'x'", /permission denied/],
    ['remove a decision of a chain', 'delete from agent_decisions', /never changed and never removed/],
    ['remove a head', 'delete from decision_chains', /permission denied/],
    ['empty the log', 'truncate agent_decisions', /permission denied/],
    ['turn off what keeps it', 'alter table agent_decisions disable trigger all', /must be owner/],
  ])('may not %s', async (_, sql, refusal) => {
    await log.record('acme', [decision('a')]);
    await expect(asService((query) => query(sql))).rejects.toThrow(refusal);
  });
});

test('the log is the same over the API of Supabase', async () => {
  const api = await startPostgrest(database.pool);
  const records = new SupabaseRecords({ url: api.url, serviceRoleKey: api.key });
  try {
    const overApi = new DecisionLog({ records, clock: new TestClock() });
    expect(await overApi.record('acme', [decision('a'), decision('b')])).toBe(2);
    expect(await log.record('acme', [decision('b'), decision('c')])).toBe(1);
    expect(await verifyChain(records, 'acme', 2)).toEqual(await verifyChain(database.records, 'acme'));
    expect(await chainedWorkspaces(records)).toEqual(['acme']);
    const { rows, next } = await listDecisions(records, { workspace: 'acme', limit: 2 });
    expect(rows.map((row) => row.reasoning)).toEqual(['c', 'b']);
    expect((await listDecisions(records, { limit: 2, after: next as string })).rows).toEqual([
      await findDecision(database.records, derivedId(JSON.stringify(['acme', '', 'a']), 0)),
    ]);
  } finally {
    await records.close();
    await api.close();
  }
});

describe('the check from outside, in docs/decisions-log.md', () => {
  let sql: string;
  let script: string;
  beforeAll(async () => {
    const text = await readFile(join(PROJECT_ROOT, 'docs', 'decisions-log.md'), 'utf8');
    [, sql = ''] = /<<'SQL'[^\n]*\n(.*?)\nSQL\n/s.exec(text) ?? [];
    [, script = ''] = /<<'JS'[^\n]*\n(.*?)\nJS\n/s.exec(text) ?? [];
  });

  async function check() {
    // As psql -At writes rows.
    const { rows } = await database.pool.query<string[]>({
      text: sql,
      rowMode: 'array',
      types: { getTypeParser: () => String },
    });
    const input = rows.map(([line]) => `${line}\n`).join('');
    return spawnSync(process.execPath, ['--input-type=module', '-e', script], { input, encoding: 'utf8' });
  }

  test('agrees with the service, and finds what was changed', async () => {
    await log.record('acme', [decision('a "quoted"\n\u0001é😀\u2028'), decision('b'), decision('c', newId())]);
    await log.record('__proto__', [{ ...decision('a'), predicted: { low: 1e-7, high: 1e21, '': [null, -0.5] } }]);
    const reports = await Promise.all(['__proto__', 'acme'].map((name) => verifyChain(database.records, name)));
    const { status, stdout } = await check();
    expect(status).toBe(0);
    for (const report of reports)
      expect(stdout).toContain(`${report?.workspace} ${report?.entries} ${report?.head_hash}`);
    await tamper(
      database.pool,
      "update agent_decisions set confidence = 0.6 where workspace = 'acme' and chain_seq = 2",
    );
    const again = await check();
    expect(again.status).toBe(1);
    expect(again.stderr).toContain('acme breaks at 2');
  });
});
