import { z } from 'zod';
import type { Json, JsonObject } from '../../shared/json.ts';
import { redactValue } from '../../shared/logger.ts';
import type { Micros } from '../../shared/money.ts';
import type { OriginPolicy } from '../../shared/origins.ts';
import { type EndpointValues, paramsSchema, requestOf } from './endpoint-call.ts';
import type { Endpoint } from './endpoints.ts';
import { evidenceOf, passageOf } from './found.ts';
import { type Tool, type ToolContext, ToolError, type ToolRun } from './tool.ts';
import { leavesOf } from './web/page-text.ts';
import { lookAt } from './web/passages.ts';
import { type WebAnswer, WebClient } from './web/web-client.ts';

const TIME_LIMIT_MS = 15_000;
const MOST_BYTES = 32 * 1_024;
const MOST_PASSAGES = 20;
const TYPES = ['application/json', 'text/plain'];

interface Arguments {
  endpoint: string;
  params?: EndpointValues;
}

/** Declared endpoints; nothing else can be called. */
class Api implements Tool<Arguments> {
  readonly name = 'api';
  readonly description = 'Calls a declared endpoint.';
  readonly schema: z.ZodType<Arguments>;
  readonly timeLimitMs = TIME_LIMIT_MS;
  readonly #endpoints: readonly Endpoint[];
  readonly #web: WebClient;

  constructor(endpoints: readonly Endpoint[], origins: OriginPolicy) {
    this.#endpoints = endpoints;
    // Whoever declares an endpoint says where it is, also next to this service.
    this.#web = new WebClient({ origins });
    const [first, ...others] = endpoints.map(argumentsOf);
    const none = z.strictObject({ endpoint: z.never('is not declared: TOOLS_FILE declares none') });
    this.schema = first ? z.discriminatedUnion('endpoint', [first, ...others]) : none;
  }

  offers() {
    return this.#endpoints
      .filter(({ isRepeatable }) => isRepeatable)
      .map((endpoint) => ({
        name: endpoint.name,
        description: endpoint.description,
        arguments: argumentsOf(endpoint) as unknown as z.ZodType<JsonObject>,
      }));
  }

  estimate({ endpoint: name }: Arguments): Micros {
    return this.#endpoint(name).costMicros;
  }

  async run({ endpoint: name, params = {} }: Arguments, context: ToolContext): Promise<ToolRun> {
    const endpoint = this.#endpoint(name);
    const { costMicros } = endpoint;
    const request = requestOf(endpoint, params);
    const given = await this.#send(endpoint, request, context);
    // Fields that are called a secret are one, also where passages are made of them.
    const answer = redactValue(read(given, costMicros), (text) => text) as Json;
    const looked = await lookAt(leavesOf(answer));
    const readable = looked.filter(({ suspicious }) => !suspicious);
    const { origin, pathname } = new URL(given.url);
    const location = `${origin}${pathname}`;
    const passages = readable.slice(0, MOST_PASSAGES).map(({ text }) => passageOf('api', request.url, text));
    const suspicious = looked.length - readable.length;
    return { result: { endpoint: name, url: location, answer, passages, suspicious }, costMicros };
  }

  evidence = evidenceOf;

  close(): Promise<void> {
    return this.#web.close();
  }

  /** @throws {ToolError} TOOL_NOT_REPEATABLE */
  #endpoint(name: string): Endpoint {
    const endpoint = this.#endpoints.find((one) => one.name === name);
    if (!endpoint?.isRepeatable)
      throw new ToolError('TOOL_NOT_REPEATABLE', `${name} is not declared as repeatable, and a step may run again.`, {
        refused: true,
      });
    return endpoint;
  }

  /** @throws {ToolError} with the cost of a call that may have been worked on */
  async #send(
    { method, headers, costMicros }: Endpoint,
    request: { url: string; body?: string },
    context: ToolContext,
  ): Promise<WebAnswer> {
    const type = request.body === undefined ? {} : { 'content-type': 'application/json' };
    if (costMicros > 0) context.onSent();
    let answer: WebAnswer;
    try {
      answer = await this.#web.send({
        ...request,
        method,
        headers: { accept: TYPES.join(', '), ...type, ...headers },
        signal: context.signal,
        accepts: TYPES,
        mostBytes: MOST_BYTES,
        mostRedirects: 0,
      });
    } catch (error) {
      if (!(error instanceof ToolError) || error.refused || costMicros === 0) throw error;
      throw new ToolError(error.code, error.message, { costMicros, costUnknown: true, cause: error });
    }
    const { status } = answer;
    if (status >= 200 && status < 300) return answer;
    const isWorked = status >= 500;
    throw new ToolError('TOOL_HTTP_STATUS', `The endpoint answered ${status}.`, {
      costMicros: isWorked ? costMicros : 0,
      costUnknown: isWorked && costMicros > 0,
    });
  }
}

/** @throws {ToolError} TOOL_ANSWER_INVALID */
function read({ mediaType, body }: WebAnswer, costMicros: Micros): Json {
  const text = new TextDecoder().decode(body);
  if (mediaType === 'text/plain') return text;
  try {
    return JSON.parse(text) as Json;
  } catch (cause) {
    const message = 'The endpoint says that it gave JSON, which it is not.';
    throw new ToolError('TOOL_ANSWER_INVALID', message, { costMicros, cause });
  }
}

function argumentsOf(endpoint: Endpoint) {
  const name = { endpoint: z.literal(endpoint.name) };
  if (Object.keys(endpoint.params).length === 0) return z.strictObject(name);
  const params = paramsSchema(endpoint);
  const isNeeded = Object.values(endpoint.params).some(({ optional }) => !optional);
  return z.strictObject({ ...name, params: isNeeded ? params : params.optional() });
}

export const api = (endpoints: readonly Endpoint[], origins: OriginPolicy): Tool<unknown> =>
  new Api(endpoints, origins);
