import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import { chainReport, loggedDecision } from '../../api/shapes/decision.ts';
import { type DecisionEntry, DecisionLog } from '../../moves/decisions/decision-log.ts';
import { iso } from '../../shared/clock.ts';
import { derivedId, newId } from '../../shared/ids.ts';
import { insertCampaign, insertRun, makeApi } from '../support/api.ts';
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
  action: 'draft',
  reasoning: key,
  confidence: 0.7,
  predicted: { leads: { likely: 12, low: 8, high: 16 } },
  evidence: { facts: ['f1'] },
  runId: RUN,
  ...more,
});
const get = (path: string) => request(makeApi(records).app).get(`/api/decisions${path}`);
const unchained = (at: number, more: object = {}) => ({
  id: derivedId('unchained', at),
  agent: 'orchestrator',
  action: 'stop_run',
  decided_at: iso(at),
  reasoning: 'unchained',
  confidence: 1,
  ...more,
});

/** The reasonings of all pages. */
async function pages(query: string): Promise<string[][]> {
  const found: string[][] = [];
  for (let cursor: string | null = ''; cursor !== null;) {
    const { body, status } = await get(`?${query}${cursor && `&cursor=${cursor}`}`);
    expect(status).toBe(200);
    found.push(body.decisions.map((row: { reasoning: string }) => row.reasoning));
    cursor = body.nextCursor;
  }
  return found;
}

describe('GET /api/decisions', () => {
  test('shows decisions in and outside of chains, newest first, those of one moment by their place', async () => {
    await log.record(
      'acme',
      ['a', 'b', 'c', 'd', 'e'].map((key) => decision(key)),
    );
    await clock.advance(1_000);
    await records.insert('agent_decisions', [unchained(clock.now())]);
    await clock.advance(1_000);
    await log.record('acme', [decision('f')]);
    const { body } = await get('');
    expect(body.decisions.map((row: { reasoning: string }) => row.reasoning)).toEqual([
      'f',
      'unchained',
      'e',
      'd',
      'c',
      'b',
      'a',
    ]);
    expect(body.decisions[1]).toMatchObject({ workspace: null, chain: null, action: 'stop_run' });
    const [row] = await records.select('agent_decisions', { where: [{ column: 'chain_seq', op: 'eq', value: 6 }] });
    expect(body.decisions[0]).toEqual({
      id: row?.id,
      workspace: 'acme',
      planId: null,
      campaignId: null,
      runId: RUN,
      agent: 'planner',
      action: 'draft',
      decidedAt: '2026-01-05T09:00:02.000Z',
      reasoning: 'f',
      confidence: 0.7,
      predicted: { leads: { likely: 12, low: 8, high: 16 } },
      evidence: { facts: ['f1'] },
      chain: { seq: 6, prevHash: row?.prev_hash, hash: row && hashOf(row) },
    });
    // As the OpenAPI document says.
    for (const each of body.decisions) expect(loggedDecision.parse(each)).toEqual(each);
    expect(body.nextCursor).toBeNull();
    expect(await pages('limit=3')).toEqual([['f', 'unchained', 'e'], ['d', 'c', 'b'], ['a']]);
  });

  test('filters by each field, and pages within', async () => {
    const { id: campaignId } = await insertCampaign(records);
    const otherRun = newId();
    await log.record('acme', [
      decision('plain'),
      decision('with plan', { planId: PLAN }),
      decision('with campaign', { campaignId }),
      decision('of another run', { runId: otherRun }),
      decision('by a person', { agent: 'person:ana' }),
      decision('approval', { action: 'approve' }),
    ]);
    await clock.advance(1_000);
    await log.record('other', [decision('elsewhere')]);
    const only = async (query: string) => (await pages(query)).flat();
    expect(await only('workspace=other')).toEqual(['elsewhere']);
    expect(await only(`planId=${PLAN}`)).toEqual(['with plan']);
    expect(await only(`campaignId=${campaignId}`)).toEqual(['with campaign']);
    expect(await only(`runId=${otherRun.toUpperCase()}`)).toEqual(['of another run']);
    expect(await only('agent=person:ana')).toEqual(['by a person']);
    expect(await only('action=approve')).toEqual(['approval']);
    expect(await only('workspace=acme&seq=2')).toEqual(['with plan']);
    expect(await only('since=2026-01-05T09:00:01Z')).toEqual(['elsewhere']);
    expect(await only('until=2026-01-05T10:00:01%2B01:00&action=approve')).toEqual(['approval']);
    expect(await only('until=2026-01-05T09:00:00Z')).toEqual([]);
    expect(await only('since=2026-01-05T09:00:00Z&until=2026-01-05T09:00:00.001Z')).toHaveLength(6);
    expect(await only('workspace=nobody')).toEqual([]);
    expect(await pages(`workspace=acme&runId=${RUN}&limit=2`)).toEqual([
      ['approval', 'by a person'],
      ['with campaign', 'with plan'],
      ['plain'],
    ]);
  });

  test('goes on although the last decision of the page before has been pruned', async () => {
    const at = clock.now();
    await records.insert('agent_decisions', [
      unchained(at, { reasoning: '1' }),
      unchained(at + 1_000, { reasoning: '2' }),
      unchained(at + 2_000, { reasoning: '3' }),
    ]);
    const { body } = await get('?limit=2');
    await records.remove('agent_decisions', [{ column: 'reasoning', op: 'eq', value: '2' }]);
    const next = await get(`?limit=2&cursor=${body.nextCursor}`);
    expect(next.body.decisions).toMatchObject([{ reasoning: '1' }]);
  });

  test.each([
    'planId=1',
    'since=yesterday',
    'seq=0',
    'seq=1.5',
    'limit=0',
    'cursor=x',
    'workspace=',
    'agent=%00',
    'colour=red',
  ])('refuses %s and says where', async (query) => {
    const { status, body } = await get(`?${query}`);
    expect(status).toBe(400);
    expect(body.error.details).toMatchObject([{ path: query.split('=')[0] }]);
  });

  test.each([
    'since=0000-01-01T00:00:00Z',
    'until=9999-12-31T23:59:59-14:00',
    `cursor=${Buffer.from('ffffffff-ffff-4fff-bfff-ffffffffffff').toString('base64url')}`,
    `cursor=${Buffer.from('00000000-0000-4000-8000-000000000000').toString('base64url')}`,
  ])('takes %s, however far away', async (query) => {
    expect((await get(`?${query}`)).status).toBe(200);
  });
});

describe('GET /api/decisions/{id}', () => {
  test('shows one, and 404 for none', async () => {
    await log.record('acme', [decision('a')]);
    const [row] = await records.select('agent_decisions');
    const { body } = await get(`/${row?.id}`);
    expect(body.decision).toMatchObject({ reasoning: 'a', chain: { seq: 1, hash: row?.hash } });
    const missing = await get(`/${newId()}`);
    expect(missing.status).toBe(404);
    expect(missing.body.error.details[0].mend).toMatch('GET /api/decisions');
  });
});

describe('GET /api/decisions/verify', () => {
  test('reports every chain, or one, with its head', async () => {
    expect((await get('/verify')).body).toEqual({ success: true, valid: true, entries: 0, workspaces: [] });
    await log.record('acme', [decision('a'), decision('b')]);
    await log.record('other', [decision('a')]);
    const { body } = await get('/verify');
    const [last] = await records.select('agent_decisions', { where: [{ column: 'chain_seq', op: 'eq', value: 2 }] });
    const acme = {
      workspace: 'acme',
      valid: true,
      entries: 2,
      headSeq: 2,
      headHash: last?.hash,
      firstBreak: null,
    };
    expect(body).toMatchObject({ valid: true, entries: 3, workspaces: [acme, { workspace: 'other', entries: 1 }] });
    expect((await get('/verify?workspace=acme')).body).toEqual({
      success: true,
      valid: true,
      entries: 2,
      workspaces: [acme],
    });
  });

  test('follows chains longer than one statement looks at', async () => {
    const many = Array.from({ length: 2_300 }, (_, index) => decision(`${index}`));
    await log.record('acme', many);
    expect((await get('/verify')).body).toMatchObject({ valid: true, entries: 2_300 });
    await tamper(records.pool, "update agent_decisions set reasoning = '' where chain_seq = 2101");
    expect((await get('/verify')).body).toMatchObject({
      valid: false,
      workspaces: [{ firstBreak: { seq: 2_101, problem: 'content_changed' } }],
    });
  });

  test('answers 200 and names the first break of each chain that has one', async () => {
    await log.record('acme', [decision('a'), decision('b'), decision('c')]);
    await log.record('gone', [decision('a')]);
    await log.record('other', [decision('a')]);
    await tamper(records.pool, "update agent_decisions set confidence = 1 where workspace = 'acme' and chain_seq > 1");
    await tamper(records.pool, "delete from agent_decisions where workspace = 'gone'");
    const [, second] = await records.select('agent_decisions', {
      where: [{ column: 'workspace', op: 'eq', value: 'acme' }],
      order: [{ column: 'chain_seq' }],
    });
    const { status, body } = await get('/verify');
    expect(status).toBe(200);
    expect(body).toMatchObject({
      valid: false,
      entries: 2,
      workspaces: [
        {
          workspace: 'acme',
          valid: false,
          entries: 1,
          firstBreak: { seq: 2, id: second?.id, problem: 'content_changed', message: expect.stringMatching(/changed/) },
        },
        { workspace: 'gone', valid: false, entries: 0, firstBreak: { seq: 1, id: null, problem: 'tail_missing' } },
        { workspace: 'other', valid: true, entries: 1, firstBreak: null },
      ],
    });
    for (const report of body.workspaces) expect(chainReport.parse(report)).toEqual(report);
  });

  test('knows no workspace without decisions', async () => {
    const { status, body } = await get('/verify?workspace=nobody');
    expect(status).toBe(404);
    expect(body.error.details).toMatchObject([{ path: 'workspace', mend: expect.stringMatching('verify') }]);
  });
});

test('GET /api/runs/{id} shows the decisions of the planner among those about the run', async () => {
  const { id: campaignId } = await insertCampaign(records);
  const run = await insertRun(records, campaignId);
  await log.record('acme', [decision('a', { runId: run.id })]);
  const { body } = await request(makeApi(records).app).get(`/api/runs/${run.id}`);
  expect(body.run.decisions).toMatchObject([{ agent: 'planner', action: 'draft' }]);
});
