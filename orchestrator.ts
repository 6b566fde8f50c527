import type { StepEntry } from './campaigns/definition.ts';
import { FencedError } from './database/journal.ts';
import { RecordsError } from './database/records.ts';
import type { StepRow } from './database/tables.ts';
import type { BudgetRefusal } from './budget/limits.ts';
import { CancelledError, ServiceStoppingError } from './runs/reasons.ts';
import { nextQueuedRun } from './runs/next-queued.ts';
import { type RunEnd, RunFinisher } from './runs/finisher.ts';
import { RunSession, type SessionDependencies } from './runs/session.ts';
import { StepRunner, type StepRunnerDependencies } from './runs/step-runner.ts';

export interface OrchestratorDependencies extends SessionDependencies, StepRunnerDependencies {
  /** Hands a run to the workers. */
  enqueue(runId: string): Promise<void>;
}

/**
 * Drives one run from its rows to its end: claim, go through the steps, settle each, finish. The record is the
 * checkpoint: a run that was begun elsewhere goes on at the first step without a settled row.
 */
export class Orchestrator {
  readonly #deps: OrchestratorDependencies;
  readonly #steps: StepRunner;
  readonly #finisher: RunFinisher;
  readonly #sessions = new Map<string, RunSession>();
  /** Runs that are being claimed, or are held. */
  #executing = 0;
  #stopping = false;
  /** Nothing is waited for any more. */
  #stopped = false;

  constructor(dependencies: OrchestratorDependencies) {
    this.#deps = dependencies;
    this.#steps = new StepRunner(dependencies);
    this.#finisher = new RunFinisher(dependencies);
  }

  /** The runs that this process holds at the moment. */
  get sessions(): ReadonlyMap<string, RunSession> {
    return this.#sessions;
  }

  /**
   * Claims the run and takes it as far as it goes. Resolves when this worker has let go of it, whatever the outcome;
   * resolves at once when it is not to be had.
   * @param park called when the run only waits for an engine that is busy, so that it needs none of this process' slots
   * @throws {DatabaseUnavailableError} when the run could not be claimed; a later try may
   */
  async execute(runId: string, park?: () => void): Promise<void> {
    if (this.#stopping || this.#sessions.has(runId)) return;
    this.#executing += 1;
    try {
      const claimed = await this.#deps.claims.take(runId);
      if (claimed) await this.#hold(new RunSession(this.#deps, claimed, park));
    } finally {
      this.#executing -= 1;
    }
  }

  async #hold(session: RunSession): Promise<void> {
    this.#sessions.set(session.id, session);
    if (this.#stopping) session.stopSoon();
    if (this.#stopped) session.giveUpWriting(new ServiceStoppingError());
    const { cancel_requested_at: asked, cancel_reason: why } = session.run;
    if (asked !== null) session.abort(new CancelledError(why ?? 'cancelled'));
    try {
      const end = await this.#drive(session);
      await this.#finisher.finish(session, end);
      // Somebody else may go on with it at once.
      if (end.how === 'handed_over') await this.#deps.enqueue(session.id);
      // People may have been quicker than the record of the wait.
      if (end.how === 'waits') this.#deps.approvals.wake();
    } catch (error) {
      await this.#letGo(session, error);
    } finally {
      this.#sessions.delete(session.id);
    }
    await this.#wakeWaiting(session);
  }

  /** Under the policies that let runs wait for earlier ones, the next in line is woken. */
  async #wakeWaiting(session: RunSession): Promise<void> {
    const { overlap } = session.definition;
    if (this.#stopping || (overlap !== 'queue' && overlap !== 'cancel_previous')) return;
    const next = await nextQueuedRun(this.#deps.records, session.run.campaign_id);
    if (next) await this.#deps.enqueue(next);
  }

  async #drive(session: RunSession): Promise<RunEnd> {
    const { epoch, trigger, steps_total: steps } = session.run;
    if (epoch > 1) session.show('run.resumed', { epoch });
    else session.show('run.started', { trigger, steps });
    for (const entry of session.definition.steps) {
      if (session.signal.aborted) break;
      if (session.stopping) return { how: 'handed_over' };
      const end = await this.#runEntry(session, entry);
      if (end) return end;
    }
    return endBySignal(session) ?? { how: 'ended' };
  }

  /** Runs one step, or the members of a parallel group together; says when the run ends with it. */
  async #runEntry(session: RunSession, entry: StepEntry): Promise<RunEnd | undefined> {
    const members = 'parallel' in entry ? entry.parallel : [entry];
    const ends = await Promise.allSettled(members.map((step) => this.#steps.run(session, step)));
    // Only now: nobody would watch over a member that is still under way.
    const failure = ends.find((end) => end.status === 'rejected');
    if (failure) throw failure.reason;
    const outcomes = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    const bySignal = endBySignal(session);
    if (bySignal) return bySignal;
    if (outcomes.some((outcome) => outcome.how === 'interrupted')) return { how: 'handed_over' };
    const refusal = outcomes.find(
      (outcome): outcome is { how: 'refused'; refusal: BudgetRefusal } => outcome.how === 'refused',
    );
    if (refusal) return { how: 'refused', refusal: refusal.refusal };
    let stopAfter: StepRow | undefined;
    for (const [index, outcome] of outcomes.entries()) {
      const step = members[index];
      if (outcome.how !== 'settled' || !step) continue;
      const failed = outcome.row.status === 'failed' || outcome.row.status === 'unknown';
      if (failed && step.onFailure === 'abort') return { how: 'stopped', by: outcome.row };
      if (!failed && step.onSuccess === 'abort') stopAfter = outcome.row;
    }
    const waiting = outcomes.flatMap((outcome) => (outcome.how === 'waits' ? [outcome.row] : []));
    if (waiting.length > 0) return { how: 'waits', for: waiting };
    return stopAfter ? { how: 'ended' } : undefined;
  }

  /** Cancels a run that this process holds; others are told by the record. */
  cancel(runId: string, reason: string): void {
    this.#sessions.get(runId)?.abort(new CancelledError(reason));
  }

  /** A run's lease has been renewed until this instant, in milliseconds since the epoch. */
  kept(runId: string, untilMs: number): void {
    this.#sessions.get(runId)?.keptUntil(untilMs);
  }

  /** Lets go of a run that was lost to another worker. */
  fence(runId: string): void {
    this.#sessions.get(runId)?.abort(new FencedError(runId));
  }

  /**
   * Starts no further step and waits for those in flight, at most `graceMs`; what is then still under way is abandoned, with
   * rows from which the next start goes on.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    for (const session of this.#sessions.values()) session.stopSoon();
    const drained = this.#untilIdle();
    const grace = new AbortController();
    await Promise.race([drained, this.#deps.clock.sleep(graceMs, grace.signal).catch(() => undefined)]);
    grace.abort();
    for (const session of this.#sessions.values()) session.abort(new ServiceStoppingError());
    const last = new AbortController();
    await Promise.race([this.#untilIdle(), this.#deps.clock.sleep(LAST_WRITES_MS, last.signal).catch(() => undefined)]);
    last.abort();
    this.#stopped = true;
    for (const session of this.#sessions.values()) session.giveUpWriting(new ServiceStoppingError());
  }

  async #untilIdle(): Promise<void> {
    while (this.#executing > 0) await this.#deps.clock.sleep(20);
  }

  async #letGo(session: RunSession, error: unknown): Promise<void> {
    if (error instanceof FencedError) return session.show('run.fenced', { reason: error.message });
    const facts = { runId: session.id, campaignId: session.run.campaign_id, error };
    if (error instanceof ServiceStoppingError) {
      const { error: _, ...which } = facts;
      return this.#deps.logger.info('The run goes on at another worker, or at the next start', which);
    }
    this.#deps.logger.error('A run could not be taken on after an unexpected error', facts);
    // A record that the database refuses would be refused by every worker after this one: the run ends here and says so.
    if (error instanceof RecordsError) await this.#finisher.giveUp(session, error).catch(() => undefined);
  }
}

/** How long a stop waits for the last rows of abandoned steps. */
const LAST_WRITES_MS = 3_000;

function endBySignal(session: RunSession): RunEnd | undefined {
  const reason = session.stopReason;
  if (reason instanceof CancelledError) return { how: 'cancelled', reason: reason.message };
  if (reason instanceof FencedError) throw reason;
  return reason ? { how: 'handed_over' } : undefined;
}
