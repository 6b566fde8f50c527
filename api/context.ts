import type { Request } from 'express';
import type { Scope } from '../shared/config-lists.ts';

/** Who asks. */
export interface Caller {
  /** Tells callers apart without telling their keys; `local` without keys, `nobody` with none that is known. */
  id: string;
  /** null: not known. */
  scope: Scope | null;
}

/** What is known about a request while it is answered. */
export interface RequestContext {
  requestId: string;
  startedAtMs: number;
  caller: Caller;
  /** Template of the path, `unknown` until one is found. */
  route: string;
  /** Ids of the path, for the log. */
  ids: Record<string, string>;
  /** A stream: its duration says nothing about speed. */
  streaming: boolean;
}

const contexts = new WeakMap<Request, RequestContext>();

export function setContext(request: Request, context: RequestContext): void {
  contexts.set(request, context);
}

export function contextOf(request: Request): RequestContext {
  const context = contexts.get(request);
  if (!context) throw new Error('the request has no context');
  return context;
}
