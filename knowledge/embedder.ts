import type { Micros } from '../shared/money.ts';

/** Vectors of some texts, in their order, and what they cost. */
export interface Embeddings {
  vectors: number[][];
  costMicros: Micros;
}

/**
 * Makes vectors of one space: `model` and `dimensions` together name it, and vectors of two spaces are never compared. A failure with
 * `retryable: false` says that the texts are at fault; anything else may pass by itself.
 */
export interface Embedder {
  readonly model: string;
  readonly dimensions: number;
  /** Rejects with the signal's reason when it aborts. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embeddings>;
  close?(): Promise<void>;
}

/** Whether a failure says that the texts themselves are not taken. */
export function refusesTexts(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'retryable' in error && error.retryable === false;
}
