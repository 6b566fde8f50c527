import type { ModelError, ModelErrorCode } from '../model.ts';

/** Failures in a row from which the model counts as away. */
const MOST_IN_A_ROW = 3;
/** Before a question is asked again when the model names no wait; doubled with each further failure in the row. */
const FIRST_WAIT_MS = 1_000;

/** Why questions have no answer, in the words of the model layer. */
export interface JudgeFailure {
  code: ModelErrorCode;
  message: string;
  /** Whether it may pass by itself. */
  retryable: boolean;
}

const failureOf = ({ code, message, retryable }: ModelError): JudgeFailure => ({ code, message, retryable });

/**
 * Counts what goes wrong with the calls of one judgement, and says when there is no use in asking on. Calls that were under way together when
 * the model went away count as one failure: four at a time would else be more than a row.
 */
export class JudgeFailures {
  readonly #down = new AbortController();
  #incidents = 0;
  #inARow = 0;
  #latest: JudgeFailure | null = null;
  #reason: JudgeFailure | null = null;

  /** Aborts when the model is given up. */
  get down(): AbortSignal {
    return this.#down.signal;
  }

  /** Why there are questions without an answer; null when the model only was too slow. */
  get reason(): JudgeFailure | null {
    return this.#reason ?? this.#latest;
  }

  /** To be given back with what becomes of the call that begins now. */
  begin(): number {
    return this.#incidents;
  }

  answered(): void {
    this.#inARow = 0;
    this.#latest = null;
  }

  /** How long to wait before asking again, in milliseconds; null when there is no use in it. */
  failed(began: number, error: ModelError): number | null {
    this.#latest = failureOf(error);
    if (began === this.#incidents) {
      this.#incidents += 1;
      this.#inARow += 1;
    }
    if (!error.retryable || this.#inARow >= MOST_IN_A_ROW) {
      this.giveUp();
      return null;
    }
    return error.retryAfterMs ?? FIRST_WAIT_MS * 2 ** Math.max(0, this.#inARow - 1);
  }

  /** What can not pass by itself is the better reason, whenever it comes. */
  giveUp(): void {
    if (!this.#reason || (this.#reason.retryable && this.#latest?.retryable === false)) this.#reason = this.#latest;
    this.#down.abort();
  }
}
