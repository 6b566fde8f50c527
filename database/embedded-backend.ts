import type { PGlite } from '@electric-sql/pglite';

/** Up to the last byte, which is the state of the transaction. */
const READY_FOR_QUERY = [...Buffer.from('Z\0\0\0\x05', 'latin1')];

/** The one session that an embedded database has, wherever it runs: in a thread of its own, or in this one (tests). */
export interface Backend {
  /**
   * Runs one statement, as whole messages of the Postgres protocol, and resolves with the whole answer. Calls are served in their
   * order, and refused statements are answers too; rejects only when the database has broken down.
   */
  run(messages: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>>;
}

/** The session of a database in this thread. Nothing else may use `pglite` while the session is in use. */
export function backendOf(pglite: PGlite): Backend {
  return {
    async run(messages) {
      const pieces: Uint8Array[] = [];
      await pglite.execProtocolRawStream(messages, {
        // What is handed over is a view of the database's own memory, which it uses again at once.
        onRawData: (bytes) => pieces.push(bytes.slice()),
      });
      const answer = joined(pieces);
      // An overflow of its stack, and whatever else throws inside it, is swallowed by the library, and nothing is answered any more.
      if (!endsReady(answer)) throw new Error('The embedded database has broken down in a statement.');
      return answer;
    },
  };
}

/** Whether an answer is complete: the last message of each is ReadyForQuery. */
function endsReady(answer: Uint8Array): boolean {
  const last = answer.subarray(-READY_FOR_QUERY.length - 1, -1);
  return READY_FOR_QUERY.every((byte, at) => byte === last[at]);
}

/** One array with memory of its own, which can be handed to another thread without a copy. */
export function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
