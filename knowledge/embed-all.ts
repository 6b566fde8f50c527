import type { Clock } from '../shared/clock.ts';
import type { Micros } from '../shared/money.ts';
import { type Embedder, refusesTexts } from './embedder.ts';
import { embeddedText } from './fact.ts';
import { within } from './within.ts';

/** One call of the model may take so long, in milliseconds; what takes longer has failed. */
const LONGEST_CALL_MS = 60_000;

/** What is to have a vector. */
export interface Text {
  content_hash: string;
  context: string;
  text: string;
}

export interface Made {
  vectors: { text: Text; vector: number[] }[];
  refused: Text[];
  costMicros: Micros;
}

/**
 * The vectors of all texts that the model takes. When it refuses some, they are looked for by halves; but a model that does not
 * even take a plain word is at fault itself, and then this rejects with what it said.
 */
export async function embedAll(
  embedder: Embedder,
  texts: readonly Text[],
  clock: Clock,
  signal: AbortSignal,
): Promise<Made> {
  const embed = (some: readonly string[]) => within(clock, LONGEST_CALL_MS, signal, (end) => embedder.embed(some, end));
  try {
    const { vectors, costMicros } = await embed(texts.map(embeddedText));
    // Stored as if it were there, a vector that does not fit would be missing for good.
    if (vectors.length !== texts.length || vectors.some((vector) => vector.length !== embedder.dimensions))
      throw new Error(`The embedding model answered with vectors of other dimensions than ${embedder.dimensions}.`);
    return { vectors: texts.map((text, at) => ({ text, vector: vectors[at] ?? [] })), refused: [], costMicros };
  } catch (error) {
    if (signal.aborted || !refusesTexts(error)) throw error;
    if (texts.length === 1) {
      const { costMicros } = await embed(['word']);
      return { vectors: [], refused: [...texts], costMicros };
    }
    const middle = Math.ceil(texts.length / 2);
    const first = await embedAll(embedder, texts.slice(0, middle), clock, signal);
    const second = await embedAll(embedder, texts.slice(middle), clock, signal);
    return {
      vectors: [...first.vectors, ...second.vectors],
      refused: [...first.refused, ...second.refused],
      costMicros: first.costMicros + second.costMicros,
    };
  }
}
