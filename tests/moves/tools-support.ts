import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Records } from '../../database/records.ts';
import type { ToolCallRow } from '../../database/tables-moves.ts';
import type { Model } from '../../generation/model.ts';
import type { Endpoint } from '../../moves/tools/endpoints.ts';
import { makeTools } from '../../moves/tools/registry.ts';
import type { StepTools } from '../../moves/tools/step-tools.ts';
import { type BindOptions, type StepWithTools, Toolbox } from '../../moves/tools/toolbox.ts';
import type { Resolve } from '../../moves/tools/web/addresses.ts';
import { loadConfig } from '../../shared/config.ts';
import { newId } from '../../shared/ids.ts';
import { makeRedactor } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { TestClock } from '../support/clock.ts';
import { ScriptedModel } from '../support/model.ts';

export interface Asked {
  method: string;
  path: string;
  headers: IncomingMessage['headers'];
  body: string;
}

/** What a page answers: text as HTML, or anything done with the response itself. */
export type Page = string | ((response: ServerResponse, asked: Asked) => void);

export interface Site {
  url: string;
  port: number;
  /** Every request, oldest first; `robots` are those of robots.txt. */
  asked: Asked[];
  pages: Record<string, Page>;
  /** Paths that were asked for, robots.txt left out. */
  readonly paths: string[];
  /** Resolves when a path is asked next. */
  untilAsked(path: string): Promise<void>;
  close(): Promise<void>;
}

export const typed =
  (type: string, body: string | Buffer, status = 200): Page =>
  (response) => {
    response.writeHead(status, { 'content-type': type });
    response.end(body);
  };

export const redirect =
  (location: string, status = 302): Page =>
  (response) => {
    response.writeHead(status, { location });
    response.end();
  };

/** A website on loopback. Without a page for it, `/robots.txt` and everything else is 404. */
export async function site(pages: Record<string, Page> = {}): Promise<Site> {
  const asked: Asked[] = [];
  const waiting: { path: string; resolve(): void }[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url ?? '';
      const one = {
        method: request.method ?? '',
        path,
        headers: request.headers,
        body: Buffer.concat(chunks).toString(),
      };
      asked.push(one);
      for (const waiter of waiting) if (waiter.path === path) waiter.resolve();
      const page = pages[path] ?? pages[path.split('?')[0] ?? ''];
      if (page === undefined) typedPage(response, 'text/html', 'nothing here', 404);
      else if (typeof page === 'string') typedPage(response, 'text/html; charset=utf-8', page, 200);
      else page(response, one);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    asked,
    pages,
    get paths() {
      return asked.map(({ path }) => path).filter((path) => path !== '/robots.txt');
    },
    untilAsked: (path) => new Promise((resolve) => waiting.push({ path, resolve })),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

function typedPage(response: ServerResponse, type: string, body: string, status: number): void {
  response.writeHead(status, { 'content-type': type });
  response.end(body);
}

export interface BenchOptions {
  endpoints?: readonly Endpoint[];
  env?: Record<string, string>;
  ownPort?: number;
  resolve?: Resolve;
  secrets?: readonly string[];
  model?: Model;
}

/** A toolbox over real records, with one step that uses it. */
export function bench(records: Records, options: BenchOptions = {}) {
  const { endpoints = [], env = {}, secrets = [], model = new ScriptedModel(), ownPort, resolve } = options;
  const clock = new TestClock();
  const origins = originPolicy(loadConfig(env));
  const tools = makeTools({
    origins,
    clock,
    endpoints,
    ...(ownPort === undefined ? {} : { ownPort }),
    ...(resolve ? { resolve } : {}),
  });
  const toolbox = new Toolbox({ records, clock, tools, redact: makeRedactor(secrets) });
  const stop = new AbortController();
  const runId = newId();
  const warnings: string[] = [];
  const step: StepWithTools = {
    runId,
    stepName: 'arc',
    attempt: 1,
    signal: stop.signal,
    deadline: clock.now() + 86_400_000,
    model,
    onSent: () => undefined,
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
  };
  const bind = (bound: BindOptions = {}, other: Partial<StepWithTools> = {}): StepTools =>
    toolbox.bind({ ...step, ...other }, bound);
  const rows = (): Promise<ToolCallRow[]> =>
    records.select('tool_calls', { where: [{ column: 'run_id', op: 'eq', value: runId }], order: [{ column: 'id' }] });
  return { toolbox, clock, origins, stop, step, runId, bind, rows, warnings };
}

export type Bench = ReturnType<typeof bench>;
