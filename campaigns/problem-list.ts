import type { Problem } from '../shared/errors.ts';

/** A longer list helps nobody, and a hostile input could make it endless. */
const MOST_LISTED = 100;

/** Collects problems, the first ones in full, the rest as a number; one message a place only once. */
export class ProblemList {
  readonly #listed: Problem[] = [];
  readonly #seen = new Set<string>();
  #more = 0;

  add(path: string, message: string, mend?: string): void {
    if (this.#listed.length >= MOST_LISTED) {
      this.#more += 1;
      return;
    }
    const key = `${path}\n${message}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#listed.push({ path, message, ...(mend === undefined ? {} : { mend }) });
  }

  has(path: string): boolean {
    return this.#listed.some((problem) => problem.path === path);
  }

  get isEmpty(): boolean {
    return this.#listed.length === 0;
  }

  list(): Problem[] {
    if (this.#more === 0) return this.#listed;
    return [...this.#listed, { path: '', message: `and ${this.#more} more` }];
  }
}
