import { GoogleGenAI, type GoogleGenAIOptions } from '@google/genai';
import { readAnswer } from './answer.ts';
import {
  type Provider,
  type ProviderAnswer,
  type ProviderRequest,
  type ProviderVector,
  taskLabel,
  type VertexOptions,
} from './provider.ts';
import { NOWHERE, type VertexTransport } from './vertex-transport.ts';

/** The transport authorizes; without this the SDK would look for credentials itself. */
const silentClient = { getRequestHeaders: () => Promise.resolve(new Headers()) };

/** Gemini on Vertex through @google/genai, the vendor's present SDK. */
export class GenaiProvider implements Provider {
  readonly name = 'genai';
  readonly #transport: VertexTransport;
  readonly #ai: GoogleGenAI;

  constructor(options: VertexOptions) {
    const { project, location, transport } = options;
    this.#transport = transport;
    this.#ai = new GoogleGenAI({
      vertexai: true,
      project,
      location,
      apiVersion: 'v1',
      googleAuthOptions: { authClient: silentClient } as unknown as GoogleGenAIOptions['googleAuthOptions'] & object,
      // No `retryOptions`: without them the SDK repeats nothing.
      httpOptions: { baseUrl: `https://${NOWHERE}`, fetch: transport.fetch },
    });
  }

  async generate(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
    const response = await this.#transport.run(signal, () =>
      this.#ai.models.generateContent({
        model: request.model,
        contents: request.turns.map(({ role, text }) => ({ role, parts: [{ text }] })),
        config: {
          systemInstruction: request.systemInstruction,
          responseMimeType: 'application/json',
          responseSchema: request.responseSchema,
          maxOutputTokens: request.maxOutputTokens,
          ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
          candidateCount: 1,
          labels: { task: taskLabel(request.task) },
          abortSignal: signal,
          // Further requests of its own, which nobody would have held money for.
          automaticContinuation: false,
          automaticFunctionCalling: { disable: true },
        },
      }),
    );
    return readAnswer(response, request.model);
  }

  async embed(
    text: string,
    options: { model: string; dimensions: number },
    signal: AbortSignal,
  ): Promise<ProviderVector> {
    const { model, dimensions } = options;
    const response = await this.#transport.run(signal, () =>
      this.#ai.models.embedContent({
        model,
        contents: text,
        config: { outputDimensionality: dimensions, abortSignal: signal },
      }),
    );
    const [embedding] = response.embeddings ?? [];
    return { vector: embedding?.values ?? [], tokens: embedding?.statistics?.tokenCount ?? null };
  }

  close(): Promise<void> {
    return this.#transport.close();
  }
}
