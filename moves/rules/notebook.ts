import { clip } from '../../generation/rules/phrases.ts';
import type { Evidence, Statement } from '../statement.ts';
import type { KnownNumbers } from '../validation/known-numbers.ts';
import { unsupportedNumbers } from '../validation/numbers.ts';

/** Facts cited by one statement at most. */
const MOST_CITED = 6;
/** Of those whose ids begin alike. */
const MOST_ALIKE = 3;
const LONGEST_STATEMENT = 1_500;
/** Ids of evidence that repeats the context; the rest was found or given as a fact. */
const FROM_CONTEXT = /^(?:budget|cohort|foundation|kpi|objective)(?:-|$)/u;

/** What the offline planner knows, and how it says things by it. */
export class Notebook {
  readonly #evidence: readonly Evidence[];
  readonly #byId: ReadonlyMap<string, Evidence>;
  readonly #found: readonly { fact: Evidence; words: string }[];
  readonly #numbers: KnownNumbers;

  constructor(evidence: readonly Evidence[], numbers: KnownNumbers) {
    this.#evidence = evidence;
    this.#byId = new Map(evidence.map((fact) => [fact.id, fact]));
    this.#numbers = numbers;
    this.#found = evidence
      .filter(({ id }) => !FROM_CONTEXT.test(id))
      .map((fact) => ({ fact, words: fact.text.toLowerCase() }));
  }

  /**
   * Ids to cite: of each wanted name the fact of that id, else the first ones whose ids begin with it; where there is none of them, any
   * fact, since a statement has to rest on something that was given.
   */
  cite(...wanted: readonly (string | undefined)[]): string[] {
    const ids = wanted.flatMap((name) => {
      if (name === undefined) return [];
      if (this.#byId.has(name)) return [name];
      const alike = this.#evidence.filter(({ id }) => id.startsWith(`${name}-`));
      return alike.slice(0, MOST_ALIKE).map(({ id }) => id);
    });
    const unique = [...new Set(ids)].slice(0, MOST_CITED);
    return unique.length > 0 ? unique : this.#evidence.slice(0, 1).map(({ id }) => id);
  }

  /** Of the facts that are no part of the context and hold one of these words, one after the other by `turn`. */
  mentioning(words: readonly string[], turn = 0): Evidence | undefined {
    const plain = words.map((word) => word.toLowerCase()).filter(({ length }) => length > 2);
    const hits = this.#found.filter((entry) => plain.some((word) => entry.words.includes(word)));
    return hits[turn % Math.max(1, hits.length)]?.fact;
  }

  /**
   * The first of these texts whose numbers are all supported, with what it cites. Words of others may hold numbers that read otherwise
   * beside ours; the last text has to be ours alone.
   */
  say(texts: readonly [string, ...string[]], facts: readonly string[]): Statement {
    return { text: this.#fitting(texts, LONGEST_STATEMENT, facts, false), facts: [...facts] };
  }

  /** A title, in the same way. @param most UTF-16 code units */
  title(texts: readonly [string, ...string[]], most: number, facts: readonly string[]): string {
    return this.#fitting(texts, most, facts, true);
  }

  #fitting(texts: readonly [string, ...string[]], most: number, facts: readonly string[], onlyGrave: boolean): string {
    const cited = facts.flatMap((id) => this.#byId.get(id) ?? []);
    const fitting = texts
      .map((text) => clip(text, most))
      .find((text) => unsupportedNumbers(text, cited, this.#numbers, { onlyGrave }).length === 0);
    return fitting ?? clip(texts.at(-1) as string, most);
  }
}
