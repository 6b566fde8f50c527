import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { applyPatch, type Operation } from 'rfc6902';
import type { Arc } from '../../moves/arc.ts';
import { arcDiff } from '../../moves/pivots/arc-diff.ts';
import { arbitraryArc } from './arc-arbitrary.ts';
import { arc, changed } from './moves-support.ts';

const changesOf = (change: (copy: Arc) => void) => arcDiff(arc, changed(arc, change)).changes;
const at = <T>(list: readonly T[], index: number): T => list[index] as T;

describe('the difference between two arcs', () => {
  test('is nothing between an arc and itself', () => {
    expect(arcDiff(arc, structuredClone(arc))).toEqual({ patch: [], changes: [] });
  });

  test.each<[string, (copy: Arc) => void, string[]]>([
    [
      'budget shares',
      (copy) => {
        at(copy.phases, 1).budgetShare = 0.45;
        at(copy.channels, 0).budgetShare = 0.525;
      },
      ['Phase Growth: budget share 40 % → 45 %', 'Channel email: budget share 50 % → 52.5 %'],
    ],
    [
      'shares that round to the same percentage',
      (copy) => {
        at(copy.channels, 1).budgetShare = 0.300001;
      },
      ['Channel instagram: budget share 0.3 → 0.300001'],
    ],
    [
      'days',
      (copy) => {
        at(copy.phases, 0).endsOn = '2026-02-08';
        at(copy.milestones, 2).dueOn = '2026-03-31';
      },
      [
        'Phase Launch moved from 2026-01-05 – 2026-02-01 to 2026-01-05 – 2026-02-08',
        'Milestone Regulars moved from 2026-03-30 to 2026-03-31',
      ],
    ],
    [
      'members, by their names',
      (copy) => {
        at(copy.phases, 0).channels = ['email', 'gmb'];
        at(copy.milestones, 2).dependsOn = ['listed'];
        at(copy.milestones, 2).phase = 'growth';
      },
      [
        'Phase Launch: channels + gmb − instagram',
        'Milestone Regulars: in Growth instead of Loyalty',
        'Milestone Regulars: waits for + Listed − First guests',
      ],
    ],
    [
      'targets and thresholds',
      (copy) => {
        at(copy.kpis, 0).target = 550;
        at(copy.kpis, 1).green = 0.95;
        at(copy.kpis, 1).amber = 0.8;
      },
      [
        'KPI leads: target 500 → 550',
        'KPI cost-per-guest: green from 90 % → 95 %',
        'KPI cost-per-guest: amber from 70 % → 80 %',
      ],
    ],
    [
      'words',
      (copy) => {
        copy.summary.text = 'Otherwise.';
        at(copy.phases, 0).name = 'Start';
        at(copy.phases, 0).goal.facts = ['menu', 'street'];
        at(copy.milestones, 0).evidence.text = 'Otherwise.';
        at(copy.channels, 2).why.text = 'Otherwise.';
        at(copy.kpis, 0).why.facts = [];
      },
      [
        'Summary: text reworded',
        'Phase Launch is now Start',
        'Phase Launch: goal cites other facts',
        'Milestone Listed: evidence reworded',
        'Channel gmb: reason reworded',
        'KPI leads: reason cites other facts',
      ],
    ],
    [
      'what is new and what is gone',
      (copy) => {
        copy.phases.splice(1, 1);
        copy.milestones.unshift({ ...at(copy.milestones, 0), id: 'review', name: 'Review', dueOn: '2026-02-10' });
        copy.milestones.pop();
        copy.channels.push({ channel: 'x', budgetShare: 0.1, why: copy.summary });
        copy.channels.shift();
        copy.kpis.push({ ...at(copy.kpis, 0), kpi: 'bookings', target: 40 });
        copy.kpis.shift();
      },
      [
        'Phase Growth removed: it was 2026-02-02 to 2026-03-08, with 40 %',
        'Milestone Review added: due on 2026-02-10 in Launch',
        'Milestone Regulars removed: it was due on 2026-03-30',
        'Channel x added with 10 % of the budget',
        'Channel email removed: it had 50 % of the budget',
        'KPI bookings added: target 40',
        'KPI leads removed: its target was 500',
      ],
    ],
    [
      'a new phase',
      (copy) => {
        copy.phases.push({ ...at(copy.phases, 2), id: 'rest', name: 'Rest' });
      },
      ['Phase Rest added: 2026-03-09 to 2026-04-04, budget share 30 %, channels email, gmb'],
    ],
    [
      'an order alone',
      (copy) => {
        copy.channels.reverse();
      },
      ['Only the order of entries is another'],
    ],
  ])('tells of %s', (_what, change, lines) => {
    expect(changesOf(change)).toEqual(lines);
  });

  test('goes by ids and not by places', () => {
    const lines = changesOf((copy) => {
      copy.channels.reverse();
      copy.milestones.reverse();
      at(copy.channels, 0).budgetShare = 0.25;
    });
    expect(lines).toEqual(['Channel gmb: budget share 20 % → 25 %']);
  });

  test('is a patch that makes the one of the other, and is told whenever there is one', () => {
    fc.assert(
      fc.property(arbitraryArc(), arbitraryArc(), (before, after) => {
        const { patch, changes } = arcDiff(before, after);
        const copy = structuredClone(before);
        expect(applyPatch(copy, patch as unknown as Operation[])).toEqual(patch.map(() => null));
        expect(copy).toEqual(after);
        expect(changes.length > 0).toBe(patch.length > 0);
      }),
      { numRuns: 60 },
    );
  });
});
