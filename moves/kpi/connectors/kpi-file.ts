import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { isAbsolute, join, sep } from 'node:path';
import { messageOf } from '../../../shared/errors.ts';
import { WorkError } from '../../work.ts';
import { excerpt } from './connector.ts';

/** Of one file, in bytes. */
const LARGEST_FILE = 4 * 1_024 * 1_024;

/**
 * The text of a file below a folder: UTF-8, or UTF-16 with a byte order mark, which is dropped. Symbolic links are followed only
 * while they stay below the folder.
 * @throws {WorkError} KPI_SOURCE_FORBIDDEN, KPI_SOURCE_MISSING, KPI_SOURCE_INVALID, KPI_SOURCE_TOO_LARGE, KPI_SOURCE_UNREADABLE
 */
export async function kpiFileText(folder: string, file: string, signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const path = await pathWithin(folder, file);
  let bytes: Buffer;
  try {
    // A pipe without a writer would keep the opening waiting; a link put there since must not be followed.
    await using handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    bytes = await wholeFile(handle, file, signal);
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof WorkError) throw error;
    throw unreadable(file, error);
  }
  return decoded(bytes, file);
}

async function pathWithin(folder: string, file: string): Promise<string> {
  if (isAbsolute(file) || file.split(/[/\\]/).includes('..') || file.includes('\0')) throw forbidden(file);
  try {
    const root = await realpath(folder);
    const path = await realpath(join(root, file));
    if (!path.startsWith(root.endsWith(sep) ? root : root + sep)) throw forbidden(file);
    return path;
  } catch (error) {
    if (error instanceof WorkError) throw error;
    throw unreadable(file, error);
  }
}

async function wholeFile(handle: FileHandle, file: string, signal: AbortSignal): Promise<Buffer> {
  const before = await handle.stat();
  if (!before.isFile()) throw new WorkError('KPI_SOURCE_INVALID', `${excerpt(file)} is no file.`);
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of handle.createReadStream({ autoClose: false, end: LARGEST_FILE })) {
    signal.throwIfAborted();
    chunks.push(chunk as Buffer);
    size += (chunk as Buffer).length;
  }
  if (size > LARGEST_FILE)
    throw new WorkError('KPI_SOURCE_TOO_LARGE', `${excerpt(file)} is larger than ${LARGEST_FILE} bytes.`);
  const after = await handle.stat();
  // Half of a row could pass for a smaller value.
  if (after.size !== before.size || after.size !== size || after.mtimeMs !== before.mtimeMs)
    throw new WorkError('KPI_SOURCE_UNREADABLE', `${excerpt(file)} is being written.`, { retryable: true });
  return Buffer.concat(chunks);
}

function decoded(bytes: Buffer, file: string): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? 'utf-16le' : first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch (error) {
    throw new WorkError('KPI_SOURCE_INVALID', `${excerpt(file)} is no text in UTF-8; save it as "CSV UTF-8".`, {
      cause: error,
    });
  }
}

function forbidden(file: string): WorkError {
  return new WorkError('KPI_SOURCE_FORBIDDEN', `${excerpt(file)} leads out of KPI_DIR.`);
}

function unreadable(file: string, error: unknown): WorkError {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const name = excerpt(file);
  if (code === 'ENOENT' || code === 'ENOTDIR')
    return new WorkError('KPI_SOURCE_MISSING', `${name} is not there, below KPI_DIR.`, { cause: error });
  if (code === 'ELOOP' || code === 'ENAMETOOLONG')
    return new WorkError('KPI_SOURCE_FORBIDDEN', `${name} is no path that can be followed.`, { cause: error });
  const retryable = code !== 'EACCES' && code !== 'EPERM' && code !== 'EISDIR';
  return new WorkError('KPI_SOURCE_UNREADABLE', `${name} could not be read (${code || messageOf(error)}).`, {
    retryable,
    cause: error,
  });
}
