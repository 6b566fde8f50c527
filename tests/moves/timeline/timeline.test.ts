import { describe, expect, test } from '@jest/globals';
import type { MoveRow } from '../../../database/tables-moves.ts';
import { arc, changed } from '../moves-support.ts';
import { kpi, moveIn, plan, timelineWith } from './timeline-support.ts';

describe('the weeks of a timeline', () => {
  test('are thirteen that follow each other, the last one of six days', () => {
    const { weeks, plan: shown } = timelineWith();
    expect(weeks).toHaveLength(13);
    expect(weeks[0]).toMatchObject({ week: 1, startsOn: '2026-01-05', endsOn: '2026-01-11' });
    expect(weeks[12]).toMatchObject({ week: 13, startsOn: '2026-03-30', endsOn: '2026-04-04' });
    expect([shown.startsOn, shown.endsOn]).toEqual(['2026-01-05', '2026-04-04']);
  });

  test('count their moves without those that were dropped', () => {
    const moves = [moveIn(2), moveIn(2, { state: 'done' }), moveIn(2, { state: 'dropped' }), moveIn(3)];
    const { weeks } = timelineWith({ moves });
    expect(weeks.slice(0, 3).map(({ moves: all, done }) => [all, done])).toEqual([
      [0, 0],
      [2, 1],
      [1, 0],
    ]);
  });
});

test.each([
  ['the day before it', '2026-01-04', null],
  ['its first day', '2026-01-05', '2026-01-05'],
  ['its last day', '2026-04-04', '2026-04-04'],
  ['the day after it', '2026-04-05', null],
])('today is told within the plan: %s', (_, today, shown) => {
  expect(timelineWith({ today }).today).toBe(shown);
});

test('a plan without an approved arc has an empty timeline that tells its state', () => {
  const empty = timelineWith({ arc: null, plan: { ...plan, state: 'planning', arc_version: 0 } });
  expect(empty.plan).toMatchObject({ state: 'planning', arcVersion: 0, startsOn: '2026-01-05' });
  expect(empty.weeks).toHaveLength(13);
  const { phases, milestones, moves, dependencies, kpis } = empty;
  expect([phases, milestones, moves, dependencies, kpis]).toEqual([[], [], [], [], []]);
});

describe('the moves of a timeline', () => {
  test('come by week, then by priority', () => {
    const moves = [moveIn(3), moveIn(1, { priority: 4 }), moveIn(1, { priority: 2 })];
    expect(timelineWith({ moves }).moves.map(({ week, priority }) => [week, priority])).toEqual([
      [1, 2],
      [1, 4],
      [3, 1],
    ]);
  });

  test('are late from the day after their last one until they are done or dropped', () => {
    const late = (today: string, state: MoveRow['state']) =>
      timelineWith({ today, moves: [moveIn(2, { state })] }).moves[0]?.late;
    expect(late('2026-01-18', 'in_progress')).toBe(false);
    for (const state of ['planned', 'in_progress', 'blocked'] as const) expect(late('2026-01-19', state)).toBe(true);
    for (const state of ['done', 'dropped'] as const) expect(late('2026-01-19', state)).toBe(false);
    // Also when the plan is over.
    expect(late('2027-01-01', 'planned')).toBe(true);
  });

  test('have their money in dollars', () => {
    expect(timelineWith({ moves: [moveIn(1)] }).moves[0]).toMatchObject({
      budget: 120.5,
      effortHours: 2.5,
      version: 1,
    });
  });
});

test('dependencies go from what comes first, and only between what is shown', () => {
  const first = moveIn(1);
  const then = moveIn(2, { depends_on: [first.id, first.id, '019b8d2e-0000-7000-8000-00000000ffff'] });
  const { dependencies } = timelineWith({ moves: [then, first] });
  expect(dependencies).toEqual([
    { kind: 'milestone', from: 'listed', to: 'first-guests' },
    { kind: 'milestone', from: 'first-guests', to: 'regulars' },
    { kind: 'move', from: first.id, to: then.id },
  ]);
});

describe('the colour of a phase', () => {
  const launch = (today: string, states: MoveRow['state'][]) => {
    const moves = states.map((state, index) => moveIn(1, { state, title: 'x'.repeat(index + 1) }));
    return timelineWith({ today, moves: [...moves, moveIn(4, { state: 'planned' })] }).phases[0];
  };

  test('is green while nothing is late or blocked', () => {
    expect(launch('2026-01-12', ['done', 'done'])).toMatchObject({
      colour: 'green',
      budgetShare: 0.3,
      progress: { done: 2, moves: 3, late: 0, blocked: 0, share: 2 / 3 },
    });
    // On the last day of the week nothing is late yet.
    expect(launch('2026-01-11', ['planned', 'planned'])?.colour).toBe('green');
  });

  test('is amber with a late or a blocked move', () => {
    expect(launch('2026-01-12', ['done', 'done', 'done', 'planned'])).toMatchObject({
      colour: 'amber',
      progress: { late: 1 },
    });
    expect(launch('2026-01-11', ['blocked'])).toMatchObject({ colour: 'amber', progress: { blocked: 1 } });
  });

  test('is red when less than three quarters of what is due are done', () => {
    expect(launch('2026-01-12', ['done', 'done', 'planned'])?.colour).toBe('red');
    // What was dropped is not due.
    expect(launch('2026-01-12', ['done', 'done', 'dropped'])?.colour).toBe('green');
  });

  test('is unknown without moves, and before its first day', () => {
    const phases = timelineWith({ moves: [moveIn(6), moveIn(1, { state: 'dropped' })] }).phases;
    expect(phases.map(({ colour }) => colour)).toEqual(['unknown', 'unknown', 'unknown']);
    expect(phases.map(({ progress }) => progress.share)).toEqual([null, 0, null]);
  });
});

describe('a milestone', () => {
  // Due on 2026-01-20, a Tuesday of the third week.
  const listed = (today: string, moves: MoveRow[] = []) => timelineWith({ today, moves }).milestones[0]?.state;

  test('is upcoming, and due in the last seven days', () => {
    expect(listed('2026-01-13')).toBe('upcoming');
    expect(listed('2026-01-14')).toBe('due');
    expect(listed('2026-01-20')).toBe('due');
  });

  test('is overdue from the next day on unless all work of its phase until then is done', () => {
    const [one, two] = [moveIn(1, { state: 'done' }), moveIn(2, { state: 'done' })];
    expect(listed('2026-01-21')).toBe('overdue');
    expect(listed('2026-01-21', [one, { ...two, state: 'in_progress' }])).toBe('overdue');
    expect(listed('2026-01-21', [{ ...one, state: 'dropped' }])).toBe('overdue');
    expect(listed('2026-01-21', [one, two])).toBe('passed');
    // The third week ends after its day.
    expect(listed('2026-01-21', [one, two, moveIn(3)])).toBe('passed');
  });

  test('stands in the order of days', () => {
    const turned = changed(arc, (copy) => {
      copy.milestones = copy.milestones.toReversed();
    });
    expect(timelineWith({ arc: turned }).milestones.map(({ id }) => id)).toEqual([
      'listed',
      'first-guests',
      'regulars',
    ]);
  });
});

test('KPIs are shown as they are given', () => {
  expect(timelineWith({ kpis: [kpi] }).kpis).toEqual([kpi]);
});
