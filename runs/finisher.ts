import { flattenSteps } from '../campaigns/definition.ts';
import type { BudgetRefusal } from '../budget/limits.ts';
import type { OutboxRow } from '../database/journal.ts';
import { runFinished } from '../notifications/messages.ts';
import type { Iso, RunErrorEntry, RunRow, RunStatus, StepRow, UnchainedDecision } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { newId } from '../shared/ids.ts';
import { formatMicros, microsToDollars } from '../shared/money.ts';
import type { RunRecord, RunSession } from './session.ts';
import { isUnderWay, openStepRow } from './step-rows.ts';
import { errorsOf, finalStatus, totalsOf } from './totals.ts';

/** How a worker came to the end of its work on a run. */
export type RunEnd =
  | { how: 'ended' }
  | { how: 'stopped'; by: StepRow }
  /** People have been asked; the run goes on when they answer. */
  | { how: 'waits'; for: readonly StepRow[] }
  | { how: 'refused'; refusal: BudgetRefusal }
  | { how: 'cancelled'; reason: string }
  | { how: 'handed_over' };

export interface FinisherDependencies {
  clock: Clock;
  config: Pick<Config, 'slackWebhookUrl'>;
  publicUrl: string;
}

type Decision = Omit<UnchainedDecision, 'campaign_id' | 'run_id' | 'decided_at'>;

/** Writes the last entry of a run: status, totals, messages, decisions and the campaign's pause, all in one commit. */
export class RunFinisher {
  readonly #deps: FinisherDependencies;

  constructor(dependencies: FinisherDependencies) {
    this.#deps = dependencies;
  }

  async finish(session: RunSession, end: RunEnd): Promise<void> {
    if (end.how === 'handed_over') {
      await session.write({ run: { ...totalsOf(session.orderedSteps()), status: 'queued' }, events: [] });
      return;
    }
    const { clock } = this.#deps;
    const at = iso(clock.now());
    const status = statusOf(session, end);
    const skipped = status === 'waiting' ? [] : this.#skippedSteps(session);
    for (const row of skipped) session.steps.set(row.name, row);
    const steps = session.orderedSteps();
    const extra: RunErrorEntry[] =
      end.how === 'refused' ? [{ step: null, code: 'BUDGET_EXCEEDED', error: end.refusal.message, at }] : [];
    const totals = totalsOf(steps);
    const errors = errorsOf(steps, extra);
    const reason = reasonOf(end);
    const record: RunRecord = {
      run: { ...totals, status, status_reason: reason, errors },
      steps: skipped,
      events: [
        ...(end.how === 'refused' ? [budgetEvent(end.refusal)] : []),
        {
          type: status === 'waiting' ? 'run.waiting' : 'run.finished',
          data: {
            status,
            reason,
            stepsCompleted: totals.steps_completed,
            stepsFailed: totals.steps_failed,
            prospects: totals.prospects_generated,
            analyzed: totals.leads_analyzed,
            composed: totals.emails_composed,
            sent: totals.emails_sent,
            cost: microsToDollars(totals.total_cost_micros),
            ...(session.run.started_at ? { durationMs: clock.now() - Date.parse(session.run.started_at) } : {}),
            ...(totals.cost_unknown ? { costUnknown: true } : {}),
            ...(totals.dry_run ? { dryRun: true } : {}),
          },
        },
      ],
      decisions: decisionsOf(session, end, clock.now()),
    };
    if (end.how === 'refused' && end.refusal.turnsAtMs !== null) {
      record.pause = { reason: end.refusal.message, resume_at: iso(end.refusal.turnsAtMs) };
      record.events.push({ type: 'campaign.paused', data: { by: 'budget', until: iso(end.refusal.turnsAtMs) } });
    }
    if (status !== 'waiting' && status !== 'cancelled')
      record.outbox = this.#messages(
        session,
        { ...session.run, ...totals, status, status_reason: reason, errors, completed_at: at },
        steps,
        end.how === 'refused' ? end.refusal : undefined,
      );
    await session.write(record);
  }

  /** Ends a run whose record the database refuses, with nothing but that fact. */
  async giveUp(session: RunSession, cause: Error): Promise<void> {
    const reason = `The database refused the record of this run: ${cause.message}`;
    const error = { step: null, code: 'RECORDS_REFUSED', error: reason, at: iso(this.#deps.clock.now()) };
    await session.writeInSpite((refused) => ({
      run: { status: 'failed', status_reason: reason, errors: [error] },
      steps: refused.map((row) => ({
        ...row,
        status: 'failed',
        counts: {},
        output: null,
        error: { code: 'RECORDS_REFUSED', message: reason, retryable: false },
      })),
      events: [{ type: 'run.finished', data: { status: 'failed', reason } }],
      outbox: this.#messages(session, { ...session.run, status: 'failed', status_reason: reason, errors: [error] }, []),
    }));
  }

  #messages(session: RunSession, run: RunRow, steps: readonly StepRow[], budgetRefusal?: BudgetRefusal): OutboxRow[] {
    const { clock, config, publicUrl } = this.#deps;
    return runFinished({
      campaign: { id: session.run.campaign_id, definition: session.definition },
      run,
      steps,
      ...(budgetRefusal ? { budgetRefusal } : {}),
      slackConfigured: config.slackWebhookUrl !== null,
      publicUrl,
      nowMs: clock.now(),
    });
  }

  /** Rows for the steps that this run will not come to. */
  #skippedSteps(session: RunSession): StepRow[] {
    const at = iso(this.#deps.clock.now());
    return flattenSteps(session.definition.steps).flatMap(({ step }, position) => {
      const row = session.steps.get(step.name);
      if (row && row.status !== 'running' && row.status !== 'waiting') return [];
      if (!row) return [{ ...openStepRow(session.id, position, step), status: 'skipped', completed_at: at }];
      return [
        row.effect === 'once' && isUnderWay(row)
          ? doubtful(row, at)
          : { ...row, status: 'cancelled', completed_at: at },
      ];
    });
  }
}

/** A send that was under way when its worker died, in a run that ends before anybody came back to it. */
function doubtful(row: StepRow, at: Iso): StepRow {
  const message = 'It is not known whether this was done: its worker ended while it was under way.';
  return {
    ...row,
    status: 'unknown',
    completed_at: at,
    error: { code: 'STEP_OUTCOME_UNKNOWN', message, retryable: false },
  };
}

function statusOf(session: RunSession, end: RunEnd): RunStatus {
  if (end.how === 'cancelled') return 'cancelled';
  if (end.how === 'refused') return 'aborted';
  if (end.how === 'waits') return 'waiting';
  return finalStatus(session.orderedSteps(), end.how === 'stopped' ? end.by : undefined);
}

function reasonOf(end: RunEnd): string | null {
  switch (end.how) {
    case 'stopped':
      return `Step ${end.by.name} ${end.by.status === 'unknown' ? 'may or may not have been done' : 'failed'}: ${end.by.error?.message ?? ''}`;
    case 'waits':
      return `Waits for people to decide: ${end.for.map(({ name }) => name).join(', ')}`;
    case 'refused':
      return end.refusal.message;
    case 'cancelled':
      return end.reason;
    case 'ended':
    case 'handed_over':
      return null;
    default:
      return end satisfies never;
  }
}

function budgetEvent(refusal: BudgetRefusal): RunRecord['events'][number] {
  return {
    type: 'budget.exceeded',
    data: {
      scope: refusal.scope,
      period: refusal.period,
      limit: microsToDollars(refusal.limitMicros),
      spent: microsToDollars(refusal.spentMicros),
      held: microsToDollars(refusal.heldMicros),
      message: refusal.message,
    },
  };
}

/** What the service decided by itself, with why; part of the record that people can ask for. */
function decisionsOf(session: RunSession, end: RunEnd, nowMs: number): Decision[] {
  const decision = (action: string, reasoning: string, evidence: Decision['evidence']): Decision => ({
    id: newId(nowMs),
    agent: 'orchestrator',
    action,
    reasoning,
    confidence: 1,
    predicted: {},
    evidence,
  });
  if (end.how === 'waits') return [];
  if (end.how === 'refused')
    return [
      decision('abort_run', end.refusal.message, {
        limit: formatMicros(end.refusal.limitMicros),
        spent: formatMicros(end.refusal.spentMicros),
        held: formatMicros(end.refusal.heldMicros),
      }),
    ];
  const failed = session.orderedSteps().filter((row) => row.status === 'failed' || row.status === 'unknown');
  return failed.map((row) => {
    const stopped = end.how === 'stopped' && end.by.name === row.name;
    return decision(
      stopped ? 'stop_run' : 'continue_after_failure',
      `Step ${row.name} ended ${row.status} after ${row.attempts} attempts; its onFailure ${stopped ? 'is abort' : 'lets the run go on'}.`,
      { code: row.error?.code ?? null, error: row.error?.message ?? null },
    );
  });
}
