import express from 'express';
import type { Request, Response } from 'express';
import { AppError, ValidationError } from '../shared/errors.ts';
import { jsonPath } from '../shared/json.ts';
import { findRepeatedName } from '../shared/repeated-name.ts';
import { findJsonFault } from './json-fault.ts';

/** The largest body in bytes, after decompression. */
export const BODY_LIMIT = 1_048_576;
/** The deepest nesting of a body; deeper ones would overflow the stack of whatever walks them. */
const DEEPEST = 64;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json\s*(?:;|$)/i;

const readBytes = express.raw({ type: () => true, limit: BODY_LIMIT });

/**
 * Reads a JSON body; undefined when there is none.
 * @throws {AppError} 413, 415, or 400 with the position of the fault
 */
export async function readBody(request: Request, response: Response): Promise<unknown> {
  const length = request.headers['content-length'];
  if ((length === undefined || Number(length) === 0) && request.headers['transfer-encoding'] === undefined)
    return undefined;
  checkType(request.headers['content-type']);
  await new Promise<void>((resolve, reject) => {
    readBytes(request, response, (error?: unknown) => (error ? reject(error) : resolve()));
  });
  const bytes: unknown = request.body;
  if (!Buffer.isBuffer(bytes) || bytes.length === 0) return undefined;
  const value = parse(bytes);
  checkStorable(value);
  return value;
}

function checkType(type: string | undefined): void {
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(type ?? '')?.[1];
  if (JSON_TYPE.test(type ?? '') && (charset === undefined || /^(utf-?8|us-ascii)$/i.test(charset))) return;
  throw new AppError('UNSUPPORTED_MEDIA_TYPE', 415, 'The body must be JSON in UTF-8.', {
    details: [
      {
        path: 'headers.content-type',
        message: type ? `is ${type}` : 'is missing',
        mend: 'send Content-Type: application/json',
      },
    ],
  });
}

function parse(bytes: Buffer): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('MALFORMED_JSON', 400, 'The body is not UTF-8.', { cause });
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const fault = findJsonFault(text);
    if (!fault) throw new AppError('MALFORMED_JSON', 400, 'The body is not JSON.', { cause });
    throw new AppError('MALFORMED_JSON', 400, `The body is not JSON at line ${fault.line}, column ${fault.column}.`, {
      cause,
      details: [
        {
          path: '',
          message: `${fault.message} at line ${fault.line}, column ${fault.column} (offset ${fault.offset})`,
          mend: 'write what is expected there; names and texts stand in double quotes, and nothing ends with a comma',
        },
      ],
    });
  }
  checkNames(text);
  return value;
}

/** A name that an object has twice is a mistake of whoever wrote it, and which of the two is meant cannot be known. */
function checkNames(text: string): void {
  const repeated = findRepeatedName(text);
  if (!repeated) return;
  const name = JSON.stringify(repeated.name.slice(0, 60).toWellFormed());
  const place = `line ${repeated.line}, column ${repeated.column}`;
  throw new AppError('MALFORMED_JSON', 400, `The body has an object with the name ${name} twice, at ${place}.`, {
    details: [
      { path: '', message: `the name ${name} stands a second time at ${place}`, mend: 'remove one of the two' },
    ],
  });
}

/**
 * Refuses what Postgres cannot store in jsonb (U+0000, half a surrogate pair) and what is nested too deep, before anybody walks it
 * recursively.
 */
function checkStorable(root: unknown): void {
  const waiting: { value: unknown; path: PropertyKey[] }[] = [{ value: root, path: [] }];
  const checkText = (text: string, path: PropertyKey[]) => {
    if (text.includes('\u0000') || !text.isWellFormed())
      refuse(path, 'holds a character that cannot be stored', 'remove U+0000 and unpaired surrogates');
  };
  for (let item = waiting.pop(); item; item = waiting.pop()) {
    const { value, path } = item;
    if (typeof value === 'string') checkText(value, path);
    if (typeof value !== 'object' || value === null) continue;
    if (path.length >= DEEPEST) refuse(path, `is nested deeper than ${DEEPEST} levels`, 'flatten it');
    if (Array.isArray(value))
      for (const [index, child] of value.entries()) waiting.push({ value: child, path: [...path, index] });
    else
      for (const [name, child] of Object.entries(value)) {
        checkText(name, path);
        waiting.push({ value: child, path: [...path, name] });
      }
  }
}

function refuse(path: readonly PropertyKey[], message: string, mend: string): never {
  // Eight steps of a path tell the place; thousands would be the answer.
  throw new ValidationError('The request has problems.', [{ path: jsonPath(path.slice(0, 8)), message, mend }]);
}
