import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import { isJsonObject, ownField } from '../../shared/json.ts';
import { parseRetryAfter } from '../../shared/retry-after.ts';
import { ModelError } from '../model.ts';

const LONGEST_MESSAGE = 500;
/** A longer wait than this is cut to it, as everywhere else. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

const NOT_CONNECTED = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
]);
const BAD_CERTIFICATE = /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|EPROTO$)/;

/** An HTTP answer that is no success. */
export interface HttpFailure {
  status: number;
  retryAfter: string | undefined;
  /** The body as JSON, undefined when it is none, such as a proxy's page. */
  body: unknown;
}

/** The error of a Google API (google.rpc.Status); a list of one when the request was a streaming one. */
function errorOf(body: unknown): { message: string | null; details: unknown[] } {
  const error = ownField(Array.isArray(body) ? (body[0] as unknown) : body, 'error');
  const message = ownField(error, 'message');
  const details = ownField(error, 'details');
  return {
    message: typeof message === 'string' && message.trim() !== '' ? message.trim().slice(0, LONGEST_MESSAGE) : null,
    details: Array.isArray(details) ? details : [],
  };
}

/** The wait in google.rpc.RetryInfo, a protobuf Duration such as `3.5s`, in milliseconds. */
function retryInfoMs(details: readonly unknown[]): number | undefined {
  for (const detail of details) {
    if (!isJsonObject(detail) || !String(detail['@type']).endsWith('google.rpc.RetryInfo')) continue;
    const seconds = /^(\d+(?:\.\d+)?)s$/.exec(String(detail['retryDelay']))?.[1];
    if (seconds !== undefined) return Math.min(Math.ceil(Number(seconds) * 1_000), LONGEST_RETRY_AFTER_MS);
  }
  return undefined;
}

/**
 * A status other than 2xx. None of them is charged by the vendor. 429 may be tried again after the wait that it names, in its
 * header or in its body, whichever is longer; 408, 425, 499 and 5xx may be tried again; every other 4xx, wrong credentials included,
 * may not.
 */
export function httpFailure({ status, retryAfter, body }: HttpFailure, clock: Clock): ModelError {
  const { message, details } = errorOf(body);
  const waits = [parseRetryAfter(retryAfter, clock.now(), LONGEST_RETRY_AFTER_MS), retryInfoMs(details)];
  const waitMs = Math.max(-1, ...waits.filter((wait) => wait !== undefined));
  const again = { retryable: true, costMicros: 0, ...(waitMs < 0 ? {} : { retryAfterMs: waitMs }) };
  const said = message === null ? `The model's service answered ${status}.` : `Status ${status}: ${message}`;
  if (status === 429) return new ModelError('MODEL_RATE_LIMITED', said, again);
  if (status >= 500 || status === 408 || status === 425 || status === 499)
    return new ModelError('MODEL_UNAVAILABLE', said, again);
  return new ModelError('MODEL_REJECTED', `${said}${hintOf(status)}`, { costMicros: 0 });
}

function hintOf(status: number): string {
  if (status === 401 || status === 403)
    return ' Mend: give the credentials the role Vertex AI User in GOOGLE_CLOUD_PROJECT, and enable the API there.';
  if (status === 404)
    return ' Mend: check MODEL_FAST, MODEL_BEST and MODEL_EMBEDDING, and whether GOOGLE_CLOUD_LOCATION has them.';
  if (status >= 300 && status < 400)
    return ' Mend: set GOOGLE_VERTEX_BASE_URL to the address itself; redirects are not followed.';
  return '';
}

/** What the network did to a call. Where the request can have arrived, nobody knows what it cost. */
export function networkFailure(error: unknown, origin: string): ModelError {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
  const why = code || messageOf(error);
  const connecting = typeof error === 'object' && error !== null && 'syscall' in error && error.syscall === 'connect';
  if (BAD_CERTIFICATE.test(code))
    return new ModelError('MODEL_UNAVAILABLE', `No secure connection to ${origin} (${why}).`, { cause: error });
  const unreached = connecting || NOT_CONNECTED.has(code);
  const what = unreached ? 'No connection to' : 'No complete answer from';
  return new ModelError('MODEL_UNAVAILABLE', `${what} ${origin} (${why}).`, {
    retryable: true,
    costMicros: unreached ? 0 : null,
    cause: error,
  });
}

/** Something answered with a success that is no answer of a model. It may have worked, so nobody knows what it cost. */
export function strangeAnswer(why: string, cause?: unknown): ModelError {
  return new ModelError('MODEL_UNAVAILABLE', `The answer is not that of a model: ${why}.`, {
    retryable: true,
    costMicros: null,
    cause,
  });
}
