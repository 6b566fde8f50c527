import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Clock } from '../shared/clock.ts';
import type { EngineName, EngineRequest } from './engine-options.ts';

export type Route = (request: EngineRequest, response: ServerResponse) => Promise<void>;

export interface EngineServer {
  url: string;
  close(): Promise<void>;
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  const text = Buffer.concat(chunks).toString();
  if (text === '') return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** An engine's HTTP server on loopback. Every request goes into `calls` before it is answered. */
export async function startEngineServer(
  engine: EngineName,
  port: number,
  clock: Clock,
  calls: EngineRequest[],
  route: Route,
): Promise<EngineServer> {
  const keys = new Set<string>();
  const server = createServer((incoming, response) => {
    const answer = async () => {
      const url = new URL(incoming.url ?? '/', 'http://engine');
      const body = await readBody(incoming);
      const key = `${url.pathname} ${String(incoming.headers['idempotency-key'] ?? '')}`;
      const request: EngineRequest = {
        engine,
        method: incoming.method ?? '',
        path: url.pathname,
        query: Object.fromEntries(url.searchParams),
        headers: Object.fromEntries(Object.entries(incoming.headers).map(([name, value]) => [name, String(value)])),
        body,
        at: clock.now(),
        repeat: keys.has(key),
      };
      if (incoming.headers['idempotency-key'] !== undefined) keys.add(key);
      calls.push(request);
      await route(request, response);
    };
    // A client that leaves, or a stand-in that is closed, in the middle of an answer is part of the play.
    answer().catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stand-in engine has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

export function answerJson(
  response: ServerResponse,
  body: unknown,
  status = 200,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
}

export function openStream(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  response.flushHeaders();
}

/** A frame with its name in the data, or with a name of its own. A client that has left is written to in vain. */
export function writeFrame(response: ServerResponse, style: 'named' | 'unnamed', name: string, data: object): void {
  const text =
    style === 'named'
      ? `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`
      : `data: ${JSON.stringify({ type: name, ...data })}\n\n`;
  if (!response.destroyed) response.write(text);
}
