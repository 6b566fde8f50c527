import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent, request } from 'undici';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import { isJsonObject } from '../../shared/json.ts';
import { ModelError } from '../model.ts';
import { type Credentials, credentialsFailure } from './credentials.ts';
import { httpFailure, networkFailure, strangeAnswer } from './vertex-failure.ts';

/** The service itself ends a call after ten minutes. */
const LONGEST_ANSWER_MS = 600_000;
const MOST_BYTES = 32 * 1_024 * 1_024;

export type Fetch = typeof globalThis.fetch;

/**
 * The host that the SDKs are given; the transport puts the configured address in its place. A request that missed the transport
 * would go nowhere: nothing resolves under `invalid` (RFC 2606).
 */
export const NOWHERE = 'vertex.invalid';

/** Where a location is served, as the vendor's own SDK has it. */
export function baseUrlOf(location: string): string {
  if (location === 'global') return 'https://aiplatform.googleapis.com';
  if (location === 'us' || location === 'eu') return `https://aiplatform.${location}.rep.googleapis.com`;
  return `https://${location}-aiplatform.googleapis.com`;
}

/** Rejects with the signal's reason as soon as it aborts, whatever becomes of the promise. */
async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  let abort: (() => void) | undefined;
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    if (abort) signal.removeEventListener('abort', abort);
  }
}

/**
 * The one way over which both SDKs reach Vertex. They build the request, and this sends it: to the configured address and nowhere
 * else, with our credentials, once, ended by the signal of the call, following no redirect. What is no answer leaves as a
 * {@link ModelError} that the SDKs pass on, since by themselves they drop `Retry-After`, fail on an HTML page, and do not tell
 * 500 from 503.
 */
export class VertexTransport {
  readonly #origin: string;
  /** The base URL without a slash at its end. */
  readonly #address: string;
  readonly #credentials: Credentials;
  readonly #clock: Clock;
  readonly #agent = new Agent({ headersTimeout: LONGEST_ANSWER_MS, bodyTimeout: LONGEST_ANSWER_MS });
  readonly #signals = new AsyncLocalStorage<AbortSignal>();

  constructor(options: { baseUrl: string; credentials: Credentials; clock: Clock }) {
    const base = new URL(options.baseUrl);
    this.#origin = base.origin;
    this.#address = base.href.replace(/\/$/, '');
    this.#credentials = options.credentials;
    this.#clock = options.clock;
  }

  /**
   * Runs a call of an SDK that sends by {@link fetch}.
   * @throws {ModelError}, whatever the SDK made of it; the signal's reason once it has aborted
   */
  async run<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    try {
      return await abortable(this.#signals.run(signal, call), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw modelErrorIn(error) ?? strangeAnswer(messageOf(error), error);
    }
  }

  /** What an SDK sends by, within {@link run}. */
  readonly fetch: Fetch = async (input, init) => {
    const signal = this.#signals.getStore();
    if (!signal) throw new Error('a request to a model was made outside of a call');
    const asked = new URL(input instanceof Request ? input.url : input);
    const url = `${this.#address}${asked.pathname}${asked.search}`;
    if (typeof init?.body !== 'string') throw new TypeError('a request to a model has a body of text');
    const json = await this.#send(url, init.body, signal);
    return new Response(JSON.stringify(json), { headers: { 'content-type': 'application/json' } });
  };

  /**
   * Sends a request that no SDK builds.
   * @param path below the base URL, beginning with a slash
   * @throws like {@link run}
   */
  post(path: string, body: object, signal: AbortSignal): Promise<Record<string, unknown>> {
    return this.run(signal, () => this.#send(`${this.#address}${path}`, JSON.stringify(body), signal));
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #send(url: string, body: string, signal: AbortSignal): Promise<Record<string, unknown>> {
    const headers = await this.#authorization(signal);
    const answer = await this.#exchange(url, { ...headers, 'content-type': 'application/json' }, body, signal);
    const parsed = parse(answer.text);
    if (answer.status < 200 || answer.status > 299) throw httpFailure({ ...answer, body: parsed }, this.#clock);
    if (!isJsonObject(parsed)) throw strangeAnswer('it is not a JSON object');
    return parsed;
  }

  async #authorization(signal: AbortSignal): Promise<Record<string, string>> {
    try {
      return await abortable(this.#credentials.headers(), signal);
    } catch (error) {
      signal.throwIfAborted();
      throw credentialsFailure(error);
    }
  }

  async #exchange(url: string, headers: Record<string, string>, body: string, signal: AbortSignal) {
    try {
      const response = await request(url, { method: 'POST', headers, body, signal, dispatcher: this.#agent });
      const retryAfter = response.headers['retry-after'];
      return {
        status: response.statusCode,
        retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
        text: await boundedText(response.body),
      };
    } catch (error) {
      signal.throwIfAborted();
      throw error instanceof ModelError ? error : networkFailure(error, this.#origin);
    }
  }
}

async function boundedText(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > MOST_BYTES) throw strangeAnswer(`it is larger than ${MOST_BYTES} bytes`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Our own error in what an SDK wrapped round it. */
function modelErrorIn(error: unknown): ModelError | null {
  for (let at = error; at instanceof Error; at = at.cause) if (at instanceof ModelError) return at;
  return null;
}
