import { type Arc } from '../arc.ts';
import { daysBetween } from '../calendar.ts';
import type { PlanningContext } from '../context.ts';
import type { Evidence } from '../statement.ts';
import type { Remark } from '../tasks/critique.ts';
import { channelName, phrase } from './phrasing.ts';

/** Shares of the budget above which everything hangs on one channel. */
const TOO_MUCH = 0.6;
/** Days after which a phase is hardly one. */
const LONGEST_PHASE = 60;

const minor = (path: string, problem: string, suggestion: string): Remark => ({
  severity: 'minor',
  path,
  problem,
  suggestion,
});
const major = (path: string, problem: string, suggestion: string): Remark => ({
  severity: 'major',
  path,
  problem,
  suggestion,
});

const percent = (share: number) => `${Math.round(share * 100)} %`;

function channelRemarks({ phases, channels }: Arc, context: PlanningContext): Remark[] {
  const inPhases = new Set(phases.flatMap((phase) => phase.channels));
  const funded = new Set(channels.filter(({ budgetShare }) => budgetShare > 0).map(({ channel }) => channel));
  return [
    ...channels.flatMap(({ channel, budgetShare }, at) => [
      ...(budgetShare > 0 && !inPhases.has(channel)
        ? [
            major(
              `channels[${at}]`,
              `${channelName(channel)} has ${percent(budgetShare)} of the budget, and no phase uses it.`,
              'Name it in a phase, or give its share to others.',
            ),
          ]
        : []),
      ...(budgetShare > TOO_MUCH && context.channels.length > 1
        ? [
            minor(
              `channels[${at}].budgetShare`,
              `${percent(budgetShare)} of the budget hang on ${channelName(channel)} alone.`,
              'Keep a part for a second channel until there are readings.',
            ),
          ]
        : []),
    ]),
    ...[...inPhases]
      .filter((channel) => !funded.has(channel))
      .map((channel) =>
        minor(
          'channels',
          `Phases use ${channelName(channel)}, which has no share of the budget.`,
          'Give it a share, or say that it costs nothing.',
        ),
      ),
    ...context.channels
      .filter((channel) => !inPhases.has(channel) && !funded.has(channel))
      .map((channel) =>
        minor(
          'channels',
          `${channelName(channel)} is a channel of the plan and is not used.`,
          'Say why in the summary, or give it a part.',
        ),
      ),
  ];
}

function phaseRemarks({ phases, milestones }: Arc): Remark[] {
  return phases.flatMap(({ id, startsOn, endsOn }, at) => {
    const days = daysBetween(startsOn, endsOn) + 1;
    return [
      ...(milestones.some(({ phase }) => phase === id)
        ? []
        : [
            minor(
              `phases[${at}]`,
              'This phase has no milestone, so nobody will see whether it succeeds.',
              'Add one that can be checked.',
            ),
          ]),
      ...(days > LONGEST_PHASE
        ? [
            minor(
              `phases[${at}]`,
              `This phase has ${days} of the 90 days.`,
              'Divide it where something should be decided.',
            ),
          ]
        : []),
    ];
  });
}

function evidenceRemarks(arc: Arc, { cohorts }: PlanningContext, evidence: readonly Evidence[]): Remark[] {
  const statements = [
    arc.summary,
    ...arc.phases.map(({ goal }) => goal),
    ...arc.channels.map(({ why }) => why),
    ...arc.milestones.map((milestone) => milestone.evidence),
    ...arc.kpis.map(({ why }) => why),
  ];
  const cited = new Set(statements.flatMap(({ facts }) => facts));
  const given = new Set(evidence.map(({ id }) => id));
  const found = evidence.filter(({ source }) => source.kind === 'knowledge' || source.kind === 'web');
  return [
    ...(found.length > 0 && !found.some(({ id }) => cited.has(id))
      ? [
          minor(
            'summary',
            'Nothing of what was found in knowledge or on the web is cited; the arc rests on the request alone.',
            'Look whether it speaks for or against a choice.',
          ),
        ]
      : []),
    ...cohorts.flatMap(({ name }, at) =>
      given.has(`cohort-${at + 1}`) && !cited.has(`cohort-${at + 1}`)
        ? [
            minor(
              'phases',
              `No statement rests on what is known of “${phrase(name, 80, 'a cohort')}”.`,
              'Say what is done for this cohort, or that it comes later.',
            ),
          ]
        : [],
    ),
  ];
}

/** What can be counted and speaks against an arc. */
export const arcRemarks = (arc: Arc, context: PlanningContext, evidence: readonly Evidence[]): Remark[] => [
  ...channelRemarks(arc, context),
  ...phaseRemarks(arc),
  ...evidenceRemarks(arc, context, evidence),
];
