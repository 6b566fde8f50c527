import type { Arc } from '../arc.ts';
import type { PlanningContext } from '../context.ts';
import type { MoveDraft, MovesProposal } from '../move.ts';
import type { Remark } from '../tasks/critique.ts';
import { channelName, kpiName, phrase } from './phrasing.ts';

/** A working week, in hours. */
const WEEK_HOURS = 40;
/** Weeks from which on one can say that something is missing, rather than not yet due. */
const MANY_WEEKS = 4;
/** Of all hours, above which one person does nearly everything. */
const TOO_MUCH = 0.6;
/** How much of the way the moves of a KPI may promise together. */
const FURTHEST = 1.5;
/** How often a hypothesis may stand there. */
const MOST_REPEATED = 3;

const minor = (path: string, problem: string, suggestion: string): Remark => ({
  severity: 'minor',
  path,
  problem,
  suggestion,
});
const hoursOf = (moves: readonly MoveDraft[]) => moves.reduce((sum, { effortHours }) => sum + effortHours, 0);
const rounded = (hours: number) => Math.round(hours * 10) / 10;

function loadRemarks({ moves }: MovesProposal, { owners }: PlanningContext): Remark[] {
  const byOwner = Map.groupBy(moves, ({ owner }) => owner);
  const total = hoursOf(moves);
  return [...byOwner].flatMap(([owner, theirs]) => {
    const name = `“${phrase(owner, 60, 'An owner')}”`;
    const full = [...Map.groupBy(theirs, ({ week }) => week)].filter(([, those]) => hoursOf(those) > WEEK_HOURS);
    const [worst] = full.toSorted(([, a], [, b]) => hoursOf(b) - hoursOf(a));
    const share = hoursOf(theirs) / total;
    return [
      ...(worst
        ? [
            {
              severity: 'major' as const,
              path: 'moves',
              problem: `${name} has ${rounded(hoursOf(worst[1]))} hours in week ${worst[0]}, more than a working week of ${WEEK_HOURS}.`,
              suggestion: 'Give a part of it to somebody else, or move it to another week.',
            },
          ]
        : []),
      ...(share > TOO_MUCH && new Set(owners).size > 1 && moves.length >= MANY_WEEKS
        ? [minor('moves', `${name} has ${Math.round(share * 100)} % of all hours.`, 'Spread the work over the owners.')]
        : []),
    ];
  });
}

/** What a plan of several weeks leaves out. */
function gaps({ moves }: MovesProposal, context: PlanningContext, arc: Arc | undefined): Remark[] {
  if (new Set(moves.map(({ week }) => week)).size < MANY_WEEKS) return [];
  const funded = arc
    ? arc.channels.filter(({ budgetShare }) => budgetShare > 0).map(({ channel }) => channel)
    : context.channels;
  const without = <T>(list: readonly T[], isServed: (one: T, move: MoveDraft) => boolean) =>
    list.filter((one) => !moves.some((move) => isServed(one, move)));
  return [
    ...without(funded, (channel, move) => move.channel === channel).map((channel) =>
      minor('moves', `No move uses ${channelName(channel)}.`, 'Add one, or take its share of the budget away.'),
    ),
    ...without(context.kpis, ({ name }, move) => move.expected.kpi === name).map((kpi) =>
      minor('moves', `No move is to move ${kpiName(kpi)}.`, 'Add one, or the target will be left to chance.'),
    ),
    ...without([...new Set(context.owners)], (owner, move) => move.owner === owner).map((owner) =>
      minor('moves', `“${phrase(owner, 60, 'An owner')}” has no move.`, 'Say whether that is meant.'),
    ),
  ];
}

function wordingRemarks({ moves }: MovesProposal): Remark[] {
  return [...Map.groupBy(moves, ({ hypothesis }) => hypothesis.text)]
    .filter(([, same]) => same.length > MOST_REPEATED)
    .map(([, same]) => {
      const at = moves.indexOf(same[0] as MoveDraft);
      return minor(
        `moves[${at}].hypothesis`,
        `${same.length} moves have this same hypothesis.`,
        'Say what each of them finds out that the others do not.',
      );
    });
}

function promiseRemarks({ moves }: MovesProposal, { kpis }: PlanningContext): Remark[] {
  return kpis.flatMap((kpi) => {
    const way = kpi.target - kpi.baseline;
    const promised = moves
      .filter(({ expected }) => expected.kpi === kpi.name)
      .reduce((sum, { expected }) => sum + expected.change, 0);
    if (!Number.isFinite(promised / way) || promised / way <= FURTHEST) return [];
    const times = Math.round((promised / way) * 10) / 10;
    return [
      minor(
        'moves',
        `Together these moves promise ${times} times the way that ${kpiName(kpi)} has to go.`,
        'Expect less of each, or set a further target.',
      ),
    ];
  });
}

/** What can be counted and speaks against moves. @param arc what they were made from, where it is known */
export const movesRemarks = (proposal: MovesProposal, context: PlanningContext, arc: Arc | undefined): Remark[] => [
  ...loadRemarks(proposal, context),
  ...gaps(proposal, context, arc),
  ...wordingRemarks(proposal),
  ...promiseRemarks(proposal, context),
];
