import { z } from 'zod';
import type { Problem } from './errors.ts';
import { isLoopback } from './origins.ts';

/** Which model answers, where it is, and how hard it may be worked. */
export interface ModelSettings {
  provider: 'genai' | 'vertexai' | 'rules';
  /** The Google Cloud project that pays; null for `rules`, which needs none. */
  project: string | null;
  /** A region, a multi-region (`us`, `eu`), or `global`. */
  location: string;
  /** Another address than the location's own; a loopback one gets no credentials. */
  baseUrl: string | null;
  /** Model names by what is asked of them. */
  fast: string;
  best: string;
  embedding: string;
  embeddingDimensions: number;
  /** Tokens of one answer at most, thoughts included. */
  maxOutputTokens: number;
  /** Calls at a time and calls begun within a minute, for each model. */
  concurrency: number;
  requestsPerMinute: number;
  /** A JSON file of prices that come before the ones that ship. */
  pricesFile: string | null;
}

export const MODEL_PROVIDERS = ['genai', 'vertexai', 'rules'] as const;

const range = (low: number, high: number, least: number) => {
  const words = `a whole number from ${low} to ${high}`;
  return z
    .string()
    .transform(Number)
    .refine((value) => Number.isInteger(value) && value >= low && value <= high, {
      error: `must be ${words}`,
      params: { mend: `write ${words}` },
    })
    .default(least);
};
/** It becomes a part of an address, so no more than a name has. */
const modelName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9.@_-]{0,127}$/);

/**
 * The variables of the model layer. The models are those of the date that stands in generation/prices-vertex.ts; the quick one
 * is the cheapest with a full context, the best one the strongest that still answers within seconds.
 */
export const modelVariables = {
  MODEL_PROVIDER: z.enum(MODEL_PROVIDERS).default('rules'),
  GOOGLE_CLOUD_PROJECT: z
    .string()
    .regex(/^[a-z0-9][a-z0-9.:-]{0,99}$/)
    .optional(),
  GOOGLE_CLOUD_LOCATION: z
    .string()
    .regex(/^[a-z0-9][a-z0-9-]{0,39}$/)
    .default('global'),
  GOOGLE_VERTEX_BASE_URL: z.url({ protocol: /^https?$/ }).optional(),
  MODEL_FAST: modelName.default('gemini-3.5-flash-lite'),
  MODEL_BEST: modelName.default('gemini-3.8-flash'),
  MODEL_EMBEDDING: modelName.default('gemini-embedding-2'),
  MODEL_EMBEDDING_DIMENSIONS: range(1, 3_072, 768),
  MODEL_MAX_OUTPUT_TOKENS: range(1_024, 65_536, 8_192),
  MODEL_CONCURRENCY: range(1, 1_000, 8),
  MODEL_REQUESTS_PER_MINUTE: range(1, 100_000, 300),
  MODEL_PRICES_FILE: z.string().optional(),
};

/** What to write instead; shown with the problem. */
export const MODEL_MENDS: Record<string, string> = {
  GOOGLE_CLOUD_PROJECT: 'write the project id, such as my-project-123; the console shows it beside the name',
  GOOGLE_CLOUD_LOCATION: 'write global, us, eu or a region such as europe-west4',
  GOOGLE_VERTEX_BASE_URL: 'write an address with https, or with http on this machine, such as http://127.0.0.1:8080',
  MODEL_FAST: 'write the name of a model, such as gemini-3.5-flash-lite',
  MODEL_BEST: 'write the name of a model, such as gemini-3.8-flash',
  MODEL_EMBEDDING: 'write the name of a model, such as gemini-embedding-2',
};

type Values = z.output<z.ZodObject<typeof modelVariables>>;

/** What cannot be seen by the form of one variable alone; reads the variables as they are written, so that all is told together. */
export function modelProblems(given: Record<string, string | undefined>, problems: Problem[]): void {
  const provider = given['MODEL_PROVIDER'];
  if ((provider === 'genai' || provider === 'vertexai') && given['GOOGLE_CLOUD_PROJECT'] === undefined)
    problems.push({
      path: 'GOOGLE_CLOUD_PROJECT',
      message: `is missing though MODEL_PROVIDER is ${provider}`,
      mend: `${MODEL_MENDS['GOOGLE_CLOUD_PROJECT']}; or set MODEL_PROVIDER=rules to work without a model`,
    });
  const url = URL.parse(given['GOOGLE_VERTEX_BASE_URL'] ?? '');
  if (!url) return;
  const refuse = (message: string) =>
    problems.push({ path: 'GOOGLE_VERTEX_BASE_URL', message, mend: MODEL_MENDS['GOOGLE_VERTEX_BASE_URL'] ?? '' });
  // Every request carries a token of the project.
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) refuse('is not encrypted and not on this machine');
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '')
    refuse('has more than an origin and a path');
}

export function modelSettings(values: Values): ModelSettings {
  return {
    provider: values.MODEL_PROVIDER,
    project: values.GOOGLE_CLOUD_PROJECT ?? null,
    location: values.GOOGLE_CLOUD_LOCATION,
    baseUrl: values.GOOGLE_VERTEX_BASE_URL ?? null,
    fast: values.MODEL_FAST,
    best: values.MODEL_BEST,
    embedding: values.MODEL_EMBEDDING,
    embeddingDimensions: values.MODEL_EMBEDDING_DIMENSIONS,
    maxOutputTokens: values.MODEL_MAX_OUTPUT_TOKENS,
    concurrency: values.MODEL_CONCURRENCY,
    requestsPerMinute: values.MODEL_REQUESTS_PER_MINUTE,
    pricesFile: values.MODEL_PRICES_FILE ?? null,
  };
}
