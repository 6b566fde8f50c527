import { EventEmitter } from 'node:events';

/** What every business event carries; `campaignId` and `runId` where they apply. */
export interface EventFacts {
  campaignId?: string;
  runId?: string;
  [fact: string]: unknown;
}

/**
 * The business events of the service. They are emitted once, where the thing happens and after it is committed; logs,
 * metrics, live streams and the terminal subscribe. Events of a run are also rows (`run_events`).
 */
export const EVENT_TYPES = [
  'approval.asked',
  'approval.decided',
  'approval.expired',
  'approval.reminded',
  'budget.exceeded',
  'budget.threshold',
  'cache.lost',
  'cache.restored',
  'campaign.changed',
  'campaign.file_rejected',
  'campaign.paused',
  'campaign.resumed',
  'database.lost',
  'database.restored',
  'fire.caught_up',
  'fire.ran',
  'fire.skipped',
  'knowledge.embedded',
  'knowledge.finished',
  'knowledge.progress',
  'knowledge.received',
  'kpi.changed',
  'memory.recovered',
  'move.changed',
  'notification.failed',
  'notification.sent',
  'records.pruned',
  'run.cancel_requested',
  'run.finished',
  'run.fenced',
  'run.queued',
  'run.resumed',
  'run.started',
  'run.waiting',
  'step.attempt_failed',
  'step.completed',
  'step.failed',
  'step.progress',
  'step.resolved',
  'step.started',
  'step.unknown',
  'step.waiting',
] as const;

export type EventType = (typeof EVENT_TYPES)[number];

export interface ServiceEvent {
  type: EventType;
  facts: EventFacts;
}

type Listener = (event: ServiceEvent) => void;

/** Delivers events synchronously, in order; a listener that throws does not reach the others or the emitter. */
export class EventBus {
  readonly #emitter = new EventEmitter({ captureRejections: false }).setMaxListeners(0);

  emit(type: EventType, facts: EventFacts): void {
    this.#emitter.emit('event', { type, facts } satisfies ServiceEvent);
  }

  /** Returns the function that ends the subscription. */
  subscribe(listener: Listener): () => void {
    const guarded: Listener = (event) => {
      try {
        listener(event);
      } catch (error) {
        process.emitWarning(error instanceof Error ? error : String(error));
      }
    };
    this.#emitter.on('event', guarded);
    return () => this.#emitter.off('event', guarded);
  }
}
