import type { CampaignDefinition } from '../campaigns/definition.ts';
import { findPlan, pendingApprovals } from '../database/queries/plans.ts';
import { hasEnded } from '../database/run-status.ts';
import type { Records } from '../database/records.ts';
import type { PlanRow } from '../database/tables-moves.ts';
import type { JsonObject } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { ConflictError, NotFoundError } from '../shared/errors.ts';
import { newId } from '../shared/ids.ts';
import type { OriginPolicy } from '../shared/origins.ts';
import type { PlanRequest } from './context.ts';
import type { ApprovalTerms } from './params.ts';
import {
  pivotDefinition,
  planningDefinition,
  type PlanNotifications,
  PLANS_CAMPAIGN_ID,
  plansCampaign,
} from './plan-definition.ts';
import { addressProblems, dayProblems, groupProblems, refuse } from './plan-checks.ts';
import { insertPlan } from './plan-rows.ts';
import { notePlanState } from './plan-writes.ts';

/** What plans need of the runs; implemented by runs/run-control.ts. */
export interface PlanRuns {
  start(campaignId: string, options: { force: boolean; definition: CampaignDefinition }): Promise<{ runId: string }>;
}

export interface PlanControlDependencies {
  records: Records;
  clock: Clock;
  runs: PlanRuns;
  config: Pick<Config, 'approvalGroups'>;
  /** Which addresses may be read. */
  origins: OriginPolicy;
}

/** How a plan's work is approved and told of. */
export interface PlanOptions {
  terms: ApprovalTerms;
  /** Who is told, where it is not those of the campaign "Plans". */
  notifications?: PlanNotifications | undefined;
}

/** Takes plans in and starts their runs; a plan's work is runs of the campaign "Plans", each with a definition of its own. */
export class PlanControl {
  readonly #deps: PlanControlDependencies;

  constructor(dependencies: PlanControlDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Puts a plan on record and starts the run that plans it.
   * @param caller who asks, where the request does not say
   * @throws {ValidationError} for days out of reach, and for groups that are not configured
   * @throws {ConflictError} CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async submit(
    request: PlanRequest,
    options: PlanOptions & { assets: boolean; caller: string },
  ): Promise<{ plan: PlanRow; runId: string }> {
    const { records, clock, config, origins } = this.#deps;
    const { approvalGroups } = config;
    const groups = groupProblems(options.terms, approvalGroups);
    refuse([...dayProblems(request, clock.now()), ...addressProblems(request, origins), ...groups]);
    const id = newId(clock.now());
    const campaign = await this.#campaign();
    const plan = await insertPlan(records, clock, { id, request, requestedBy: options.caller, runId: null });
    try {
      return await this.#startPlanning(plan, campaign, options);
    } catch (error) {
      // Refused, nothing is planned, so nothing is kept. Of any other failure nobody knows whether the run has been started.
      if (error instanceof ConflictError || error instanceof NotFoundError)
        await records.remove('plans', [{ column: 'id', op: 'eq', value: id }]);
      throw error;
    }
  }

  /**
   * Plans a plan anew whose planning was rejected, failed or was cancelled.
   * @throws {NotFoundError} @throws {ConflictError} PLAN_ACTIVE, RUN_NOT_FINISHED, CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async replan(id: string, options: PlanOptions & { assets: boolean }): Promise<{ plan: PlanRow; runId: string }> {
    const plan = await this.find(id);
    if (plan.state === 'active' || plan.state === 'ended')
      throw new ConflictError(
        'PLAN_ACTIVE',
        `Plan ${id} is ${plan.state}; a pivot changes an arc that has been approved.`,
      );
    this.#checkTerms(options.terms);
    await this.#mustBeIdle(plan);
    const campaign = await this.#campaign();
    const { records, clock } = this.#deps;
    await this.#take(plan);
    try {
      return await this.#startPlanning(plan, campaign, options);
    } catch (error) {
      const { state, state_reason, run_id } = plan;
      await notePlanState(records, clock, id, { state, state_reason, run_id });
      throw error;
    }
  }

  /**
   * Starts a run that pulls the KPIs of a plan and looks for a pivot.
   * @throws {NotFoundError} @throws {ConflictError} PLAN_NOT_ACTIVE, CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async pivot(
    id: string,
    options: PlanOptions & { always: boolean; requestedBy?: string | undefined },
  ): Promise<{ runId: string }> {
    const plan = await this.find(id);
    if (plan.state !== 'active')
      throw new ConflictError(
        'PLAN_NOT_ACTIVE',
        `Plan ${id} is ${plan.state}; only an active plan has an arc to change.`,
      );
    this.#checkTerms(options.terms);
    const campaign = await this.#campaign();
    const work = this.#workOf(plan, campaign, options);
    const definition = pivotDefinition(work, options);
    return this.#start(definition);
  }

  /**
   * Ends a plan: it is not planned for any more. One that has ended stays as it is.
   * @throws {NotFoundError} @throws {ConflictError} RUN_NOT_FINISHED
   */
  async end(id: string, reason: string | null): Promise<PlanRow> {
    const { records, clock } = this.#deps;
    const plan = await this.find(id);
    if (plan.state === 'ended') return plan;
    if (plan.state === 'planning') await this.#mustBeIdle(plan);
    await this.#withdrawQuestions(id);
    const patch = { state: 'ended' as const, state_reason: reason, updated_at: iso(clock.now()) };
    const [ended] = await records.update('plans', patch, [{ column: 'id', op: 'eq', value: id }]);
    if (!ended) throw new NotFoundError('plan', id);
    return ended;
  }

  /** Nobody is to decide on what would take no effect. Whoever waits for the answer goes on with a rejection. */
  async #withdrawQuestions(planId: string): Promise<void> {
    const { records, clock } = this.#deps;
    const at = iso(clock.now());
    for (const { id } of await pendingApprovals(records, planId))
      await records.call('decide_approval', {
        p_id: id,
        p_state: 'rejected',
        p_by: null,
        p_reason: 'The plan was ended.',
        p_edited: null,
        p_diff: null,
        p_at: at,
      });
    await records.update('pivots', { state: 'withdrawn', reason: 'The plan was ended.', decided_at: at }, [
      { column: 'plan_id', op: 'eq', value: planId },
      { column: 'state', op: 'eq', value: 'proposed' },
    ]);
  }

  /** @throws {NotFoundError} */
  async find(id: string): Promise<PlanRow> {
    const plan = await findPlan(this.#deps.records, id);
    if (!plan) throw new NotFoundError('plan', id);
    return plan;
  }

  async #startPlanning(
    plan: PlanRow,
    campaign: CampaignDefinition,
    options: PlanOptions & { assets: boolean },
  ): Promise<{ plan: PlanRow; runId: string }> {
    const { records, clock } = this.#deps;
    const definition = planningDefinition(this.#workOf(plan, campaign, options), options.assets);
    const { runId } = await this.#start(definition);
    const patch = { run_id: runId, updated_at: iso(clock.now()) };
    const [updated] = await records.update('plans', patch, [{ column: 'id', op: 'eq', value: plan.id }]);
    return { plan: updated ?? plan, runId };
  }

  /** @throws {ConflictError} CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL */
  async #start(definition: CampaignDefinition): Promise<{ runId: string }> {
    try {
      return await this.#deps.runs.start(PLANS_CAMPAIGN_ID, { force: false, definition });
    } catch (error) {
      if (!(error instanceof ConflictError) || error.code !== 'CAMPAIGN_PAUSED') throw error;
      const campaign = `/api/campaigns/${PLANS_CAMPAIGN_ID}`;
      const mend = `see why with GET ${campaign}, and resume it with PUT ${campaign}/resume`;
      throw new ConflictError(error.code, 'Plans are paused.', [
        { path: '', message: 'the campaign of all plans is paused', mend },
      ]);
    }
  }

  #workOf(plan: PlanRow, campaign: CampaignDefinition, { terms, notifications }: PlanOptions) {
    return { planId: plan.id, name: plan.name, terms, notifications: notifications ?? campaign.notifications };
  }

  /** @throws {ValidationError} */
  #checkTerms(terms: ApprovalTerms): void {
    refuse(groupProblems(terms, this.#deps.config.approvalGroups));
  }

  /** Before its run, which may say how it ended at once; of several that would plan it, one does. */
  async #take({ id, version }: PlanRow): Promise<void> {
    const { records, clock } = this.#deps;
    const taken = { state: 'planning' as const, state_reason: null, run_id: null, updated_at: iso(clock.now()) };
    const [row] = await records.update('plans', { ...taken, version: version + 1 }, [
      { column: 'id', op: 'eq', value: id },
      { column: 'version', op: 'eq', value: version },
    ]);
    if (!row) throw new ConflictError('RUN_NOT_FINISHED', `Plan ${id} is being changed by somebody else; look at it.`);
  }

  async #mustBeIdle({ id, state, run_id: runId }: PlanRow): Promise<void> {
    if (runId === null && state === 'planning')
      throw new ConflictError('RUN_NOT_FINISHED', `The run that plans plan ${id} is about to start; look at the plan.`);
    if (runId === null) return;
    const [run] = await this.#deps.records.select('campaign_runs', {
      columns: ['id', 'status'],
      where: [{ column: 'id', op: 'eq', value: runId }],
    });
    if (run && !hasEnded(run.status))
      throw new ConflictError('RUN_NOT_FINISHED', `Run ${runId} still plans plan ${id}; wait for it, or cancel it.`);
  }

  /** The campaign of all plans, made when there is none; removed by somebody, it comes back as it was. */
  async #campaign(): Promise<CampaignDefinition> {
    const { records } = this.#deps;
    const where = [{ column: 'id', op: 'eq', value: PLANS_CAMPAIGN_ID }] as const;
    const [row] = await records.select('campaigns', { columns: ['id', 'deleted_at', 'config'], where });
    if (row && row.deleted_at !== null) await records.update('campaigns', { deleted_at: null }, where);
    if (row) return row.config as unknown as CampaignDefinition;
    const fresh = plansCampaign();
    const config = fresh as unknown as JsonObject;
    await records.insert('campaigns', [{ id: PLANS_CAMPAIGN_ID, name: 'Plans', config }], { conflict: 'ignore' });
    return fresh;
  }
}
