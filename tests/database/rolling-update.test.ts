import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { journalArguments, type JournalException } from '../../database/journal-lists.ts';
import type { JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { newId } from '../../shared/ids.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { freshRecords, type TestRecords } from '../support/records.ts';
import { AT, later, LEASE_MS, message, RunCalls } from '../support/run-calls.ts';
import { type Script, type ScriptedEngine, scriptedEngine } from '../support/scripted-engine.ts';

// During an update processes of the version before work on today's schema. What they call, with the arguments that they give, is
// written down here and must go on working, in turns with what is called today.

let records: TestRecords;
let on: RunCalls;
let engine: ScriptedEngine;
let scripts: Record<string, Script>;
let harness: Harness;
beforeAll(async () => {
  records = await freshRecords();
  on = new RunCalls({ url: '', pool: records.pool, records });
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  scripts = {
    '/api/prospect': () => ({ success: true, data: { saved: 20, cost: 0.5 } }),
    '/api/analyze': () => ({ success: true, summary: { successful: 18, totalCost: 0.9 } }),
  };
  engine = await scriptedEngine(scripts);
  const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
  harness = new Harness({ records, clock: new TestClock(AT), engines, worker: 'new' });
});
afterEach(async () => {
  await harness.close();
  await engine.close();
  await records.truncate();
});

const campaign = (): JsonObject => ({
  name: 'Through the update',
  budget: { daily: 10 },
  steps: ['prospecting', 'analysis'].map((name) => ({
    name,
    engine: name,
    estimatedCost: 1,
    retry: { attempts: 1, delay: 0 },
  })),
});

/** A worker of the version before, with one run. */
class OldWorker {
  readonly run: RunRow;
  #seq: number;

  private constructor(run: RunRow) {
    this.run = run;
    this.#seq = run.event_seq;
  }

  static async claim(runId: string, at: string): Promise<OldWorker> {
    const run = await on.claim(runId, 'old', at);
    if (!run) throw new Error('the run was not to be had');
    return new OldWorker(run);
  }

  async write(events: string[], more: JsonObject = {}): Promise<{ accepted: boolean; event_seq?: number }> {
    const entry = {
      run_id: this.run.id,
      epoch: this.run.epoch,
      at: AT,
      after_seq: this.#seq,
      events: events.map((type) => ({ type, data: { by: 'old' } })),
      ...more,
    };
    const [answer] = await on.call<{ accepted: boolean; event_seq?: number }[]>('journal_commit', {
      p_entries: [entry],
    });
    if (answer?.accepted) this.#seq += events.length;
    return answer ?? { accepted: false };
  }

  key = (step: string, attempt: number) => `${this.run.id}/${step}/${attempt}`;

  reserve(step: string, attempt: number, amount: number): Promise<{ admitted: boolean }[]> {
    const scope = `campaign:${this.run.campaign_id}`;
    const periods = [
      ['day', '2026-01-05', 10_000_000],
      ['week', '2026-01-05', null],
      ['month', '2026-01-01', null],
    ].map(([period, starts_on, limit]) => ({ scope, period, starts_on, limit, campaign_id: this.run.campaign_id }));
    const about = { campaign_id: this.run.campaign_id, run_id: this.run.id, step_name: step, amount, at: AT, periods };
    return on.call('budget_reserve', { p_requests: [{ key: this.key(step, attempt), ...about }] });
  }

  settle(step: string, attempt: number, amount: number | null): Promise<{ found: boolean; spent: number }[]> {
    return on.call('budget_settle', { p_items: [{ key: this.key(step, attempt), amount, at: AT }] });
  }

  row(name: string, position: number, status: StepRow['status'], more: Partial<StepRow> = {}): JsonObject {
    return {
      run_id: this.run.id,
      name,
      position,
      kind: name,
      effect: 'repeatable',
      status,
      attempts: 1,
      started_at: AT,
      completed_at: status === 'running' ? null : AT,
      cost_micros: 0,
      cost_unknown: false,
      counts: {},
      output: null,
      error: null,
      attempt_log: [],
      carried_from: null,
      ...more,
    } as unknown as JsonObject;
  }
}

const numbers = async (runId: string) =>
  (
    await records.select('run_events', {
      where: [{ column: 'run_id', op: 'eq', value: runId }],
      order: [{ column: 'seq' }],
    })
  ).map(({ seq }) => seq);
const day = async () =>
  (await records.select('budget_periods', { where: [{ column: 'period', op: 'eq', value: 'day' }] })).map(
    ({ spent_micros, held_micros }) => ({ spent: spent_micros, held: held_micros }),
  );

describe('a run that crosses versions', () => {
  test('begun by a worker of today that died in the middle, is ended by one of the version before', async () => {
    scripts['/api/analyze'] = () => undefined;
    const asked = engine.asked('/api/analyze');
    const { id } = await harness.createCampaign(campaign());
    const { runId } = await harness.runs.start(id, { force: false });
    await asked;

    const old = await OldWorker.claim(runId, later(LEASE_MS));
    expect(old.run).toMatchObject({ epoch: 2, event_seq: (await numbers(runId)).length });
    const [held] = await records.select('budget_entries', { where: [{ column: 'state', op: 'eq', value: 'held' }] });
    expect(held?.key).toBe(old.key('analysis', 1));
    expect(await old.settle('analysis', 1, null)).toMatchObject([{ found: true, spent: 1_000_000 }]);
    expect(await on.call('budget_step_history', { p_steps: [{ campaign_id: id, step_name: 'prospecting' }] })).toEqual([
      500_000,
    ]);
    expect(await old.reserve('analysis', 2, 1_000_000)).toMatchObject([{ admitted: true }]);
    await old.write(['step.started'], { steps: [old.row('analysis', 1, 'running', { attempts: 2 })] });
    expect(await old.settle('analysis', 2, 900_000)).toMatchObject([{ spent: 900_000 }]);
    await old.write(['step.completed'], {
      steps: [old.row('analysis', 1, 'completed', { attempts: 2, cost_micros: 1_900_000 })],
    });
    const end = { run: { status: 'completed', total_cost_micros: 2_400_000 }, outbox: [message(id) as never] };
    await old.write(['run.finished'], end);

    expect((await harness.read(runId)).run).toMatchObject({ status: 'completed', total_cost_micros: 2_400_000 });
    const seqs = await numbers(runId);
    expect(seqs).toEqual(seqs.map((_, at) => at + 1));
    expect((await on.run(runId)).event_seq).toBe(seqs.length);
    expect(await on.campaignRow(id)).toMatchObject({ total_runs: 1, total_cost_micros: 2_400_000 });
    expect(await day()).toEqual([{ spent: 2_400_000, held: 0 }]);

    // The one of today wakes up.
    harness.orchestrator.fence(runId);
    await harness.idle();
    expect(await numbers(runId)).toEqual(seqs);
    expect(await records.count('notifications')).toBe(1);
  });

  test('begun by a worker of the version before that died in the middle, is ended by one of today', async () => {
    const { id } = await harness.createCampaign(campaign());
    const runId = await on.started(id);
    const old = await OldWorker.claim(runId, later(-LEASE_MS));
    await old.reserve('prospecting', 1, 1_000_000);
    await old.write(['step.started'], { steps: [old.row('prospecting', 0, 'running')] });
    await old.settle('prospecting', 1, 500_000);
    const done = { cost_micros: 500_000, counts: { prospects_generated: 20 } };
    await old.write(['step.completed'], { steps: [old.row('prospecting', 0, 'completed', done)] });
    await old.reserve('analysis', 1, 1_000_000);
    const attempt = {
      attempt: 1,
      started_at: AT,
      completed_at: null,
      cost_micros: 0,
      cost_unknown: false,
      error: null,
    };
    await old.write(['step.started'], { steps: [old.row('analysis', 1, 'running', { attempt_log: [attempt] })] });

    await harness.orchestrator.execute(runId);
    const { run, steps } = await harness.read(runId);
    expect(run).toMatchObject({ status: 'completed', epoch: 2, prospects_generated: 20, total_cost_micros: 2_400_000 });
    expect(steps.map(({ name, attempts }) => [name, attempts])).toEqual([
      ['prospecting', 1],
      ['analysis', 2],
    ]);
    expect(engine.requests.map(({ path }) => path)).toEqual(['/api/analyze']);
    const seqs = await numbers(runId);
    expect(seqs).toEqual(seqs.map((_, at) => at + 1));
    expect(run.event_seq).toBe(seqs.length);
    expect(await day()).toEqual([{ spent: 2_400_000, held: 0 }]);
    expect(await on.campaignRow(id)).toMatchObject({ total_runs: 1, total_cost_micros: 2_400_000 });
    // It is repeated as after a lost answer, and written as after a pause: both in vain.
    expect(await old.write(['step.completed'])).toMatchObject({ accepted: false });
    expect(await numbers(runId)).toEqual(seqs);
  });

  test('is written by whoever has claimed it last, in whichever way', async () => {
    const { runId, campaignId } = await on.heldRun('old');
    const write = (epoch: number, after: number, at: string) =>
      on.call<JournalException[]>('journal_write', {
        ...journalArguments([
          { run_id: runId, campaign_id: campaignId, epoch, at, after_seq: after, events: [{ type: 'x', data: {} }] },
        ]),
      });
    const claimNew = (at: string) =>
      on.call('claim_runs', { p_run_ids: [runId], p_worker: 'new', p_now: at, p_lease_ms: LEASE_MS });
    await claimNew(later(LEASE_MS));
    expect(await on.renew('old', [runId], later(LEASE_MS))).toEqual([]);
    expect(await on.commit({ run_id: runId, epoch: 1, after_seq: 1, events: [{ type: 'x', data: {} }] })).toMatchObject(
      [{ accepted: false }],
    );
    expect(await write(2, 2, later(1))).toEqual([]);
    const old = await OldWorker.claim(runId, later(2 * LEASE_MS));
    expect(await write(2, 3, later(2))).toEqual([{ i: 1, accepted: false }]);
    expect(await old.write(['y'])).toEqual({ run_id: runId, accepted: true, event_seq: 4 });
    expect(await on.renew('old', [runId], later(2 * LEASE_MS))).toMatchObject([{ run_id: runId, cancel: false }]);
    await claimNew(later(4 * LEASE_MS));
    expect(await on.eventsOf(runId)).toEqual(['1 run.queued', '2 run.resumed', '3 x', '4 y', '5 run.resumed']);
  });

  test('left by either is found by the sweep of either, and a cancel reaches it', async () => {
    const { runId } = await on.heldRun('old');
    const due = (at: string) => on.call<string[]>('runs_to_requeue', { p_now: at, p_queued_before: AT, p_limit: 500 });
    expect(await due(AT)).toEqual([]);
    expect(await due(later(LEASE_MS))).toEqual([runId]);
    expect(await on.cancel(runId)).toEqual({ found: true, status: 'running' });
    expect(await on.renew('old', [runId])).toEqual([{ run_id: runId, cancel: true, reason: 'asked to' }]);
    // What the version before does at the start of an embedded database.
    await records.update('campaign_runs', { lease_until_at: null }, [{ column: 'status', op: 'eq', value: 'running' }]);
    expect(await due(AT)).toEqual([runId]);
  });
});

describe('fires and messages', () => {
  const fire = (at: string): JsonObject => ({
    id: newId(),
    scheduled_for: at,
    effective_for: at,
    outcome: 'ran',
    reason: null,
    detail: null,
    missed_count: 1,
    run: { id: newId(), trigger: 'schedule', scheduled_for: at, steps_total: 1 },
  });

  test('a time that one version has fired, the other does not fire again', async () => {
    const id = await on.campaign('allow');
    const fireOld = (version: number, at: string) =>
      on.call<{ stale: boolean; fires: { outcome: string }[] }>('fire_campaign', {
        p_campaign_id: id,
        p_version: version,
        p_fires: [fire(at)],
        p_next: later(60_000),
        p_due: later(60_000),
        p_at: AT,
      });
    const fireNew = async (version: number, at: string) => {
      const item = { campaign_id: id, version, fires: [fire(at)], next: later(60_000), due: later(60_000) };
      const answers = await on.call<{ stale: boolean; fires: { outcome: string }[] }[]>('fire_campaigns', {
        p_items: [item],
        p_at: AT,
      });
      return answers[0];
    };
    expect(await fireOld(1, AT)).toMatchObject({ stale: false, fires: [{ outcome: 'ran' }] });
    expect(await fireNew(1, AT)).toEqual({ stale: true, fires: [] });
    expect(await fireNew(2, AT)).toEqual({ stale: false, fires: [] });
    expect(await fireNew(3, later(60_000))).toMatchObject({ stale: false, fires: [{ outcome: 'ran' }] });
    expect(await fireOld(3, later(60_000))).toEqual({ stale: true, fires: [] });
    expect(await records.count('campaign_runs')).toBe(2);
  });

  test('a message that one version has put out, the other sends', async () => {
    const id = await on.campaign();
    const once = message(id, { dedupe_key: 'once' });
    const put = (): Promise<number> => on.call('outbox_put', { p_rows: [{ ...once, id: newId() }], p_now: AT });
    expect([await put(), await put()]).toEqual([1, 0]);
    const claim = (at: string) =>
      on.call<JsonObject[]>('outbox_claim', { p_notifier: 'email', p_now: at, p_lease_ms: LEASE_MS, p_limit: 10 });
    expect(await claim(AT)).toMatchObject([{ dedupe_key: 'once', status: 'sending', attempts: 1 }]);
    expect(await claim(AT)).toEqual([]);
    expect(await claim(later(LEASE_MS))).toMatchObject([{ attempts: 2 }]);
  });
});

describe('the migrations', () => {
  /** Of each that was ever released, the SHA-256 of its text. */
  const RELEASED: Record<string, string> = {
    '20261121000000_campaigns_and_runs.sql': '800affb2e48a8943b30390d0927501cc48b182965f12e4b4139415069ec3a54b',
    '20261121000100_budget_ledger.sql': 'b061a14e0d3a1d4f9d5b201d6b9783c8eff2990c77e88cba7c7e745d71a18a42',
    '20261121000200_notifications.sql': '005cffd20be73f3c5398f5de73af11bc64b10bfdcac9e0276474f33872b25588',
    '20261121000300_functions.sql': 'dedcf54ab9cb0fb869fd8f6f2bbe1666cd096e144a37ea551bfa39a727e393ed',
    '20261121000400_budget_functions.sql': 'eece314a9dabcd00f6ee4597b62befb5decc0bb840312a34de851e6caef22765',
    '20261121000500_access.sql': '6034e378717fd4fa44e424d27cd2f8962b3b458eeb5b1f557e7802d3329244e7',
    '20261121000600_journal_in_sets.sql': 'bb7efa66c45c719d9ba3a43efb6412f783ca1ac84413941661627b28840941b2',
    '20261121000700_retention.sql': '4a3a86ea72be79a688bd70838a3f04f3c4fa09ccf7cab062472dce191bb105a1',
    '20261121000710_campaign_files.sql': '72ac1a060182fac13a29ab71f0405cacc812f141a3b56f2a5d63d310a921a0a5',
    '20261121000800_workers_and_time.sql': '85741493e5e4ec095257ce375c01398e0ebbd9a96816609c93530bde131d2586',
  };
  const FOLDER = join(PROJECT_ROOT, 'database/supabase/migrations');

  test('that were released are as they were', async () => {
    for (const [file, hash] of Object.entries(RELEASED)) {
      const text = await readFile(join(FOLDER, file));
      expect({ file, hash: createHash('sha256').update(text).digest('hex') }).toEqual({ file, hash });
    }
  });

  /** What would take from the version before something that it uses, or refuse what it writes. */
  const BREAKING: [string, RegExp][] = [
    ['drops', /\bdrop\s+(table|column|function|type|view|default)\b/],
    ['renames', /\brename\b/],
    ['changes a type', /\balter\s+column\s+\w+\s+(set\s+data\s+)?type\b/],
    ['makes a column required', /\bset\s+not\s+null\b/],
    ['adds a required column without a default', /\badd\s+column\b(?![^;,]*\bdefault\b)[^;,]*\bnot\s+null\b/],
    ['adds a constraint to a table', /\balter\s+table\s+\S+\s+add\s+(constraint|check|unique|primary|foreign)\b/],
  ];
  const breaks = (sql: string) => {
    const statements = sql.toLowerCase().replace(/--.*$/gm, '');
    const found = BREAKING.flatMap(([what, pattern]) => (pattern.test(statements) ? [what] : []));
    // In a table that the same file makes there are no rows yet, and nobody who writes others.
    const isNew = (table: string) => new RegExp(`\\bcreate\\s+table\\s+${table}\\b`).test(statements);
    // A column that the same file adds is null in what there is and in what the version before writes, and nulls are never the same.
    const isAdded = (column: string) => new RegExp(`\\badd\\s+column\\s+${column}\\s+\\w+\\s*[,;]`).test(statements);
    const unique = [...statements.matchAll(/\bcreate\s+unique\s+index\s+\w+\s+on\s+(\w+)\s*\(([\w\s,]*)/g)];
    return unique.every(([, table = '', columns = '']) => isNew(table) || columns.match(/\w+/g)?.some(isAdded))
      ? found
      : [...found, 'makes rows of an old table unique'];
  };

  test('that came since take nothing from the version before, and refuse nothing that it writes', async () => {
    const since = (await readdir(FOLDER)).filter((file) => file.endsWith('.sql') && !(file in RELEASED)).toSorted();
    expect(since.length).toBeGreaterThan(0);
    for (const file of since) {
      expect({ file, first: file > (Object.keys(RELEASED).at(-1) ?? '') }).toEqual({ file, first: true });
      expect({ file, breaks: breaks(await readFile(join(FOLDER, file), 'utf8')) }).toEqual({ file, breaks: [] });
    }
  });

  test.each([
    ['drop table campaigns;', ['drops']],
    ['alter table campaigns drop column name;', ['drops']],
    ['drop function claim_run(uuid);', ['drops']],
    ['alter table campaigns rename column name to title;', ['renames']],
    ['alter table campaigns alter column name set not null;', ['makes a column required']],
    ['alter table campaigns add column a integer not null;', ['adds a required column without a default']],
    ['alter table campaigns add column a integer not null default 0, add column b text;', []],
    ['create unique index i on campaigns (name);', ['makes rows of an old table unique']],
    ['alter table campaigns add column a text; create unique index i on campaigns (name, a);', []],
    [
      "alter table campaigns add column a text default 'x'; create unique index i on campaigns (a);",
      ['makes rows of an old table unique'],
    ],
    ['alter table campaigns drop constraint fk; create index i on campaigns (name);', []],
    ['-- drop table campaigns', []],
  ])('are judged by what they say: %s', (sql, expected) => {
    expect(breaks(sql)).toEqual(expected);
  });
});
