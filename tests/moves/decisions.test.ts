import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { APPLICATION_NAME } from '../../database/postgres.ts';
import { findDecision, verifyChain } from '../../database/queries/decisions.ts';
import type { DecisionRow } from '../../database/tables.ts';
import { type DecisionEntry, DecisionLog } from '../../moves/decisions/decision-log.ts';
import { newId, timeOfId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { insertCampaign } from '../support/api.ts';
import { TestClock } from '../support/clock.ts';
import { hashOf, tamper } from '../support/decisions.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
let clock: TestClock;
let log: DecisionLog;
beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
beforeEach(async () => {
  await records.truncate();
  clock = new TestClock();
  log = new DecisionLog({ records, clock });
});
afterAll(() => records.close());

const RUN = newId();
const PLAN = newId();
const decision = (key: string, more: Partial<DecisionEntry> = {}): DecisionEntry => ({
  key,
  agent: 'planner',
  action: 'choose_channel',
  reasoning: `because of ${key}`,
  confidence: 0.7,
  predicted: { leads: 12 },
  evidence: { facts: ['f1'] },
  runId: RUN,
  planId: PLAN,
  ...more,
});
const chain = (workspace = 'acme'): Promise<DecisionRow[]> =>
  records.select('agent_decisions', {
    where: [{ column: 'workspace', op: 'eq', value: workspace }],
    order: [{ column: 'chain_seq' }],
  });

describe('the decision log', () => {
  test('keeps what was decided, in order, each entry with the hash of the one before', async () => {
    expect(await log.record('acme', [decision('a'), decision('b', { confidence: 0.12345 })])).toBe(2);
    await clock.advance(1_000);
    expect(await log.record('acme', [decision('c')])).toBe(1);
    const rows = await chain();
    expect(rows).toMatchObject([
      {
        agent: 'planner',
        action: 'choose_channel',
        reasoning: 'because of a',
        confidence: 0.7,
        predicted: { leads: 12 },
        evidence: { facts: ['f1'] },
        run_id: RUN,
        plan_id: PLAN,
        campaign_id: null,
        decided_at: '2026-01-05T09:00:00.000Z',
        chain_seq: 1,
        prev_hash: '0'.repeat(64),
      },
      { reasoning: 'because of b', chain_seq: 2, prev_hash: rows[0]?.hash, confidence: 0.123 },
      { reasoning: 'because of c', chain_seq: 3, prev_hash: rows[1]?.hash, decided_at: '2026-01-05T09:00:01.000Z' },
    ]);
    expect(await verifyChain(records, 'acme')).toEqual({
      workspace: 'acme',
      entries: 3,
      head_seq: 3,
      head_hash: rows[2]?.hash,
      valid: true,
      first_break: null,
    });
  });

  test('leaves a decision as it is that is recorded again, and appends what is new beside it', async () => {
    await log.record('acme', [decision('a')]);
    const [first] = await chain();
    await clock.advance(60_000);
    const again = decision('a', { reasoning: 'thought again' });
    expect(await log.record('acme', [again, decision('b'), decision('b')])).toBe(1);
    expect(await log.record('acme', [])).toBe(0);
    const rows = await chain();
    expect(rows[0]).toEqual(first);
    expect(rows.map((row) => row.reasoning)).toEqual(['because of a', 'because of b']);
    expect(await verifyChain(records, 'acme')).toMatchObject({ valid: true, entries: 2 });
  });

  test('takes the same key of another run, plan or workspace for another decision', async () => {
    const { runId: _, ...outside } = decision('a');
    const { planId: __, ...about } = outside;
    await log.record('acme', [decision('a'), decision('a', { runId: newId() }), outside, about]);
    await log.record('other', [decision('a')]);
    // Joined by a mere slash, these would be one.
    await log.record(`x/${RUN}`, [decision('k')]);
    await log.record('x', [decision(`${RUN}/k`)]);
    expect(await chain()).toHaveLength(4);
    expect(await log.record('acme', [outside, about])).toBe(0);
    for (const workspace of ['other', `x/${RUN}`, 'x'])
      expect(await verifyChain(records, workspace)).toMatchObject({ entries: 1, valid: true });
    expect(timeOfId((await chain('other'))[0]?.id ?? '')).toBe(timeOfId(RUN));
  });

  test('keeps text that no database can hold, and draws a confidence into its bounds', async () => {
    const odd = 'a\u0000b\uD800c';
    const kept = 'a\uFFFDb\uFFFDc';
    const entry = decision(odd, {
      agent: odd,
      action: odd,
      reasoning: odd,
      predicted: { [odd]: [{ [odd]: odd }, null, 1, true] },
      evidence: JSON.parse('{"__proto__": {"x": "\\u0000"}}') as JsonObject,
    });
    const confidences = [Number.NaN, -1, 7, Number.POSITIVE_INFINITY];
    await log.record(odd, [entry, ...confidences.map((confidence) => decision(`${confidence}`, { confidence }))]);
    const rows = await chain(kept);
    expect(rows[0]).toMatchObject({
      agent: kept,
      action: kept,
      reasoning: kept,
      predicted: { [kept]: [{ [kept]: kept }, null, 1, true] },
    });
    expect(JSON.stringify(rows[0]?.evidence)).toBe('{"__proto__":{"x":"\uFFFD"}}');
    expect(rows.map((row) => row.confidence)).toEqual([0.7, 0, 0, 1, 1]);
    expect(await verifyChain(records, kept)).toMatchObject({ valid: true, entries: 5 });
  });

  test('refuses the service to change or remove a chained decision, and leaves others alone', async () => {
    await log.record('acme', [decision('a')]);
    await records.pool.query(`set application_name = '${APPLICATION_NAME}'`);
    const unchained = { id: newId(), agent: 'x', action: 'y', decided_at: '2026-01-05T09:00:00Z', reasoning: '' };
    await records.insert('agent_decisions', [{ ...unchained, confidence: 1 }]);
    const refused = /never changed and never removed/;
    const where = [{ column: 'workspace', op: 'eq', value: 'acme' }] as const;
    await expect(records.update('agent_decisions', { confidence: 1 }, where)).rejects.toThrow(refused);
    await expect(records.remove('agent_decisions', where)).rejects.toThrow(refused);
    expect(await records.remove('agent_decisions', [{ column: 'workspace', op: 'is', value: null }])).toBe(1);
    const half = { ...unchained, confidence: 1, workspace: 'acme' };
    await expect(records.insert('agent_decisions', [half])).rejects.toThrow(/agent_decisions_chained/);
    await records.pool.query('reset application_name');
  });
});

const text = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({
    unit: fc.constantFrom('"', '\\', '\n', '\u0000', '\u001F', '\u007F', '\u2028', '\uD800', 'é', '😀', ','),
  }),
);
const number = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer(), fc.constant(-0));
const { object } = fc.letrec<{ value: never; object: JsonObject }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 3 },
    text,
    number,
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value'), { maxLength: 4 }),
    tie('object'),
  ) as fc.Arbitrary<never>,
  object: fc.dictionary(text, tie('value'), { maxKeys: 5 }),
}));

const scopeOf = ({ runId, planId, campaignId }: DecisionEntry) => runId ?? planId ?? campaignId;

describe('the hash of a decision', () => {
  test('can be computed anew by the documented formula, whatever the decision holds', async () => {
    const { id: campaignId } = await insertCampaign(records);
    let count = 0;
    const entry: fc.Arbitrary<DecisionEntry> = fc.record(
      {
        key: fc.string(),
        agent: text,
        action: text,
        reasoning: text,
        confidence: fc.double({ min: 0, max: 1, noNaN: true }),
        predicted: object,
        evidence: object,
        planId: fc.uuid(),
        campaignId: fc.constant(campaignId),
        runId: fc.uuid(),
      },
      { requiredKeys: ['key', 'agent', 'action', 'reasoning', 'confidence', 'predicted', 'evidence'] },
    );
    await fc.assert(
      fc.asyncProperty(
        text,
        fc.array(entry, { minLength: 1, maxLength: 3 }),
        fc.nat(4e12),
        async (name, entries, at) => {
          clock.set(at);
          const workspace = `${(count += 1)} ${name}`;
          const written = await log.record(workspace, entries);
          const stored = workspace.toWellFormed().replaceAll('\u0000', '\uFFFD');
          const rows = await chain(stored);
          expect(rows).toHaveLength(written);
          // Not as read: once JSON.parse of Node 26.10 has met the key backslash-n, it takes line-feed-x in its place for that one.
          const given = [...Map.groupBy(entries, (each) => `${scopeOf(each)} ${each.key}`).values()].map(
            ([first]) => first,
          );
          let before = '0'.repeat(64);
          for (const [index, row] of rows.entries()) {
            const { predicted = {}, evidence = {} } = given[index] ?? {};
            expect(row.prev_hash).toBe(before);
            expect(row.hash).toBe(hashOf({ ...row, predicted, evidence }));
            before = row.hash as string;
          }
          expect(await verifyChain(records, stored)).toMatchObject({
            valid: true,
            entries: written,
            head_hash: before,
          });
        },
      ),
      { numRuns: 150, examples: [['', [decision('at the epoch')], 0]] },
    );
  }, 60_000);
});

describe('tampering', () => {
  let ids: string[];
  beforeEach(async () => {
    const { id: campaignId } = await insertCampaign(records);
    await log.record(
      'acme',
      ['a', 'b', 'c', 'd', 'e'].map((key) => decision(key, { campaignId })),
    );
    await log.record('other', [decision('a')]);
    ids = (await chain()).map((row) => row.id);
  });

  /** What verifying finds, in one go and in small pieces. */
  async function found(workspace = 'acme') {
    const report = await verifyChain(records, workspace);
    for (const size of [1, 2, 5]) expect(await verifyChain(records, workspace, size)).toEqual(report);
    return report;
  }
  const broken = (entries: number, problem: string, seq: number, id: string | null) => ({
    valid: false,
    entries,
    first_break: { problem, seq, id },
  });
  const change = (sql: string, seq: number) =>
    tamper(records.pool, `update agent_decisions set ${sql} where workspace = 'acme' and chain_seq = ${seq}`);
  /** Makes hashes fit again what was changed, from an entry on, as somebody would who knows the formula. */
  async function rehash(fromSeq: number, toSeq: number) {
    for (let seq = fromSeq; seq <= toSeq; seq += 1) {
      await change(
        `prev_hash = (select hash from agent_decisions where workspace = 'acme' and chain_seq = ${seq - 1})`,
        seq,
      );
      await change('hash = decision_hash(agent_decisions)', seq);
    }
  }

  test.each([
    ['agent', "agent = 'somebody'"],
    ['action', "action = 'nothing'"],
    ['campaign', 'campaign_id = null'],
    ['run', 'run_id = null'],
    ['plan', `plan_id = '${newId()}'`],
    ['time, by a microsecond', "decided_at = decided_at + interval '1 microsecond'"],
    ['time, to no time at all', "decided_at = 'infinity'"],
    ['reasoning', "reasoning = reasoning || ' '"],
    ['confidence', 'confidence = confidence + 0.001'],
    ['prediction', 'predicted = \'{"leads": 12.0}\''],
    ['evidence', "evidence = '{}'"],
    ['hash', "hash = repeat('a', 64)"],
  ])('with its %s is found', async (_, sql) => {
    await change(sql, 3);
    expect(await found()).toMatchObject(broken(2, 'content_changed', 3, ids[2] as string));
    expect(await found('other')).toMatchObject({ valid: true });
  });

  test('with its id is found', async () => {
    const id = newId();
    await change(`id = '${id}'`, 3);
    expect(await found()).toMatchObject(broken(2, 'content_changed', 3, id));
  });

  test('with the hash of the entry before is found', async () => {
    await change("prev_hash = repeat('a', 64)", 3);
    expect(await found()).toMatchObject(broken(2, 'chain_broken', 3, ids[2] as string));
  });

  test('with a field and its hash is found at the next entry', async () => {
    await change("reasoning = 'because I say so'", 3);
    await rehash(3, 3);
    expect(await found()).toMatchObject(broken(3, 'chain_broken', 4, ids[3] as string));
  });

  test('with a field, its hash and all later ones is found at the head', async () => {
    await change("reasoning = 'because I say so'", 3);
    await rehash(3, 5);
    expect(await found()).toMatchObject(broken(5, 'head_changed', 5, null));
  });

  test('by exchanging two entries is found', async () => {
    await change('chain_seq = 99', 2);
    await change('chain_seq = 2', 4);
    await change('chain_seq = 4', 99);
    expect(await found()).toMatchObject(broken(1, 'chain_broken', 2, ids[3] as string));
  });

  test.each([
    ['the first entry', 'chain_seq = 1', broken(0, 'row_missing', 1, null)],
    ['an entry amid', 'chain_seq = 3', broken(2, 'row_missing', 3, null)],
    ['the last entry', 'chain_seq = 5', broken(4, 'tail_missing', 5, null)],
    ['the last two', 'chain_seq > 3', broken(3, 'tail_missing', 4, null)],
    ['every entry', 'true', broken(0, 'tail_missing', 1, null)],
  ])('by removing %s is found', async (_, which, expected) => {
    await tamper(records.pool, `delete from agent_decisions where workspace = 'acme' and ${which}`);
    expect(await found()).toMatchObject(expected);
  });

  test('by moving an entry to another workspace is found in both', async () => {
    await change("workspace = 'other', chain_seq = 2", 2);
    expect(await found()).toMatchObject(broken(1, 'row_missing', 2, null));
    expect(await found('other')).toMatchObject(broken(1, 'extra_row', 2, ids[1] as string));
  });

  test.each([
    ['behind the last one', 6],
    ['before the first one', 0],
  ])('by adding an entry %s is found', async (_, seq) => {
    const id = newId();
    const [last] = (await chain()).toReversed();
    const added = { ...last, id, chain_seq: seq, prev_hash: last?.hash ?? '' };
    await records.insert('agent_decisions', [{ ...added, hash: hashOf(added as DecisionRow) }]);
    expect(await found()).toMatchObject(broken(seq === 0 ? 0 : 5, 'extra_row', seq, id));
  });

  test.each([
    ['its hash', "head_hash = repeat('a', 64)", broken(5, 'head_changed', 5, null)],
    ['its length, upwards', 'seq = 6', broken(5, 'tail_missing', 6, null)],
  ])('with the head, in %s, is found', async (_, sql, expected) => {
    await records.pool.query(`update decision_chains set ${sql} where workspace = 'acme'`);
    expect(await found()).toMatchObject(expected);
  });

  test('with the head, in its length downwards, is found, and so is one that is gone', async () => {
    await records.pool.query("update decision_chains set seq = 4 where workspace = 'acme'");
    expect(await found()).toMatchObject(broken(4, 'extra_row', 5, ids[4] as string));
    await records.pool.query("delete from decision_chains where workspace = 'acme'");
    expect(await found()).toMatchObject({ ...broken(0, 'head_missing', 1, ids[0] as string), head_seq: null });
  });

  test('that rewrites everything, the head too, is found only by a head that was kept elsewhere', async () => {
    const noted = (await found())?.head_hash;
    await change("reasoning = 'because I say so'", 3);
    await rehash(3, 5);
    await records.pool.query(
      "update decision_chains set head_hash = (select hash from agent_decisions where workspace = 'acme' and chain_seq = 5) where workspace = 'acme'",
    );
    expect(await found()).toMatchObject({ valid: true, entries: 5 });
    expect((await findDecision(records, ids[4] as string))?.hash).not.toBe(noted);
  });

  test('does not hinder later decisions, and stays to be found', async () => {
    await change("reasoning = 'because I say so'", 3);
    await log.record('acme', [decision('f')]);
    expect(await found()).toMatchObject(broken(2, 'content_changed', 3, ids[2] as string));
  });
});
