import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ReceivedPost {
  path: string;
  headers: IncomingMessage['headers'];
  /** The parsed JSON body. */
  message: { text?: string; channel?: string; blocks?: unknown[]; [field: string]: unknown };
  /** The body as it arrived. */
  raw: string;
}

/** What the catcher answers; `hang`: nothing. */
export type SlackBehaviour = 'hang' | { status: number; body?: string; headers?: Record<string, string> };

export interface SlackCatcher {
  /** For SLACK_WEBHOOK_URL. */
  readonly url: string;
  readonly origin: string;
  /** In the order of arrival, those included that were answered with a failure. */
  readonly posts: ReceivedPost[];
  /** Resolves with the first post that fits, past or future. */
  waitForPost(predicate?: (post: ReceivedPost) => boolean): Promise<ReceivedPost>;
  /** Decides for posts to come; a list is used up one a post, then its last goes on. */
  behave(...behaviours: SlackBehaviour[]): void;
  close(): Promise<void>;
}

/** Stands in for Slack's incoming webhooks on the loopback interface: for the demo and the tests. */
export async function startSlackCatcher(): Promise<SlackCatcher> {
  const posts: ReceivedPost[] = [];
  const watchers: { fits: (post: ReceivedPost) => boolean; found: (post: ReceivedPost) => void }[] = [];
  let planned: SlackBehaviour[] = [];

  function answer(response: ServerResponse): void {
    const behaviour = (planned.length > 1 ? planned.shift() : planned[0]) ?? { status: 200, body: 'ok' };
    if (behaviour === 'hang') return;
    response
      .writeHead(behaviour.status, { 'content-type': 'text/plain', ...behaviour.headers })
      .end(behaviour.body ?? '');
  }

  async function take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = Buffer.concat((await request.toArray()) as Buffer[]).toString('utf8');
    const message = JSON.parse(raw) as ReceivedPost['message'];
    const post = { path: request.url ?? '', headers: request.headers, message, raw };
    posts.push(post);
    answer(response);
    for (const watcher of watchers.filter(({ fits }) => fits(post))) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.found(post);
    }
  }

  const server = createServer((request, response) => {
    take(request, response).catch(() => response.writeHead(400).end('invalid_payload'));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url: `${origin}/services/T000/B000/s3cr3tHook`,
    origin,
    posts,
    waitForPost(fits = () => true) {
      const arrived = posts.find(fits);
      return arrived ? Promise.resolve(arrived) : new Promise((found) => watchers.push({ fits, found }));
    },
    behave(...behaviours) {
      planned = behaviours;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
