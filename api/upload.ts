import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { AppError } from '../shared/errors.ts';

/** A body that is a file. */
export interface Upload {
  /** Media type in small letters, without parameters. */
  type: string;
  charset: string | undefined;
  /** The bytes as they come, decompressed. Throws BODY_INCOMPLETE when they break off. */
  bytes: AsyncIterable<Uint8Array>;
}

const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  br: () => createBrotliDecompress(),
  deflate: () => createInflate(),
  gzip: () => createGunzip(),
  'x-gzip': () => createGunzip(),
};

/**
 * The file in a request's body, to be read once.
 * @param types media types that are taken
 * @throws {AppError} UNSUPPORTED_MEDIA_TYPE
 */
export function uploadOf(request: IncomingMessage, types: readonly string[]): Upload {
  const given = request.headers['content-type'] ?? '';
  const type = given.split(';')[0]?.trim().toLowerCase() ?? '';
  if (!types.includes(type)) throw unsupported('content-type', given, `send one of ${types.join(', ')}`);
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (!decoder && encoding !== 'identity')
    throw unsupported('content-encoding', encoding, 'send none, or gzip, deflate or br');
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(given)?.[1];
  return { type, charset, bytes: bytesOf(request, decoder?.()) };
}

/** @throws {AppError} UNSUPPORTED_MEDIA_TYPE, always */
export function unsupported(header: string, given: string, mend: string): AppError {
  return new AppError('UNSUPPORTED_MEDIA_TYPE', 415, 'The body is not of a kind that can be taken.', {
    details: [{ path: `headers.${header}`, message: given === '' ? 'is missing' : `is ${given.slice(0, 100)}`, mend }],
  });
}

/** Reads on after an early end, so that whoever sends still gets the answer. */
async function* bytesOf(
  request: IncomingMessage,
  decoder: (NodeJS.ReadWriteStream & Readable) | undefined,
): AsyncGenerator<Uint8Array> {
  const source: Readable = decoder ? request.pipe(decoder) : request;
  if (decoder) request.once('close', () => request.complete || decoder.destroy(new Error('aborted')));
  try {
    for await (const chunk of source.iterator({ destroyOnReturn: false })) yield chunk as Uint8Array;
  } catch (cause) {
    throw new AppError('BODY_INCOMPLETE', 400, 'The body broke off, or is not encoded as its headers say.', { cause });
  } finally {
    request.unpipe();
    request.resume();
  }
}
