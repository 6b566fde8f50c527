import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Clock, systemClock } from '../shared/clock.ts';
import { isJsonObject, ownField, valueAt } from '../shared/json.ts';
import { contentAnswer, instanceOf, type VertexReply, vectorOf } from './vertex-answers.ts';

export type { VertexReply } from './vertex-answers.ts';

export interface VertexRequest {
  method: 'generateContent' | 'predict' | 'embedContent';
  path: string;
  model: string;
  /** The label of the request, `embed` for vectors. */
  task: string;
  headers: IncomingMessage['headers'];
  body: Record<string, unknown>;
  /** Milliseconds since the epoch. */
  at: number;
  /** Resolves when the client leaves before it was answered. */
  left: Promise<void>;
}

/** Writes what a task is answered with, from the data that was sent; undefined for anything that fits the schema. */
export type VertexWriter = (data: unknown) => unknown;

export interface VertexSandboxOptions {
  /** 0, the default, takes any free one. */
  port?: number;
  clock?: Clock;
  /** By task, as it stands in the label: lower case, `-` for a dot. */
  writers?: Record<string, VertexWriter>;
}

export interface VertexSandbox {
  /** What GOOGLE_VERTEX_BASE_URL is to be. */
  url: string;
  /** In the order in which they came. */
  requests: VertexRequest[];
  /** What the next requests for a task meet, one each; afterwards they are answered well. */
  script(task: string, ...replies: VertexReply[]): void;
  /** Resolves with the next request that comes. */
  next(): Promise<VertexRequest>;
  close(): Promise<void>;
}

const METHODS = /\/publishers\/google\/models\/([^/:]+):(generateContent|predict|embedContent)$/;

class Sandbox {
  readonly requests: VertexRequest[] = [];
  readonly closing = new AbortController();
  readonly #options: VertexSandboxOptions;
  readonly #scripts = new Map<string, VertexReply[]>();
  #watchers: ((request: VertexRequest) => void)[] = [];

  constructor(options: VertexSandboxOptions) {
    this.#options = options;
  }

  script(task: string, ...replies: VertexReply[]): void {
    this.#scripts.set(task, [...(this.#scripts.get(task) ?? []), ...replies]);
  }

  next(): Promise<VertexRequest> {
    return new Promise((resolve) => this.#watchers.push(resolve));
  }

  async serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = new URL(incoming.url ?? '/', 'http://vertex').pathname;
    const [, model, method] = METHODS.exec(path) ?? [];
    const text = await readText(incoming);
    if (model === undefined || method === undefined || incoming.method !== 'POST')
      return answerStatus(response, { status: 404, message: `No method at ${path}` });
    const body: unknown = JSON.parse(text);
    if (!isJsonObject(body)) return answerStatus(response, { status: 400, message: 'The body is not an object' });
    const request: VertexRequest = {
      method: method as VertexRequest['method'],
      path,
      model,
      task: method === 'generateContent' ? labelOf(body) : 'embed',
      headers: incoming.headers,
      body,
      at: this.#clock.now(),
      left: new Promise((resolve) => response.once('close', () => !response.writableFinished && resolve())),
    };
    this.requests.push(request);
    for (const watch of this.#watchers.splice(0)) watch(request);
    const reply = this.#scripts.get(request.task)?.shift();
    if (reply?.delayMs !== undefined) await this.#clock.sleep(reply.delayMs, this.closing.signal);
    answer(response, request, reply ?? { kind: 'value', value: this.#goodAnswer(request) }, text.length);
  }

  get #clock(): Clock {
    return this.#options.clock ?? systemClock;
  }

  #goodAnswer(request: VertexRequest): unknown {
    const sent = valueAt(request.body, ['contents', 0, 'parts', 0, 'text']);
    const data: unknown = typeof sent === 'string' ? JSON.parse(sent) : null;
    return (
      this.#options.writers?.[request.task]?.(data) ??
      instanceOf(valueAt(request.body, ['generationConfig', 'responseSchema']))
    );
  }
}

function labelOf(body: Record<string, unknown>): string {
  const label = ownField(body['labels'], 'task');
  return typeof label === 'string' ? label : '';
}

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks).toString();
}

function answerJson(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...headers });
  response.end(JSON.stringify(body));
}

/** Names of google.rpc.Code, by HTTP status. */
const CODES: Record<number, string> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  429: 'RESOURCE_EXHAUSTED',
  499: 'CANCELLED',
  500: 'INTERNAL',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

function answerStatus(
  response: ServerResponse,
  { status, message, retryAfter, retryDelay }: Omit<Extract<VertexReply, { kind: 'status' }>, 'kind'>,
): void {
  const retryInfo = { '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay };
  const error = {
    code: status,
    message: message ?? `Status ${status} of the sandbox`,
    status: CODES[status] ?? 'UNKNOWN',
    ...(retryDelay === undefined ? {} : { details: [retryInfo] }),
  };
  answerJson(response, { error }, status, retryAfter === undefined ? {} : { 'retry-after': retryAfter });
}

function answer(response: ServerResponse, request: VertexRequest, reply: VertexReply, promptBytes: number): void {
  switch (reply.kind) {
    case 'status':
      return answerStatus(response, reply);
    case 'html':
      response.writeHead(reply.status, { 'content-type': 'text/html' });
      return void response.end('<html><body><h1>Service Unavailable</h1></body></html>');
    case 'raw':
      response.writeHead(200, { 'content-type': 'application/json' });
      return void response.end(reply.body);
    case 'hang':
      return;
    case 'reset':
      return void response.socket?.destroy();
    case 'cut':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      return void response.write('{"candidates": [{"con', () => response.socket?.destroy());
    case 'stall':
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
      return void response.write('{"candidates": [{"con');
    case 'value':
    case 'fenced':
    case 'text':
    case 'blocked_prompt':
    case 'blocked_answer':
    case 'truncated':
    case 'no_candidates':
    case 'empty_text':
      if (request.method === 'generateContent')
        return answerJson(response, contentAnswer(reply, { model: request.model, promptBytes }));
      return answerJson(response, vectorAnswer(request, reply));
  }
}

function vectorAnswer({ method, body }: VertexRequest, { usage }: VertexReply): object {
  const isPredict = method === 'predict';
  const text = String(valueAt(body, isPredict ? ['instances', 0, 'content'] : ['content', 'parts', 0, 'text']));
  const asked = valueAt(body, [isPredict ? 'parameters' : 'embedContentConfig', 'outputDimensionality']);
  const values = vectorOf(text, Number(asked ?? 3_072));
  const tokens = usage?.promptTokenCount ?? Math.ceil(text.length / 4);
  if (isPredict) {
    const statistics = usage === null ? {} : { statistics: { token_count: tokens, truncated: false } };
    return { predictions: [{ embeddings: { values, ...statistics } }] };
  }
  return { embedding: { values }, ...(usage === null ? {} : { usageMetadata: { promptTokenCount: tokens } }) };
}

/**
 * Starts a stand-in for Vertex on loopback that speaks its REST protocol: `generateContent`, `predict` and `embedContent` of the
 * publisher google. It asks for no credentials and knows every project, location and model. For the demo and the tests; the
 * service never starts it.
 */
export async function startVertexSandbox(options: VertexSandboxOptions = {}): Promise<VertexSandbox> {
  const sandbox = new Sandbox(options);
  const server = createServer((incoming, response) => {
    // A client that leaves in the middle is part of the play.
    sandbox.serve(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', resolve);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the stand-in for Vertex has no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    requests: sandbox.requests,
    script: (task, ...replies) => sandbox.script(task, ...replies),
    next: () => sandbox.next(),
    close: () =>
      new Promise((resolve) => {
        sandbox.closing.abort();
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
