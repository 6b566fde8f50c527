import type { StepDefinition } from '../campaigns/definition.ts';
import { stepUrls } from '../campaigns/step-urls.ts';
import type { BudgetAlert, BudgetLedger } from '../budget/ledger.ts';
import { type BudgetRefusal, perLeadRefusal } from '../budget/limits.ts';
import { stepUnknown } from '../notifications/messages.ts';
import type { JsonObject, StepRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { AppError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { microsToDollars } from '../shared/money.ts';
import { resolveReferences } from '../shared/references.ts';
import { withRetry } from '../shared/retry.ts';
import { stepKinds } from '../steps/registry.ts';
import { type EngineCall, type EngineHttp, StepError, type StepKind } from '../steps/step.ts';
import { FencedError } from '../database/journal.ts';
import { asStepError, CancelledError } from './reasons.ts';
import type { RunRecord, RunSession } from './session.ts';
import { attemptStep, openStepRow } from './step-attempt.ts';
import { leadsOf } from './totals.ts';

export interface StepRunnerDependencies {
  ledger: BudgetLedger;
  http: EngineHttp;
  clock: Clock;
  logger: Logger;
  config: Pick<Config, 'engines' | 'references' | 'slackWebhookUrl'>;
  /** Where links in messages point to. */
  publicUrl: string;
}

/** How a step came out: settled one way or another, refused by the budget, or cut short by cancel or stop. */
export type StepOutcome =
  | { how: 'settled'; row: StepRow }
  | { how: 'refused'; refusal: BudgetRefusal }
  | { how: 'interrupted' };

/** The budget said no; carried through the retry loop, never retried. */
class RefusedByBudget extends AppError {
  readonly refusal: BudgetRefusal;

  constructor(refusal: BudgetRefusal) {
    super('BUDGET_EXCEEDED', 409, refusal.message);
    this.refusal = refusal;
  }
}

const DATABASE_RETRY_MS = 500;

/** Drives one step: budget, attempts, settlement, record. */
export class StepRunner {
  readonly #deps: StepRunnerDependencies;

  constructor(dependencies: StepRunnerDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Runs the step to a settled row, unless it has one already.
   * @throws {FencedError} when the run went to another worker
   */
  async run(session: RunSession, step: StepDefinition): Promise<StepOutcome> {
    const before = session.steps.get(step.name);
    if (before && before.status !== 'running') return { how: 'settled', row: before };
    let row = openStepRow(session.id, session.positionOf(step.name), step, before);
    if (before) {
      row = await this.#chargeInterrupted(session, row);
      if (step.effect === 'once' && before.attempt_log.at(-1)?.completed_at === null)
        return this.#settleUnknown(session, row, 'The service stopped while this step was under way.');
    }
    try {
      const call = this.#callOf(session, step);
      return await this.#attempts(session, step, row, call);
    } catch (error) {
      if (error instanceof RefusedByBudget) return { how: 'refused', refusal: error.refusal };
      if (error instanceof FencedError || session.stopReason instanceof FencedError) throw error;
      if (session.signal.aborted) return { how: 'interrupted' };
      return this.#settleFailed(session, row, asStepError(error));
    }
  }

  async #attempts(session: RunSession, step: StepDefinition, opened: StepRow, call: EngineCall): Promise<StepOutcome> {
    let row = opened;
    let lastError: StepError | undefined;
    const attempt = async () => {
      lastError = undefined;
      await this.#reserve(session, step, row.attempts + 1);
      row = await this.#begin(session, row);
      const ended = await this.#attemptOnce(session, step, row, call);
      row = ended.row;
      lastError = ended.error;
      if (lastError) throw lastError;
    };
    try {
      await withRetry(
        attempt,
        { ...step.retry, attempts: Math.max(1, step.retry.attempts - row.attempts) },
        {
          clock: this.#deps.clock,
          signal: session.signal,
          isRetryable: (error) => error instanceof StepError && mayRepeat(step, error) && !session.stopping,
          retryAfter: (error) => (error instanceof StepError ? error.retryAfterMs : undefined),
        },
      );
      return { how: 'settled', row };
    } catch (error) {
      if (!lastError || session.stopReason instanceof FencedError) throw error;
      if (isDoubtful(step, lastError)) return this.#settleUnknown(session, row, lastError.message);
      if (session.signal.aborted) return this.#settleInterrupted(session, row);
      if (session.stopping && mayRepeat(step, lastError) && row.attempts < step.retry.attempts)
        return { how: 'interrupted' };
      return this.#settleFailed(session, row, lastError);
    }
  }

  /** The step's call with references filled in and addresses made absolute. */
  #callOf(session: RunSession, step: StepDefinition): EngineCall {
    const { config } = this.#deps;
    const earlier = session.orderedSteps().filter((row) => row.status === 'completed' || row.status === 'empty');
    const params = resolveReferences(step.params, {
      steps: Object.fromEntries(
        earlier.map((row) => [
          row.name,
          { ...row.output, ...row.counts, status: row.status, cost: microsToDollars(row.cost_micros) },
        ]),
      ),
      run: { id: session.id, scheduledFor: session.run.scheduled_for, trigger: session.run.trigger },
      campaign: { id: session.run.campaign_id, name: session.definition.name, metadata: session.definition.metadata },
      env: config.references,
    });
    const { url, statusUrl, cancelUrl } = stepUrls(step, config.engines);
    return {
      url,
      method: step.method,
      params,
      protocol: step.protocol,
      pollInterval: step.pollInterval,
      ...(statusUrl ? { statusUrl } : {}),
      ...(cancelUrl ? { cancelUrl } : {}),
      ...(step.terminalEvents ? { terminalEvents: step.terminalEvents } : {}),
    };
  }

  /** Holds the estimate before anything is asked of the engine. Fails closed: while the database is away, it waits. */
  async #reserve(session: RunSession, step: StepDefinition, attempt: number): Promise<void> {
    const { ledger } = this.#deps;
    const campaignId = session.run.campaign_id;
    const { budget, schedule } = session.definition;
    await this.#whileAway(session, async () => {
      const amount = await ledger.estimate(campaignId, step);
      const steps = session.orderedSteps();
      const tooDear = perLeadRefusal({
        limitDollars: budget.perLead,
        runCostMicros: steps.reduce((sum, row) => sum + row.cost_micros, 0),
        estimateMicros: amount,
        leads: leadsOf(steps),
      });
      if (tooDear) throw new RefusedByBudget(tooDear);
      const answer = await ledger.reserve({
        key: holdKey(session.id, step.name, attempt),
        campaign: { id: campaignId, timezone: schedule?.timezone ?? 'UTC', budget },
        runId: session.id,
        stepName: step.name,
        amount,
      });
      if (!answer.admitted) throw new RefusedByBudget(answer.refusal);
    });
  }

  /** Makes the attempt durable before the engine hears of it. */
  async #begin(session: RunSession, row: StepRow): Promise<StepRow> {
    const at = iso(this.#deps.clock.now());
    const attempt = row.attempts + 1;
    const begun: StepRow = {
      ...row,
      attempts: attempt,
      started_at: row.started_at ?? at,
      attempt_log: [
        ...row.attempt_log,
        { attempt, started_at: at, completed_at: null, cost_micros: 0, cost_unknown: false, error: null },
      ],
    };
    await session.write({
      steps: [begun],
      events: [{ type: 'step.started', data: { step: row.name, kind: row.kind, attempt } }],
    });
    return begun;
  }

  async #attemptOnce(
    session: RunSession,
    step: StepDefinition,
    row: StepRow,
    call: EngineCall,
  ): Promise<{ row: StepRow; error?: StepError }> {
    const { clock, http, logger } = this.#deps;
    const outcome = await attemptStep({
      kind: stepKinds[step.kind] as StepKind,
      step,
      call,
      runId: session.id,
      campaignId: session.run.campaign_id,
      attempt: row.attempts,
      http,
      clock,
      log: logger.child({ runId: session.id, campaignId: session.run.campaign_id, step: step.name }),
      signal: session.signal,
      progress: (facts) => session.show('step.progress', { step: step.name, ...facts }),
    });
    if (session.stopReason instanceof FencedError) throw session.stopReason;
    // An estimate of 0 is the operator's word that the step costs nothing.
    const silent = step.estimatedCost === 0 ? 0 : null;
    const cost = outcome.ok ? (outcome.result.costMicros ?? silent) : costOfFailure(outcome.error);
    const key = holdKey(session.id, step.name, row.attempts);
    const { spentMicros, alerts } = await this.#whileAway(session, () => this.#deps.ledger.settle(key, cost));
    const ended = endAttempt(row, iso(clock.now()), {
      spentMicros,
      unknown: cost === null,
      ...(outcome.ok ? {} : { error: outcome.error }),
    });
    const alertEvents = alerts.map((alert) => thresholdEvent(alert));
    if (!outcome.ok) {
      const { code, message } = outcome.error;
      const data = { step: row.name, attempt: row.attempts, code, error: message };
      await session.write({
        run: { total_cost_micros: session.run.total_cost_micros + spentMicros },
        steps: [ended],
        events: [{ type: 'step.attempt_failed', data }, ...alertEvents],
      });
      return { row: ended, error: outcome.error };
    }
    const { result } = outcome;
    const settled: StepRow = {
      ...ended,
      status: result.outcome,
      completed_at: iso(clock.now()),
      counts: { ...result.counts },
      output: { ...result.output, ...(result.dryRun ? { dryRun: true } : {}) },
    };
    const data = { ...settledFacts(settled), counts: settled.counts, ...(result.dryRun ? { dryRun: true } : {}) };
    await session.write({
      run: { total_cost_micros: session.run.total_cost_micros + spentMicros },
      steps: [settled],
      events: [{ type: 'step.completed', data }, ...alertEvents],
    });
    return { row: settled };
  }

  /** What a crash left on hold is charged: the engine may have spent it. The step's cost is then what the ledger says. */
  async #chargeInterrupted(session: RunSession, row: StepRow): Promise<StepRow> {
    const { ledger, clock } = this.#deps;
    return this.#whileAway(session, async () => {
      const holds = (await ledger.openHolds(session.id)).filter((hold) => hold.step_name === row.name);
      // A hold whose attempt was never begun was never spent: the engine had not heard of it.
      for (const hold of holds)
        if (attemptOf(hold.key) <= row.attempts) await ledger.settle(hold.key, null);
        else await ledger.release(hold.key);
      const spent = await ledger.spentOnStep(session.id, row.name);
      const at = iso(clock.now());
      return {
        ...row,
        cost_micros: spent.micros,
        cost_unknown: spent.unknown,
        attempt_log: row.attempt_log.map((entry) =>
          entry.completed_at
            ? entry
            : {
                ...entry,
                completed_at: at,
                cost_unknown: true,
                error: { code: 'STEP_INTERRUPTED', message: 'The service stopped.' },
              },
        ),
      };
    });
  }

  async #settleFailed(session: RunSession, row: StepRow, error: StepError): Promise<StepOutcome> {
    const { code, message, retryable } = error;
    const settled: StepRow = {
      ...row,
      status: 'failed',
      completed_at: iso(this.#deps.clock.now()),
      error: { code, message, retryable },
    };
    await session.write({
      steps: [settled],
      events: [{ type: 'step.failed', data: { ...settledFacts(settled), code, error: message } }],
    });
    return { how: 'settled', row: settled };
  }

  /** A `once` step of which nobody knows whether it was done: never repeated by itself, a person is asked. */
  async #settleUnknown(session: RunSession, row: StepRow, message: string): Promise<StepOutcome> {
    const { clock, config, publicUrl } = this.#deps;
    const settled: StepRow = {
      ...row,
      status: 'unknown',
      completed_at: iso(clock.now()),
      error: {
        code: 'STEP_OUTCOME_UNKNOWN',
        message: `It is not known whether this was done: ${message}`,
        retryable: false,
      },
    };
    const record: RunRecord = {
      steps: [settled],
      events: [{ type: 'step.unknown', data: { ...settledFacts(settled), error: message } }],
      outbox: stepUnknown({
        campaign: { id: session.run.campaign_id, definition: session.definition },
        runId: session.id,
        step: settled,
        slackConfigured: config.slackWebhookUrl !== null,
        publicUrl,
        nowMs: clock.now(),
      }),
    };
    await session.write(record);
    return { how: 'settled', row: settled };
  }

  async #settleInterrupted(session: RunSession, row: StepRow): Promise<StepOutcome> {
    if (session.stopReason instanceof CancelledError)
      await session.write({
        steps: [{ ...row, status: 'cancelled', completed_at: iso(this.#deps.clock.now()) }],
        events: [],
      });
    return { how: 'interrupted' };
  }

  /** Tries again as long as the database is away and the run may go on. */
  async #whileAway<T>(session: RunSession, task: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await task();
      } catch (error) {
        if (error instanceof StepError || !(error instanceof AppError) || !error.retryable) throw error;
        await this.#deps.clock.sleep(DATABASE_RETRY_MS, session.patience);
      }
    }
  }
}

function holdKey(runId: string, stepName: string, attempt: number): string {
  return `${runId}/${stepName}/${attempt}`;
}

function attemptOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** Whether another attempt is allowed after this failure: never for a `once` step whose engine may have worked. */
function mayRepeat(step: StepDefinition, error: StepError): boolean {
  return error.retryable && (step.effect === 'repeatable' || error.worked === 'no');
}

function isDoubtful(step: StepDefinition, error: StepError): boolean {
  return step.effect === 'once' && error.worked === 'maybe' && !error.definite;
}

/** What a failed attempt is charged: what the engine reported, nothing if it never worked, else unknown (null). */
function costOfFailure(error: StepError): number | null {
  return error.costMicros ?? (error.worked === 'no' ? 0 : null);
}

function endAttempt(
  row: StepRow,
  at: string,
  end: { spentMicros: number; unknown: boolean; error?: StepError },
): StepRow {
  const error = end.error ? { code: end.error.code, message: end.error.message } : null;
  return {
    ...row,
    cost_micros: row.cost_micros + end.spentMicros,
    cost_unknown: row.cost_unknown || end.unknown,
    attempt_log: row.attempt_log.map((entry) =>
      entry.attempt === row.attempts
        ? { ...entry, completed_at: at, cost_micros: end.spentMicros, cost_unknown: end.unknown, error }
        : entry,
    ),
  };
}

function settledFacts(row: StepRow): JsonObject {
  return {
    step: row.name,
    kind: row.kind,
    status: row.status,
    attempts: row.attempts,
    cost: microsToDollars(row.cost_micros),
    ...(row.cost_unknown ? { costUnknown: true } : {}),
    ...(row.started_at && row.completed_at
      ? { durationMs: Date.parse(row.completed_at) - Date.parse(row.started_at) }
      : {}),
  };
}

function thresholdEvent(alert: BudgetAlert): RunRecord['events'][number] {
  return { type: 'budget.threshold', data: { ...alert } };
}
