import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { newId } from '../shared/ids.ts';

const PARTS = /^(.+)\/(\d+)\/[0-9a-f-]{36}$/;

/**
 * Which processes can see each other: a boot of a machine and a namespace of process ids in it. Where that cannot be told (elsewhere
 * than on Linux), no two processes are taken to be in the same place: a host's name may be another's too.
 */
function place(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${hostname()}/${boot.slice(0, 8)}/${readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')}`;
  } catch {
    return `${hostname()}/${newId()}`;
  }
}

const PLACE = place();

/** A name for this process that no other process has, now or later: where it is, its process id, and a random part. */
export function workerName(): string {
  return `${PLACE}/${process.pid}/${newId()}`;
}

/**
 * Whether a worker is known to be gone: it was a process of this very place, and there is none of that id any more, or it is
 * this one, under another name. Of workers elsewhere nothing is known, and their leases speak for them.
 * @param self this process' own name
 */
export function isGone(worker: string, self: string): boolean {
  const [, where, pid] = PARTS.exec(worker) ?? [];
  if (worker === self || where !== PLACE || pid === undefined) return false;
  if (Number(pid) === process.pid) return true;
  try {
    process.kill(Number(pid), 0);
    return false;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH';
  }
}
