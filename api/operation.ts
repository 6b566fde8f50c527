import type { Request, Response } from 'express';
import { z } from 'zod';
import type { Scope } from '../shared/config-lists.ts';
import { ValidationError } from '../shared/errors.ts';
import { problemsOf } from '../shared/zod-problems.ts';
import type { ApiDeps } from './deps.ts';

/** An answer as a value, so that it can be kept for a repeated request. */
export interface Answer {
  status: number;
  body: object;
  headers?: Record<string, string>;
}

/** An answer that writes itself: a stream, a page. */
export type SelfSent = (request: Request, response: Response) => void | Promise<void>;

export interface Input<P, Q, B> {
  params: P;
  query: Q;
  body: B;
  request: Request;
}

/** How an answer is described in the OpenAPI document. `null`: no JSON, see `mediaType`. */
export interface AnswerDescription {
  description: string;
  schema: z.ZodType | null;
  mediaType?: string;
  /** Further media types that the same status may have. */
  also?: Record<string, z.ZodType>;
  headers?: z.ZodObject;
}

interface Description {
  /** `operationId` in the OpenAPI document. */
  id: string;
  method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for parameters. */
  path: string;
  tag: string;
  summary: string;
  description?: string;
  /** `open`: needs no key, and is not counted by the rate limit. */
  scope: Scope | 'open';
  /** Not counted by the rate limit though it needs a key. */
  unlimited?: boolean;
  answers: Record<number, AnswerDescription>;
  /** Codes of this operation's own failures by status; those that every operation may have are added. */
  failures?: Record<number, readonly string[]>;
  /** The body is a file of one of these media types, which `handle` reads itself. */
  upload?: readonly string[];
  /** A body may be left out; its schema then sees `{}`. */
  bodyOptional?: boolean;
}

interface Spec<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> extends Description {
  params?: P;
  query?: Q;
  body?: B;
  handle: (input: Input<z.output<P>, z.output<Q>, z.output<B>>, deps: ApiDeps) => Promise<Answer | SelfSent>;
}

/** What came in, not yet looked at. */
export interface RawInput {
  params: unknown;
  query: unknown;
  body: unknown;
}

const BODY_MISSING = {
  path: '',
  message: 'the body is missing',
  mend: 'send a JSON object as the body, with Content-Type: application/json',
};

/** One method of one path: how it is described, checked and answered. */
export interface Operation extends Description {
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  /** Checks everything that came in. @throws {ValidationError} with all problems together */
  prepare(raw: RawInput, request: Request): (deps: ApiDeps) => Promise<Answer | SelfSent>;
}

/**
 * Makes an operation; what `handle` is given has the types of the schemas. A section without a schema must be empty, so that
 * a misspelt query parameter is told rather than ignored.
 */
export function operation<
  P extends z.ZodType = z.ZodUnknown,
  Q extends z.ZodType = z.ZodUnknown,
  B extends z.ZodType = z.ZodUnknown,
>(spec: Spec<P, Q, B>): Operation {
  const { handle, ...description } = spec;
  const params = spec.params ?? z.unknown();
  const query = spec.query ?? z.strictObject({});
  const body = spec.body ?? z.unknown();
  return {
    ...description,
    prepare(raw, request) {
      const given = {
        params: { ...(raw.params as object) },
        query: { ...(raw.query as object) },
        body: raw.body === undefined && spec.bodyOptional ? {} : raw.body,
      };
      const checked = {
        params: params.safeParse(given.params),
        query: query.safeParse(given.query),
        body: body.safeParse(given.body),
      };
      const isBodyMissing = spec.body !== undefined && given.body === undefined;
      const problems = [
        ...(checked.params.error ? problemsOf(checked.params.error, given.params, { source: 'text' }) : []),
        ...(checked.query.error ? problemsOf(checked.query.error, given.query, { source: 'text' }) : []),
        ...(checked.body.error && !isBodyMissing ? problemsOf(checked.body.error, given.body, { schema: body }) : []),
        ...(isBodyMissing ? [BODY_MISSING] : []),
      ];
      if (problems.length > 0) throw new ValidationError('The request has problems.', problems);
      const input = {
        params: checked.params.data as z.output<P>,
        query: checked.query.data as z.output<Q>,
        body: checked.body.data as z.output<B>,
        request,
      };
      return (deps) => handle(input, deps);
    },
  };
}
