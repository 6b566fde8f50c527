import { chmod, chown, cp, mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

/** Set by the global set-up of the tests, which removes the folder in the end; absent outside of a run of them. */
export const MADE_ONCE_FOLDER = 'PIPELINE_ORCHESTRATOR_MADE_ONCE';

/** Below what a test file waits for its preparations, so that the reason is told. */
const MOST_WAIT_MS = 50_000;

/**
 * Fills a new, empty folder with what takes seconds to make. Within a run of the tests it is made by the first that asks, in
 * whichever worker, and copied for the others with its owners; outside of one it is made in place.
 * @param name of what is made; its maker must always make the same
 */
export async function fillFolder(folder: string, name: string, make: (folder: string) => Promise<void>): Promise<void> {
  if (process.env[MADE_ONCE_FOLDER] === undefined) return make(folder);
  await copyFolder(await madeFolder(name, make), folder);
}

/** The folder itself, not to be changed, of what {@link fillFolder} would copy. */
export async function madeFolder(name: string, make: (folder: string) => Promise<void>): Promise<string> {
  const shared = process.env[MADE_ONCE_FOLDER];
  if (shared === undefined) throw new Error('This is for tests that the test runner has started.');
  const made = join(shared, name);
  for (const givenUpAt = Date.now() + MOST_WAIT_MS; ;) {
    if (await isThere(made)) return made;
    // Whoever makes this folder makes the other; a maker that fails leaves it to the next.
    const turn = `${made}.turn`;
    if (!(await takeTurn(turn))) {
      if (Date.now() > givenUpAt) throw new Error(`Whoever makes ${made} does not end.`);
      await delay(50);
      continue;
    }
    try {
      if (await isThere(made)) return made;
      const unfinished = await mkdtemp(`${made}-`);
      await make(unfinished);
      await rename(unfinished, made);
      return made;
    } finally {
      await rm(turn, { recursive: true });
    }
  }
}

async function takeTurn(folder: string): Promise<boolean> {
  try {
    await mkdir(folder);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

/** Copies with owners, which matter where root starts a server that runs as somebody else. */
async function copyFolder(from: string, to: string): Promise<void> {
  await cp(from, to, { recursive: true });
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = await stat(from);
  const entries = await readdir(to, { recursive: true });
  await Promise.all(['', ...entries].map((entry) => chown(join(to, entry), uid, gid)));
}

/** For the environment of a child process: where Node keeps what it compiled, so that the next starts in half the time. */
export function compileCache(): Record<string, string> {
  const shared = process.env[MADE_ONCE_FOLDER];
  return shared === undefined ? {} : { NODE_COMPILE_CACHE: join(shared, 'compiled') };
}

/** A new folder for what is made once, for the global set-up. Servers that run as somebody else get through it to theirs. */
export async function newMadeOnceFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-made-'));
  await chmod(folder, 0o711);
  return folder;
}
