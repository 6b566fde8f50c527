import fc from 'fast-check';
import type { Arc, Milestone, Phase } from '../../moves/arc.ts';
import { ARC_DAYS, addDays } from '../../moves/calendar.ts';
import { context, STARTS_ON } from './moves-support.ts';

const said = (text: string) => ({ text, facts: ['menu'] });
const CHANNELS = context.channels;

/** Parts of 1, each a multiple of a thousandth and above none. */
const parts = (count: number) =>
  fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: count, maxLength: count }).map((weights) => {
    const sum = weights.reduce((total, weight) => total + weight, 0);
    const shares = weights.slice(1).map((weight) => Math.floor((weight / sum) * 1_000) / 1_000);
    return [Number((1 - shares.reduce((total, share) => total + share, 0)).toFixed(3)), ...shares];
  });

/** First days of phases behind the first, counted from the arc's first day. */
const seams = fc.uniqueArray(fc.integer({ min: 1, max: ARC_DAYS - 1 }), { minLength: 1, maxLength: 5 });

const phasesOf = (channels: Arc['channels']) =>
  seams.chain((days) => {
    const starts = [0, ...days.toSorted((a, b) => a - b)];
    const used = fc.subarray(
      channels.map(({ channel }) => channel),
      { minLength: 1 },
    );
    return fc
      .tuple(parts(starts.length), fc.array(used, { minLength: starts.length, maxLength: starts.length }))
      .map(([shares, lists]) =>
        starts.map((start, at): Phase => ({
          id: `phase-${at}`,
          name: `Phase of kind ${'abcdef'[at]}`,
          goal: said('Go on.'),
          startsOn: addDays(STARTS_ON, start),
          endsOn: addDays(STARTS_ON, (starts[at + 1] ?? ARC_DAYS) - 1),
          budgetShare: shares[at] as number,
          channels: lists[at] as Phase['channels'],
        })),
      );
  });

function milestonesOf(phases: readonly Phase[]) {
  const days = fc.uniqueArray(fc.integer({ min: 0, max: ARC_DAYS - 1 }), { minLength: 1, maxLength: 12 });
  return days.chain((offsets) =>
    fc.array(fc.boolean(), { minLength: offsets.length, maxLength: offsets.length }).map((waits) =>
      offsets
        .toSorted((a, b) => a - b)
        .map((offset, at): Milestone => {
          const dueOn = addDays(STARTS_ON, offset);
          const phase = phases.find(({ startsOn, endsOn }) => startsOn <= dueOn && endsOn >= dueOn);
          return {
            id: `milestone-${at}`,
            name: 'Reached',
            phase: phase?.id ?? '',
            dueOn,
            evidence: said('It is seen.'),
            dependsOn: at > 0 && waits[at] ? [`milestone-${at - 1}`] : [],
          };
        }),
    ),
  );
}

/** Arcs that are valid for the context of moves-support.ts, whose first days, shares, channels and milestones are any. */
export const arbitraryArc = (): fc.Arbitrary<Arc> =>
  fc
    .subarray([...CHANNELS], { minLength: 1 })
    .chain((used) =>
      parts(used.length).map((shares) =>
        used.map((channel, at) => ({ channel, budgetShare: shares[at] as number, why: said('It is there.') })),
      ),
    )
    .chain((channels) => phasesOf(channels).map((phases) => ({ channels, phases })))
    .chain(({ channels, phases }) =>
      milestonesOf(phases).map((milestones) => ({
        summary: said('A plan.'),
        phases,
        channels,
        milestones,
        kpis: context.kpis.map(({ name, target }) => ({
          kpi: name,
          target,
          green: 0.9,
          amber: 0.7,
          why: said('It counts.'),
        })),
      })),
    );
