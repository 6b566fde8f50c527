import { type GenerateContentRequest, VertexAI, type VertexInit } from '@google-cloud/vertexai';
import { z } from 'zod';
import { readAnswer } from './answer.ts';
import { fetchDetour } from './fetch-detour.ts';
import {
  type Provider,
  type ProviderAnswer,
  type ProviderRequest,
  type ProviderVector,
  taskLabel,
  type VertexOptions,
} from './provider.ts';
import { strangeAnswer } from './vertex-failure.ts';
import { NOWHERE, type VertexTransport } from './vertex-transport.ts';

/** The transport authorizes; without this the SDK would look for credentials itself. */
const silentClient = { getAccessToken: () => Promise.resolve({ token: '' }) };

const tokens = z.int().min(0);
const embedAnswer = z.object({
  embedding: z.object({ values: z.array(z.number()) }),
  usageMetadata: z.object({ promptTokenCount: tokens.optional() }).optional(),
});
const predictAnswer = z.object({
  predictions: z.tuple([
    z.object({
      embeddings: z.object({
        values: z.array(z.number()),
        statistics: z.object({ token_count: tokens.optional() }).optional(),
      }),
    }),
  ]),
});

/**
 * Gemini on Vertex through @google-cloud/vertexai, which its vendor has deprecated in favour of @google/genai. It knows neither
 * AbortSignal nor another fetch than the global one, so that one is taken over for its calls; and no embeddings, so these are
 * asked for over plain REST.
 */
export class VertexaiProvider implements Provider {
  readonly name = 'vertexai';
  readonly #transport: VertexTransport;
  readonly #vertex: VertexAI;
  readonly #models: string;
  readonly #removeDetour = fetchDetour.install();

  constructor(options: VertexOptions) {
    const { project, location, transport } = options;
    this.#transport = transport;
    this.#models = `/v1/projects/${project}/locations/${location}/publishers/google/models`;
    this.#vertex = new VertexAI({
      project,
      location,
      apiEndpoint: NOWHERE,
      googleAuthOptions: { authClient: silentClient } as unknown as VertexInit['googleAuthOptions'] & object,
    });
  }

  async generate(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
    const body: GenerateContentRequest = {
      systemInstruction: request.systemInstruction,
      contents: request.turns.map(({ role, text }) => ({ role, parts: [{ text }] })),
      generationConfig: {
        responseMimeType: 'application/json',
        // Its type is older than the API and lacks `anyOf`; it is sent as it is.
        responseSchema: request.responseSchema as object,
        maxOutputTokens: request.maxOutputTokens,
        ...(request.temperature === undefined ? {} : { temperature: request.temperature }),
        candidateCount: 1,
      },
      labels: { task: taskLabel(request.task) },
    };
    const model = this.#vertex.getGenerativeModel({ model: request.model });
    const { response } = await this.#transport.run(signal, () =>
      fetchDetour.via(this.#transport.fetch, () => model.generateContent(body)),
    );
    return readAnswer(response, request.model);
  }

  async embed(
    text: string,
    options: { model: string; dimensions: number },
    signal: AbortSignal,
  ): Promise<ProviderVector> {
    const { model, dimensions: outputDimensionality } = options;
    // The first Gemini embedding model is served by `predict` like its forerunners, the later ones by a method of their own.
    const predicts = model === 'gemini-embedding-001' || !model.includes('gemini');
    const path = `${this.#models}/${model}`;
    if (predicts) {
      const body = { instances: [{ content: text }], parameters: { outputDimensionality } };
      const answer = predictAnswer.safeParse(await this.#transport.post(`${path}:predict`, body, signal));
      if (!answer.success) throw strangeAnswer('there is no vector in it', answer.error);
      const { values, statistics } = answer.data.predictions[0].embeddings;
      return { vector: values, tokens: statistics?.token_count ?? null };
    }
    const body = { content: { role: 'user', parts: [{ text }] }, embedContentConfig: { outputDimensionality } };
    const answer = embedAnswer.safeParse(await this.#transport.post(`${path}:embedContent`, body, signal));
    if (!answer.success) throw strangeAnswer('there is no vector in it', answer.error);
    const { embedding, usageMetadata } = answer.data;
    return { vector: embedding.values, tokens: usageMetadata?.promptTokenCount ?? null };
  }

  close(): Promise<void> {
    this.#removeDetour();
    return this.#transport.close();
  }
}
