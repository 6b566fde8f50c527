import type { ErrorRequestHandler, RequestHandler, Response } from 'express';
import { AppError, messageOf } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { contextOf } from './context.ts';
import { detailsOf } from './mends.ts';
import type { Failure } from './shapes/common.ts';

/** Seconds after which a client may try again, by status, where nobody knows better. */
const RETRY_AFTER: Record<number, number> = { 409: 1, 503: 5 };

export function failureBody(error: AppError, reference?: string): Failure {
  return {
    success: false,
    error: {
      code: error.code,
      message: error.message,
      details: detailsOf(error).map(({ path, message, mend }) =>
        mend === undefined ? { path, message } : { path, message, mend },
      ),
      ...(reference === undefined ? {} : { reference }),
    },
  };
}

/** The codes for what Express and its body parser throw; they carry an HTTP status and a `type`. */
function fromLibrary(error: unknown): AppError | null {
  if (typeof error !== 'object' || error === null || !('status' in error) || typeof error.status !== 'number')
    return null;
  const { status } = error;
  if (status < 400 || status > 499) return null;
  if (status === 413) return new AppError('BODY_TOO_LARGE', 413, 'The body is larger than 1 MiB.', { cause: error });
  if (status === 415) return new AppError('UNSUPPORTED_MEDIA_TYPE', 415, messageOf(error), { cause: error });
  if ('type' in error || 'code' in error)
    return new AppError('BODY_INCOMPLETE', 400, 'The body broke off, or is not encoded as its headers say.', {
      cause: error,
    });
  return new AppError('MALFORMED_PATH', status, 'The path is malformed: check its %-encoding.', { cause: error });
}

/** Answers every error in one shape; what nobody foresaw is logged with a reference and told without internals. */
export function answerFailures(logger: Logger): ErrorRequestHandler {
  return (error: unknown, request, response, _next) => {
    const known = error instanceof AppError ? error : fromLibrary(error);
    if (response.headersSent) {
      logger.warn('response broke off', { requestId: contextOf(request).requestId, error });
      response.destroy();
      return;
    }
    if (known) {
      // What is told of once where it is noticed, such as a database that is away, needs no stack for each request.
      const { requestId } = contextOf(request);
      if (known.status >= 500) logger.warn('request failed', { requestId, code: known.code, reason: known.message });
      sendFailure(response, known);
      return;
    }
    const { requestId } = contextOf(request);
    logger.error('unexpected error in a request', { requestId, route: contextOf(request).route, error });
    const hidden = new AppError('INTERNAL', 500, 'Something unexpected happened; the reference finds it in the log.');
    response.status(500).json(failureBody(hidden, requestId));
  };
}

function sendFailure(response: Response, error: AppError): void {
  if (error.status === 401) response.set('WWW-Authenticate', 'Bearer realm="pipeline-orchestrator"');
  const wait = RETRY_AFTER[error.status];
  if (error.retryable && wait !== undefined) response.set('Retry-After', String(wait));
  response.status(error.status).json(failureBody(error));
}

export const noSuchRoute: RequestHandler = () => {
  throw new AppError('ROUTE_NOT_FOUND', 404, 'There is nothing at this path; /openapi.json lists what there is.');
};

/** For methods that a path does not have. */
export function wrongMethod(methods: readonly string[]): RequestHandler {
  const allow = [
    ...new Set([
      ...methods.map((method) => method.toUpperCase()),
      ...(methods.includes('get') ? ['HEAD'] : []),
      'OPTIONS',
    ]),
  ].join(', ');
  return (request, response) => {
    response.set('Allow', allow);
    if (request.method === 'OPTIONS') {
      response.status(204).end();
      return;
    }
    throw new AppError('METHOD_NOT_ALLOWED', 405, `This path takes ${allow}.`, {
      details: [{ path: '', message: `the method is ${request.method}`, mend: `use one of ${allow}` }],
    });
  };
}
