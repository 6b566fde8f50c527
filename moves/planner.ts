import type { Pool } from 'pg';
import { activePlans, findArcVersion, findPlan } from '../database/queries/plans.ts';
import { hasEnded } from '../database/run-status.ts';
import { findRun } from '../database/queries/runs.ts';
import type { PlanRow } from '../database/tables-moves.ts';
import { derivedId, timeOfId } from '../shared/ids.ts';
import type { Arc } from './arc.ts';
import { addDays, ARC_DAYS, dayOf, lastDayOf } from './calendar.ts';
import type { DecisionRecord, Subject } from './graph/subject.ts';
import type { ApprovalTerms } from './params.ts';
import {
  failedFor,
  laterOutcome,
  nothingToDo,
  outcomeOf,
  type PlanOutcome,
  settledAll,
  settledOne,
} from './plan-outcome.ts';
import { insertPlan } from './plan-rows.ts';
import { beginOf, toldBefore, weeksOf } from './plan-times.ts';
import { notePlanState } from './plan-writes.ts';
import type { PlanRequest } from './context.ts';
import type { Evidence } from './statement.ts';
import { arcSubject } from './subjects/arc-subject.ts';
import { noPivotBecause, turnedDown } from './pivots/whether.ts';
import type { KpiStanding } from './pivots/variance.ts';
import { movesSubject } from './subjects/moves-subject.ts';
import { pivotsBefore, pivotSubject, standingOfPlan } from './subjects/pivot-subject.ts';
import type { Checkpoints } from './graph/checkpoints.ts';
import type { SubjectDeps } from './subjects/subject-deps.ts';
import { type Work, type WorkContext, WorkError, type WorkResult } from './work.ts';

export interface PlannerDependencies extends SubjectDeps {
  /** Where checkpoints are kept. */
  pool: Pool;
  decisions: DecisionRecord;
  /** How the KPIs of a plan stand; implemented by moves/kpi/kpi-desk.ts. */
  kpis: { status(planId: string): Promise<KpiStanding[]> };
}

interface WhichPlans {
  plan?: string | undefined;
  workspace: string;
}

/** Between two looks for checkpoints that are too old, in milliseconds. */
const CLEAN_EVERY_MS = 86_400_000;

/** Runs planning graphs for the steps that plan. */
export class Planner {
  readonly #deps: PlannerDependencies;
  #checkpoints: Promise<Checkpoints> | null = null;
  #cleanedAt = Number.NEGATIVE_INFINITY;

  constructor(dependencies: PlannerDependencies) {
    this.#deps = dependencies;
  }

  /** Plans the arc of a plan, or of one that the step itself requests. */
  readonly arc: Work = async (params, work) => {
    const { plan: id, request, approval } = params as unknown as ArcParams;
    const plan = id === undefined ? await this.#requested(request as PlanRequest, work) : await this.#plan(id);
    // Its own it may have applied before it broke off.
    if (plan.arc_version > 0 && !(await this.isBegun(plan, work))) {
      const result = { planId: plan.id, arcVersion: plan.arc_version, note: 'The plan has an arc already.' };
      return { outcome: 'empty', output: result, costMicros: 0 };
    }
    if (plan.run_id !== work.runId) {
      await this.#refuseIfPlanned(plan);
      await notePlanState(this.#deps.records, this.#deps.clock, plan.id, {
        state: 'planning',
        state_reason: null,
        run_id: work.runId,
      });
    }
    try {
      return settledOne(await this.graph(plan, arcSubject({ plan, terms: approval }, this.#deps), work));
    } catch (error) {
      if (error instanceof WorkError && error.code === 'PLAN_REFUSED')
        await notePlanState(this.#deps.records, this.#deps.clock, plan.id, {
          state: 'failed',
          state_reason: error.message,
        });
      throw error;
    }
  };

  /** Breaks arcs down into moves: of one plan, or of every active one of a workspace. */
  readonly moves: Work = async (params, work) => {
    const { weeks, approval, ...which } = params as unknown as MovesParams;
    return this.forPlans(which, work, async (plan) => {
      const wanted = await weeksOf(plan, weeks, { ...this.#deps, work });
      // Of what has been begun they may be over while people think about it.
      if (wanted.length === 0 && !(await this.isBegun(plan, work)))
        return nothingToDo(plan.id, 'none of these weeks is left of the 90 days');
      const { arc, evidence } = await this.arcOf(plan);
      const about = { plan, terms: approval, arc, arcEvidence: evidence, weeks: wanted };
      return this.graph(plan, movesSubject(about, this.#deps), work);
    });
  };

  /** Looks for pivots: of one plan, or of every active one of a workspace. */
  readonly pivot: Work = async (params, work) => {
    const { always, approval, requestedBy, ...which } = params as unknown as PivotParams;
    return this.forPlans(which, work, async (plan) => {
      const isOver = dayOf(this.#deps.clock.now()) > lastDayOf(plan.starts_on);
      if (isOver && !(await this.isBegun(plan, work))) return nothingToDo(plan.id, 'its 90 days are over');
      const { arc, evidence: arcEvidence } = await this.arcOf(plan);
      const statuses = await this.#deps.kpis.status(plan.id);
      const { variance, hash } = await standingOfPlan({ plan, arc, statuses }, this.#deps);
      const before = await pivotsBefore(plan.id, this.#deps);
      const reason = before.some(({ run_id: runId }) => runId === work.runId)
        ? null
        : await noPivotBecause({ variance, hash, before, always }, this.#deps);
      if (reason !== null) return nothingToDo(plan.id, reason);
      const about = { plan, terms: approval, arc, arcEvidence, variance, rejected: turnedDown(before), requestedBy };
      return this.graph(plan, pivotSubject(about, this.#deps), work);
    });
  };

  /** Takes a graph for one plan as far as it goes. @throws as the graph */
  async graph<G extends object, P extends object>(
    plan: PlanRow,
    subject: Subject<G, P>,
    work: WorkContext,
  ): Promise<PlanOutcome> {
    // Only here: the library is large, and most services never plan.
    const { PlanningGraph } = await import('./graph/planning-graph.ts');
    const checkpoints = await this.#openCheckpoints();
    const thread = await checkpoints.branch(nameOf(plan, work), work.attempt, this.#deps.clock);
    const graph = new PlanningGraph(subject, work, { checkpoints: checkpoints.saver, decisions: this.#deps.decisions });
    return outcomeOf(plan.id, await graph.run(thread));
  }

  /** Whether an earlier try of the step has begun a graph for this plan. */
  async isBegun(plan: PlanRow, work: WorkContext): Promise<boolean> {
    return (await this.#openCheckpoints()).isBegun(nameOf(plan, work));
  }

  /** Does something for one plan, or for every active one of a workspace; what fails for one does not stop the others. */
  async forPlans(
    { plan: id, workspace }: WhichPlans,
    work: WorkContext,
    task: (plan: PlanRow) => Promise<PlanOutcome>,
  ): Promise<WorkResult> {
    if (id !== undefined) return settledOne(await task(await this.#active(id)));
    // As of the beginning of the run: what people take their time to approve is not left out by then.
    const today = dayOf(await beginOf(work, this.#deps));
    const window = { from: addDays(today, 1 - ARC_DAYS), to: addDays(today, 7) };
    const plans = await activePlans(this.#deps.records, workspace, window);
    const told = await toldBefore(work, this.#deps.records);
    const outcomes: PlanOutcome[] = [];
    for (const plan of plans) {
      const before = told === null ? null : laterOutcome(plan.id, told);
      outcomes.push(before ?? (await this.#attempt(plan, work, task)));
    }
    return settledAll(outcomes);
  }

  async #attempt(
    plan: PlanRow,
    work: WorkContext,
    task: (plan: PlanRow) => Promise<PlanOutcome>,
  ): Promise<PlanOutcome> {
    try {
      return await task(plan);
    } catch (error) {
      const failed = work.signal.aborted ? null : failedFor(plan.id, error);
      if (failed === null) throw error;
      work.log.warn('Planning failed for one plan', { planId: plan.id, error });
      return failed;
    }
  }

  /** The plan's present arc with the evidence that it cites. @throws {WorkError} PLAN_NOT_ACTIVE */
  async arcOf(plan: PlanRow): Promise<{ arc: Arc; evidence: Evidence[] }> {
    const version = await findArcVersion(this.#deps.records, plan.id, plan.arc_version);
    if (!version) throw notActive(plan);
    return { arc: version.arc as unknown as Arc, evidence: version.evidence as unknown as Evidence[] };
  }

  async #openCheckpoints(): Promise<Checkpoints> {
    const { pool, clock } = this.#deps;
    this.#checkpoints ??= import('./graph/checkpoints.ts').then(({ Checkpoints }) => Checkpoints.open(pool));
    try {
      const checkpoints = await this.#checkpoints;
      if (clock.now() - this.#cleanedAt < CLEAN_EVERY_MS) return checkpoints;
      this.#cleanedAt = clock.now();
      await checkpoints.removeOld(clock);
      return checkpoints;
    } catch (error) {
      this.#checkpoints = null;
      throw error;
    }
  }

  async #plan(id: string): Promise<PlanRow> {
    const plan = await findPlan(this.#deps.records, id);
    if (!plan) throw new WorkError('PLAN_UNKNOWN', `There is no plan ${id}.`);
    if (plan.state === 'ended') throw notActive(plan);
    return plan;
  }

  /** Two runs that plan one plan would ask people twice about the same. @throws {WorkError} PLAN_CHANGED */
  async #refuseIfPlanned({ id, run_id: runId }: PlanRow): Promise<void> {
    const run = runId === null ? undefined : await findRun(this.#deps.records, runId);
    if (run && !hasEnded(run.status))
      throw new WorkError('PLAN_CHANGED', `Run ${run.id} plans plan ${id} already; wait for it, or cancel it.`);
  }

  async #active(id: string): Promise<PlanRow> {
    const plan = await this.#plan(id);
    if (plan.arc_version === 0) throw notActive(plan);
    return plan;
  }

  /** The plan that a step requests, made by its first attempt. */
  async #requested(request: PlanRequest, work: WorkContext): Promise<PlanRow> {
    const { records, clock } = this.#deps;
    const { runId, stepName } = work;
    const id = derivedId(`plan/${runId}/${stepName}`, timeOfId(runId));
    return insertPlan(records, clock, { id, request, requestedBy: `campaign ${work.campaignId}`, runId });
  }
}

interface ArcParams {
  plan?: string;
  request?: PlanRequest;
  approval: ApprovalTerms;
}

interface PivotParams extends WhichPlans {
  always: boolean;
  requestedBy?: string;
  approval: ApprovalTerms;
}

interface MovesParams extends WhichPlans {
  weeks: readonly number[] | 'all' | 'next';
  approval: ApprovalTerms;
}

/** Names a step's planning for one plan. */
const nameOf = ({ id }: Pick<PlanRow, 'id'>, { runId, stepName }: WorkContext) => `${runId}/${stepName}/${id}`;

const notActive = ({ id, state }: Pick<PlanRow, 'id' | 'state'>) =>
  new WorkError('PLAN_NOT_ACTIVE', `Plan ${id} is ${state}; it needs an approved arc, and must not have ended.`);
