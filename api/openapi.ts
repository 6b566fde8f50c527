import { createDocument, type ZodOpenApiOperationObject, type ZodOpenApiResponsesObject } from 'zod-openapi';
import { z } from 'zod';
import type { AnswerDescription, Operation } from './operation.ts';
import { failure } from './shapes/common.ts';

const WHAT: Record<number, string> = {
  400: 'Malformed or invalid; every problem is listed.',
  401: 'No key, or one that is not known.',
  403: 'Not with this key, host or origin.',
  404: 'Nothing has this id.',
  409: 'Does not fit the present state.',
  413: 'The body is too large.',
  415: 'The body is not of a media type that this takes.',
  422: 'This Idempotency-Key was used with another body.',
  429: 'Too many requests; see Retry-After.',
  500: 'Unexpected; `reference` finds it in the log.',
  501: 'Not possible with this database.',
  503: 'Not possible at the moment; see Retry-After.',
};

const retryAfter = z.object({ 'Retry-After': z.string().meta({ description: 'Seconds.' }) });

/** The codes an operation may fail with, by status: its own and those that follow from its nature. */
export function failuresOf(operation: Operation): Map<number, Set<string>> {
  const codes = new Map<number, Set<string>>();
  const add = (status: number, ...more: string[]) =>
    codes.set(status, (codes.get(status) ?? new Set()).union(new Set(more)));
  add(400, 'VALIDATION_FAILED');
  add(403, 'HOST_FORBIDDEN', 'ORIGIN_FORBIDDEN');
  if (operation.scope !== 'open') {
    add(401, 'UNAUTHENTICATED');
    add(403, 'INSUFFICIENT_SCOPE');
    if (!operation.unlimited) add(429, 'RATE_LIMITED');
    add(503, 'DATABASE_UNAVAILABLE');
  }
  if (operation.path.includes('{id}')) add(404, 'NOT_FOUND');
  if (operation.params) add(400, 'MALFORMED_PATH');
  if (operation.body) {
    add(400, 'MALFORMED_JSON', 'BODY_INCOMPLETE');
    add(413, 'BODY_TOO_LARGE');
    add(415, 'UNSUPPORTED_MEDIA_TYPE');
  }
  if (operation.upload) {
    add(400, 'BODY_INCOMPLETE');
    add(415, 'UNSUPPORTED_MEDIA_TYPE');
  }
  if (operation.method === 'post') {
    add(409, 'IDEMPOTENCY_IN_PROGRESS');
    add(422, 'IDEMPOTENCY_KEY_REUSED');
  }
  add(500, 'INTERNAL');
  for (const [status, own] of Object.entries(operation.failures ?? {})) add(Number(status), ...own);
  return codes;
}

function answerOf({ description, schema, mediaType, also, headers }: AnswerDescription) {
  const content = {
    ...(schema ? { [mediaType ?? 'application/json']: { schema } } : {}),
    ...(!schema && mediaType ? { [mediaType]: { schema: z.string() } } : {}),
    ...Object.fromEntries(Object.entries(also ?? {}).map(([type, other]) => [type, { schema: other }])),
  };
  return {
    description,
    ...(Object.keys(content).length > 0 ? { content } : {}),
    ...(headers ? { headers } : {}),
  };
}

function responsesOf(operation: Operation): ZodOpenApiResponsesObject {
  const responses: ZodOpenApiResponsesObject = {};
  for (const [status, answer] of Object.entries(operation.answers)) responses[status as '200'] = answerOf(answer);
  for (const [status, codes] of [...failuresOf(operation)].toSorted(([a], [b]) => a - b))
    responses[String(status) as '400'] = {
      description: `${WHAT[status] ?? ''} \`${[...codes].join('`, `')}\``.trim(),
      content: { 'application/json': { schema: failure } },
      ...(status === 429 || status === 503 ? { headers: retryAfter } : {}),
    };
  return responses;
}

const idempotencyHeader = z.object({
  'Idempotency-Key': z.string().min(1).max(255).optional().meta({
    description: 'Repeating the request with the same key within 24 h gives the first answer again and does nothing.',
  }),
});

/** A file, whatever is in it. */
function uploadContent(types: readonly string[]) {
  return Object.fromEntries(types.map((type) => [type, { schema: { type: 'string' as const, format: 'binary' } }]));
}

function describe(operation: Operation): ZodOpenApiOperationObject {
  const requestParams = {
    ...(operation.params ? { path: operation.params as z.ZodObject } : {}),
    ...(operation.query ? { query: operation.query as z.ZodObject } : {}),
    ...(operation.method === 'post' ? { header: idempotencyHeader } : {}),
  };
  return {
    operationId: operation.id,
    tags: [operation.tag],
    summary: operation.summary,
    ...(operation.description ? { description: operation.description } : {}),
    ...(operation.scope === 'open'
      ? { security: [] }
      : { security: [{ bearer: [] }, { apiKey: [] }], 'x-scope': operation.scope }),
    ...(Object.keys(requestParams).length > 0 ? { requestParams } : {}),
    ...(operation.body
      ? {
          requestBody: {
            required: !operation.bodyOptional,
            content: { 'application/json': { schema: operation.body } },
          },
        }
      : {}),
    ...(operation.upload ? { requestBody: { required: true, content: uploadContent(operation.upload) } } : {}),
    responses: responsesOf(operation),
  };
}

/** The OpenAPI 3.1 document of some operations, made from the same schemas that check the requests. */
export function makeOpenApi(operations: readonly Operation[]): object {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const operation of operations) (paths[operation.path] ??= {})[operation.method] = describe(operation);
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'pipeline-orchestrator',
      version: '1',
      description:
        'Runs marketing campaigns on schedule. Failures have one shape, lists are paged by cursor, POSTs take an `Idempotency-Key`. ' +
        'Scopes of keys: read < operate < admin.',
    },
    security: [{ bearer: [] }, { apiKey: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'A key of API_KEYS.' },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key' },
      },
    },
  });
}
