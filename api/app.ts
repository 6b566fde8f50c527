import express from 'express';
import type { Express, Request, RequestHandler, Response } from 'express';
import { ipKeyGenerator, rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import type { RequestListener } from 'node:http';
import { isUuid, newId } from '../shared/ids.ts';
import { AppError } from '../shared/errors.ts';
import { guardLoopback, makeIdentifier, requireScope } from './auth.ts';
import { readBody } from './body.ts';
import { contextOf, setContext } from './context.ts';
import type { ApiDeps } from './deps.ts';
import { answerFailures, failureBody, noSuchRoute, wrongMethod } from './failures.ts';
import { Idempotency } from './idempotency.ts';
import { httpDurations } from './metrics.ts';
import type { Answer, Operation } from './operation.ts';
import { operations } from './operations.ts';

/** The HTTP side of the service, for `http.createServer`; listens nowhere by itself. */
export function createApp(deps: ApiDeps): RequestListener {
  const app = expressApp(deps);
  // Express has nothing to route by when the request target is no URL, and would answer that in HTML.
  return (request, response) =>
    app(request as Request, response as Response, () => {
      const error = new AppError('ROUTE_NOT_FOUND', 404, 'The target of the request is no path.');
      const body = JSON.stringify(failureBody(error));
      response.writeHead(404, {
        'Content-Type': 'application/json; charset=utf-8',
        'Content-Length': Buffer.byteLength(body),
      });
      response.end(body);
    });
}

function expressApp(deps: ApiDeps): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.use(beginContext(deps));
  app.use(securityHeaders());
  app.use(guardLoopback(deps.config.apiKeys));
  const limit = limiter(deps.config.rateLimitPerMinute);
  const idempotency = new Idempotency(deps);
  for (const [path, methods] of byPath(operations)) {
    const route = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    for (const operation of methods) {
      const steps = [
        nameRoute(path),
        ...(operation.scope === 'open' || operation.unlimited ? [] : [limit]),
        answer(operation, deps, idempotency),
      ];
      route[operation.method](...steps);
    }
    route.all(nameRoute(path), limit, wrongMethod(methods.map(({ method }) => method)));
  }
  app.use(limit, noSuchRoute);
  app.use(answerFailures(deps.logger));
  return app;
}

const parameters = (path: string) => path.split('{').length - 1;

/** Operations by path; paths without parameters first, so that `/campaigns/validate` is no id. */
function byPath(all: readonly Operation[]): [string, Operation[]][] {
  const groups = Map.groupBy(all, (operation) => operation.path);
  return [...groups].toSorted(([a], [b]) => parameters(a) - parameters(b));
}

/** Gives the request its id and who asks, and says in one line how it ended; never its body, query or secrets. */
function beginContext({ config, clock, logger, metrics }: ApiDeps): RequestHandler {
  const identify = makeIdentifier(config.apiKeys);
  const durations = httpDurations(metrics);
  return (request, response, next) => {
    const given = request.get('x-request-id');
    const requestId = given !== undefined && /^[\w.:-]{1,128}$/.test(given) ? given : newId(clock.now());
    const context = {
      requestId,
      startedAtMs: clock.now(),
      caller: identify(request),
      route: 'unknown',
      ids: {},
      streaming: false,
    };
    setContext(request, context);
    response.set('X-Request-Id', requestId);
    response.once('close', () => {
      const { route, ids, streaming, caller } = context;
      const ms = clock.now() - context.startedAtMs;
      const { method } = request;
      const status = response.statusCode;
      if (!streaming) durations.observe({ method, route, status: String(status) }, ms / 1_000);
      const level = QUIET.has(route) && status < 500 ? 'debug' : 'info';
      logger[level]('request', { method, route, ...ids, status, ms, requestId, caller: caller.id });
    });
    next();
  };
}

/** Asked every few seconds by machines. */
const QUIET: ReadonlySet<string> = new Set(['/api/health', '/api/ready', '/metrics']);

function nameRoute(path: string): RequestHandler {
  return (request, _response, next) => {
    const context = contextOf(request);
    context.route = path;
    const { id } = request.params;
    if (isUuid(id)) context.ids = { [nameOfId(path)]: id };
    next();
  };
}

/** What the id in a path is called in the log. */
function nameOfId(path: string): string {
  if (path.startsWith('/api/runs') || path.startsWith('/api/briefs')) return 'runId';
  return path.startsWith('/api/campaigns') ? 'campaignId' : 'id';
}

/** JSON answers may do nothing in a browser; the docs page widens this for itself. */
function securityHeaders(): RequestHandler {
  return helmet({
    contentSecurityPolicy: { useDefaults: false, directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] } },
    xFrameOptions: { action: 'deny' },
  });
}

/** Counts by key, or by address for callers without one. */
function limiter(perMinute: number): RequestHandler {
  return rateLimit({
    windowMs: 60_000,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    // No proxy is trusted, so these headers mean nothing here; the library would complain about them.
    validate: { xForwardedForHeader: false, forwardedHeader: false },
    keyGenerator: (request) => {
      const { caller } = contextOf(request);
      return caller.scope === null || caller.id === 'local' ? ipKeyGenerator(request.ip ?? '::') : caller.id;
    },
    handler: () => {
      throw new AppError(
        'RATE_LIMITED',
        429,
        `More than ${perMinute} requests a minute; Retry-After says when to go on.`,
        {
          retryable: true,
        },
      );
    },
  });
}

function answer(operation: Operation, deps: ApiDeps, idempotency: Idempotency): RequestHandler {
  return async (request, response) => {
    requireScope(contextOf(request).caller, operation.scope);
    response.set('Cache-Control', 'no-store');
    const body = operation.body ? await readBody(request, response) : undefined;
    const work = operation.prepare({ params: request.params, query: request.query, body }, request);
    const result =
      operation.method === 'post'
        ? await idempotency.run(request, operation.upload ? fileMark(request) : body, () => work(deps))
        : await work(deps);
    if (typeof result === 'function') await result(request, response);
    else send(response, result);
  };
}

/** What tells a file from another one without reading it. */
function fileMark({ query, headers }: Request): unknown {
  return { query, type: headers['content-type'], length: headers['content-length'] };
}

function send(response: Response, { status, body, headers = {} }: Answer): void {
  response.set(headers).status(status).json(body);
}
