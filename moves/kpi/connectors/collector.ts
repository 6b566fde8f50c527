import { iso } from '../../../shared/clock.ts';
import {
  MOST_PROBLEMS,
  MOST_READINGS,
  type Reading,
  type SourceProblem,
  type SourceReadings,
  valueProblem,
} from './connector.ts';

/** Gathers what a source gives: of the same time the last value, of too many the newest, of problems the first. */
export class ReadingCollector {
  readonly #values = new Map<number, { value: number; line: number | undefined }>();
  readonly #problems: SourceProblem[] = [];
  #problemsLeftOut = 0;

  /** @param line of the file, where there is one */
  add(atMs: number, value: number, line?: number): void {
    const problem = valueProblem(value);
    if (problem !== null) return this.report(`the value ${problem}`, line);
    const before = this.#values.get(atMs);
    if (before !== undefined && before.value !== value) {
      const where = before.line === undefined ? '' : ` of line ${before.line}`;
      this.report(`${iso(atMs)} has another value already${where}; this one counts`, line);
    }
    this.#values.set(atMs, { value, line });
  }

  report(message: string, line?: number): void {
    if (this.#problems.length < MOST_PROBLEMS)
      this.#problems.push(line === undefined ? { message } : { line, message });
    else this.#problemsLeftOut += 1;
  }

  /** @param hasMore whether the source had older readings that were not even asked for */
  end(hasMore = false): SourceReadings {
    const times = [...this.#values.keys()].toSorted((a, b) => a - b);
    const kept = times.slice(-MOST_READINGS);
    const problems = [...this.#problems];
    if (this.#problemsLeftOut > 0) problems.push({ message: `${this.#problemsLeftOut} more rows have problems` });
    if (hasMore || kept.length < times.length)
      problems.push({ message: `there are more than ${MOST_READINGS} readings; only the newest were taken` });
    const readings: Reading[] = kept.map((atMs) => ({
      observedAt: iso(atMs),
      value: this.#values.get(atMs)?.value ?? 0,
    }));
    return { readings, problems };
  }
}
