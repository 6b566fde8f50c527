import type { BudgetLedger } from '../budget/ledger.ts';
import type { StepDefinition } from '../campaigns/definition.ts';
import { FencedError } from '../database/journal.ts';
import type { Records } from '../database/records.ts';
import type { StepRow } from '../database/tables.ts';
import type { Model } from '../generation/model.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { Release } from '../shared/fair-slots.ts';
import { DatabaseUnavailableError } from '../shared/errors.ts';
import { type Logger, makeRedactor } from '../shared/logger.ts';
import { withRetry } from '../shared/retry.ts';
import { stepKinds } from '../steps/registry.ts';
import { type EngineHttp, type Planning, StepError, type StepKind } from '../steps/step.ts';
import type { Asking } from './approvals/approval-desk.ts';
import { attemptRecord } from './attempt-record.ts';
import type { EngineGate } from './engine-gate.ts';
import { asStepError, ServiceStoppingError } from './reasons.ts';
import { isDoubtful, mayRepeat } from './repeat-rules.ts';
import type { RunSession } from './session.ts';
import { attemptStep } from './step-attempt.ts';
import { type BegunAttempt, RefusedByBudget, StepBudget } from './step-budget.ts';
import { type StepCall, stepCallOf } from './step-call.ts';
import { isSettled, isUnderWay, openStepRow, triesOf } from './step-rows.ts';
import { type StepOutcome, StepSettlement } from './step-settlement.ts';

export interface StepRunnerDependencies {
  records: Records;
  ledger: BudgetLedger;
  http: EngineHttp;
  model: Model;
  planning: Planning;
  approvals: Asking;
  gate: EngineGate;
  clock: Clock;
  logger: Logger;
  config: Pick<Config, 'engines' | 'references' | 'slackWebhookUrl'>;
  /** Where links in messages point to. */
  publicUrl: string;
}

const DATABASE_RETRY_MS = 500;
const HELD_RETRY_MS = 250;
/** Where no engine is called, nobody stands in line for it. */
const FREE: Release = () => undefined;

/** Drives one step: budget, attempts, settlement, record. */
export class StepRunner {
  readonly #deps: StepRunnerDependencies;
  readonly #budget: StepBudget;
  readonly #settlement: StepSettlement;
  /** Takes out what `{{ env.… }}` put into a call, should the engine echo it. */
  readonly #redact: (text: string) => string;

  constructor(dependencies: StepRunnerDependencies) {
    this.#deps = dependencies;
    this.#budget = new StepBudget(dependencies);
    this.#settlement = new StepSettlement(dependencies);
    this.#redact = makeRedactor(Object.values(dependencies.config.references));
  }

  /**
   * Runs the step to a settled row, unless it has one already.
   * @throws {FencedError} when the run went to another worker
   */
  async run(session: RunSession, step: StepDefinition): Promise<StepOutcome> {
    const before = session.steps.get(step.name);
    if (before && isSettled(before)) return { how: 'settled', row: before };
    let row = openStepRow(session.id, session.positionOf(step.name), step, before);
    if (before) {
      row = await this.#budget.chargeInterrupted(session, row);
      if (step.effect === 'once' && isUnderWay(before))
        return this.#settlement.unknown(session, row, 'The service stopped while this step was under way.');
    }
    try {
      const call = stepCallOf(session, step, this.#deps.config);
      return await this.#attempts(session, step, row, call);
    } catch (error) {
      if (error instanceof RefusedByBudget) return { how: 'refused', refusal: error.refusal };
      if (error instanceof FencedError || session.stopReason instanceof FencedError) throw error;
      if (session.signal.aborted || error instanceof ServiceStoppingError) return { how: 'interrupted' };
      return this.#settleCrashed(session, session.steps.get(step.name) ?? row, asStepError(error));
    }
  }

  /** Something that no step foresaw, such as a record that the database refused. What was begun may have been done. */
  async #settleCrashed(session: RunSession, row: StepRow, error: StepError): Promise<StepOutcome> {
    if (row.status !== 'running') return { how: 'settled', row };
    const charged = await this.#budget.chargeInterrupted(session, row);
    return row.effect === 'once' && isUnderWay(row)
      ? this.#settlement.unknown(session, charged, error.message)
      : this.#settlement.failed(session, charged, error);
  }

  async #attempts(session: RunSession, step: StepDefinition, opened: StepRow, call: StepCall): Promise<StepOutcome> {
    let row = opened;
    let lastError: StepError | undefined;
    const attempt = async () => {
      lastError = undefined;
      const { begun, leave } = await this.#begin(session, step, row, call);
      row = begun.row;
      try {
        const ended = await this.#attemptOnce(session, step, begun, call);
        row = ended.row;
        lastError = ended.error;
      } finally {
        leave();
      }
      if (lastError) throw lastError;
    };
    try {
      await withRetry(
        attempt,
        { ...step.retry, attempts: Math.max(1, step.retry.attempts - triesOf(row)) },
        {
          clock: this.#deps.clock,
          signal: session.signal,
          hurry: session.hurry,
          isRetryable: (error) => error instanceof StepError && mayRepeat(step, error) && !session.stopping,
          retryAfter: (error) => (error instanceof StepError ? error.retryAfterMs : undefined),
        },
      );
      return row.status === 'waiting' ? { how: 'waits', row } : { how: 'settled', row };
    } catch (error) {
      if (!lastError || session.stopReason instanceof FencedError) throw error;
      if (isDoubtful(step, lastError)) return this.#settlement.unknown(session, row, lastError.message);
      if (session.signal.aborted) return this.#settlement.interrupted(session, row);
      if (session.stopping && mayRepeat(step, lastError) && triesOf(row) < step.retry.attempts)
        return { how: 'interrupted' };
      return this.#settlement.failed(session, row, lastError);
    }
  }

  /**
   * A place at the engine and money for the call. While others hold the money, at most as long as the step itself may take, the
   * place is left to those who have theirs.
   */
  async #begin(
    session: RunSession,
    step: StepDefinition,
    row: StepRow,
    call: StepCall,
  ): Promise<{ begun: BegunAttempt; leave: Release }> {
    const { clock, model } = this.#deps;
    const kind = stepKinds[step.kind];
    const before = session.steps.get(step.name);
    const waiting = before?.attempt_log.at(-1)?.waited ? (before.output ?? {}) : undefined;
    const micros = kind?.engine === null ? kind.estimate(call.params, model, call.previous, waiting) : 0;
    const expected = { micros, isExact: waiting !== undefined };
    // From the first place on: how long the engine keeps a step waiting says nothing about money.
    let giveUpAt = Number.POSITIVE_INFINITY;
    for (let told = false; ; told = true) {
      const leave = call.engine ? await this.#placeAt(session, step, call.engine.url) : FREE;
      giveUpAt = Math.min(giveUpAt, clock.now() + step.timeout);
      let begun: BegunAttempt | null = null;
      try {
        begun = await this.#budget.begin(session, step, row, expected, giveUpAt);
        if (begun) return { begun, leave };
      } finally {
        if (!begun) leave();
      }
      session.park();
      if (!told) session.show('step.progress', { step: step.name, message: 'waits for money that other steps hold' });
      await clock.sleep(HELD_RETRY_MS, session.hurry);
    }
  }

  /** Tries again as long as the database is away and the signal allows. */
  async #whileAway<T>(signal: AbortSignal, task: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await task();
      } catch (error) {
        if (!(error instanceof DatabaseUnavailableError)) throw error;
        await this.#deps.clock.sleep(DATABASE_RETRY_MS, signal);
      }
    }
  }

  /** Before money is held and time begins to count: a place among the calls that the engine gets at a time. */
  async #placeAt(session: RunSession, step: StepDefinition, url: string): Promise<Release> {
    const { gate } = this.#deps;
    const free = gate.tryEnter(url);
    if (free) return free;
    session.park();
    session.show('step.progress', { step: step.name, message: 'waits for a place at its engine' });
    return gate.enter(url, session.run.campaign_id, session.hurry);
  }

  async #attemptOnce(
    session: RunSession,
    step: StepDefinition,
    begun: BegunAttempt,
    call: StepCall,
  ): Promise<{ row: StepRow; error?: StepError }> {
    const { clock, http, model, planning, approvals, logger } = this.#deps;
    const { row } = begun;
    // The answer to the last write may have come late: whose run it is by now, the database says.
    await this.#whileAway(session.patience, () => session.makeSure());
    const outcome = await attemptStep({
      kind: stepKinds[step.kind] as StepKind,
      step,
      call,
      runId: session.id,
      campaignId: session.run.campaign_id,
      attempt: row.attempts,
      http,
      model,
      planning,
      ask: (question) => this.#whileAway(session.signal, () => approvals.ask(session, step.name, question)),
      clock,
      log: logger.child({ runId: session.id, campaignId: session.run.campaign_id, step: step.name }),
      signal: session.signal,
      redact: this.#redact,
      progress: (facts) => session.show('step.progress', { step: step.name, ...facts }),
    });
    if (session.stopReason instanceof FencedError) throw session.stopReason;
    const charge = this.#budget.charge(session, step, begun, outcome);
    const { row: after, record, error } = attemptRecord({ step, row, charge, outcome, at: iso(clock.now()) });
    const { total_cost_micros: before } = session.run;
    // Shown while the run goes on; its end computes the totals anew.
    const spent = charge.micros > 0 ? { run: { total_cost_micros: before + charge.micros } } : {};
    // The next step's beginning takes it along. What must not be done twice is not left to that.
    if (isSettled(after) && step.effect === 'once') await session.write({ ...spent, ...record });
    else session.later({ ...spent, ...record });
    return { row: after, ...(error ? { error } : {}) };
  }
}
