import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../shared/clock.ts';

/** Until a connection is made, TLS and login included, in milliseconds; nobody waits for it. */
const CONNECT_MS = 2_000;
/** Until an answer to what somebody waits for, in milliseconds; and to what is done in the background. */
const ANSWER_MS = 100;
const BACKGROUND_MS = 1_000;
const PROBE_KEPT_MS = 60_000;
const PROBE = 'ok';

/** RESP 2, a key at a time, and nothing asked of the server but GET, SET with PX, DEL (and AUTH, SELECT): any Redis knows that. */
async function makeClient(url: string) {
  // Only where there is a Redis: the package brings every module there is for one.
  const { createClient } = await import('redis');
  return createClient({
    url,
    RESP: 2,
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled',
    // A connection is made anew by whoever holds it, who also knows of servers that hang.
    socket: { connectTimeout: CONNECT_MS, reconnectStrategy: false },
  });
}
type Client = Awaited<ReturnType<typeof makeClient>>;

/** What is under the key is no text at all: an answer like any other, which says nothing against the connection. */
const isOfOtherType = (error: unknown) => error instanceof Error && error.message.startsWith('WRONGTYPE');

/**
 * Rejects when `work` has not ended within `limitMs`, or when the signal aborts. What came in while the event loop was held up is looked at first: a
 * timer that fires late is no proof that the other side is.
 */
async function within<T>(limitMs: number, clock: Clock, work: Promise<T>, signal?: AbortSignal): Promise<T> {
  const patience = new AbortController();
  const tooLate = async () => {
    await clock.sleep(limitMs, AbortSignal.any([patience.signal, ...(signal ? [signal] : [])]));
    await turn();
    throw new Error(`no answer within ${limitMs} ms`);
  };
  try {
    return await Promise.race([work, tooLate()]);
  } finally {
    patience.abort();
  }
}

/** One connection to a Redis that reads and writes. With the first command that fails it is broken, and of no use any more. */
export class RedisConnection {
  /** Resolves with the reason as soon as something is wrong with the connection. */
  readonly broken: Promise<unknown>;
  readonly #client: Client;
  readonly #clock: Clock;
  readonly #break: (reason: unknown) => void;

  private constructor(client: Client, clock: Clock) {
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.broken = promise;
    this.#break = resolve;
    this.#client = client;
    this.#clock = clock;
    client.on('error', resolve);
    client.on('end', () => resolve(new Error('the connection was closed')));
  }

  /**
   * Connects, and tries whether a value can be written and read under the key `probeKey`.
   * @throws when that is not so within some seconds, and when the signal aborts
   */
  static async open(url: string, clock: Clock, probeKey: string, signal: AbortSignal): Promise<RedisConnection> {
    const client = await makeClient(url);
    const connection = new RedisConnection(client, clock);
    const connecting = client.connect();
    try {
      await within(CONNECT_MS, clock, connecting, signal);
      const [, found] = await within(
        BACKGROUND_MS,
        clock,
        Promise.all([client.set(probeKey, PROBE, { PX: PROBE_KEPT_MS }), client.get(probeKey)]),
        signal,
      );
      if (found !== PROBE) throw new Error('what is written cannot be read');
      return connection;
    } catch (error) {
      connection.close();
      // A client that is closed while it connects would be connected in the end nevertheless.
      connecting.then(
        () => connection.close(),
        () => undefined,
      );
      throw error;
    }
  }

  /** The text under the key, null without one. @throws when there is something else, or no answer in time */
  get(key: string): Promise<string | null> {
    return this.#ask(ANSWER_MS, this.#client.get(key));
  }

  /** @throws when that could not be done in time */
  async set(key: string, text: string, ttlMs: number): Promise<void> {
    await this.#ask(BACKGROUND_MS, this.#client.set(key, text, { PX: ttlMs }));
  }

  /** @throws when that could not be done in time */
  async remove(key: string): Promise<void> {
    await this.#ask(BACKGROUND_MS, this.#client.del(key));
  }

  /** At once; what is under way fails. */
  close(): void {
    this.#client.destroy();
  }

  async #ask<T>(limitMs: number, answer: Promise<T>): Promise<T> {
    try {
      return await within(limitMs, this.#clock, answer);
    } catch (error) {
      if (!isOfOtherType(error)) this.#break(error);
      throw error;
    }
  }
}
