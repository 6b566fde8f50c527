import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { JsonObject } from '../../database/tables.ts';
import { type OriginPolicy, originPolicy } from '../../shared/origins.ts';
import { type EngineClientOptions, makeEngineClient } from '../../steps/engine-client.ts';
import type { EngineCall, EngineStepKind, EngineTraits, StepContext, StepResult } from '../../steps/step.ts';
import { StepError } from '../../steps/step.ts';
import { TestClock } from '../support/clock.ts';

export interface SeenRequest {
  method: string;
  url: URL;
  headers: IncomingMessage['headers'];
  body: string;
}

export interface TestEngine {
  url: string;
  seen: SeenRequest[];
  /** Resolves once so many requests have come in. */
  untilSeen(count: number): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type Handler = (request: SeenRequest, response: ServerResponse, count: number) => unknown;

/** An HTTP server on loopback that answers as a test says, and remembers what it was asked. */
export async function startEngine(handler: Handler): Promise<TestEngine> {
  const seen: SeenRequest[] = [];
  let watchers: { count: number; resolve: () => void }[] = [];
  const server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const entry: SeenRequest = {
        method: request.method ?? '',
        url: new URL(request.url ?? '/', 'http://engine'),
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      seen.push(entry);
      for (const watcher of watchers.filter(({ count }) => seen.length >= count)) watcher.resolve();
      watchers = watchers.filter(({ count }) => seen.length < count);
      handler(entry, response, seen.length);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    seen,
    untilSeen: (count) =>
      seen.length >= count ? Promise.resolve() : new Promise((resolve) => watchers.push({ count, resolve })),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function sendJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

/** Opens a stream; frames are written one after another, the end is left to the test. */
export function openStream(response: ServerResponse, ...frames: string[]): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  for (const frame of frames) response.write(frame);
}

export const unnamed = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`;
export const named = (event: string, data: unknown): string => `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`;

export const loopbackOrigins: OriginPolicy = originPolicy({
  allowedOrigins: null,
  engines: {
    prospecting: 'http://localhost:3010',
    analysis: 'http://localhost:3000',
    outreach: 'http://localhost:3001',
  },
  slackWebhookUrl: null,
});

export interface Bench extends AsyncDisposable {
  clock: TestClock;
  client: ReturnType<typeof makeEngineClient>;
  progress: JsonObject[];
  warnings: string[];
  context(call: Partial<EngineCall> & { url: string }, rest?: Partial<StepContext>): StepContext;
}

/** An engine client on a clock of its own, with a maker of step contexts. */
export function makeBench(options: Partial<EngineClientOptions> = {}): Bench {
  const clock = new TestClock();
  const client = makeEngineClient({ origins: loopbackOrigins, maxResponseBytes: 1_048_576, clock, ...options });
  const progress: JsonObject[] = [];
  const warnings: string[] = [];
  return {
    clock,
    client,
    progress,
    warnings,
    context: (call, rest = {}) => ({
      runId: 'run-1',
      campaignId: 'campaign-1',
      stepName: 'step',
      attempt: 1,
      effect: 'repeatable',
      idempotencyKey: 'run-1/step',
      signal: new AbortController().signal,
      deadline: clock.now() + 60_000,
      clock,
      http: client,
      progress: (facts) => progress.push(facts),
      log: { info: () => undefined, warn: (message) => warnings.push(message) },
      ...rest,
      call: { method: 'POST', params: { count: 2 }, protocol: 'auto', pollInterval: 2_000, ...call },
    }),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

export const plainTraits: EngineTraits = { terminalEvents: ['complete'], errorFramesArePerItem: false };

/** Runs a step kind once against a handler, and closes everything. */
export async function runKind(
  kind: EngineStepKind,
  handler: Handler,
  call: Partial<EngineCall> = {},
  path = kind.defaultPath,
): Promise<StepResult> {
  await using engine = await startEngine(handler);
  await using bench = makeBench();
  return await kind.execute(bench.context({ url: engine.url + path, ...call }, { effect: kind.defaultEffect }));
}

/** The StepError that a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<StepError> {
  const error = await promise.then(
    (value) => new Error(`resolved with ${JSON.stringify(value)}`),
    (reason: unknown) => reason,
  );
  if (error instanceof StepError) return error;
  throw error;
}
