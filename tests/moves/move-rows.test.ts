import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { weekOf } from '../../moves/calendar.ts';
import { type MoveOrigin, moveRows } from '../../moves/move-rows.ts';
import { newId } from '../../shared/ids.ts';
import { AT, draft, drafts, STARTS_ON } from './moves-support.ts';

const origin: MoveOrigin = {
  plan: { id: newId(), starts_on: STARTS_ON },
  arcVersion: 3,
  runId: newId(),
  approvalId: newId(),
  at: AT,
};

describe('the rows of moves', () => {
  test('have dates for weeks, micro-dollars for dollars, ids for keys', () => {
    const [first, second] = moveRows({ moves: drafts }, origin);
    expect(first).toMatchObject({
      plan_id: origin.plan.id,
      arc_version: 3,
      week: 1,
      starts_on: '2026-01-05',
      ends_on: '2026-01-11',
      hypothesis: 'A mail before lunch brings leads.',
      evidence: ['menu'],
      kpi: 'leads',
      expected: { change: 40, low: 20, high: 60 },
      depends_on: [],
      effort_hours: 2.5,
      budget_micros: 120_500_000,
      state: 'planned',
      version: 1,
      created_at: AT,
    });
    expect(second?.depends_on).toEqual([first?.id]);
  });

  test('have the same ids when they are made again later, and others for another run, plan, approval or key', () => {
    const ids = (changes: Partial<MoveOrigin>) =>
      moveRows({ moves: drafts }, { ...origin, ...changes }).map(({ id }) => id);
    expect(ids({ at: '2026-02-01T00:00:00.000Z' })).toEqual(ids({}));
    const all = [
      ...ids({}),
      ...ids({ runId: newId() }),
      ...ids({ plan: { ...origin.plan, id: newId() } }),
      ...ids({ approvalId: newId() }),
    ];
    expect(new Set(all).size).toBe(12);
  });

  test('keep the ids of moves that exist, and name each dependency once', () => {
    const existing = newId();
    const [row] = moveRows({ moves: [draft({ dependsOn: [existing.toUpperCase(), existing] })] }, origin);
    expect(row?.depends_on).toEqual([existing]);
  });

  test('are refused when a dependency is neither', () => {
    expect(() => moveRows({ moves: [draft({ dependsOn: ['nothing'] })] }, origin)).toThrow(
      'nothing is neither a key of the proposal nor the id of a move',
    );
  });

  test('lie in their week, whatever the first day and the week', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 1, max: 13 }), (days, week) => {
        const starts_on = new Date(days * 86_400_000).toISOString().slice(0, 10);
        const [row] = moveRows({ moves: [draft({ week })] }, { ...origin, plan: { ...origin.plan, starts_on } });
        const expected = weekOf(starts_on, week);
        expect([row?.starts_on, row?.ends_on]).toEqual([expected.startsOn, expected.endsOn]);
      }),
    );
  });
});
