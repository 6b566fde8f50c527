import pLimit from 'p-limit';
import type { Clock } from '../../shared/clock.ts';
import type { EventBus } from '../../shared/events.ts';
import { messageOf } from '../../shared/errors.ts';
import type { Logger } from '../../shared/logger.ts';
import { RedisConnection } from './redis-connection.ts';
import type { StateCache } from './session-memory.ts';

export interface RedisCacheOptions {
  /** `redis://` or `rediss://`, with user and password where the server wants them. */
  url: string;
  clock: Clock;
  events: EventBus;
  logger: Logger;
}

const PREFIX = 'pipeline-orchestrator:memory:';
/** No session has this name: namespaces are not empty. */
const PROBE_KEY = `${PREFIX}:probe`;
/** Between two tries to connect, in milliseconds: doubled from the first to the longest. */
const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 30_000;
/** A connection that has lasted so long, in milliseconds, counts as a sound one: the next pause is a short one again. */
const SOUND_AFTER_MS = 60_000;
/** Writes that wait for their turn; further ones are left out. */
const MOST_WAITING = 64;

/**
 * Copies of session states in a Redis, which may be away, slow, full, or anybody's. Nobody waits for it longer than 100 ms: a
 * connection that does not answer by then, or answers with an error, is given up, and until another one has proved to
 * read and write, nothing is asked and nothing is written. That it is lost is told once
 * (`cache.lost`), and so is that it is back (`cache.restored`).
 */
export class RedisCache implements StateCache {
  readonly #options: RedisCacheOptions;
  readonly #stopping = new AbortController();
  /** One at a time, in the order given, so that what is written last stays. */
  readonly #inTurn = pLimit(1);
  #connection: RedisConnection | null = null;
  #loop: Promise<void> | null = null;
  #isLost = false;
  #isForeign = false;

  constructor(options: RedisCacheOptions) {
    this.#options = options;
  }

  /** Whether it answers, as far as is known. */
  get isConnected(): boolean {
    return this.#connection !== null;
  }

  /** Begins to connect, and keeps connected. */
  start(): void {
    this.#loop ??= this.#keepConnected();
  }

  /** Resolves when it is disconnected. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#connection?.close();
    await this.#loop;
  }

  async get(name: string): Promise<string | null> {
    const connection = this.#connection;
    if (!connection) return null;
    try {
      const text = await connection.get(PREFIX + name);
      if (text !== null) this.#look(text);
      return text;
    } catch {
      // Of another type, if the connection is still good.
      if (this.#connection === connection) this.#look(null);
      return null;
    }
  }

  set(name: string, text: string, ttlMs: number): void {
    this.#write((connection) => connection.set(PREFIX + name, text, ttlMs));
  }

  remove(name: string): void {
    this.#write((connection) => connection.remove(PREFIX + name));
  }

  #write(work: (connection: RedisConnection) => Promise<void>): void {
    if (this.#connection === null || this.#inTurn.pendingCount >= MOST_WAITING) return;
    const write = this.#inTurn(async () => {
      if (this.#connection) await work(this.#connection);
    });
    // What went wrong, the connection knows.
    write.catch(() => undefined);
  }

  /** Tells once of values that this service cannot have written, until one that looks right is found again. */
  #look(text: string | null): void {
    const isForeign = !(text?.startsWith('{') && text.endsWith('}'));
    if (isForeign && !this.#isForeign)
      this.#options.logger.warn('The cache holds values of somebody else; the database serves', { cache: 'redis' });
    this.#isForeign = isForeign;
  }

  async #keepConnected(): Promise<void> {
    const { url, clock } = this.#options;
    const { signal } = this.#stopping;
    let pauseMs = FIRST_PAUSE_MS;
    while (!signal.aborted) {
      const reason = await RedisConnection.open(url, clock, PROBE_KEY, signal).then(
        async (connection) => {
          const sinceMs = clock.now();
          const broken = await this.#use(connection);
          if (clock.now() - sinceMs >= SOUND_AFTER_MS) pauseMs = FIRST_PAUSE_MS;
          return broken;
        },
        (error: unknown) => error,
      );
      if (signal.aborted) return;
      this.#lose(reason);
      await clock.sleep(pauseMs, signal).catch(() => undefined);
      pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }

  /** Resolves with what was wrong with the connection in the end. */
  async #use(connection: RedisConnection): Promise<unknown> {
    if (this.#stopping.signal.aborted) {
      connection.close();
      return null;
    }
    this.#connection = connection;
    if (this.#isLost) this.#options.events.emit('cache.restored', { cache: 'redis' });
    this.#isLost = false;
    const reason = await connection.broken;
    this.#connection = null;
    connection.close();
    return reason;
  }

  #lose(reason: unknown): void {
    if (!this.#isLost) this.#options.events.emit('cache.lost', { cache: 'redis', reason: wordsOf(reason) });
    this.#isLost = true;
  }
}

/** Only words: an error of the client may carry its whole configuration. A refused connection to several addresses has but a code. */
function wordsOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return messageOf(error) || code || 'unknown';
}
