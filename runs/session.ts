import type { BudgetedCampaign } from '../budget/ledger.ts';
import type { CampaignDefinition } from '../campaigns/definition.ts';
import { flattenSteps } from '../campaigns/definition.ts';
import type { ClaimedRun, Claims } from '../database/claims.ts';
import { FencedError, type Journal } from '../database/journal.ts';
import type { JournalAnswer } from '../database/journal-lists.ts';
import type { Records } from '../database/records.ts';
import type { JsonObject, RunRow, StepRow } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import type { EventBus, EventType } from '../shared/events.ts';
import { ServiceStoppingError, type StopReason } from './reasons.ts';
import { type RunBegin, type RunRecord, RunWriter } from './run-writer.ts';
import { thresholdEvent } from './threshold-event.ts';

export type { RunRecord } from './run-writer.ts';

export interface SessionDependencies {
  records: Records;
  claims: Claims;
  journal: Journal;
  clock: Clock;
  events: EventBus;
}

/** The campaign as its budget is judged, and the version of its row at which it was read. */
export type BudgetTerms = BudgetedCampaign & { version: number };

/** One worker's hold on one run: its rows, its fencing token, the signal that ends the hold, and the way to write. */
export class RunSession {
  readonly run: RunRow;
  readonly definition: CampaignDefinition;
  /** Step rows by name, as last written. */
  readonly steps: Map<string, StepRow>;
  /** What steps without an estimate have cost at most lately, in micro-dollars. */
  readonly history: ClaimedRun['history'];
  /** As last read. */
  terms: BudgetTerms;
  /** Until when the run is this worker's for certain, in milliseconds since the epoch. */
  #heldUntilMs: number;
  /** Called when the run only waits for an engine that is busy. */
  readonly park: () => void;
  readonly #dependencies: SessionDependencies;
  readonly #writer: RunWriter;
  readonly #stop = new AbortController();
  readonly #hurry = new AbortController();
  /** By hand: AbortSignal.any would leave its links to the collector, which then unties those of thousands of runs in one turn. */
  readonly #either = new AbortController();
  /** Ends the waiting for a database that is away, when the run belongs to somebody else or the service must go. */
  readonly #patience = new AbortController();

  constructor(dependencies: SessionDependencies, claimed: ClaimedRun, park: () => void = () => undefined) {
    const { run, steps, campaign, history } = claimed;
    this.#dependencies = dependencies;
    this.park = park;
    this.run = run;
    this.definition = run.definition as unknown as CampaignDefinition;
    this.steps = new Map(steps.map((step) => [step.name, step]));
    this.history = history;
    this.terms = termsOf(run.campaign_id, campaign);
    this.#heldUntilMs = run.lease_until_at === null ? 0 : Date.parse(run.lease_until_at);
    this.#writer = new RunWriter(run, {
      journal: dependencies.journal,
      clock: dependencies.clock,
      patience: this.#patience.signal,
      onEvent: ({ type, data }) => this.show(type, data),
      onFenced: (error) => this.abort(error),
      onThresholds: (crossed) => {
        for (const { type, data } of crossed.map(thresholdEvent)) this.show(type, data);
      },
    });
  }

  get id(): string {
    return this.run.id;
  }

  /** Aborts when this worker has to let go of the run. */
  get signal(): AbortSignal {
    return this.#stop.signal;
  }

  /** Aborts when there is no point in waiting for the database any longer. */
  get patience(): AbortSignal {
    return this.#patience.signal;
  }

  get stopReason(): StopReason | undefined {
    return this.#stop.signal.aborted ? (this.#stop.signal.reason as StopReason) : undefined;
  }

  /** Whether the service wants to stop: no further step or attempt starts, the ones in flight may end. */
  get stopping(): boolean {
    return this.#hurry.signal.aborted;
  }

  /** Aborts when there is no time to wait for anything: this worker has to let go of the run, or the service wants to stop. */
  get hurry(): AbortSignal {
    return this.#either.signal;
  }

  /** The service wants to stop: what is in flight may end, what only waits is handed over. */
  stopSoon(): void {
    const reason = new ServiceStoppingError();
    this.#hurry.abort(reason);
    this.#either.abort(reason);
  }

  /** Ends the step in flight. What happened is still written. */
  abort(reason: StopReason): void {
    this.#stop.abort(reason);
    this.#either.abort(reason);
    if (reason instanceof FencedError) this.#patience.abort(reason);
  }

  /** Gives up on writes that the database does not take; the rows stay as they are and another start goes on from them. */
  giveUpWriting(reason: StopReason): void {
    this.#patience.abort(reason);
  }

  /** The lease has been renewed. */
  keptUntil(untilMs: number): void {
    this.#heldUntilMs = untilMs;
  }

  /**
   * To be asked right before something is done outside. A worker that was stopped for a while, or heard of its last write only
   * late, may have lost the run without knowing: once its lease is over, it asks.
   * @throws {FencedError} when another worker has the run
   * @throws {DatabaseUnavailableError} when nothing is known
   */
  async makeSure(): Promise<void> {
    const { clock, claims } = this.#dependencies;
    while (clock.now() >= this.#heldUntilMs) {
      const { lost, untilMs } = await claims.renew([this.id]);
      if (lost.has(this.id)) throw new FencedError(this.id);
      this.keptUntil(untilMs);
    }
  }

  /** Step rows in the order of the definition. */
  orderedSteps(): StepRow[] {
    return [...this.steps.values()].toSorted((a, b) => a.position - b.position);
  }

  /** Where a step stands in the definition. */
  positionOf(name: string): number {
    return flattenSteps(this.definition.steps).findIndex(({ step }) => step.name === name);
  }

  /**
   * Writes and returns once it is durable, then tells the event bus. Nothing goes on before its record is safe.
   * @throws {FencedError} when another worker has the run
   */
  async write(record: RunRecord): Promise<void> {
    Object.assign(this.run, record.run);
    await this.#writer.write(record);
    this.#keepSteps(record);
  }

  /** The same without waiting: it shares the commit of what is written next, which waits for it. */
  later(record: RunRecord): void {
    Object.assign(this.run, record.run);
    this.#keepSteps(record);
    this.#writer.later(record);
  }

  /** Writes that an attempt begins, if it may. */
  async begin(begin: RunBegin): Promise<JournalAnswer['begin']> {
    const answer = await this.#writer.begin(begin);
    if (answer === 'made') this.steps.set(begin.step.name, begin.step);
    return answer;
  }

  /** The last word about a run whose record the database refuses; `about` makes the record. */
  writeInSpite(about: (refused: readonly StepRow[]) => RunRecord): Promise<void> {
    return this.#writer.writeInSpite(about(this.#writer.refusedSteps));
  }

  #keepSteps(record: RunRecord): void {
    for (const step of record.steps ?? []) this.steps.set(step.name, step);
  }

  /** Shows something that is not worth a row. */
  show(type: EventType, data: JsonObject): void {
    this.#dependencies.events.emit(type, {
      campaignId: this.run.campaign_id,
      runId: this.id,
      campaign: this.definition.name,
      ...data,
    });
  }
}

/** What a campaign's row says of its budget. */
export function termsOf(id: string, campaign: ClaimedRun['campaign']): BudgetTerms {
  const { version, timezone, budget } = campaign;
  return { id, version, timezone, budget };
}
