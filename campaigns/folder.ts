import { statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';

export const SCHEMA_FILE = 'campaign.schema.json';
/** Files looked at in one turn of the event loop, about a millisecond's worth. */
const LOOKS_A_TURN = 250;

/** Tells, without reading it, whether a file is as it was. The change time cannot be set back as the modification time can. */
export interface FileMark {
  inode: number;
  bytes: number;
  modifiedMs: number;
  changedMs: number;
}

export interface ListedFile {
  /** Name within the folder; a campaign is known by it. */
  file: string;
  /** null: it cannot be looked at. */
  mark: FileMark | null;
}

/**
 * The campaign files of a folder: `*.json`, hidden ones and campaign.schema.json left out, in order of name.
 * @throws what reading the folder fails with
 */
export async function listCampaignFiles(folder: string): Promise<ListedFile[]> {
  const names = (await readdir(folder))
    .filter((name) => name.endsWith('.json') && !name.startsWith('.') && name !== SCHEMA_FILE)
    .toSorted();
  const listed: ListedFile[] = [];
  for (const file of names) {
    if (listed.length % LOOKS_A_TURN === LOOKS_A_TURN - 1) await nextTurn();
    listed.push({ file, mark: markOf(`${folder}/${file}`) });
  }
  return listed;
}

/** Synchronous, which costs a tenth of asking the thread pool: thousands of files are looked at every few seconds. */
function markOf(path: string): FileMark | null {
  try {
    const { ino, size, mtimeMs, ctimeMs } = statSync(path);
    return { inode: ino, bytes: size, modifiedMs: mtimeMs, changedMs: ctimeMs };
  } catch {
    return null;
  }
}

export function sameMark(a: FileMark | null, b: FileMark | null): boolean {
  if (a === null || b === null) return false;
  return a.changedMs === b.changedMs && a.modifiedMs === b.modifiedMs && a.bytes === b.bytes && a.inode === b.inode;
}
