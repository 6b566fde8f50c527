import type { Model } from '../generation/model.ts';
import type { Embedder } from './embedder.ts';

/** The embedding model of a hosted provider; how many texts go into one call is the provider's matter. */
export function modelEmbedder(model: Pick<Model, 'embed'>, space: { model: string; dimensions: number }): Embedder {
  return {
    ...space,
    async embed(texts, signal) {
      const answer = await model.embed(texts, { signal });
      const isOfSpace =
        answer.model === space.model && answer.vectors.every((vector) => vector.length === space.dimensions);
      // Stored under another name, vectors could never be told from those they are not comparable with.
      if (!isOfSpace || answer.vectors.length !== texts.length)
        throw new Error(
          `The embedding model answered with ${answer.vectors.length} vectors of ${answer.model}, ` +
            `${answer.dimensions} dimensions, where ${texts.length} of ${space.model}, ${space.dimensions} were expected.`,
        );
      return { vectors: answer.vectors, costMicros: answer.costMicros };
    },
  };
}
