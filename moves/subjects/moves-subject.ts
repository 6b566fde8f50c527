import { movesOfPlan } from '../../database/queries/moves.ts';
import type { MoveRow } from '../../database/tables-moves.ts';
import { iso } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Arc } from '../arc.ts';
import type { PlanContext } from '../context.ts';
import { evidenceDigest, requestEvidence, withoutRepeats } from '../evidence.ts';
import type { Subject } from '../graph/subject.ts';
import { type MovesProposal, movesProposalSchema } from '../move.ts';
import { moveRows } from '../move-rows.ts';
import { questionTerms } from '../params.ts';
import type { Evidence } from '../statement.ts';
import { replaceMoves } from '../replace-moves.ts';
import { critiqueRequest, movesDraftRequest, movesRevisionRequest } from '../tasks/requests.ts';
import type { KnownMove } from '../tasks/plan-data.ts';
import { checkMoves } from '../validation/move-rules.ts';
import { rejections } from './rejections.ts';
import { WorkError } from '../work.ts';
import { contextOf, questionContext, type SubjectDeps, type SubjectOf } from './subject-deps.ts';

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
  /** What the moves meet by the time that they are approved: another arc perhaps, and other moves. */
  const standingNow = async (given: MovesGiven, approvalId: string) => {
    const all = await movesOfPlan(records, plan.id);
    const others = all.filter((move) => move.approval_id !== approvalId);
    const now = { ...given, arc, ...standing(others, given.weeks) };
    return { all, now, present: plan.arc_version };
  };
  const subject: Subject<MovesGiven, MovesProposal> = {
    kind: 'moves',
    workspace: plan.workspace,
    planId: plan.id,
    schema: movesProposalSchema,
    async gather() {
      const context = contextOf(plan);
      const all = await movesOfPlan(records, plan.id);
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
        ...standing(all, weeks),
        outcomes: all.filter(tellsSomething).slice(-MOST_OUTCOMES).map(outcomeOf),
      };
      return { given, costMicros: 0 };
    },
    draft: (given) => movesDraftRequest(given),
    critique: (given, proposal) => critiqueRequest({ ...given, subject: 'moves', proposal }),
    revise: (given, proposal, findings, critique) => movesRevisionRequest({ ...given, proposal, findings, critique }),
    check: (given, proposal) => checkMoves(proposal, given),
    verify: (_given, proposal, work) => tools.verify(proposal.moves, work),
    question: (given, proposal, critique) => ({
      title: `${proposal.moves.length} moves of ${plan.name}, ${weeksInWords(given.weeks)}`,
      summary: summaryOf(proposal),
      subject: proposal,
      context: questionContext(plan, critique, given),
      requestedBy: plan.requested_by,
      ...questionTerms(terms),
    }),
    async apply(given, proposal, { approvalId }, _writer, work) {
      const at = iso(clock.now());
      const { runId } = work;
      const { all, now, present } = await standingNow(given, approvalId);
      // Written already, before a crash: what then was right stays so.
      if (!all.some((move) => move.approval_id === approvalId)) refuseIfOutrun(proposal, now);
      const rows = moveRows(proposal, { plan, arcVersion: present, runId, approvalId, at });
      await records.insert('moves', rows, { conflict: 'ignore' });
      await replaceMoves(records, now.replaced, { at, by: 'planner', runId });
      const replaced = [...new Set([...given.replaced, ...now.replaced])];
      return { planId: plan.id, moves: rows.map(({ id }) => id), replaced, weeks: given.weeks };
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

/** Of the moves of a plan those that stay, and those whose place new ones of these weeks take. */
function standing(all: readonly MoveRow[], weeks: readonly number[]): Pick<MovesGiven, 'existing' | 'replaced'> {
  const replaced = all.filter(({ week, state }) => weeks.includes(week) && state === 'planned');
  const stay = all.filter((move) => move.state !== 'dropped' && !replaced.includes(move));
  return { existing: stay.map(knownMove), replaced: replaced.map(({ id }) => id) };
}

/** Days may have passed until they were approved, with other moves or another arc: what does not fit that is not written. */
function refuseIfOutrun(proposal: MovesProposal, now: MovesGiven): void {
  const findings = checkMoves(proposal, now);
  if (findings.length === 0) return;
  const said = findings.slice(0, MOST_TOLD).map(({ path, message }) => `${path} ${message}`);
  throw new WorkError('PLAN_CHANGED', `By the time they were approved, the plan had changed: ${said.join('; ')}`, {
    output: { findings: findings.slice(0, MOST_TOLD) as unknown as JsonObject[] },
  });
}

const MOST_TOLD = 10;
/** Moves that a planner learns from at most, the last ones. */
const MOST_OUTCOMES = 60;

/** Whether something can be learnt of it: it was done, or people gave it up. */
const tellsSomething = ({ state, history }: MoveRow): boolean =>
  state === 'done' || (state === 'dropped' && history.at(-1)?.['by'] !== 'planner');

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
