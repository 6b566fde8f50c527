import type { Request, Response } from 'express';
import { once } from 'node:events';
import { eventsAfter } from '../database/queries/run-events.ts';
import type { Records } from '../database/records.ts';
import { hasEnded } from '../database/run-status.ts';
import type { JsonObject, RunRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';

/** Events of other replicas are found this often, in milliseconds. */
const POLL_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
const ROWS_A_READ = 500;
/** Progress is dropped rather than queued for a reader that lags by more bytes than this. */
const LARGEST_BACKLOG = 65_536;

export interface StreamSource {
  records: Records;
  events: EventBus;
  clock: Clock;
  logger: Logger;
  /** Aborted when the service stops. */
  stopping: AbortSignal;
}

/** One stored event of a thing that has a history. */
interface StoredEvent {
  seq: number;
  type: string;
  occurred_at: string;
  data: JsonObject;
}

/** The history of one thing, and how to tell that it has ended. */
export interface History {
  /** What the thing's id is called in the data of its events and in the facts on the bus. */
  idName: 'runId' | 'ingestId';
  id: string;
  /** Number of the last event, once the thing has ended. */
  lastSeq: number;
  ended: boolean;
  /** The stored events after a number, in order. */
  read(afterSeq: number, limit: number): Promise<StoredEvent[]>;
  /** The type of the event with which the thing ends. */
  endType: string;
  /** What stands for pruned events, so that no reader waits for the end. */
  end(): StoredEvent;
  /** The id of an event as its reader gets it; its number where this is left out. */
  idOf?(seq: number): string;
  /** In which words an event is shown; asked for each once, in their order. As it is stored where this is left out. */
  tell?(event: StoredEvent): Pick<StoredEvent, 'type' | 'data'>;
}

/**
 * Which event to go on after. An id that the run has not reached cannot have come from here; like anything
 * that is no number, it starts from the beginning: rather twice than never.
 */
export function resumePoint(given: string | undefined, lastSeq: number): number {
  const seq = given !== undefined && /^\d{1,9}$/.test(given.trim()) ? Number(given) : 0;
  return seq > lastSeq ? 0 : seq;
}

/** {@link streamHistory} of a run. */
export function streamRunEvents(
  request: Request,
  response: Response,
  run: RunRow,
  afterSeq: number,
  source: StreamSource,
  shown: Pick<History, 'tell' | 'idOf'> = {},
): Promise<void> {
  const history: History = {
    ...shown,
    idName: 'runId',
    id: run.id,
    lastSeq: run.event_seq,
    ended: hasEnded(run.status),
    read: (after, limit) => eventsAfter(source.records, run.id, after, limit),
    endType: 'run.finished',
    end: () => ({
      seq: run.event_seq,
      type: 'run.finished',
      occurred_at: run.completed_at ?? run.created_at,
      data: { status: run.status, reason: run.status_reason },
    }),
  };
  return streamHistory(request, response, history, afterSeq, source);
}

/**
 * Sends the events of a thing as server-sent events until it has ended, the reader leaves or the service stops. The rows
 * are the truth: the bus only says that there are new ones (and brings progress, which is not stored and has no id).
 */
export async function streamHistory(
  request: Request,
  response: Response,
  history: History,
  afterSeq: number,
  source: StreamSource,
): Promise<void> {
  // 204 makes an EventSource stop asking.
  if (history.ended && afterSeq >= history.lastSeq) return void response.status(204).end();
  response.status(200).set({
    'Content-Type': 'text/event-stream; charset=utf-8',
    'Cache-Control': 'no-cache, no-transform',
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD') return void response.end();
  const left = new AbortController();
  response.once('close', () => left.abort());
  const signal = AbortSignal.any([left.signal, source.stopping]);
  try {
    await new HistoryStream(response, history, afterSeq, source, signal).pump();
  } catch (error) {
    if (!signal.aborted) source.logger.warn('event stream broke off', { [history.idName]: history.id, error });
  } finally {
    response.end();
  }
}

class HistoryStream {
  readonly #response: Response;
  readonly #history: History;
  readonly #source: StreamSource;
  readonly #signal: AbortSignal;
  #seq: number;
  /** The thing has ended; what is stored by then is all there will be. */
  #finished: boolean;
  #lastWriteMs: number;
  #news = Promise.withResolvers<void>();

  constructor(response: Response, history: History, afterSeq: number, source: StreamSource, signal: AbortSignal) {
    this.#response = response;
    this.#history = history;
    this.#seq = afterSeq;
    this.#finished = history.ended;
    this.#source = source;
    this.#signal = signal;
    this.#lastWriteMs = source.clock.now();
  }

  async pump(): Promise<void> {
    const unsubscribe = this.#source.events.subscribe(({ type, facts }) => {
      if (facts[this.#history.idName] !== this.#history.id) return;
      if (type === 'step.progress') this.#showProgress(facts);
      else this.#news.resolve();
    });
    try {
      await this.#write('retry: 2000\n\n');
      while (!this.#signal.aborted) {
        this.#news = Promise.withResolvers<void>();
        if (await this.#sendNew()) return;
        await this.#untilNews();
      }
    } finally {
      unsubscribe();
    }
  }

  /** Sends what is stored and not yet sent; true when that was the last of it. */
  async #sendNew(): Promise<boolean> {
    for (;;) {
      const rows = await this.#read();
      if (!rows) return false;
      for (const row of rows) {
        await this.#write(this.#frameOf(row));
        this.#seq = row.seq;
        this.#finished ||= row.type === this.#history.endType;
        if (this.#signal.aborted) return true;
      }
      if (rows.length === ROWS_A_READ) continue;
      // It had ended when the stream began: its row tells the end even when the events are pruned.
      if (this.#history.ended && this.#seq < this.#history.lastSeq)
        await this.#write(this.#frameOf(this.#history.end()));
      return this.#finished;
    }
  }

  /** A database that is away is waited for (null): the reader keeps the stream, and nothing is lost. */
  async #read(): Promise<StoredEvent[] | null> {
    const { idName, id } = this.#history;
    try {
      return await this.#history.read(this.#seq, ROWS_A_READ);
    } catch (error) {
      this.#source.logger.warn('events could not be read', { [idName]: id, error });
      return null;
    }
  }

  async #untilNews(): Promise<void> {
    const waiting = new AbortController();
    const sleep = this.#source.clock.sleep(POLL_MS, AbortSignal.any([waiting.signal, this.#signal]));
    await Promise.race([this.#news.promise, sleep.catch(() => undefined)]);
    waiting.abort();
    if (!this.#signal.aborted && this.#source.clock.now() - this.#lastWriteMs >= KEEP_ALIVE_MS)
      await this.#write(': keep-alive\n\n');
  }

  #showProgress(facts: Record<string, unknown>): void {
    if (this.#signal.aborted || this.#response.writableLength > LARGEST_BACKLOG) return;
    const data = { ...facts, at: iso(this.#source.clock.now()) };
    this.#response.write(`event: step.progress\ndata: ${JSON.stringify(data)}\n\n`);
    this.#lastWriteMs = this.#source.clock.now();
  }

  #frameOf(event: StoredEvent): string {
    const { seq, occurred_at } = event;
    const { type, data } = this.#history.tell?.(event) ?? event;
    const told = { ...data, [this.#history.idName]: this.#history.id, at: occurred_at };
    return `id: ${this.#history.idOf?.(seq) ?? seq}\nevent: ${type}\ndata: ${JSON.stringify(told)}\n\n`;
  }

  /** Resolves when the reader can take more. */
  async #write(frame: string): Promise<void> {
    if (this.#signal.aborted) return;
    this.#lastWriteMs = this.#source.clock.now();
    if (!this.#response.write(frame)) await once(this.#response, 'drain', { signal: this.#signal });
  }
}
