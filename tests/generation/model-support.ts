import { z } from 'zod';
import { makeModel, type ModelDependencies, type ModelLayer } from '../../generation/model-layer.ts';
import { type GenerateRequest, ModelError } from '../../generation/model.ts';
import { type ModelSettings } from '../../shared/config-model.ts';
import { loadConfig } from '../../shared/config.ts';
import { silentLogger } from '../../shared/logger.ts';
import { startVertexSandbox, type VertexSandbox, type VertexSandboxOptions } from '../../sandbox/vertex.ts';
import { TestClock } from '../support/clock.ts';

export const CAPTION = z.object({
  headline: z.string().min(1).max(20),
  tags: z.array(z.string()).min(1).max(3),
});
export type Caption = z.output<typeof CAPTION>;

export const GOOD: Caption = { headline: 'Fresh bread', tags: ['bakery'] };
export const TASK = 'brief.copy';
/** The task as it stands in the label of a request. */
export const LABEL = 'brief-copy';

export const request = (changes: Partial<GenerateRequest<Caption>> = {}): GenerateRequest<Caption> => ({
  task: TASK,
  tier: 'fast',
  instructions: 'Write a caption.',
  input: { product: 'bread' },
  schema: CAPTION,
  ...changes,
});

/** Never aborts. */
export const call = () => ({ signal: new AbortController().signal });

export interface World {
  sandbox: VertexSandbox;
  clock: TestClock;
  make(provider: ModelSettings['provider'], changes?: WorldChanges): ModelLayer;
  close(): Promise<void>;
}

export interface WorldChanges extends Partial<ModelDependencies> {
  env?: Record<string, string>;
}

/** A stand-in for Vertex, a clock that stands still at 2026-11-21, and models that know of nothing else. */
export async function makeWorld(options: VertexSandboxOptions = {}): Promise<World> {
  const clock = new TestClock('2026-11-21T09:00:00.000Z');
  const sandbox = await startVertexSandbox({ clock, writers: { [LABEL]: () => GOOD }, ...options });
  const models: ModelLayer[] = [];
  return {
    sandbox,
    clock,
    make(provider, { env, ...changes } = {}) {
      const settings = loadConfig({
        MODEL_PROVIDER: provider,
        GOOGLE_CLOUD_PROJECT: 'test-project',
        GOOGLE_VERTEX_BASE_URL: sandbox.url,
        ...env,
      }).model;
      const model = makeModel(settings, { clock, logger: silentLogger, templates: {}, ...changes });
      models.push(model);
      return model;
    },
    async close() {
      await Promise.all(models.map((model) => model.close()));
      await sandbox.close();
    },
  };
}

/** The failure of a call; a call that succeeds fails the test. */
export async function failureOf(work: Promise<unknown>): Promise<ModelError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof ModelError) return error;
    throw error;
  }
  throw new Error('the call succeeded');
}
