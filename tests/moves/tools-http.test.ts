import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import request from 'supertest';
import type { ToolCallRow } from '../../database/tables-moves.ts';
import { iso } from '../../shared/clock.ts';
import { newId } from '../../shared/ids.ts';
import { insertCampaign, insertRun, makeApi } from '../support/api.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

async function calls(count: number): Promise<string> {
  const run = await insertRun(records, (await insertCampaign(records)).id);
  const rows = Array.from({ length: count }, (_, at): ToolCallRow => ({
    // In no order, as ids that follow from a hash are.
    id: newId(),
    run_id: run.id,
    step_name: 'arc',
    tool: 'research',
    arguments: { at },
    outcome: 'completed',
    result: { title: 'A page' },
    cost_micros: 1_500,
    duration_ms: 12,
    called_at: iso(Date.UTC(2026, 0, 5, 9, 0, 10 - Math.floor(at / 2))),
  }));
  await records.insert('tool_calls', rows);
  return run.id;
}

describe('GET /api/runs/{id}/tool-calls', () => {
  test('shows calls in the order in which they were made, page by page, none twice and none left out', async () => {
    const id = await calls(5);
    await calls(2);
    const { app } = makeApi(records);
    const seen: { arguments: { at: number }; calledAt: string }[] = [];
    let cursor: string | null = null;
    let pages = 0;
    do {
      const query = cursor === null ? '?limit=2' : `?limit=2&cursor=${cursor}`;
      const { status, body } = await request(app).get(`/api/runs/${id}/tool-calls${query}`);
      expect(status).toBe(200);
      seen.push(...body.toolCalls);
      cursor = body.nextCursor as string | null;
      pages += 1;
    } while (cursor !== null);
    expect(pages).toBe(3);
    expect(new Set(seen.map(({ arguments: { at } }) => at))).toEqual(new Set([0, 1, 2, 3, 4]));
    expect(seen).toHaveLength(5);
    expect(seen.map(({ calledAt }) => calledAt)).toEqual(seen.map(({ calledAt }) => calledAt).toSorted());
    expect(seen[0]).toEqual({
      id: expect.any(String),
      runId: id,
      step: 'arc',
      tool: 'research',
      arguments: { at: 4 },
      outcome: 'completed',
      result: { title: 'A page' },
      cost: 0.0015,
      durationMs: 12,
      calledAt: '2026-01-05T09:00:08.000Z',
    });
  });

  test('is empty for a run that used no tool, and 404 for none', async () => {
    const id = await calls(0);
    const { app } = makeApi(records);
    expect((await request(app).get(`/api/runs/${id}/tool-calls`)).body).toEqual({
      success: true,
      toolCalls: [],
      nextCursor: null,
    });
    const missing = await request(app).get(`/api/runs/${newId()}/tool-calls`);
    expect([missing.status, missing.body.error.code]).toEqual([404, 'NOT_FOUND']);
    expect((await request(app).get(`/api/runs/${id}/tool-calls?cursor=x`)).status).toBe(400);
  });
});
