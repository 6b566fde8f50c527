import { Worker } from 'node:worker_threads';
import { AppError } from '../shared/errors.ts';
import type { Backend } from './embedded-backend.ts';

export interface ThreadData {
  folder: string;
}
/** Messages of the Postgres protocol, each answered with one {@link Reply} in the order in which they were sent; or the end. */
export type Request = Uint8Array<ArrayBuffer> | 'close';
export type Reply = Uint8Array<ArrayBuffer> | 'ready';

/** How long a close waits for the statement under way, in milliseconds. What is cut off is as after a kill: rolled back. */
const CLOSE_MS = 5_000;

/**
 * An embedded database in a thread of its own, so that a statement, however long, keeps nothing else in the process waiting. A
 * thread that ends unasked takes the process with it: callers get errors at once, and the fault is thrown where only the process'
 * own handler sees it, because nothing that goes on could keep its records.
 */
export class DatabaseThread implements Backend, AsyncDisposable {
  readonly #worker: Worker;
  readonly #exit = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  #waiting: PromiseWithResolvers<Uint8Array<ArrayBuffer>>[] = [];
  #state: 'opening' | 'open' | 'closing' | 'ended' = 'opening';
  #fault: unknown;

  private constructor(folder: string) {
    const workerData: ThreadData = { folder };
    // Its own options: those of the process may be such as no worker takes, like --input-type.
    const options = { workerData, name: 'embedded-database', execArgv: [] };
    this.#worker = new Worker(new URL('./embedded-worker.ts', import.meta.url), options);
    this.#worker.on('message', (reply: Reply) => this.#take(reply));
    this.#worker.on('error', (error) => (this.#fault = error));
    this.#worker.on('exit', (code) => this.#end(code));
  }

  /** Opens the database in this folder, or makes it. Rejects with what PGlite throws. */
  static async open(folder: string): Promise<DatabaseThread> {
    const thread = new DatabaseThread(folder);
    await thread.#opened.promise;
    return thread;
  }

  run(messages: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    if (this.#state !== 'open') return Promise.reject(gone());
    const answer = Promise.withResolvers<Uint8Array<ArrayBuffer>>();
    // An idle database does not keep a process alive that has nothing else to do; a statement under way does.
    if (this.#waiting.push(answer) === 1) this.#worker.ref();
    this.#worker.postMessage(messages, [messages.buffer]);
    return answer.promise;
  }

  /** Closes the database after the statements under way; resolves when the thread has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#state === 'open') {
      this.#state = 'closing';
      this.#worker.ref();
      this.#worker.postMessage('close' satisfies Request, []);
      const late = setTimeout(() => void this.#worker.terminate(), CLOSE_MS);
      void this.#exit.promise.then(() => clearTimeout(late));
    }
    await this.#exit.promise;
  }

  #take(reply: Reply): void {
    if (reply === 'ready') {
      this.#state = 'open';
      this.#worker.unref();
      this.#opened.resolve();
      return;
    }
    this.#waiting.shift()?.resolve(reply);
    if (this.#waiting.length === 0 && this.#state === 'open') this.#worker.unref();
  }

  #end(code: number): void {
    const before = this.#state;
    this.#state = 'ended';
    for (const { reject } of this.#waiting.splice(0)) reject(gone());
    this.#exit.resolve();
    if (before === 'opening')
      this.#opened.reject(this.#fault ?? new Error(`The thread of the database ended with ${code}.`));
    if (before === 'open')
      throw new AppError('EMBEDDED_DATABASE_ENDED', 503, 'The embedded database has ended by itself.', {
        cause: this.#fault ?? new Error(`Its thread ended with ${code}.`),
      });
  }
}

/** As a socket says it, which callers take for a database that is not reachable. */
function gone(): Error {
  return Object.assign(new Error('Connection terminated: the embedded database has ended'), { code: 'ECONNRESET' });
}
