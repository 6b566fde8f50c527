import type { Arc, Phase } from '../arc.ts';
import { addDays, type Day, daysBetween, lastDayOf } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import { flaw, type Keys, repeats, strangeChannels } from './flaw.ts';

/** A day that lies outside the 90 days. */
export function outsidePlan(startsOn: Day, day: Day, at: Keys): Finding[] {
  const last = lastDayOf(startsOn);
  if (day >= startsOn && day <= last) return [];
  const what = `is ${day}, outside the 90 days`;
  return [flaw('PLAN_DATES_OUTSIDE', at, what, `choose a day from ${startsOn} to ${last}`)];
}

type Placed = Phase & { at: number };

/** What is between two phases that follow each other in time. */
function seam(before: Placed, behind: Placed): Finding[] {
  const days = daysBetween(before.endsOn, behind.startsOn);
  const at = ['phases', behind.at, 'startsOn'];
  const mend = `start on ${addDays(before.endsOn, 1)}, or let ${before.id} end on ${addDays(behind.startsOn, -1)}`;
  if (days <= 0)
    return [
      flaw('PLAN_PHASES_OVERLAP', at, `is ${behind.startsOn}, while ${before.id} goes on to ${before.endsOn}`, mend),
    ];
  const free = `leaves ${days - 1} ${days === 2 ? 'day' : 'days'} behind ${before.id} without a phase`;
  return days === 1 ? [] : [flaw('PLAN_PHASES_GAP', at, free, mend)];
}

function ends(placed: readonly Placed[], startsOn: Day): Finding[] {
  const first = placed[0] as Placed;
  const final = placed.reduce((latest, phase) => (phase.endsOn > latest.endsOn ? phase : latest), first);
  const last = lastDayOf(startsOn);
  return [
    ...(first.startsOn > startsOn
      ? [
          flaw(
            'PLAN_PHASES_GAP',
            ['phases', first.at, 'startsOn'],
            'leaves the first days without a phase',
            `start on ${startsOn}`,
          ),
        ]
      : []),
    ...(final.endsOn < last
      ? [
          flaw(
            'PLAN_PHASES_GAP',
            ['phases', final.at, 'endsOn'],
            'leaves the last days without a phase',
            `end on ${last}`,
          ),
        ]
      : []),
  ];
}

function order(phases: readonly Phase[], startsOn: Day): Finding[] {
  const placed = phases
    .map((phase, at) => ({ ...phase, at }))
    .toSorted((a, b) => (a.startsOn < b.startsOn ? -1 : a.startsOn > b.startsOn ? 1 : a.at - b.at));
  const moved = placed.findIndex(({ at }, place) => at !== place);
  const first = placed[moved];
  return [
    ...(first === undefined
      ? []
      : [
          flaw(
            'PLAN_PHASES_ORDER',
            ['phases', first.at],
            `is number ${first.at + 1} of the list and number ${moved + 1} in time`,
            'list the phases in the order of their days',
          ),
        ]),
    ...ends(placed, startsOn),
    ...placed.slice(1).flatMap((phase, before) => seam(placed[before] as Placed, phase)),
  ];
}

/** Phases: each within the 90 days, one behind the other, all days covered once. */
export function phaseFindings({ phases }: Arc, { startsOn, channels }: PlanningContext): Finding[] {
  const reversed = phases.flatMap((phase, at) =>
    phase.startsOn > phase.endsOn
      ? [
          flaw(
            'PLAN_DATES_REVERSED',
            ['phases', at, 'endsOn'],
            `is before the start, ${phase.startsOn}`,
            'end it on or after its first day',
          ),
        ]
      : [],
  );
  return [
    ...phases.flatMap((phase, at) => [
      ...outsidePlan(startsOn, phase.startsOn, ['phases', at, 'startsOn']),
      ...outsidePlan(startsOn, phase.endsOn, ['phases', at, 'endsOn']),
      ...repeats(phase.channels, (index) => ['phases', at, 'channels', index], 'name each channel once'),
      ...strangeChannels(
        phase.channels.map((channel, index) => ({ channel, at: ['phases', at, 'channels', index] })),
        channels,
      ),
    ]),
    ...repeats(
      phases.map(({ id }) => id),
      (at) => ['phases', at, 'id'],
      'give each phase an id of its own',
    ),
    ...reversed,
    // Of a phase that ends before it starts nobody can say what is behind it.
    ...(reversed.length > 0 ? [] : order(phases, startsOn)),
  ];
}
