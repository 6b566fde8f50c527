import { movesOfPlan } from '../../database/queries/moves.ts';
import type { MoveRow } from '../../database/tables-moves.ts';
import { iso } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Arc } from '../arc.ts';
import type { PlanContext } from '../context.ts';
import { evidenceDigest, requestEvidence, withoutRepeats } from '../evidence.ts';
import type { Subject } from '../graph/subject.ts';
import type { MovesProposal } from '../move.ts';
import { moveRows } from '../move-rows.ts';
import { questionTerms } from '../params.ts';
import type { Evidence } from '../statement.ts';
import { replaceMoves } from '../replace-moves.ts';
import { critiqueRequest, movesDraftRequest, movesRevisionRequest } from '../tasks/requests.ts';
import type { KnownMove } from '../tasks/plan-data.ts';
import { checkMoves } from '../validation/move-rules.ts';
import { rejections } from './rejections.ts';
import { contextOf, type SubjectDeps, type SubjectOf } from './subject-deps.ts';

/** What moves are planned from. */
export interface MovesGiven {
  context: PlanContext;
  arcVersion: number;
  arc: Arc;
  evidence: Evidence[];
  weeks: number[];
  /** Moves that stay. */
  existing: KnownMove[];
  /** Moves of these weeks that nobody has begun: the new ones take their place. */
  replaced: string[];
  outcomes: JsonObject[];
}

interface MovesOf extends SubjectOf {
  arc: Arc;
  arcEvidence: readonly Evidence[];
  weeks: number[];
}

/** The moves of some weeks of a plan. */
export function movesSubject({ plan, terms, arc, arcEvidence, weeks }: MovesOf, deps: SubjectDeps) {
  const { records, clock, tools } = deps;
  const subject: Subject<MovesGiven, MovesProposal> = {
    kind: 'moves',
    workspace: plan.workspace,
    planId: plan.id,
    async gather() {
      const context = contextOf(plan);
      const all = await movesOfPlan(records, plan.id);
      const replaced = all.filter(({ week, state }) => weeks.includes(week) && state === 'planned');
      const stay = all.filter((move) => move.state !== 'dropped' && !replaced.includes(move));
      const given: MovesGiven = {
        context,
        arcVersion: plan.arc_version,
        arc,
        evidence: withoutRepeats([
          ...requestEvidence(context),
          ...(await rejections(plan.id, 'moves', deps)),
          ...arcEvidence,
        ]),
        weeks,
        existing: stay.map(knownMove),
        replaced: replaced.map(({ id }) => id),
        outcomes: all.filter(({ state }) => state === 'done' || state === 'dropped').map(outcomeOf),
      };
      return { given, costMicros: 0 };
    },
    draft: (given) => movesDraftRequest(given),
    critique: (given, proposal) =>
      critiqueRequest({ ...given, subject: 'moves', proposal: proposal as unknown as JsonObject }),
    revise: (given, proposal, findings, critique) => movesRevisionRequest({ ...given, proposal, findings, critique }),
    check: (given, proposal) => checkMoves(proposal, given),
    verify: (_given, proposal, work) => tools.verify(proposal.moves, work),
    question: (given, proposal, critique) => ({
      title: `${proposal.moves.length} moves of ${plan.name}, ${weeksInWords(given.weeks)}`,
      summary: summaryOf(proposal),
      subject: proposal as unknown as JsonObject,
      context: { planId: plan.id, critique, ...given } as unknown as JsonObject,
      requestedBy: plan.requested_by,
      ...questionTerms(terms),
    }),
    async apply(given, proposal, verdict, _writer, work) {
      const at = iso(clock.now());
      const { runId } = work;
      const origin = { plan, arcVersion: given.arcVersion, runId, approvalId: verdict.approvalId, at };
      const rows = moveRows(proposal, origin);
      await records.insert('moves', rows, { conflict: 'ignore' });
      await replaceMoves(records, given.replaced, { at, by: 'planner', runId });
      return { planId: plan.id, moves: rows.map(({ id }) => id), replaced: given.replaced, weeks: given.weeks };
    },
    reject: () => Promise.resolve(),
    evidenceOf: ({ evidence, weeks: asked, existing, replaced }) => ({
      facts: evidence.map(({ id }) => id),
      digest: evidenceDigest(evidence),
      weeks: asked,
      existing: existing.length,
      replaces: replaced,
    }),
  };
  return subject;
}

const knownMove = (move: MoveRow): KnownMove => ({
  id: move.id,
  week: move.week,
  dependsOn: move.depends_on,
  budgetMicros: move.budget_micros,
  phase: move.phase,
  title: move.title,
  channel: move.channel,
  owner: move.owner,
  state: move.state,
});

const outcomeOf = ({ id, title, week, channel, kpi, expected, state, state_note: note }: MoveRow): JsonObject => ({
  move: id,
  title,
  week,
  channel,
  kpi,
  expected,
  state,
  note,
});

function weeksInWords(weeks: readonly number[]): string {
  const [first, last] = [Math.min(...weeks), Math.max(...weeks)];
  if (first === last) return `week ${first}`;
  return weeks.length === last - first + 1 ? `weeks ${first} to ${last}` : `weeks ${weeks.join(', ')}`;
}

const MOST_LISTED = 30;

function summaryOf({ moves }: MovesProposal): string {
  const lines = moves
    .toSorted((a, b) => a.week - b.week || a.priority - b.priority)
    .slice(0, MOST_LISTED)
    .map(
      ({ week, title, channel, owner, effortHours }) =>
        `Week ${week}: ${title} (${channel}, ${owner}, ${effortHours} h)`,
    );
  return [...lines, ...(moves.length > MOST_LISTED ? [`and ${moves.length - MOST_LISTED} more`] : [])].join('\n');
}
