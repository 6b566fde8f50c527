/** Gives a slot back; a second call changes nothing. */
export type Release = () => void;

/** What a taker does at once takes up to a millisecond. */
const GRANTS_A_TURN = 16;

interface Waiter {
  grant(release: Release): void;
}

/**
 * A limited number of slots for which many wait. Freed slots go round the groups that wait (campaigns, say), one each in
 * turn, so that a group with a thousand in line holds up one with a single one by a turn only. Within a group, first come first served.
 */
export class FairSlots {
  #capacity: number;
  /** In the order of their turns. */
  readonly #lines = new Map<string, Set<Waiter>>();
  #used = 0;
  #waiting = 0;

  /** @param capacity slots in all; 0 lets nobody in */
  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** From now on so many slots, 0 for none; those that are taken beyond that are missed as they are given back. */
  resize(capacity: number): void {
    this.#capacity = capacity;
    this.#fill();
  }

  /** What takers do with their slots runs at once: many new slots leave turns of the event loop in between. */
  #fill(): void {
    const isOpen = () => this.#waiting > 0 && this.#used < this.#capacity;
    for (let given = 0; given < GRANTS_A_TURN && isOpen(); given += 1) this.#grantNext();
    if (isOpen()) setImmediate(() => this.#fill());
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** A slot at once, or null when there is none to spare; one that is about to be given to somebody in line is not. */
  tryTake(): Release | null {
    return this.#waiting === 0 && this.#used < this.#capacity ? this.#take() : null;
  }

  /**
   * Resolves with a slot when it is this waiter's turn.
   * @throws the signal's reason when it aborts first
   */
  async take(group: string, signal: AbortSignal): Promise<Release> {
    signal.throwIfAborted();
    return this.tryTake() ?? (await this.#wait(group, signal));
  }

  #wait(group: string, signal: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#remove(group, waiter);
        reject(signal.reason as Error);
      };
      const waiter: Waiter = {
        grant(release) {
          signal.removeEventListener('abort', leave);
          resolve(release);
        },
      };
      signal.addEventListener('abort', leave, { once: true });
      const line = this.#lines.get(group) ?? new Set();
      this.#lines.set(group, line.add(waiter));
      this.#waiting += 1;
    });
  }

  #remove(group: string, waiter: Waiter): void {
    const line = this.#lines.get(group);
    if (!line?.delete(waiter)) return;
    this.#waiting -= 1;
    if (line.size === 0) this.#lines.delete(group);
  }

  #take(): Release {
    this.#used += 1;
    let given = false;
    return () => {
      if (given) return;
      given = true;
      this.#used -= 1;
      this.#grantNext();
    };
  }

  #grantNext(): void {
    const [turn] = this.#lines;
    if (!turn || this.#used >= this.#capacity) return;
    const [group, line] = turn;
    const [first] = line;
    if (!first) return;
    this.#remove(group, first);
    // To the end of the round.
    if (this.#lines.delete(group)) this.#lines.set(group, line);
    first.grant(this.#take());
  }
}
