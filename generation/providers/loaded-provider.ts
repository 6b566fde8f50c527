import type { Provider, ProviderAnswer, ProviderRequest, ProviderVector, VertexOptions } from './provider.ts';

/** Each SDK is loaded by those alone who chose it: each takes a tenth of a second and some megabytes. */
const LOADERS: Record<Provider['name'], (options: VertexOptions) => Promise<Provider>> = {
  genai: async (options) => new (await import('./genai.ts')).GenaiProvider(options),
  vertexai: async (options) => new (await import('./vertexai.ts')).VertexaiProvider(options),
};

/** A provider whose SDK is being loaded; calls wait for it. */
export class LoadedProvider implements Provider {
  readonly name: Provider['name'];
  readonly #provider: Promise<Provider>;

  constructor(name: Provider['name'], options: VertexOptions) {
    this.name = name;
    this.#provider = LOADERS[name](options);
    // Told to whoever calls it.
    this.#provider.catch(() => undefined);
  }

  async generate(request: ProviderRequest, signal: AbortSignal): Promise<ProviderAnswer> {
    return (await this.#provider).generate(request, signal);
  }

  async embed(
    text: string,
    options: { model: string; dimensions: number },
    signal: AbortSignal,
  ): Promise<ProviderVector> {
    return (await this.#provider).embed(text, options, signal);
  }

  async close(): Promise<void> {
    await (await this.#provider).close();
  }
}
