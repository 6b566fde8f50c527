import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../shared/errors.ts';

const SQLITE_BUSY = 5;

/**
 * Takes the data folder for this process alone; two processes on one embedded database corrupt it without a word. The lock is
 * the operating system's own, on the file `lock`, reached through an empty SQLite file because Node has no call for it. It ends
 * with its process however that ends, so none is ever stale, a process number used again means nothing, and containers that
 * share the folder see each other's. The file `lock.pid` beside it only says who holds it.
 * @returns the function that gives the folder back
 * @throws {AppError} DATA_DIR_IN_USE when another process has it
 */
export async function lockDataDir(dataDir: string): Promise<() => Promise<void>> {
  const note = join(dataDir, 'lock.pid');
  const lock = new DatabaseSync(join(dataDir, 'lock'));
  try {
    lock.exec('begin exclusive');
  } catch (error) {
    lock.close();
    if (!(error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)) throw error;
    const holder = (await readFile(note, 'utf8').catch(() => '')).trim();
    throw new AppError(
      'DATA_DIR_IN_USE',
      503,
      `The data folder ${dataDir} is in use by ${holder ? `process ${holder}` : 'another process'}. ` +
        'Stop that process, or give this one a folder of its own with DATA_DIR.',
      { cause: error },
    );
  }
  await writeFile(note, `${process.pid}\n`);
  return async () => {
    await rm(note, { force: true });
    lock.close();
  };
}
