import { createHash, timingSafeEqual } from 'node:crypto';
import type { Request, RequestHandler } from 'express';
import { type ApiKey, type Scope, SCOPES } from '../shared/config-lists.ts';
import { AppError } from '../shared/errors.ts';
import { isLoopback } from '../shared/origins.ts';
import type { Caller } from './context.ts';

const digest = (text: string) => createHash('sha256').update(text).digest();

/**
 * Tells who asks, from `Authorization: Bearer` or `X-API-Key`. Every key is compared, each in constant time, so that
 * the time taken tells nothing about the keys. Without configured keys everybody (on this machine) may do everything.
 */
export function makeIdentifier(apiKeys: readonly ApiKey[]): (request: Request) => Caller {
  const known = apiKeys.map(({ key, scope }) => {
    const hash = digest(key);
    return { hash, caller: { id: `key:${hash.toString('hex').slice(0, 16)}`, scope } };
  });
  return (request) => {
    if (known.length === 0) return { id: 'local', scope: 'admin' };
    const given = presentedKey(request);
    let caller: Caller = { id: 'nobody', scope: null };
    if (given === undefined) return caller;
    const hash = digest(given);
    for (const candidate of known) if (timingSafeEqual(candidate.hash, hash)) caller = candidate.caller;
    return caller;
  };
}

function presentedKey(request: Request): string | undefined {
  const bearer = /^Bearer +(\S+) *$/i.exec(request.headers.authorization ?? '')?.[1];
  const header = request.headers['x-api-key'];
  return bearer ?? (typeof header === 'string' ? header : undefined);
}

/** @throws {AppError} UNAUTHENTICATED, INSUFFICIENT_SCOPE */
export function requireScope(caller: Caller, needed: Scope | 'open'): void {
  if (needed === 'open') return;
  if (caller.scope === null)
    throw new AppError('UNAUTHENTICATED', 401, 'A key is needed: Authorization: Bearer <key>, or X-API-Key.');
  if (SCOPES.indexOf(caller.scope) < SCOPES.indexOf(needed))
    throw new AppError('INSUFFICIENT_SCOPE', 403, `This needs a key of scope ${needed}; yours is ${caller.scope}.`);
}

/**
 * Protects a service without keys from web pages that the user of this machine visits: a page can make the browser call
 * loopback, by a cross-site request or by a name of its own that resolves to 127.0.0.1 (DNS rebinding).
 */
export function guardLoopback(apiKeys: readonly ApiKey[]): RequestHandler {
  if (apiKeys.length > 0) return (_request, _response, next) => next();
  return (request, _response, next) => {
    const host = hostOf(request.headers.host);
    if (!host || !isLoopback(host.hostname))
      throw new AppError('HOST_FORBIDDEN', 403, 'Without API_KEYS only requests to localhost are answered.', {
        details: [
          { path: 'headers.host', message: 'is not a loopback name', mend: 'use http://localhost, or set API_KEYS' },
        ],
      });
    const { origin } = request.headers;
    if (origin !== undefined && URL.parse(origin)?.host !== host.host)
      throw new AppError('ORIGIN_FORBIDDEN', 403, 'Without API_KEYS web pages of other origins are not answered.', {
        details: [{ path: 'headers.origin', message: 'is not this service', mend: 'set API_KEYS and send a key' }],
      });
    next();
  };
}

function hostOf(header: string | undefined): URL | null {
  if (header === undefined || !/^[\w.:[\]-]+$/.test(header)) return null;
  return URL.parse(`http://${header}`);
}
