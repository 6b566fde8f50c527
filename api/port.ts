import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { hostname } from 'node:os';
import { answerClientError } from './client-error.ts';
import { answerStarting } from './starting.ts';

/** How long a stop waits for answers that are on their way, in milliseconds. */
const GRACE_MS = 5_000;

/** The HTTP side before there is a service behind it: the port is taken first, and the app comes in when it can work. */
export interface Door {
  server: Server;
  port: number;
  open(app: RequestListener): void;
}

/** Listens, and says to everybody that the service is starting until the door is opened. Rejects when the port is not free. */
export async function takePort({ host, port }: { host: string; port: number }): Promise<Door> {
  let answer: RequestListener = answerStarting;
  const server = createServer((request, response) => answer(request, response)).on('clientError', answerClientError);
  server.listen(port, host);
  await once(server, 'listening');
  return { server, port: (server.address() as AddressInfo).port, open: (app) => (answer = app) };
}

/** The host that links name. A service that listens on every address is reached by the machine's name. */
export function linkHost(host: string): string {
  if (/^(0\.0\.0\.0|\[?::\]?)$/.test(host)) return hostname();
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

/** Accepts nothing new, lets answers on their way go out, then closes what is left. */
export async function stopServer(server: Server): Promise<void> {
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const last = setTimeout(() => server.closeAllConnections(), GRACE_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(last);
}
