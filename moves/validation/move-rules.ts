import type { Arc } from '../arc.ts';
import { weekOf } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';
import type { Finding } from '../finding.ts';
import type { MoveDraft, MovesProposal } from '../move.ts';
import type { Evidence } from '../statement.ts';
import { budgetFindings } from './budget-rules.ts';
import { cycleFindings, unknownDependencies } from './dependencies.ts';
import { flaw, type Keys, listed, repeats, strangeChannels } from './flaw.ts';
import { targetNumbers, withMove, withShares } from './known-numbers.ts';
import { type ExistingMove, phasesOfWeek } from './money.ts';
import { type Said, statementFindings } from './statements.ts';

/** What moves are checked against. */
export interface MovesGiven {
  context: PlanningContext;
  arc: Arc;
  evidence: readonly Evidence[];
  /** Moves that the plan has already. */
  existing: readonly ExistingMove[];
  /** The weeks, 1 to 13, that were asked for. */
  weeks: readonly number[];
}

/** Hours by which a move and its tasks may differ. */
const EFFORT_SLACK = 0.5;

function weekFindings({ moves }: MovesProposal, { weeks }: MovesGiven): Finding[] {
  const asked = listed(weeks.map(String));
  return [
    ...moves.flatMap(({ week }, at) =>
      weeks.includes(week)
        ? []
        : [
            flaw(
              'PLAN_WEEK_UNASKED',
              ['moves', at, 'week'],
              `is ${week}, which nobody asked for`,
              `write moves for ${asked} alone`,
            ),
          ],
    ),
    ...[...new Set(weeks)]
      .filter((week) => !moves.some((move) => move.week === week))
      .map((week) =>
        flaw('PLAN_WEEK_EMPTY', ['moves'], `have nothing for week ${week}`, 'write at least one move for it'),
      ),
  ];
}

function taskFindings({ tasks, week, effortHours }: MoveDraft, at: Keys, { context }: MovesGiven): Finding[] {
  const { startsOn, endsOn } = weekOf(context.startsOn, week);
  const hours = tasks.reduce((sum, task) => sum + task.effortHours, 0);
  return [
    ...tasks.flatMap(({ dueOn }, index) =>
      dueOn >= startsOn && dueOn <= endsOn
        ? []
        : [
            flaw(
              'PLAN_DATES_OUTSIDE',
              [...at, 'tasks', index, 'dueOn'],
              `is ${dueOn}, outside week ${week}`,
              `choose a day from ${startsOn} to ${endsOn}`,
            ),
          ],
    ),
    ...(Math.abs(hours - effortHours) <= EFFORT_SLACK + 1e-9
      ? []
      : [
          flaw(
            'PLAN_EFFORT_MISMATCH',
            [...at, 'effortHours'],
            `is ${effortHours}, while the tasks have ${Number(hours.toFixed(2))} hours together`,
            'make both the same',
          ),
        ]),
  ];
}

function phaseFindings({ phase, week }: MoveDraft, at: Keys, { arc, context }: MovesGiven): Finding[] {
  const possible = phasesOfWeek(arc, context.startsOn, week).map(({ id }) => id);
  if (possible.includes(phase)) return [];
  const isKnown = arc.phases.some(({ id }) => id === phase);
  const what = isKnown ? `is ${phase}, which has no day of week ${week}` : `is ${phase}, which is no phase of the arc`;
  const mend = `use one of ${listed(possible)}`;
  return [flaw(isKnown ? 'PLAN_PHASE_MISMATCH' : 'PLAN_PHASE_UNKNOWN', [...at, 'phase'], what, mend)];
}

function expectedFindings({ expected }: MoveDraft, at: Keys, { context }: MovesGiven): Finding[] {
  const { kpi: name, change, low, high } = expected;
  const kpi = context.kpis.find((one) => one.name === name);
  const range =
    low <= change && change <= high
      ? []
      : [
          flaw(
            'PLAN_EXPECTED_RANGE',
            at,
            `has a change of ${change} outside its interval, ${low} to ${high}`,
            'give low ≤ change ≤ high',
          ),
        ];
  if (!kpi) {
    const names = listed(context.kpis.map((one) => one.name));
    const mend = `use one of ${names}`;
    return [flaw('PLAN_KPI_UNKNOWN', [...at, 'kpi'], `is ${name}, which is no KPI of this plan`, mend), ...range];
  }
  const { baseline, target } = kpi;
  const isAway = (target > baseline && change < 0) || (target < baseline && change > 0);
  const what = `is ${change}, away from the target: ${name} is to go from ${baseline} to ${target}`;
  const mend = 'expect a change towards the target, or none';
  return [...range, ...(isAway ? [flaw('PLAN_EXPECTED_DIRECTION', [...at, 'change'], what, mend)] : [])];
}

function moveFindings(move: MoveDraft, at: Keys, given: MovesGiven): Finding[] {
  const { owners, channels } = given.context;
  const { owner } = move;
  return [
    ...phaseFindings(move, at, given),
    ...strangeChannels([{ channel: move.channel, at: [...at, 'channel'] }], channels),
    ...(owners.includes(owner)
      ? []
      : [
          flaw(
            'PLAN_OWNER_UNKNOWN',
            [...at, 'owner'],
            `is ${owner}, who is no owner of this plan`,
            `use one of ${listed(owners)}`,
          ),
        ]),
    ...taskFindings(move, at, given),
    ...expectedFindings(move, [...at, 'expected'], given),
  ];
}

interface Before {
  week: number;
  /** Existing moves have none here. */
  priority?: number;
}

function orderFindings(
  { dependsOn, week, priority }: MoveDraft,
  at: Keys,
  known: ReadonlyMap<string, Before>,
): Finding[] {
  return dependsOn.flatMap((id, index) => {
    const before = known.get(id);
    if (!before) return [];
    if (before.week > week) {
      const what = `is ${id} of week ${before.week}, after week ${week}`;
      return [
        flaw('PLAN_DEPENDENCY_ORDER', [...at, index], what, 'move it to that week or a later one, or take it out'),
      ];
    }
    if (before.week < week || before.priority === undefined || before.priority <= priority) return [];
    const what = `is ${id} of the same week, with priority ${before.priority} behind ${priority}`;
    return [flaw('PLAN_PRIORITY_ORDER', [...at, index], what, 'let what others wait for come first')];
  });
}

function dependencyFindings({ moves }: MovesProposal, { existing }: MovesGiven): Finding[] {
  const known = new Map<string, Before>([
    ...existing.map(({ id, week }): [string, Before] => [id, { week }]),
    ...moves.toReversed().map(({ key, week, priority }): [string, Before] => [key, { week, priority }]),
  ]);
  const taken = new Set(existing.map(({ id }) => id));
  const path = (at: number): Keys => ['moves', at, 'dependsOn'];
  const ours = moves.map(({ key, dependsOn }) => ({ id: key, dependsOn }));
  return [
    ...repeats(
      moves.map(({ key }) => key),
      (at) => ['moves', at, 'key'],
      'give each move a key of its own',
    ),
    ...moves.flatMap(({ key }, at) =>
      taken.has(key)
        ? [
            flaw(
              'PLAN_DUPLICATE_ID',
              ['moves', at, 'key'],
              `is ${key}, the id of a move that exists`,
              'give it another key',
            ),
          ]
        : [],
    ),
    ...ours.flatMap((one, at) =>
      unknownDependencies(one, (id) => known.has(id), path(at), 'move of this proposal or of the plan'),
    ),
    ...moves.flatMap((move, at) => orderFindings(move, path(at), known)),
    ...cycleFindings(ours, existing, path),
  ];
}

function saidBy({ moves }: MovesProposal, { context, arc }: MovesGiven): Said[] {
  const targets = targetNumbers(context, arc);
  return moves.map((move, at): Said => {
    const titles = [
      { at: ['moves', at, 'title'], text: move.title },
      ...move.tasks.map(({ title }, index) => ({ at: ['moves', at, 'tasks', index, 'title'], text: title })),
    ];
    const { hypothesis: statement, phase, channel } = move;
    const own = [
      ...arc.phases.filter(({ id }) => id === phase),
      ...arc.channels.filter((one) => one.channel === channel),
    ];
    const numbers = withMove(withShares(targets, own), move);
    return { at: ['moves', at, 'hypothesis'], statement, titles, numbers };
  });
}

/**
 * Checks moves against the arc, the context and the moves that exist. Deterministic; throws for no proposal that fits
 * `movesProposalSchema`, whatever else is given.
 * @returns every flaw, in the order weeks, each move, dependencies, budgets, statements
 */
export function checkMoves(proposal: MovesProposal, given: MovesGiven): Finding[] {
  return [
    ...weekFindings(proposal, given),
    ...proposal.moves.flatMap((move, at) => moveFindings(move, ['moves', at], given)),
    ...dependencyFindings(proposal, given),
    ...budgetFindings(proposal, given),
    ...statementFindings(saidBy(proposal, given), given.evidence),
  ];
}
