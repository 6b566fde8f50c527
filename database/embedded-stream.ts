import { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { joined, type Backend } from './embedded-backend.ts';

/** AuthenticationOk and ReadyForQuery (idle): all that a client waits for before its first statement. */
const GREETING = Buffer.from('R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I', 'latin1');
const ROLLBACK = new Uint8Array(Buffer.from('Q\0\0\0\x0drollback\0', 'latin1'));
const TERMINATE = 'X'.charCodeAt(0);

/** As much of an answer as a client gets in one turn of the event loop, in bytes; a socket gives no more either. */
const TURN_BYTES = 64 * 1_024;

type Written = (error?: Error | null) => void;

/**
 * What a client of `pg` takes for its socket: the Postgres protocol to and from an embedded database. Clients come and go on the
 * one session; one that goes leaves no transaction open, and what it still was to be answered is dropped.
 */
export class SessionStream extends Duplex {
  readonly #backend: Backend;
  #greeted = false;

  constructor(backend: Backend) {
    super();
    this.#backend = backend;
  }

  /** Called by pg, as are the next four, which mean something for sockets alone. */
  connect(): this {
    process.nextTick(() => this.emit('connect'));
    return this;
  }

  setNoDelay(): this {
    return this;
  }

  setKeepAlive(): this {
    return this;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  override _read(): void {
    // An answer is pushed when it comes.
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: Written): void {
    void this.#send([chunk], written);
  }

  /** The messages of one statement come together, because pg corks the stream for them; each chunk is a whole message. */
  override _writev(chunks: { chunk: Buffer }[], written: Written): void {
    void this.#send(
      chunks.map(({ chunk }) => chunk),
      written,
    );
  }

  override _final(written: Written): void {
    this.push(null);
    written();
  }

  override _destroy(cause: Error | null, destroyed: Written): void {
    const end = () => destroyed(cause);
    // Called at once, so that it is served before anything of the next client.
    this.#backend.run(ROLLBACK.slice()).then(end, end);
  }

  async #send(chunks: readonly Buffer[], written: Written): Promise<void> {
    try {
      await this.#exchange(chunks);
    } catch (error) {
      written(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    written();
  }

  async #exchange(chunks: readonly Buffer[]): Promise<void> {
    if (!this.#greeted) {
      // The first message asks for a session, which exists already.
      this.#greeted = true;
      this.push(GREETING);
      return;
    }
    const messages = joined(chunks.filter((chunk) => chunk[0] !== TERMINATE));
    if (messages.length === 0) return;
    const answer = await this.#backend.run(messages);
    for (let at = 0; at < answer.length; at += TURN_BYTES) {
      if (at > 0) await nextTurn();
      if (this.destroyed) return;
      this.push(answer.subarray(at, at + TURN_BYTES));
    }
  }
}
