import type { Request, Response } from 'express';
import { once } from 'node:events';
import { eventsAfter } from '../database/queries/run-events.ts';
import type { Records } from '../database/records.ts';
import type { RunEventRow, RunRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';

/** Events of other replicas are found this often, in milliseconds. */
const POLL_MS = 1_000;
const KEEP_ALIVE_MS = 15_000;
const ROWS_A_READ = 500;
/** Progress is dropped rather than queued for a reader that lags by more bytes than this. */
const LARGEST_BACKLOG = 65_536;
const ENDED: readonly string[] = ['completed', 'partial', 'failed', 'aborted', 'cancelled'];

export interface StreamSource {
  records: Records;
  events: EventBus;
  clock: Clock;
  logger: Logger;
  /** Aborted when the service stops. */
  stopping: AbortSignal;
}

/**
 * Which event to go on after. An id that the run has not reached cannot have come from here; like anything
 * that is no number, it starts from the beginning: rather twice than never.
 */
export function resumePoint(given: string | undefined, lastSeq: number): number {
  const seq = given !== undefined && /^\d{1,9}$/.test(given.trim()) ? Number(given) : 0;
  return seq > lastSeq ? 0 : seq;
}

/**
 * Sends the events of a run as server-sent events until the run has ended, the reader leaves or the service stops. The rows
 * are the truth: the bus only says that there are new ones (and brings progress, which is not stored and has no id).
 */
export async function streamRunEvents(
  request: Request,
  response: Response,
  run: RunRow,
  afterSeq: number,
  source: StreamSource,
): Promise<void> {
  // 204 makes an EventSource stop asking.
  if (ENDED.includes(run.status) && afterSeq >= run.event_seq) return void response.status(204).end();
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
    await new RunStream(response, run, afterSeq, source, signal).pump();
  } catch (error) {
    if (!signal.aborted) source.logger.warn('event stream broke off', { runId: run.id, error });
  } finally {
    response.end();
  }
}

class RunStream {
  readonly #response: Response;
  readonly #run: RunRow;
  readonly #source: StreamSource;
  readonly #signal: AbortSignal;
  #seq: number;
  /** The run had ended when the stream began: its row tells the end even when the events are pruned. */
  readonly #endedBefore: boolean;
  /** The run has ended; what is stored by then is all there will be. */
  #finished: boolean;
  #lastWriteMs: number;
  #news = Promise.withResolvers<void>();

  constructor(response: Response, run: RunRow, afterSeq: number, source: StreamSource, signal: AbortSignal) {
    this.#response = response;
    this.#run = run;
    this.#seq = afterSeq;
    this.#endedBefore = ENDED.includes(run.status);
    this.#finished = this.#endedBefore;
    this.#source = source;
    this.#signal = signal;
    this.#lastWriteMs = source.clock.now();
  }

  async pump(): Promise<void> {
    const unsubscribe = this.#source.events.subscribe(({ type, facts }) => {
      if (facts.runId !== this.#run.id) return;
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
        await this.#write(frameOf(row));
        this.#seq = row.seq;
        this.#finished ||= row.type === 'run.finished';
        if (this.#signal.aborted) return true;
      }
      if (rows.length === ROWS_A_READ) continue;
      if (this.#endedBefore && this.#seq < this.#run.event_seq) await this.#write(endFrame(this.#run));
      return this.#finished;
    }
  }

  /** A database that is away is waited for (null): the reader keeps the stream, and nothing is lost. */
  async #read(): Promise<RunEventRow[] | null> {
    try {
      return await eventsAfter(this.#source.records, this.#run.id, this.#seq, ROWS_A_READ);
    } catch (error) {
      this.#source.logger.warn('run events could not be read', { runId: this.#run.id, error });
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

  /** Resolves when the reader can take more. */
  async #write(frame: string): Promise<void> {
    if (this.#signal.aborted) return;
    this.#lastWriteMs = this.#source.clock.now();
    if (!this.#response.write(frame)) await once(this.#response, 'drain', { signal: this.#signal });
  }
}

function frameOf(row: RunEventRow): string {
  const data = { ...row.data, runId: row.run_id, at: row.occurred_at };
  return `id: ${row.seq}\nevent: ${row.type}\ndata: ${JSON.stringify(data)}\n\n`;
}

/** What stands for the pruned events of a run, so that no reader waits for its end. */
function endFrame(run: RunRow): string {
  const data = { status: run.status, reason: run.status_reason };
  return frameOf({
    run_id: run.id,
    seq: run.event_seq,
    type: 'run.finished',
    occurred_at: run.completed_at ?? run.created_at,
    data,
  });
}
