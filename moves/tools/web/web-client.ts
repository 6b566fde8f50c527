import type { Readable } from 'node:stream';
import { Agent, type Dispatcher, request } from 'undici';
import type { OriginPolicy } from '../../../shared/origins.ts';
import { ToolError } from '../tool.ts';
import { publicLookup, type Resolve } from './addresses.ts';
import { readBody } from './body.ts';

/** What servers know us by; robots.txt speaks to it. */
export const USER_AGENT = 'pipeline-orchestrator';

export interface WebClientOptions {
  origins: OriginPolicy;
  /** Given: names must lead to the public network. */
  resolve?: Resolve;
}

export interface WebRequest {
  url: string;
  method?: 'GET' | 'POST';
  headers?: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  /** Of the body, after decompression. */
  mostBytes: number;
  /** Whether a longer body is cut there; else it is a failure. */
  cutsLonger?: boolean;
  mostRedirects: number;
  /** Asked before every request but the first one's origin check, redirects included. @throws {ToolError} to refuse it */
  before?: (url: string) => Promise<void>;
  /** Media types that are read; any when left out. */
  accepts?: readonly string[];
}

export interface WebAnswer {
  /** Where it came from, redirects followed. */
  url: string;
  status: number;
  /** In lower case, without parameters; empty when the server names none. */
  mediaType: string;
  charset: string | null;
  /** Empty unless the status is 2xx. */
  body: Buffer;
}

type Response = Dispatcher.ResponseData & { url: string };

/** HTTP for tools: allowed origins only, at every hop. No limit of time but the signal's. */
export class WebClient {
  readonly #origins: OriginPolicy;
  readonly #agent: Agent;

  constructor({ origins, resolve }: WebClientOptions) {
    this.#origins = origins;
    const lookup = resolve ? { lookup: publicLookup(resolve) } : {};
    this.#agent = new Agent({
      connect: { timeout: 10_000, ...lookup },
      headersTimeout: 0,
      bodyTimeout: 0,
      allowH2: false,
    });
  }

  /**
   * Makes one request and follows redirects to allowed origins.
   * @returns every status but redirects as an answer
   * @throws {ToolError} TOOL_ORIGIN_FORBIDDEN, TOOL_REDIRECT_FORBIDDEN, TOOL_ADDRESS_FORBIDDEN, TOOL_UNREACHABLE, TOOL_MEDIA_TYPE,
   * TOOL_ANSWER_TOO_LARGE, TOOL_ANSWER_INVALID, or what `before` throws; the signal's reason on abort
   */
  async send(call: WebRequest): Promise<WebAnswer> {
    if (!this.#origins.allows(call.url))
      throw new ToolError('TOOL_ORIGIN_FORBIDDEN', `This may not be called: ${this.#origins.refusal(call.url)}.`, {
        refused: true,
      });
    let { url } = call;
    for (let followed = 0; ; followed++) {
      await call.before?.(url);
      const response = await this.#request(url, call);
      try {
        if (!isRedirect(response)) return await answerOf(response, call);
        url = this.#target(response, followed, call.mostRedirects);
      } finally {
        response.body.destroy();
      }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #request(url: string, { method = 'GET', headers = {}, body, signal }: WebRequest): Promise<Response> {
    try {
      const response = await request(url, {
        dispatcher: this.#agent,
        method,
        headers: { 'user-agent': USER_AGENT, 'accept-encoding': 'gzip, br', ...headers },
        signal,
        ...(body === undefined ? {} : { body }),
      });
      // A body that is destroyed unread reports so as an error, and nobody else listens.
      response.body.on('error', () => undefined);
      return { ...response, body: response.body, url };
    } catch (error) {
      signal.throwIfAborted();
      throw unreachable(url, error);
    }
  }

  #target(response: Response, followed: number, most: number): string {
    const target = URL.parse(headerOf(response, 'location') ?? '', response.url);
    const where = target ? target.origin : 'nowhere';
    const refuse = (why: string) => new ToolError('TOOL_REDIRECT_FORBIDDEN', `The server redirects ${why}.`);
    if (!target || followed >= most)
      throw refuse(`to ${where}${most > 0 ? `, after ${followed} other redirects` : ''}`);
    if (!this.#origins.allowsRedirect(response.url, target.href)) throw refuse(`to ${where}, which is not allowed`);
    target.hash = '';
    return target.href;
  }
}

const isRedirect = ({ statusCode }: Response) => [301, 302, 303, 307, 308].includes(statusCode);

/** The value of a response header; the first where there are several. */
function headerOf({ headers }: Response, name: string): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

async function answerOf(response: Response, call: WebRequest): Promise<WebAnswer> {
  const { url, statusCode: status } = response;
  const [type = '', ...parameters] = (headerOf(response, 'content-type') ?? '').split(';');
  const mediaType = type.trim().toLowerCase();
  const charset = /charset\s*=\s*"?([\w.:-]+)/i.exec(parameters.join(';'))?.[1] ?? null;
  const answer = { url, status, mediaType, charset };
  if (status < 200 || status > 299) return { ...answer, body: Buffer.alloc(0) };
  if (call.accepts && !call.accepts.includes(mediaType))
    throw new ToolError('TOOL_MEDIA_TYPE', `The server gave ${mediaType || 'no media type'}, which is not read.`);
  const encoding = headerOf(response, 'content-encoding') ?? 'identity';
  try {
    const body: Readable = response.body;
    return { ...answer, body: await readBody(body, { ...call, encoding }) };
  } catch (error) {
    call.signal.throwIfAborted();
    throw unreachable(url, error);
  }
}

/** What the network did to a call. What was thrown on purpose stays, however it was wrapped on its way. */
function unreachable(url: string, error: unknown): ToolError {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof ToolError) return at;
  const code = error instanceof Error && 'code' in error ? String(error.code) : String(error);
  const origin = URL.parse(url)?.origin ?? 'the server';
  const message = `${origin} gave no whole answer (${code}).`;
  return new ToolError('TOOL_UNREACHABLE', message, { cause: error });
}
