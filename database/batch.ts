import { isContention, RecordsError } from './records.ts';

interface Pending<Item, Answer> {
  item: Item;
  resolve(answer: Answer): void;
  reject(error: unknown): void;
}

/** One statement carries at most this many items, so that a burst does not build one huge statement. */
const MOST_ITEMS = 500;

/** What callers do with one answer takes up to a millisecond. */
const ANSWERS_A_TURN = 16;

/** How often a statement is sent that the database broke off for the sake of another transaction. */
const TRIES = 3;

/**
 * Lets callers share statements: what is asked for while one statement is on its way goes out together with the next, in the
 * order in which it came. Each caller gets its own answer or its own error. One statement at a time: two side by side were slower
 * (measured), because what a statement costs by itself is then paid twice.
 */
export class Batch<Item, Answer> {
  readonly #send: (items: Item[]) => Promise<Answer[]>;
  readonly #most: number;
  #pending: Pending<Item, Answer>[] = [];
  #sending = false;

  /**
   * @param send answers every item of a list, in the same order, or rejects having done nothing for any of them
   * @param options.most items of one statement
   */
  constructor(send: (items: Item[]) => Promise<Answer[]>, options: { most?: number } = {}) {
    this.#send = send;
    this.#most = options.most ?? MOST_ITEMS;
  }

  /** Resolves when the statement that carried the item is committed. Rejects with what `send` rejects with. */
  add(item: Item): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#pending.push({ item, resolve, reject });
      if (this.#sending) return;
      this.#sending = true;
      // Not at once: what is asked for in the same turn goes together.
      queueMicrotask(() => void this.#drain());
    });
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) await this.#settle(this.#pending.splice(0, this.#most));
    this.#sending = false;
  }

  async #settle(batch: Pending<Item, Answer>[]): Promise<void> {
    try {
      const answers = await this.#sendAgain(batch.map((each) => each.item));
      if (answers.length !== batch.length) throw new RangeError('The database did not answer every item of a batch.');
      void this.#hand(batch, answers);
    } catch (error) {
      if (batch.length === 1 || !(error instanceof RecordsError)) {
        for (const each of batch) each.reject(error);
        return;
      }
      // Refused as a whole because of some of them: sent one by one, so that one bad item does not take the others along.
      for (const each of batch) await this.#settle([each]);
    }
  }

  /**
   * What callers do with their answers runs at once, one after the other: a big batch leaves turns of the event loop in between. The
   * next statement goes out first, so that the database has something to do meanwhile.
   */
  async #hand(batch: Pending<Item, Answer>[], answers: readonly Answer[]): Promise<void> {
    if (this.#pending.length > 0) await new Promise(setImmediate);
    for (const [index, each] of batch.entries()) {
      if (index > 0 && index % ANSWERS_A_TURN === 0) await new Promise(setImmediate);
      each.resolve(answers[index] as Answer);
    }
  }

  async #sendAgain(items: Item[]): Promise<Answer[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#send(items);
      } catch (error) {
        if (attempt >= TRIES || !isContention(error)) throw error;
      }
    }
  }
}
