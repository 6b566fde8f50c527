import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { MoveRow } from '../../database/tables-moves.ts';
import { newId } from '../../shared/ids.ts';
import { makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { draft, drafts, insertMoves, insertPlan } from './moves-support.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

async function list(query = ''): Promise<string[]> {
  const answer = await request(makeApi(records).app).get(`/api/moves${query}`);
  expect([answer.status, answer.body.error]).toEqual([200, undefined]);
  return answer.body.moves.map(({ title }: { title: string }) => title);
}

const titles = (moves: readonly MoveRow[]) => moves.map(({ title }) => title);

describe('moves over HTTP', () => {
  test('are shown as they were planned', async () => {
    const [first, second] = await insertMoves(records);
    const { app } = makeApi(records);
    const answer = await request(app).get(`/api/moves/${second?.id}`);
    expect([answer.status, answer.body]).toEqual([
      200,
      {
        success: true,
        move: {
          id: second?.id,
          planId: second?.plan_id,
          arcVersion: 1,
          week: 1,
          startsOn: '2026-01-05',
          endsOn: '2026-01-11',
          phase: 'launch',
          title: 'Remind them',
          hypothesis: 'A mail before lunch brings leads.',
          evidence: ['menu'],
          channel: 'email',
          owner: 'Ben',
          tasks: drafts[1]?.tasks,
          kpi: 'leads',
          expected: { change: 40, low: 20, high: 60 },
          dependsOn: [first?.id],
          effortHours: 2.5,
          priority: 2,
          budget: 120.5,
          state: 'planned',
          note: null,
          mayBecome: ['in_progress', 'blocked', 'dropped'],
          late: false,
          assets: [],
          runId: second?.run_id,
          approvalId: null,
          version: 1,
          createdAt: '2026-01-05T09:00:00.000Z',
          updatedAt: '2026-01-05T09:00:00.000Z',
          history: [],
          historyDropped: 0,
        },
      },
    ]);
    const unknown = await request(app).get(`/api/moves/${newId()}`);
    expect([unknown.status, unknown.body.error.details[0].mend]).toEqual([404, 'list the ids with GET /api/moves']);
    const listed = await request(app).get('/api/moves?limit=1');
    expect(listed.body.moves[0]).not.toHaveProperty('history');
  });

  test('are late when their week is over and they are neither done nor dropped', async () => {
    const moves = await insertMoves(records);
    const { app, clock } = makeApi(records);
    await records.update('moves', { state: 'dropped' }, [{ column: 'id', op: 'eq', value: moves[1]?.id ?? '' }]);
    clock.set('2026-01-12T00:00:00.000Z');
    const { body } = await request(app).get('/api/moves?sort=week');
    expect(body.moves.map((move: { title: string; late: boolean }) => [move.title, move.late])).toEqual(
      expect.arrayContaining([
        ['Send the welcome mail', true],
        ['Remind them', false],
        ['Show the dishes', false],
      ]),
    );
  });

  test('are found by plan, week, state, channel, owner and days', async () => {
    const [first] = await insertMoves(records);
    await insertMoves(records, { plan: await insertPlan(records), moves: [draft({ title: 'Of another plan' })] });
    await records.update('moves', { state: 'done' }, [{ column: 'id', op: 'eq', value: first?.id ?? '' }]);
    const all = ['Remind them', 'Send the welcome mail', 'Show the dishes'];
    const found = async (query: string) => (await list(`?planId=${first?.plan_id}&${query}`)).toSorted();
    expect(await found('')).toEqual(all);
    expect(await found('week=2')).toEqual(['Show the dishes']);
    expect(await found('state=done')).toEqual(['Send the welcome mail']);
    expect(await found('channel=instagram')).toEqual(['Show the dishes']);
    expect(await found('owner=Ben')).toEqual(['Remind them']);
    expect(await found('from=2026-01-11')).toEqual(all);
    expect(await found('from=2026-01-12')).toEqual(['Show the dishes']);
    expect(await found('to=2026-01-11')).toEqual(['Remind them', 'Send the welcome mail']);
    expect(await found('from=2026-01-19')).toEqual([]);
    expect(await list()).toHaveLength(4);
  });

  test('come page by page, the last planned first', async () => {
    const plan = await insertPlan(records);
    const early = await insertMoves(records, { plan });
    const late = await insertMoves(records, {
      plan,
      moves: [draft({ title: 'Planned last' })],
      runAt: '2026-01-05T09:00:00.001Z',
    });
    expect(await pages('limit=2')).toEqual([
      titles(late).concat(titles(byId(early)).slice(0, 1)),
      titles(byId(early)).slice(1),
    ]);
  });

  test('come page by page by week, the earliest first, whatever the ends of the pages', async () => {
    const moves = [3, 1, 2, 1, 1, 2].map((week, at) => draft({ key: `m${at}`, title: `${week}/${at}`, week }));
    await insertMoves(records, { moves });
    const whole = await list('?sort=week');
    expect(whole.map((title) => title[0])).toEqual(['1', '1', '1', '2', '2', '3']);
    for (const limit of [1, 2, 3, 4, 5]) expect((await pages(`sort=week&limit=${limit}`)).flat()).toEqual(whole);
  });

  test('refuse a cursor that belongs to no move, days the wrong way round, and what is no filter', async () => {
    const { app } = makeApi(records);
    const cursor = Buffer.from(newId()).toString('base64url');
    for (const [query, path] of [
      [`sort=week&cursor=${cursor}`, 'cursor'],
      ['from=2026-02-02&to=2026-02-01', 'to'],
      ['from=2026-02-30', 'from'],
      ['week=14', 'week'],
      ['state=begun', 'state'],
      ['channel=fax', 'channel'],
    ]) {
      const answer = await request(app).get(`/api/moves?${query}`);
      expect([query, answer.status, answer.body.error?.details[0].path]).toEqual([query, 400, path]);
    }
  });

  async function pages(query: string): Promise<string[][]> {
    const { app } = makeApi(records);
    const found: string[][] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const answer = await request(app).get(`/api/moves?${query}${cursor && `&cursor=${cursor}`}`);
      found.push(answer.body.moves.map(({ title }: { title: string }) => title));
      cursor = answer.body.nextCursor;
    }
    return found;
  }
  const byId = (moves: readonly MoveRow[]) => moves.toSorted((a, b) => (a.id < b.id ? 1 : -1));
});
