import { describe, expect, test } from '@jest/globals';
import type { MoveRow } from '../../database/tables-moves.ts';
import { kpiStatus } from '../../moves/kpi/status.ts';
import { moveRows } from '../../moves/move-rows.ts';
import { evidenceNow } from '../../moves/pivots/variance-evidence.ts';
import { evidenceHash, type KpiStanding, varianceOf } from '../../moves/pivots/variance.ts';
import { newId } from '../../shared/ids.ts';
import { arc, AT, changed, context, draft, STARTS_ON } from './moves-support.ts';

const TODAY = '2026-01-19';
const leads: KpiStanding = { kpi: 'leads', value: 130, expected: 163, colour: 'red', stale: false };
const cost: KpiStanding = { kpi: 'cost-per-guest', value: 11, expected: 11.4, colour: 'green', stale: false };

const rows: MoveRow[] = moveRows(
  {
    moves: [
      draft({ key: 'a', budget: 1_000 }),
      draft({ key: 'b', title: 'Remind them' }),
      draft({ key: 'c', title: 'Show the dishes', channel: 'instagram', budget: 500 }),
      draft({ key: 'd', title: 'Later', week: 7, phase: 'growth' }),
    ],
  },
  { plan: { id: newId(), starts_on: STARTS_ON }, arcVersion: 1, runId: newId(), approvalId: null, at: AT },
);

function plan(states: MoveRow['state'][], { statuses = [leads, cost], today = TODAY } = {}) {
  const moves = rows.map((row, at) => ({ ...row, state: states[at] ?? row.state }));
  return varianceOf({ context, arc, moves, statuses, today });
}

describe('the variance of a plan', () => {
  test('by KPI sets the value beside what was expected and what moves were to bring', () => {
    const { kpis } = plan(['done', 'done']);
    expect(kpis).toMatchObject([
      {
        kpi: 'leads',
        label: 'Leads',
        value: 130,
        expected: 163,
        ahead: -33,
        promised: 80,
        colour: 'red',
        line: 'Leads: 130 leads, expected 163, from 100 at the start, target 500; the moves that are done were to change it by +80: red',
      },
      // Lower is better.
      { kpi: 'cost-per-guest', ahead: expect.closeTo(0.4), promised: 0, colour: 'green' },
    ]);
  });

  test('by KPI says what is not known', () => {
    const { kpis, colour } = plan([], { statuses: [{ ...cost, stale: true, colour: 'unknown' }] });
    expect(kpis.map(({ line }) => line)).toEqual([
      'Leads: no reading yet, target 500: unknown',
      'cost-per-guest: 11 dollars, an old reading, expected 11.4, from 12 at the start, target 8: unknown',
    ]);
    expect(kpis[0]).toMatchObject({ value: null, expected: null, ahead: null });
    expect(colour).toBe('amber');
  });

  test('by KPI takes the target of the arc', () => {
    const other = changed(arc, (copy) => {
      (copy.kpis[0] as { target: number }).target = 550;
    });
    const { kpis } = varianceOf({ context, arc: other, moves: [], statuses: [], today: TODAY });
    expect(kpis.map(({ target }) => target)).toEqual([550, 8]);
  });

  test('by phase sets the time that is gone beside the moves, and money used beside its share', () => {
    const { phases } = plan(['done', 'planned', 'in_progress']);
    expect(phases[0]).toEqual({
      phase: 'launch',
      name: 'Launch',
      timeGone: 0.5,
      moves: { planned: 1, in_progress: 1, blocked: 0, done: 1, dropped: 0, late: 2 },
      budgetShare: 0.3,
      budgetMicros: 2_700_000_000,
      usedMicros: 1_500_000_000,
      colour: 'red',
      line: 'Phase Launch: 50 % of its days are over, 1 of 3 moves done, 2 late, $1500.00 of $2700.00 used: red',
    });
    expect(phases.slice(1).map(({ timeGone, colour }) => [timeGone, colour])).toEqual([
      [0, 'unknown'],
      [0, 'unknown'],
    ]);
    expect(plan([], { today: '2026-05-01' }).phases.map(({ timeGone }) => timeGone)).toEqual([1, 1, 1]);
  });

  test('by channel counts moves and shows the KPIs that are bound to it', () => {
    const { channels } = plan(['done', 'dropped', 'blocked']);
    expect(channels.map(({ channel, kpis, colour }) => [channel, kpis, colour])).toEqual([
      ['email', [{ kpi: 'leads', colour: 'red' }], 'red'],
      // Its KPI does well; its work does not.
      ['instagram', [{ kpi: 'cost-per-guest', colour: 'green' }], 'amber'],
      ['gmb', [], 'unknown'],
    ]);
    expect(channels[0]).toMatchObject({
      moves: { done: 1, dropped: 1, planned: 1 },
      budgetMicros: 4_500_000_000,
      usedMicros: 1_000_000_000,
      line: 'Channel email: leads is red, 1 of 2 moves done, 1 dropped, $1000.00 of $4500.00 used: red',
    });
  });

  test('by channel shows those that the arc does not use any more', () => {
    const without = changed(arc, (copy) => {
      copy.channels.splice(0, 1);
    });
    const { channels } = varianceOf({ context, arc: without, moves: rows, statuses: [], today: TODAY });
    expect(channels.map(({ channel, budgetShare }) => [channel, budgetShare])).toEqual([
      ['instagram', 0.3],
      ['gmb', 0.2],
      ['email', 0],
    ]);
  });

  test('by move says what is late, blocked and done, and what its KPI did', () => {
    const { moves } = plan(['done', 'planned', 'blocked']);
    const byTitle = Object.fromEntries(moves.map(({ title, colour, late, line }) => [title, { colour, late, line }]));
    expect(byTitle).toMatchObject({
      'Send the welcome mail': {
        colour: 'green',
        late: false,
        line: 'Move Send the welcome mail (week 1): done; it was to change Leads by +40, which has changed by +30 since the start',
      },
      'Remind them': { colour: 'red', late: true, line: expect.stringContaining('planned, late since 2026-01-11;') },
      'Show the dishes': { colour: 'red', late: true, line: expect.stringContaining('blocked, late since') },
      Later: { colour: 'unknown', late: false },
    });
    expect(moves.map(({ week }) => week)).toEqual([1, 1, 1, 7]);
  });

  test('tells why a move is blocked', () => {
    const moves = [{ ...(rows[3] as MoveRow), state: 'blocked' as const, state_note: 'The printer is broken.' }];
    const variance = varianceOf({ context, arc, moves, statuses: [], today: TODAY });
    expect(variance.moves[0]).toMatchObject({
      colour: 'amber',
      line: expect.stringContaining('blocked (The printer is broken.);'),
    });
  });

  test.each([
    ['red', 'green', 'done', 'red'],
    ['amber', 'green', 'done', 'amber'],
    ['green', 'green', 'done', 'green'],
    ['unknown', 'green', 'done', 'green'],
    ['unknown', 'unknown', 'done', 'unknown'],
    ['green', 'green', 'planned', 'amber'],
    ['unknown', 'unknown', 'planned', 'amber'],
    ['red', 'green', 'planned', 'red'],
  ] as const)('with KPIs %s and %s and moves %s is %s', (first, second, state, colour) => {
    const statuses = [
      { ...leads, colour: first },
      { ...cost, colour: second },
    ];
    expect(plan([state, state, state], { statuses }).colour).toBe(colour);
  });

  test('takes the statuses of KPIs as they are computed', () => {
    const readings = [{ observedAt: '2026-01-18T09:00:00.000Z', value: 130 }];
    const kpi = context.kpis[0] as (typeof context.kpis)[number];
    const now = Date.parse('2026-01-19T09:00:00.000Z');
    const status = kpiStatus({ kpi, target: arc.kpis[0], startsOn: STARTS_ON, readings, now });
    expect(plan([], { statuses: [status] }).kpis[0]).toMatchObject({
      value: 130,
      colour: 'red',
      ahead: expect.any(Number),
    });
  });

  test('is plain JSON, and becomes evidence that can be cited', () => {
    const variance = plan(['done', 'planned', 'blocked']);
    expect(JSON.parse(JSON.stringify(variance))).toEqual(variance);
    const before = [
      { id: 'kpi-leads', text: 'Leads: 100 now', source: { kind: 'request' as const, location: 'kpis[0]' } },
      { id: 'menu', text: 'Lunch', source: { kind: 'request' as const, location: 'facts[0]' } },
    ];
    const evidence = evidenceNow(before, variance);
    const late = variance.moves
      .filter((move) => move.late || move.state === 'done')
      .map(({ id }) => `move-${id}@${TODAY}`);
    expect(evidence.map(({ id }) => id)).toEqual([
      'kpi-leads',
      'menu',
      'kpi-leads@2026-01-19',
      'kpi-cost-per-guest@2026-01-19',
      'phase-launch@2026-01-19',
      'phase-growth@2026-01-19',
      'phase-loyalty@2026-01-19',
      'channel-email@2026-01-19',
      'channel-instagram@2026-01-19',
      'channel-gmb@2026-01-19',
      ...late,
    ]);
    expect(evidence[2]?.text).toBe(variance.kpis[0]?.line);
    expect(evidenceNow(evidence, variance)).toEqual(evidence);
    // Later on the same day.
    const again = evidenceNow(evidence, plan(['done'], { statuses: [{ ...leads, value: 140 }, cost] }));
    expect(again.map(({ id }) => id)).toEqual(expect.arrayContaining(evidence.map(({ id }) => id)));
    expect(again.find(({ id }) => id === 'kpi-leads@2026-01-19')?.text).toMatch(
      /^Leads: 140 leads.*\. Earlier: Leads: 130 leads/,
    );
  });
});

describe('the hash of the evidence of a pivot', () => {
  const hash = evidenceHash(plan(['done']));

  test('is the same on another day, in another order, after an edit that says nothing', () => {
    expect(evidenceHash(plan(['done'], { today: '2026-01-25' }))).toBe(hash);
    expect(evidenceHash(plan(['done'], { statuses: [cost, leads] }))).toBe(hash);
    const moves = rows
      .toReversed()
      .map((row) => ({ ...row, title: 'Other', state: row === rows[0] ? ('done' as const) : row.state }));
    const variance = varianceOf({ context, arc, moves, statuses: [leads, cost], today: TODAY });
    expect(evidenceHash(variance)).toBe(hash);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  test('is another with another reading, colour or state of a move that was begun', () => {
    const others = [
      evidenceHash(plan(['done'], { statuses: [{ ...leads, value: 131 }, cost] })),
      evidenceHash(plan(['done'], { statuses: [{ ...leads, colour: 'amber' }, cost] })),
      evidenceHash(plan(['done'], { statuses: [cost] })),
      evidenceHash(plan(['in_progress'])),
    ];
    expect(new Set([hash, ...others]).size).toBe(5);
    expect(evidenceHash(plan(['dropped']))).toBe(evidenceHash(plan(['planned'])));
  });
});
