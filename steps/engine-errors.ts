import type { JsonObject } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import { parseRetryAfter } from '../shared/retry-after.ts';
import { costOf, objectAt } from './answer-fields.ts';
import { type Effect, StepError, type StepErrorOptions } from './step.ts';
import { cleanText } from './summarize.ts';

const LONGEST_MESSAGE = 500;
/** An engine may ask for any wait; longer ones are cut, as everywhere else, to an hour. */
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
const NOT_HTTP = /^(HPE_|HTTPParserError$|UND_ERR_HEADERS_OVERFLOW$|UND_ERR_RES_CONTENT_LENGTH_MISMATCH$)/;

/** Statuses by which a server says that it did not take the request up; every other retryable one is in the 500s. */
const NOT_TAKEN_UP = new Set([408, 425, 429, 503]);
/** Of these, the ones that a proxy also answers with when the engine broke off behind it. */
const ALSO_BY_PROXIES = new Set([408, 503]);

/** The words of an engine's failure: `error` or `message`, plain or as `{message}`, at the top, in `data` or in `result`. */
export function engineMessage(payload: JsonObject): string | null {
  for (const holder of [payload, objectAt(payload, 'data'), objectAt(payload, 'result')]) {
    for (const value of [holder?.['error'], holder?.['message'], holder?.['detail'], holder?.['errors']]) {
      const first = Array.isArray(value) ? value[0] : value;
      const text = typeof first === 'object' && first !== null && !Array.isArray(first) ? first['message'] : first;
      if (typeof text === 'string' && text.trim() !== '') return cleanText(text.trim(), LONGEST_MESSAGE);
    }
  }
  return null;
}

const THINGS = '(?:prospects?|leads?|compan(?:y|ies)|business(?:es)?|e?-?mails?|drafts?|results?|records?|contacts?)';
const NOTHING = new RegExp(
  `\\b(?:no|zero|0)\\b[\\w\\s,/'-]{0,60}\\b${THINGS}\\b[\\w\\s,/'-]{0,60}\\b(?:match\\w*|found|available|eligible|ready|pending|left|to (?:analy[sz]e|process|compose|send))` +
    `|\\bno (?:matching|eligible|pending|new|ready) ${THINGS}\\b|\\bnothing to (?:do|analy[sz]e|process|compose|send)\\b`,
  'i',
);
const TROUBLE =
  /error|fail|exception|time(?:d )?[- ]?out|unauthori|denied|invalid|unavailable|refused|could ?n|can ?not|unable/i;

/** Whether a failure's words only say that nothing matched, which engines report as an error though nothing went wrong. */
export function saysNothingToDo(message: string | null): message is string {
  return message !== null && NOTHING.test(message) && !TROUBLE.test(message);
}

/** The engine answered, and its answer says that it failed. */
export function engineFailed(payload: JsonObject): StepError {
  return new StepError('ENGINE_FAILED', engineMessage(payload) ?? 'The engine reported a failure without a reason.', {
    // As P9 has it, only an engine that says so itself is asked again after a failure of its own.
    retryable: payload['retryable'] === true,
    costMicros: costOf(payload),
    worked: 'maybe',
  });
}

/** What was read is no answer: nobody knows what the engine did. */
export function invalidAnswer(message: string, cause?: unknown): StepError {
  return new StepError('ENGINE_ANSWER_INVALID', message, { cause, worked: 'maybe', definite: false });
}

export function protocolMismatch(message: string): StepError {
  return new StepError('ENGINE_PROTOCOL_MISMATCH', message, { worked: 'maybe', definite: false });
}

/**
 * A status of 400 or more as a failure. 408, 425, 429 and 503 were not taken up and may be tried again, other 5xx may have
 * been worked on and may be tried again, every other 4xx was refused for good.
 *
 * For a `once` step a 408 or 503 needs a sign that it is the engine's own (words in JSON, or Retry-After): a proxy answers
 * so too when the engine breaks off in the middle of its work.
 * @param answer `payload` is the body, `{}` when it was no JSON object
 */
export function httpFailure(
  answer: { status: number; retryAfter: string | undefined; payload: JsonObject },
  effect: Effect,
  clock: Clock,
): StepError {
  const { status, payload } = answer;
  const said = engineMessage(payload);
  const costMicros = costOf(payload);
  const wait = parseRetryAfter(answer.retryAfter, clock.now(), LONGEST_RETRY_AFTER_MS);
  const again = { retryable: true, costMicros, ...(wait === undefined ? {} : { retryAfterMs: wait }) };
  if (NOT_TAKEN_UP.has(status)) {
    const isSure = effect === 'repeatable' || !ALSO_BY_PROXIES.has(status) || said !== null || wait !== undefined;
    const worked = isSure ? ({ worked: 'no' } as const) : ({ worked: 'maybe', definite: false } as const);
    return new HttpStatusError({ code: 'ENGINE_BUSY', status, said }, { ...again, ...worked });
  }
  if (status < 500) return new HttpStatusError({ code: 'ENGINE_REFUSED', status, said }, { costMicros, worked: 'no' });
  // A gateway's 502 or 504, and a 500 without the engine's own words, leave open what became of the request.
  const definite = said !== null && status !== 502 && status !== 504;
  return new HttpStatusError({ code: 'ENGINE_ERROR', status, said }, { ...again, worked: 'maybe', definite });
}

/** An engine's status of 400 or more. */
export class HttpStatusError extends StepError {
  readonly status: number;
  /** The engine's own words. */
  readonly said: string | null;

  constructor(answer: { code: string; status: number; said: string | null }, options: StepErrorOptions) {
    const { code, status, said } = answer;
    super(code, `The engine answered ${status}${said === null ? '' : `: ${said}`}`, options);
    this.name = 'HttpStatusError';
    this.status = status;
    this.said = said;
  }
}

/** The code of a network error, or its name: undici's parser error has no code. */
function codeOf(error: unknown): { code: string; connecting: boolean } {
  if (typeof error !== 'object' || error === null) return { code: '', connecting: false };
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  const name = error instanceof Error && error.name !== 'Error' ? error.name : '';
  return { code: code || name, connecting: 'syscall' in error && error.syscall === 'connect' };
}

/** What the network did to a call, as a failure: whether the request can have reached the engine decides. */
export function networkFailure(error: unknown, url: string): StepError {
  if (error instanceof StepError) return error;
  const { code, connecting } = codeOf(error);
  const origin = URL.parse(url)?.origin ?? 'the engine';
  const why = code || messageOf(error);
  if (connecting || NOT_CONNECTED.has(code))
    return new StepError('ENGINE_UNREACHABLE', `No connection to ${origin} (${why}).`, {
      retryable: true,
      worked: 'no',
      cause: error,
    });
  if (BAD_CERTIFICATE.test(code))
    return new StepError('ENGINE_UNREACHABLE', `No secure connection to ${origin} (${why}).`, {
      worked: 'no',
      cause: error,
    });
  // The parser also reports a body that was cut off; that is the connection's end, not another language.
  if (NOT_HTTP.test(code) && !messageOf(error).includes('EOF'))
    return invalidAnswer(`${origin} did not answer in HTTP (${why}).`, error);
  return new StepError(
    'ENGINE_CONNECTION_LOST',
    `${origin} broke off the connection before its answer was complete (${why}).`,
    {
      retryable: true,
      worked: 'maybe',
      definite: false,
      cause: error,
    },
  );
}
