import type { BudgetLedger, ReservationRequest } from '../budget/ledger.ts';
import { type BudgetRefusal, perLeadRefusal } from '../budget/limits.ts';
import type { CampaignDefinition, StepDefinition } from '../campaigns/definition.ts';
import type { JournalCharge } from '../database/journal.ts';
import type { Records } from '../database/records.ts';
import type { JsonObject, StepRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { AppError } from '../shared/errors.ts';
import { dollarsToMicros, type Micros } from '../shared/money.ts';
import { StepError } from '../steps/step.ts';
import { ServiceStoppingError } from './reasons.ts';
import { type RunSession, termsOf } from './session.ts';
import type { AttemptOutcome } from './step-attempt.ts';
import { beginAttempt, isUnderWay } from './step-rows.ts';
import { leadsOf } from './totals.ts';

/** The budget said no; carried through the retry loop, never retried. */
export class RefusedByBudget extends AppError {
  readonly refusal: BudgetRefusal;

  constructor(refusal: BudgetRefusal) {
    super('BUDGET_EXCEEDED', 409, refusal.message);
    this.refusal = refusal;
  }
}

/** What an attempt may cost at most. */
export interface Expected {
  micros: Micros;
  /** Whether neither earlier runs nor the definition know better. */
  isExact: boolean;
}

/** An attempt that has begun: its row as written, and what is held for it in micro-dollars; null: nothing needed to be. */
export interface BegunAttempt {
  row: StepRow;
  heldMicros: Micros | null;
}

/** What an attempt is charged, and the item by which the journal does so in the commit of its end. */
export interface Charge {
  micros: Micros;
  /** Whether that is more than is known to have been spent. */
  unknown: boolean;
  items: JournalCharge[];
}

const DATABASE_RETRY_MS = 500;

/** The money side of one step: held with the beginning of an attempt, charged with its end. */
export class StepBudget {
  readonly #deps: { ledger: BudgetLedger; clock: Clock; records: Records };

  constructor(dependencies: { ledger: BudgetLedger; clock: Clock; records: Records }) {
    this.#deps = dependencies;
  }

  /**
   * Writes the beginning of the next attempt and holds its estimate, in one commit, before anything is asked of the engine. Null
   * when there is only money in the way that others hold: that may come back, so it is worth another try a little later.
   * @param expected what the step may cost at most, as far as its kind can tell
   * @param giveUpAt when that is not worth another try any more, in milliseconds since the epoch
   * @throws {RefusedByBudget}
   */
  async begin(
    session: RunSession,
    step: StepDefinition,
    row: StepRow,
    expected: Expected,
    giveUpAt: number,
  ): Promise<BegunAttempt | null> {
    const { clock, ledger } = this.#deps;
    for (;;) {
      if (session.stopping) throw new ServiceStoppingError();
      const begun = beginAttempt(row, iso(clock.now()));
      const request = requestOf(session, step, begun.attempts, expected);
      // What people have approved is not refused for money that it does not cost.
      const isFree = expected.isExact && request.amount === 0;
      if (!isFree) refuseTooDear(session, request.amount);
      const hold = isFree ? undefined : ledger.hold(request);
      const answer = await session.begin({
        step: begun,
        event: { type: 'step.started', data: { step: row.name, kind: row.kind, attempt: begun.attempts } },
        version: session.terms.version,
        ...(hold ? { hold: hold as unknown as JsonObject } : {}),
      });
      if (answer === 'made') return { row: begun, heldMicros: hold ? request.amount : null };
      if (answer !== 'stale') {
        const refusal = ledger.refusal(request, answer);
        if (refusal.onlyHeld && clock.now() < giveUpAt) return null;
        throw new RefusedByBudget(refusal);
      }
      await this.#readTerms(session);
    }
  }

  /** A run keeps its steps, not its limits: money is judged by what the campaign says now, so that an edit holds at once. */
  async #readTerms(session: RunSession): Promise<void> {
    const id = session.run.campaign_id;
    const [campaign] = await this.#whileAway(session, () =>
      this.#deps.records.select('campaigns', { where: [{ column: 'id', op: 'eq', value: id }] }),
    );
    if (!campaign) throw new StepError('STEP_CRASHED', `Campaign ${id} is not in the records.`, { worked: 'no' });
    const { budget, schedule } = campaign.config as unknown as CampaignDefinition;
    const timezone = schedule?.timezone ?? 'UTC';
    session.terms = termsOf(id, { version: campaign.version, timezone, budget: budget as unknown as JsonObject });
  }

  /** What the hold of an attempt turns into: what the engine reported, nothing if it never worked, else the hold itself. */
  charge(session: RunSession, step: StepDefinition, begun: BegunAttempt, outcome: AttemptOutcome): Charge {
    // An estimate of 0 is the operator's word that the step costs nothing.
    const silent = step.estimatedCost === 0 ? 0 : null;
    const cost = outcome.ok ? (outcome.result.costMicros ?? silent) : costOfFailure(outcome.error);
    const held = begun.heldMicros;
    const item = this.#deps.ledger.charge(requestOf(session, step, begun.row.attempts), held !== null, cost);
    const isBound = (outcome.ok ? outcome.result : outcome.error).costUnknown === true;
    return { micros: cost ?? held ?? 0, unknown: cost === null || isBound, items: item ? [item] : [] };
  }

  /**
   * What a crash left on hold is charged: the engine may have spent it. The step's cost is then what the ledger says.
   * @throws {FencedError} when another worker has the run, whose holds are not to be touched
   */
  async chargeInterrupted(session: RunSession, row: StepRow): Promise<StepRow> {
    const { ledger, clock } = this.#deps;
    const holds = await this.#whileAway(session, () => ledger.openHolds(session.id));
    const at = iso(clock.now());
    const charges = holds
      .filter((hold) => hold.step_name === row.name)
      .map(({ key, campaign_id, run_id, step_name }): JournalCharge => {
        // A hold whose attempt was never begun was never spent: the engine had not heard of it.
        const amount = attemptOf(key) <= row.attempts ? null : 0;
        return { key, amount, at, campaign_id, run_id, step_name };
      });
    if (charges.length > 0) await session.write({ charges, events: [] });
    return this.#whileAway(session, async () => {
      const spent = await ledger.spentOnStep(session.id, row.name);
      return {
        ...row,
        cost_micros: spent.micros,
        cost_unknown: spent.unknown || isUnderWay(row),
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

const NOTHING: Expected = { micros: 0, isExact: false };

function requestOf(session: RunSession, step: StepDefinition, attempt: number, expected = NOTHING): ReservationRequest {
  const { estimatedCost, name } = step;
  const usual =
    estimatedCost === undefined
      ? Math.max(session.history[name] ?? 0, expected.micros)
      : dollarsToMicros(estimatedCost);
  return {
    key: `${session.id}/${name}/${attempt}`,
    campaign: session.terms,
    runId: session.id,
    stepName: name,
    amount: expected.isExact ? expected.micros : usual,
  };
}

/** @throws {RefusedByBudget} when the step would make the run's leads dearer than their limit */
function refuseTooDear(session: RunSession, estimateMicros: Micros): void {
  const limitDollars = session.terms.budget.perLead;
  if (limitDollars === undefined) return;
  const steps = session.orderedSteps();
  const runCostMicros = steps.reduce((sum, row) => sum + row.cost_micros, 0);
  const refusal = perLeadRefusal({ limitDollars, runCostMicros, estimateMicros, leads: leadsOf(steps) });
  if (refusal) throw new RefusedByBudget(refusal);
}

function attemptOf(key: string): number {
  return Number(key.slice(key.lastIndexOf('/') + 1));
}

/** What a failed attempt is charged: what the engine reported, nothing if it never worked, else unknown (null). */
function costOfFailure(error: StepError): number | null {
  return error.costMicros ?? (error.worked === 'no' ? 0 : null);
}
