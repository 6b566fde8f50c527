import type { BudgetAlert, BudgetedCampaign, BudgetLedger } from '../budget/ledger.ts';
import { type BudgetRefusal, perLeadRefusal } from '../budget/limits.ts';
import type { CampaignDefinition, StepDefinition } from '../campaigns/definition.ts';
import type { Records } from '../database/records.ts';
import type { StepRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { AppError } from '../shared/errors.ts';
import { type Micros, microsToDollars } from '../shared/money.ts';
import { StepError } from '../steps/step.ts';
import { ServiceStoppingError } from './reasons.ts';
import type { RunRecord, RunSession } from './session.ts';
import type { AttemptOutcome } from './step-attempt.ts';
import { leadsOf } from './totals.ts';

/** The budget said no; carried through the retry loop, never retried. */
export class RefusedByBudget extends AppError {
  readonly refusal: BudgetRefusal;

  constructor(refusal: BudgetRefusal) {
    super('BUDGET_EXCEEDED', 409, refusal.message);
    this.refusal = refusal;
  }
}

/** What an attempt was charged, and the budget thresholds that it was the first to cross. */
export interface Charge {
  micros: Micros;
  unknown: boolean;
  alerts: RunRecord['events'];
}

const DATABASE_RETRY_MS = 500;
const HELD_RETRY_MS = 250;

/** The money side of one step: held before an attempt, charged after it. */
export class StepBudget {
  readonly #deps: { ledger: BudgetLedger; clock: Clock; records: Records };

  constructor(dependencies: { ledger: BudgetLedger; clock: Clock; records: Records }) {
    this.#deps = dependencies;
  }

  /**
   * Holds the estimate before anything is asked of the engine. Fails closed: while the database is away, it waits. Money
   * that others only hold may come back, so for that it waits too, at most as long as the step itself may take.
   */
  async reserve(session: RunSession, step: StepDefinition, attempt: number): Promise<void> {
    const { clock, ledger } = this.#deps;
    const giveUpAt = clock.now() + step.timeout;
    for (let told = false; ; told = true) {
      if (session.stopping) throw new ServiceStoppingError();
      const refusal = await this.#whileAway(session, () => this.#tryReserve(session, step, attempt));
      if (!refusal) break;
      if (!refusal.onlyHeld || clock.now() >= giveUpAt) throw new RefusedByBudget(refusal);
      if (!told) session.show('step.progress', { step: step.name, message: 'waits for money that other steps hold' });
      await clock.sleep(HELD_RETRY_MS, session.signal);
    }
    if (!session.stopping) return;
    await this.#whileAway(session, () => ledger.release(holdKey(session.id, step.name, attempt)));
    throw new ServiceStoppingError();
  }

  async #tryReserve(session: RunSession, step: StepDefinition, attempt: number): Promise<BudgetRefusal | null> {
    const { ledger } = this.#deps;
    const { id, timezone, budget } = await this.#presentTerms(session);
    const amount = await ledger.estimate(id, step);
    const steps = session.orderedSteps();
    const tooDear = perLeadRefusal({
      limitDollars: budget.perLead,
      runCostMicros: steps.reduce((sum, row) => sum + row.cost_micros, 0),
      estimateMicros: amount,
      leads: leadsOf(steps),
    });
    if (tooDear) return tooDear;
    const answer = await ledger.reserve({
      key: holdKey(session.id, step.name, attempt),
      campaign: { id, timezone, budget },
      runId: session.id,
      stepName: step.name,
      amount,
    });
    return answer.admitted ? null : answer.refusal;
  }

  /** A run keeps its steps, not its limits: money is judged by what the campaign says now, so that an edit holds at once. */
  async #presentTerms(session: RunSession): Promise<BudgetedCampaign> {
    const id = session.run.campaign_id;
    const [campaign] = await this.#deps.records.select('campaigns', { where: [{ column: 'id', op: 'eq', value: id }] });
    const { budget, schedule } = (campaign?.config ?? session.run.definition) as unknown as CampaignDefinition;
    return { id, timezone: schedule?.timezone ?? 'UTC', budget };
  }

  /** Turns the hold of an attempt into what it cost: as reported, nothing if the engine never worked, else the hold. */
  async charge(session: RunSession, step: StepDefinition, attempt: number, outcome: AttemptOutcome): Promise<Charge> {
    // An estimate of 0 is the operator's word that the step costs nothing.
    const silent = step.estimatedCost === 0 ? 0 : null;
    const cost = outcome.ok ? (outcome.result.costMicros ?? silent) : costOfFailure(outcome.error);
    const key = holdKey(session.id, step.name, attempt);
    const { spentMicros, alerts } = await this.#whileAway(session, () => this.#deps.ledger.settle(key, cost));
    return { micros: spentMicros, unknown: cost === null, alerts: alerts.map((alert) => thresholdEvent(alert)) };
  }

  /** What a crash left on hold is charged: the engine may have spent it. The step's cost is then what the ledger says. */
  async chargeInterrupted(session: RunSession, row: StepRow): Promise<StepRow> {
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

/** What a failed attempt is charged: what the engine reported, nothing if it never worked, else unknown (null). */
function costOfFailure(error: StepError): number | null {
  return error.costMicros ?? (error.worked === 'no' ? 0 : null);
}

function thresholdEvent(alert: BudgetAlert): RunRecord['events'][number] {
  const { scope, period, startsOn, percent, limitMicros, spentMicros } = alert;
  const dollars = { limit: microsToDollars(limitMicros), spent: microsToDollars(spentMicros) };
  return { type: 'budget.threshold', data: { scope, period, startsOn, percent, ...dollars } };
}
