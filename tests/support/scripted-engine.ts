import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { JsonObject } from '../../database/tables.ts';

export interface EngineRequest {
  path: string;
  method: string;
  headers: IncomingMessage['headers'];
  body: JsonObject;
}

/** What the engine does with one request: an answer to send as JSON, or anything else done with the response itself. */
export type Script = (
  request: EngineRequest,
  response: ServerResponse,
  /** How often this path was asked before. */
  earlier: number,
) => JsonObject | undefined | Promise<JsonObject | undefined>;

export interface ScriptedEngine {
  url: string;
  requests: EngineRequest[];
  /** Resolves when the path is asked next. */
  asked(path: string): Promise<EngineRequest>;
  close(): Promise<void>;
}

/** An engine on loopback that answers by script, path by path; a path without a script answers 404. */
export async function scriptedEngine(scripts: Record<string, Script>): Promise<ScriptedEngine> {
  const requests: EngineRequest[] = [];
  const waiting: { path: string; resolve(request: EngineRequest): void }[] = [];
  const serve = async (incoming: IncomingMessage, response: ServerResponse) => {
    const url = new URL(incoming.url ?? '/', 'http://engine');
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const request: EngineRequest = {
      path: url.pathname,
      method: incoming.method ?? '',
      headers: incoming.headers,
      body: text === '' ? {} : (JSON.parse(text) as JsonObject),
    };
    const earlier = requests.filter((before) => before.path === request.path).length;
    requests.push(request);
    for (const waiter of waiting.filter(({ path }) => path === request.path)) waiter.resolve(request);
    const script = scripts[request.path];
    const answer = script ? await script(request, response, earlier) : undefined;
    if (answer !== undefined) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(answer));
    } else if (!script) {
      response.statusCode = 404;
      response.end('{}');
    }
  };
  const server = createServer((incoming, response) => void serve(incoming, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    asked: (path) => new Promise((resolve) => waiting.push({ path, resolve })),
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
