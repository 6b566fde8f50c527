import type { ModelUsage } from '../model.ts';
import type { Turn } from '../model-prompt.ts';
import type { ResponseSchema } from '../model-schema.ts';
import type { VertexTransport } from './vertex-transport.ts';

/** One call, as every provider can make it. */
export interface ProviderRequest {
  /** For the vendor's bill, which can be broken down by it. */
  task: string;
  model: string;
  systemInstruction: string;
  turns: readonly Turn[];
  responseSchema: ResponseSchema;
  maxOutputTokens: number;
  temperature?: number | undefined;
}

/** What came back, finished or not. */
export interface ProviderAnswer {
  /** What the model said, its thoughts left out; empty when it said nothing. */
  text: string;
  /** The model as the provider names it. */
  model: string;
  /** Null when the provider did not say. */
  usage: ModelUsage | null;
  /** Why the prompt was not let through, in the provider's words. */
  blockReason?: string | undefined;
  finishReason?: string | undefined;
}

export interface ProviderVector {
  vector: number[];
  /** Tokens of the text; null when the provider did not say. */
  tokens: number | null;
}

/** A vendor's way of being called. It makes one request a call and repeats nothing. */
export interface Provider {
  readonly name: 'genai' | 'vertexai';
  /** @throws {ModelError} when there is no answer at all; the signal's reason on abort */
  generate(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer>;
  /** @throws like `generate` */
  embed(text: string, options: { model: string; dimensions: number }, signal: AbortSignal): Promise<ProviderVector>;
  close(): Promise<void>;
}

/** What a provider on Vertex needs. */
export interface VertexOptions {
  project: string;
  location: string;
  transport: VertexTransport;
}

/** A task as a label of the vendor's bill: lower case, digits, `-` and `_`, at most 63 characters. */
export const taskLabel = (task: string) =>
  task
    .toLowerCase()
    .replace(/[^a-z0-9_-]/g, '-')
    .slice(0, 63);
