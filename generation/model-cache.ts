import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { messageOf } from '../shared/errors.ts';
import type { Json } from '../shared/json.ts';
import type { Logger } from '../shared/logger.ts';
import type { Micros } from '../shared/money.ts';
import { type ModelCall, ModelError } from './model.ts';

/** An answer as it is kept: what the model wrote, before the schema's defaults and transforms. */
export interface CachedAnswer {
  json: Json;
  /** The model as the provider named it. */
  model: string;
  /** What it cost, and what it therefore saves each time. */
  costMicros: Micros;
}

/** Where answers outlive the process. Both may fail; the cache then does without. */
export interface ModelCacheStore {
  /** @param key 64 hexadecimal digits */
  get(key: string): Promise<CachedAnswer | null>;
  /** Keeps an answer; an earlier one under the key is replaced. */
  set(key: string, answer: CachedAnswer): Promise<void>;
}

export interface CacheStats {
  /** Answered from this process' memory. */
  memoryHits: number;
  /** Answered from the store. */
  storeHits: number;
  /** Answered by another caller's request that was under way. */
  sharedHits: number;
  misses: number;
  savedMicros: Micros;
  entries: number;
  bytes: number;
}

/** An answer and where it came from. `made`: for this caller, who pays for it. */
export type Cached<A extends CachedAnswer> =
  | { source: 'made'; answer: A }
  | { source: 'memory' | 'store' | 'shared'; answer: CachedAnswer };

/** Makes an answer; the signal aborts when nobody waits for it any more. The deadline is that of the caller who came first. */
type Make<A> = (call: ModelCall) => Promise<A>;

/** A request under way and everybody who waits for it, in the order in which they came. */
interface Flight<A extends CachedAnswer> {
  result: Promise<{ stored: true; answer: CachedAnswer } | { stored: false; answer: A }>;
  waiting: Map<symbol, ModelCall>;
  /** Whether a request has gone out for it. */
  sent: boolean;
  end: AbortController;
  /** Who was first in line when it ended. */
  payer?: symbol | undefined;
}

const USUAL_BYTES = 32 * 1_024 * 1_024;

/** The sha256 of everything on which an answer depends, the same whatever the order of an object's keys. */
export function cacheKey(content: unknown): string {
  const sorted = (_: string, value: unknown): unknown =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value;
  return createHash('sha256').update(JSON.stringify(content, sorted)).digest('hex');
}

/**
 * Answers by their content: in memory up to a number of bytes, the least recently used leaving first, and behind it in a store,
 * if there is one. Equal requests at the same time share one call. Failures are not kept.
 */
export class AnswerCache {
  readonly #kept: LRUCache<string, string>;
  readonly #store: ModelCacheStore | undefined;
  readonly #logger: Logger;
  readonly #flights = new Map<string, Flight<CachedAnswer>>();
  readonly #writes = new Set<Promise<void>>();
  readonly #counts = { memoryHits: 0, storeHits: 0, sharedHits: 0, misses: 0, savedMicros: 0 };

  constructor(options: { store?: ModelCacheStore | undefined; logger: Logger; maxBytes?: number | undefined }) {
    const maxSize = options.maxBytes ?? USUAL_BYTES;
    this.#kept = new LRUCache({ maxSize, sizeCalculation: (text, key) => Buffer.byteLength(text) + key.length });
    this.#store = options.store;
    this.#logger = options.logger;
  }

  stats(): CacheStats {
    return { ...this.#counts, entries: this.#kept.size, bytes: this.#kept.calculatedSize };
  }

  /**
   * The kept answer, or the one that `make` gives. A caller that aborts leaves at once; the call goes on for the others, and ends
   * with the last of them.
   * @throws what `make` throws, with its cost told to one of the callers only; the signal's reason on abort
   */
  async through<A extends CachedAnswer>(key: string, call: ModelCall, make: Make<A>): Promise<Cached<A>> {
    call.signal.throwIfAborted();
    const kept = this.#kept.get(key);
    if (kept !== undefined) {
      const answer = JSON.parse(kept) as CachedAnswer;
      this.#count('memoryHits', answer);
      return { answer, source: 'memory' };
    }
    const flight = (this.#flights.get(key) ?? this.#begin(key, call, make)) as Flight<A>;
    return this.#await(key, flight, call);
  }

  /** Says that a kept answer is not what the caller needs after all, so that it counts as a miss. */
  reject(key: string, { answer, source }: Cached<CachedAnswer>): void {
    this.#kept.delete(key);
    if (source === 'made') return;
    this.#counts[`${source}Hits`] -= 1;
    this.#counts.savedMicros -= answer.costMicros;
    this.#counts.misses += 1;
  }

  /** Keeps an answer that was made past the cache. */
  keep(key: string, answer: CachedAnswer): void {
    const text = JSON.stringify(plain(answer));
    this.#kept.set(key, text);
    if (!this.#store) return;
    const write = this.#store
      .set(key, plain(answer))
      .catch((error: unknown) => this.#logger.warn('Answer of a model not kept', { key, error: messageOf(error) }))
      .finally(() => this.#writes.delete(write));
    this.#writes.add(write);
  }

  /** Waits for what is being written to the store. */
  async close(): Promise<void> {
    await Promise.all(this.#writes);
  }

  #count(kind: 'memoryHits' | 'storeHits' | 'sharedHits', answer: CachedAnswer): void {
    this.#counts[kind] += 1;
    this.#counts.savedMicros += answer.costMicros;
  }

  #begin<A extends CachedAnswer>(key: string, { deadline }: ModelCall, make: Make<A>): Flight<A> {
    const end = new AbortController();
    const waiting: Flight<A>['waiting'] = new Map();
    const call: ModelCall = {
      signal: end.signal,
      ...(deadline === undefined ? {} : { deadline }),
      onSent() {
        flight.sent = true;
        for (const caller of waiting.values()) caller.onSent?.();
      },
    };
    const flight: Flight<A> = { result: this.#make(key, call, make), waiting, sent: false, end };
    const settle = () => {
      [flight.payer] = waiting.keys();
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    // Registered before any caller's own, so that the payer is known to all of them.
    void flight.result.then(settle, settle);
    this.#flights.set(key, flight);
    return flight;
  }

  async #make<A extends CachedAnswer>(key: string, call: ModelCall, make: Make<A>): Flight<A>['result'] {
    const stored = await this.#lookUp(key);
    if (stored) {
      this.#kept.set(key, JSON.stringify(stored));
      return { answer: stored, stored: true };
    }
    call.signal.throwIfAborted();
    this.#counts.misses += 1;
    const answer = await make(call);
    this.keep(key, answer);
    return { answer, stored: false };
  }

  async #lookUp(key: string): Promise<CachedAnswer | null> {
    try {
      return (await this.#store?.get(key)) ?? null;
    } catch (error) {
      this.#logger.warn('Kept answers of models not readable', { key, error: messageOf(error) });
      return null;
    }
  }

  async #await<A extends CachedAnswer>(key: string, flight: Flight<A>, call: ModelCall): Promise<Cached<A>> {
    const { signal } = call;
    const me = Symbol('caller');
    flight.waiting.set(me, call);
    if (flight.sent) call.onSent?.();
    let leave: (() => void) | undefined;
    const left = new Promise<never>((_, reject) => {
      leave = () => {
        flight.waiting.delete(me);
        if (flight.waiting.size === 0) {
          // Whoever comes now begins anew.
          if (this.#flights.get(key) === flight) this.#flights.delete(key);
          flight.end.abort(signal.reason);
        }
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', leave, { once: true });
    });
    try {
      const { stored, answer } = await Promise.race([flight.result, left]);
      if (!stored && flight.payer === me) return { source: 'made', answer };
      const source = stored ? 'store' : 'shared';
      this.#count(`${source}Hits`, answer);
      return { source, answer };
    } catch (error) {
      throw flight.payer === me || !(error instanceof ModelError) ? error : withoutCost(error);
    } finally {
      if (leave) signal.removeEventListener('abort', leave);
    }
  }
}

const plain = ({ json, model, costMicros }: CachedAnswer): CachedAnswer => ({ json, model, costMicros });

/** The same failure for somebody who does not pay for it. */
function withoutCost(error: ModelError): ModelError {
  const { code, message, retryable, retryAfterMs } = error;
  const wait = retryAfterMs === undefined ? {} : { retryAfterMs };
  return new ModelError(code, message, { retryable, costMicros: 0, cause: error, ...wait });
}
