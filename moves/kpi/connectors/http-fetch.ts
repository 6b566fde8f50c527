import { Agent, type Dispatcher, request } from 'undici';
import { messageOf } from '../../../shared/errors.ts';
import type { OriginPolicy } from '../../../shared/origins.ts';
import { WorkError } from '../../work.ts';
import { ENV_REFERENCE, type HttpSource, placeOf, withoutQuery } from '../source.ts';

const MOST_REDIRECTS = 3;

export interface HttpAccess extends Partial<HttpLimits> {
  origins: OriginPolicy;
  /** `{{ env.NAME }}` values that sources may refer to, by name. */
  references: Record<string, string>;
}

interface HttpLimits {
  /** Milliseconds for a whole answer, redirects included. */
  timeoutMs: number;
  /** Bytes of an answer. */
  maxBytes: number;
}

/**
 * The text at the address of a source.
 * @throws {WorkError} as connectors' `read`, or REFERENCE_UNDEFINED; or the signal's reason
 */
export async function fetchText(source: HttpSource, access: HttpAccess, signal: AbortSignal): Promise<string> {
  const { timeoutMs = 15_000, maxBytes = 4 * 1_024 * 1_024 } = access;
  const place = placeOf(source);
  const authorization = authorizationOf(source, access.references);
  // KPIs are looked at now and then: no connection is worth keeping. `await using` would wait for answers that never end.
  const agent = new Agent({ pipelining: 0 });
  const timeout = AbortSignal.timeout(timeoutMs);
  try {
    const body = await answerOf({
      url: source.url,
      authorization,
      origins: access.origins,
      dispatcher: agent,
      signal: AbortSignal.any([signal, timeout]),
    });
    return await textOf(body, maxBytes, place);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WorkError) throw error;
    const why = timeout.aborted ? `no whole answer within ${timeoutMs} ms` : networkFault(error);
    throw new WorkError('KPI_SOURCE_UNREADABLE', `${place} could not be read: ${why}.`, {
      retryable: true,
      cause: error,
    });
  } finally {
    await agent.destroy();
  }
}

const networkFault = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : messageOf(error);

interface Question {
  url: string;
  authorization: string | undefined;
  origins: OriginPolicy;
  dispatcher: Dispatcher;
  signal: AbortSignal;
}

/** The body of the first answer that is no redirect. */
async function answerOf(question: Question): Promise<Dispatcher.ResponseData['body']> {
  const { url: first, origins } = question;
  if (!origins.allows(first)) throw new WorkError('KPI_SOURCE_FORBIDDEN', `${origins.refusal(first)}.`);
  let url = first;
  for (let followed = 0; ; followed++) {
    const { statusCode, headers: answered, body } = await ask(question, url);
    // A body that is destroyed unread reports so as an error, and nobody else listens.
    body.on('error', () => undefined);
    const encoding = answered['content-encoding'] ?? 'identity';
    if (statusCode >= 200 && statusCode < 300 && encoding === 'identity') return body;
    body.destroy();
    if (statusCode >= 200 && statusCode < 300)
      throw new WorkError(
        'KPI_SOURCE_INVALID',
        `${withoutQuery(url)} answered compressed though identity was asked for.`,
      );
    if (statusCode < 300 || statusCode >= 400) throw statusFault(statusCode, url);
    url = redirectTarget(url, [answered['location'] ?? []].flat()[0], origins);
    if (followed >= MOST_REDIRECTS)
      throw new WorkError(
        'KPI_SOURCE_FORBIDDEN',
        `${withoutQuery(first)} redirects more than ${MOST_REDIRECTS} times.`,
      );
  }
}

function ask({ url: first, authorization, dispatcher, signal }: Question, url: string) {
  const headers: Record<string, string> = {
    accept: 'application/json',
    'accept-encoding': 'identity',
    'user-agent': 'pipeline-orchestrator',
  };
  // It is for the origin that the source names, and for no other.
  if (authorization !== undefined && URL.parse(url)?.origin === URL.parse(first)?.origin)
    headers['authorization'] = authorization;
  return request(url, { dispatcher, headers, signal });
}

/** @throws {WorkError} REFERENCE_UNDEFINED, KPI_SOURCE_INVALID */
function authorizationOf(source: HttpSource, references: Record<string, string>): string | undefined {
  const filled = source.authorization?.replaceAll(ENV_REFERENCE, (_, name: string) => {
    const value = Object.hasOwn(references, name) ? references[name] : undefined;
    if (value === undefined)
      throw new WorkError('REFERENCE_UNDEFINED', `${name} is not set, or not named in ENV_REFERENCES.`);
    return value;
  });
  if (filled !== undefined && !/^[\x20-\x7e]*$/.test(filled))
    throw new WorkError('KPI_SOURCE_INVALID', 'The value of "authorization" cannot stand in a header.');
  return filled;
}

function redirectTarget(from: string, location: string | undefined, origins: OriginPolicy): string {
  const target = location === undefined ? null : URL.parse(location, from);
  if (target === null)
    throw new WorkError('KPI_SOURCE_INVALID', `${withoutQuery(from)} redirects without saying where to.`);
  if (!origins.allowsRedirect(from, target.href))
    throw new WorkError(
      'KPI_SOURCE_FORBIDDEN',
      `${withoutQuery(from)} redirects to ${target.origin}, which is not allowed.`,
    );
  return target.href;
}

function statusFault(status: number, url: string): WorkError {
  const code = status === 404 || status === 410 ? 'KPI_SOURCE_MISSING' : 'KPI_SOURCE_UNREADABLE';
  const retryable = status >= 500 || [408, 425, 429].includes(status);
  return new WorkError(code, `${withoutQuery(url)} answered ${status}.`, { retryable });
}

async function textOf(body: AsyncIterable<Uint8Array>, maxBytes: number, place: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes > maxBytes)
      throw new WorkError('KPI_SOURCE_TOO_LARGE', `${place} answered with more than ${maxBytes} bytes.`);
    chunks.push(chunk);
  }
  return new TextDecoder().decode(Buffer.concat(chunks));
}
