import { createHash } from 'node:crypto';
import type { Embedder } from '../../knowledge/embedder.ts';

/** Words that this model takes for one. */
const SYNONYMS: Readonly<Record<string, string>> = {
  automobile: 'car',
  cars: 'car',
  cheap: 'inexpensive',
  bistro: 'restaurant',
};

/**
 * A model of embeddings in no time: words are directions, so that texts with common words are near each other. Counts what it is
 * asked.
 */
export function wordEmbedder(
  model = 'words-of-test',
  dimensions = 64,
): Embedder & { asked: string[]; fail: Error | null } {
  const embedder = {
    model,
    dimensions,
    asked: [] as string[],
    fail: null as Error | null,
    async embed(texts: readonly string[], signal: AbortSignal) {
      signal.throwIfAborted();
      if (embedder.fail) throw embedder.fail;
      embedder.asked.push(...texts);
      return { vectors: texts.map((text) => vectorOf(text, model, dimensions)), costMicros: texts.length };
    },
  };
  return embedder;
}

function vectorOf(text: string, model: string, dimensions: number): number[] {
  const vector = Array.from({ length: dimensions }, () => 0.001);
  for (const written of text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []) {
    const word = SYNONYMS[written] ?? written;
    const bytes = createHash('sha256').update(`${model} ${word}`).digest();
    for (const at of [0, 4, 8]) {
      const place = bytes.readUInt32BE(at) % dimensions;
      vector[place] = (vector[place] ?? 0) + (bytes[12 + at] ?? 0) / 128 - 1;
    }
  }
  const length = Math.hypot(...vector);
  return vector.map((component) => component / length);
}
