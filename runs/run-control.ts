import type { CampaignDefinition } from '../campaigns/definition.ts';
import { flattenSteps } from '../campaigns/definition.ts';
import type { Records } from '../database/records.ts';
import { hasEnded } from '../database/run-status.ts';
import type { RunRow, RunStatus } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, NotFoundError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { newId } from '../shared/ids.ts';
import { carriedSteps, type RetryFrom } from './carried-steps.ts';
import { nextQueuedRun } from './next-queued.ts';

export interface RunControlDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  /** Hands a run to the workers. */
  enqueue: (runId: string) => Promise<void>;
  /** Ends a run at once if this process holds it. */
  cancelHeld: (runId: string, reason: string) => void;
}

export interface RetryOptions {
  from: RetryFrom;
  /** The definition that the run had, or the campaign's present one. */
  definition: 'pinned' | 'latest';
  /** Steps that run again although they are settled, once another one does; with `unsettled`, also when no other one does. */
  again?: readonly string[];
  /** Run even while paused; true where it is left out. */
  force?: boolean;
  /** Whether it is refused when another run repeats this one already. */
  once?: boolean;
}

export interface StartOptions {
  /** Run even while paused. */
  force: boolean;
  /** What this run does, instead of what its campaign says; the campaign's budget and overlap policy hold all the same. */
  definition?: CampaignDefinition;
}

export interface Resolution {
  outcome: 'done' | 'failed' | 'retry';
  note: string;
  by: string;
}

interface Admission {
  admitted: boolean;
  reason?: string;
  detail?: string;
  active_run_id?: string;
}

/** What a person can do with runs: start, cancel, retry, and say what became of a step that nobody knows of. */
export class RunControl {
  readonly #deps: RunControlDependencies;

  constructor(dependencies: RunControlDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Starts a run now, whatever the schedule says; the budget and the overlap policy hold all the same.
   * @throws {NotFoundError} @throws {ConflictError} CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async start(campaignId: string, options: StartOptions): Promise<{ runId: string }> {
    const [campaign] = await this.#deps.records.select('campaigns', {
      where: [
        { column: 'id', op: 'eq', value: campaignId },
        { column: 'deleted_at', op: 'is', value: null },
      ],
    });
    if (!campaign) throw new NotFoundError('campaign', campaignId);
    const definition = options.definition ?? (campaign.config as unknown as CampaignDefinition);
    return this.#admit(
      campaignId,
      {
        trigger: 'manual',
        steps_total: flattenSteps(definition.steps).length,
        ...(options.definition ? { definition } : {}),
      },
      options.force,
    );
  }

  /**
   * Asks a run to stop; one in flight stops within a second, wherever it runs.
   * @throws {NotFoundError} @throws {ConflictError} RUN_FINISHED
   */
  async cancel(runId: string, reason = 'cancelled by an operator'): Promise<{ status: string }> {
    const { records, clock, events, enqueue, cancelHeld } = this.#deps;
    const run = await this.#run(runId);
    if (hasEnded(run.status)) throw new ConflictError('RUN_FINISHED', `Run ${runId} has already ended: ${run.status}.`);
    const answer = await records.call<{ found: boolean; status: RunStatus }>('cancel_run', {
      p_run_id: runId,
      p_reason: reason,
      p_at: iso(clock.now()),
    });
    if (hasEnded(answer.status) && answer.status !== 'cancelled')
      throw new ConflictError('RUN_FINISHED', `Run ${runId} has already ended: ${answer.status}.`);
    const facts = { runId, campaignId: run.campaign_id, reason };
    events.emit('run.cancel_requested', facts);
    if (answer.status === 'cancelled') {
      events.emit('run.finished', { ...facts, status: 'cancelled' });
      const next = await nextQueuedRun(records, run.campaign_id);
      if (next) await enqueue(next);
    } else cancelHeld(runId, reason);
    return { status: answer.status === 'running' ? 'cancelling' : answer.status };
  }

  /**
   * Starts a new run that repeats an ended one. What is not to run again is carried over.
   * @throws {NotFoundError}
   * @throws {ConflictError} RUN_NOT_FINISHED, STEP_UNKNOWN, NOTHING_TO_RETRY, CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL,
   *   RETRY_EXISTS
   */
  async retry(runId: string, options: RetryOptions): Promise<{ runId: string }> {
    const { records } = this.#deps;
    const run = await this.#run(runId);
    if (!hasEnded(run.status))
      throw new ConflictError('RUN_NOT_FINISHED', `Run ${runId} is ${run.status}; only an ended run can be retried.`);
    const [campaign] = await records.select('campaigns', {
      where: [
        { column: 'id', op: 'eq', value: run.campaign_id },
        { column: 'deleted_at', op: 'is', value: null },
      ],
    });
    if (!campaign) throw new NotFoundError('campaign', run.campaign_id);
    const definition = (options.definition === 'latest'
      ? campaign.config
      : run.definition) as unknown as CampaignDefinition;
    const before = await records.select('run_steps', { where: [{ column: 'run_id', op: 'eq', value: runId }] });
    const unknown = before.find((step) => step.status === 'unknown');
    if (unknown)
      throw new ConflictError(
        'STEP_UNKNOWN',
        `It is not known whether step ${unknown.name} was done. Say so first: POST /api/runs/${runId}/steps/${encodeURIComponent(unknown.name)}/resolve.`,
      );
    const settled = carriedSteps(definition, before, options.from);
    const carried = settled.filter((step) => !options.again?.includes(step.name));
    const total = flattenSteps(definition.steps).length;
    if ((options.from === 'unsettled' ? carried : settled).length === total)
      throw new ConflictError(
        'NOTHING_TO_RETRY',
        `Every step of run ${runId} completed; use {"from": "start"} to run all of them again.`,
      );
    return this.#admit(
      run.campaign_id,
      {
        trigger: 'retry',
        retry_of: runId,
        definition: options.definition === 'latest' ? campaign.config : run.definition,
        steps_total: total,
        carried_steps: carried,
      },
      options.force ?? true,
      options.once ? 'start_only_retry' : 'start_run',
    );
  }

  /**
   * A person's word on a step whose outcome is unknown. A waiting run then goes on.
   * @throws {NotFoundError} @throws {ConflictError} STEP_NOT_UNKNOWN, RUN_FINISHED, RUN_NOT_WAITING
   */
  async resolve(runId: string, stepName: string, decision: Resolution): Promise<{ status: string }> {
    const { records, clock, events, enqueue } = this.#deps;
    const answer = await records.call<{ found: boolean; state?: string; status?: string }>('resolve_step', {
      p_run_id: runId,
      p_name: stepName,
      p_outcome: decision.outcome,
      p_by: decision.by,
      p_note: decision.note,
      p_decision_id: newId(clock.now()),
      p_at: iso(clock.now()),
    });
    if (!answer.found) throw new NotFoundError('step of a run', `${runId}/${stepName}`);
    if (answer.state === 'not_unknown')
      throw new ConflictError('STEP_NOT_UNKNOWN', `Step ${stepName} is ${answer.status}; there is nothing to decide.`);
    if (answer.state === 'running')
      throw new ConflictError('RUN_NOT_WAITING', `Run ${runId} is still going on; decide when it waits or has ended.`);
    if (answer.state === 'ended')
      throw new ConflictError(
        'RUN_FINISHED',
        `Run ${runId} has ended (${answer.status}); mark the step failed and use POST /api/runs/${runId}/retry.`,
      );
    events.emit('step.resolved', { runId, step: stepName, ...decision });
    if (answer.status === 'queued') await enqueue(runId);
    return { status: answer.status ?? '' };
  }

  async #run(runId: string): Promise<RunRow> {
    const [run] = await this.#deps.records.select('campaign_runs', {
      where: [{ column: 'id', op: 'eq', value: runId }],
    });
    if (!run) throw new NotFoundError('run', runId);
    return run;
  }

  async #admit(
    campaignId: string,
    run: Record<string, unknown>,
    force: boolean,
    start: 'start_run' | 'start_only_retry' = 'start_run',
  ): Promise<{ runId: string }> {
    const { records, clock, events, enqueue } = this.#deps;
    const runId = newId(clock.now());
    const answer = await records.call<Admission>(start, {
      p_campaign_id: campaignId,
      p_run: { id: runId, ...run },
      p_force: force,
      p_at: iso(clock.now()),
    });
    if (!answer.admitted) throw refusal(campaignId, answer);
    events.emit('run.queued', { runId, campaignId, trigger: run['trigger'] });
    await enqueue(runId);
    return { runId };
  }
}

function refusal(campaignId: string, answer: Admission): Error {
  switch (answer.reason) {
    case 'paused':
      return new ConflictError(
        'CAMPAIGN_PAUSED',
        `The campaign is paused (${answer.detail ?? 'no reason given'}). Resume it, or send {"force": true} to run it once.`,
      );
    case 'overlap':
      return new ConflictError(
        'RUN_ACTIVE',
        `Run ${answer.active_run_id} of this campaign is still active and its overlap policy is skip. Wait for it or cancel it.`,
      );
    case 'retry_exists':
      return new ConflictError('RETRY_EXISTS', 'Another run repeats this one already.');
    case 'queue_full':
      return new ConflictError('RUN_QUEUE_FULL', 'Too many runs of this campaign are waiting already.');
    case undefined:
    default:
      return new NotFoundError('campaign', campaignId);
  }
}
