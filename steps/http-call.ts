import { request, type Dispatcher } from 'undici';
import type { Clock } from '../shared/clock.ts';
import type { OriginPolicy } from '../shared/origins.ts';
import type { JsonObject } from '../database/tables.ts';
import { readText } from './bounded-body.ts';
import { parseObject } from './dialect-json.ts';
import { httpFailure, networkFailure } from './engine-errors.ts';
import { type Effect, StepError } from './step.ts';

const MOST_REDIRECTS = 3;
/** Of the body of a failure only the message is of use. */
const MOST_ERROR_BYTES = 65_536;

/** What every call to an engine goes through. */
export interface Wire {
  /** Keeps connections open for the next request. */
  kept: Dispatcher;
  /** Opens a connection a request. */
  fresh: Dispatcher;
  origins: OriginPolicy;
  clock: Clock;
  /** Bytes of one whole answer. */
  maxResponseBytes: number;
  /** Milliseconds for one look at queued jobs; a look that hangs is given up and made again. */
  pollLimitMs: number;
  /** Milliseconds for telling an engine to stop. */
  cancelLimitMs: number;
  /** Milliseconds for the event that may follow the terminal one. */
  closingLimitMs: number;
}

export interface WireRequest {
  url: string;
  method: Dispatcher.HttpMethod;
  headers: Record<string, string>;
  body?: string;
  signal: AbortSignal;
  /**
   * `once` gets a connection of its own, so that an idle one which the engine is just closing cannot leave open whether it was
   * asked, and takes no answer for a refusal that may be a proxy's.
   */
  effect: Effect;
}

export interface WireResponse {
  /** Where the answer came from, redirects followed. */
  url: string;
  status: number;
  headers: Dispatcher.ResponseData['headers'];
  body: Dispatcher.ResponseData['body'];
}

/** The value of a response header; the first where there are several. */
export function header(response: WireResponse, name: string): string | undefined {
  const value = response.headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function forbiddenRedirect(message: string, worked: 'no' | 'maybe' = 'no'): StepError {
  return new StepError('ENGINE_REDIRECT_FORBIDDEN', message, { worked, definite: worked === 'no' });
}

/**
 * Where a redirect leads, if it may be followed. 307 and 308 keep method and body (RFC 9110, section 15.4); 301, 302 and 303
 * would turn a POST into a GET, so they are followed with GET only.
 */
function redirectTarget(wire: Wire, response: WireResponse, method: string, followed: number): string {
  const location = header(response, 'location');
  const target = location === undefined ? null : URL.parse(location, response.url);
  const origin = target ? `${target.origin}${target.pathname}` : 'nowhere';
  const status = response.status;
  if (!target || ![301, 302, 303, 307, 308].includes(status))
    throw forbiddenRedirect(`The engine answered ${status} without an address to go on to.`, 'maybe');
  if (status < 304 && method !== 'GET')
    throw forbiddenRedirect(
      `The engine answered ${status} to a ${method} and points to ${origin}; name that address in the step.`,
      status === 303 ? 'maybe' : 'no',
    );
  if (!wire.origins.allowsRedirect(response.url, target.href))
    throw forbiddenRedirect(`The engine redirects to ${origin}, which is not an allowed origin.`);
  if (followed >= MOST_REDIRECTS)
    throw forbiddenRedirect(`The engine redirects more than ${MOST_REDIRECTS} times, last to ${origin}.`);
  return target.href;
}

async function failureBody(response: WireResponse): Promise<JsonObject> {
  try {
    return parseObject(await readText(response.body, MOST_ERROR_BYTES));
  } catch {
    return {};
  }
}

/**
 * Makes one HTTP call, redirects included, and resolves with a response of status 2xx whose body is still to be read. No limit
 * of time but the signal's.
 * @throws {StepError} for a forbidden address or redirect, a network failure, and every other status; or the signal's reason
 */
export async function exchange(wire: Wire, call: WireRequest): Promise<WireResponse> {
  if (!wire.origins.allows(call.url))
    throw new StepError('ENGINE_ORIGIN_FORBIDDEN', `The step may not call this: ${wire.origins.refusal(call.url)}.`, {
      worked: 'no',
    });
  let url = call.url;
  for (let followed = 0; ; followed++) {
    const response = await send(wire, { ...call, url });
    if (response.status >= 200 && response.status < 300) return response;
    if (response.status >= 400) {
      const retryAfter = header(response, 'retry-after');
      const payload = await failureBody(response);
      call.signal.throwIfAborted();
      throw httpFailure({ status: response.status, retryAfter, payload }, call.effect, wire.clock);
    }
    try {
      url = redirectTarget(wire, response, call.method, followed);
    } finally {
      response.body.destroy();
    }
  }
}

async function send(wire: Wire, call: WireRequest): Promise<WireResponse> {
  try {
    const { statusCode, headers, body } = await request(call.url, {
      dispatcher: call.effect === 'once' ? wire.fresh : wire.kept,
      method: call.method,
      headers: call.headers,
      signal: call.signal,
      ...(call.body === undefined ? {} : { body: call.body }),
    });
    // A body that is destroyed unread reports so as an error, and nobody else listens.
    body.on('error', () => undefined);
    return { url: call.url, status: statusCode, headers, body };
  } catch (error) {
    call.signal.throwIfAborted();
    throw networkFailure(error, call.url);
  }
}
