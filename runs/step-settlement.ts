import type { BudgetRefusal } from '../budget/limits.ts';
import type { StepRow } from '../database/tables.ts';
import { stepUnknown } from '../notifications/messages.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { StepError } from '../steps/step.ts';
import { CancelledError } from './reasons.ts';
import type { RunRecord, RunSession } from './session.ts';
import { settledFacts } from './step-rows.ts';

/** How a step came out: settled one way or another, refused by the budget, or cut short by cancel or stop. */
export type StepOutcome =
  | { how: 'settled'; row: StepRow }
  /** People have been asked. */
  | { how: 'waits'; row: StepRow }
  | { how: 'refused'; refusal: BudgetRefusal }
  | { how: 'interrupted' };

export interface StepSettlementDependencies {
  clock: Clock;
  config: Pick<Config, 'slackWebhookUrl'>;
  /** Where links in messages point to. */
  publicUrl: string;
}

/** Writes how a step ended that did not succeed. */
export class StepSettlement {
  readonly #deps: StepSettlementDependencies;

  constructor(dependencies: StepSettlementDependencies) {
    this.#deps = dependencies;
  }

  /** It failed for good, and nothing was done that must not be done twice. */
  async failed(session: RunSession, row: StepRow, error: StepError): Promise<StepOutcome> {
    const { code, message, retryable } = error;
    const settled: StepRow = {
      ...row,
      status: 'failed',
      completed_at: iso(this.#deps.clock.now()),
      error: { code, message, retryable },
      output: error.output,
    };
    await session.write({
      steps: [settled],
      events: [{ type: 'step.failed', data: { ...settledFacts(settled), code, error: message } }],
    });
    return { how: 'settled', row: settled };
  }

  /** A `once` step of which nobody knows whether it was done: never repeated by itself, a person is asked. */
  async unknown(session: RunSession, row: StepRow, message: string): Promise<StepOutcome> {
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
        ...(session.stopReason instanceof CancelledError ? { waits: false } : {}),
        slackConfigured: config.slackWebhookUrl !== null,
        publicUrl,
        nowMs: clock.now(),
      }),
    };
    await session.write(record);
    return { how: 'settled', row: settled };
  }

  /** Cut short: by a cancel, which ends it, or by a stop, after which another worker goes on with it. */
  async interrupted(session: RunSession, row: StepRow): Promise<StepOutcome> {
    if (session.stopReason instanceof CancelledError)
      await session.write({
        steps: [{ ...row, status: 'cancelled', completed_at: iso(this.#deps.clock.now()) }],
        events: [],
      });
    return { how: 'interrupted' };
  }
}
