import { readFile } from 'node:fs/promises';

/** How a number of runs went through: runs a second, and milliseconds from the start of a run to its end. */
export interface Drain {
  runs: number;
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}

/** Times `work`, which is told where to put the time of each run. */
export async function measureDrain(runs: number, work: (times: number[]) => Promise<void>): Promise<Drain> {
  const times: number[] = [];
  const begun = performance.now();
  await work(times);
  const seconds = (performance.now() - begun) / 1_000;
  return { runs, perSecond: runs / seconds, p50Ms: percentile(times, 0.5), p99Ms: percentile(times, 0.99) };
}

/** Nearest rank; 0 for no values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** Of several measurements of the same thing, the one in the middle by runs a second. */
export function median(drains: readonly Drain[]): Drain {
  const sorted = drains.toSorted((a, b) => a.perSecond - b.perSecond);
  return sorted[Math.floor(sorted.length / 2)] as Drain;
}

/** What Linux says of a process: seconds of processor used so far, and its resident memory now and at most, in MB. */
export interface ProcessUse {
  cpuSeconds: number;
  residentMb: number;
  peakMb: number;
}

const CLOCK_TICKS_PER_SECOND = 100;

/** null where there is no /proc. */
export async function processUse(pid: number): Promise<ProcessUse | null> {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    // After the name in brackets: fields 14 and 15 of proc(5) are user and system time.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0);
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND,
      residentMb: kb('VmRSS') / 1_024,
      peakMb: kb('VmHWM') / 1_024,
    };
  } catch {
    return null;
  }
}
