import { PerformanceObserver } from 'node:perf_hooks';

/**
 * Loaded before the service; from the first asking on it watches how late its event loop comes round, and writes the worst since the last asking to its parent
 * when that asks. A turn is late because the thread worked (its processor time says how long, the collector's part apart) or
 * because the machine gave the processor to somebody else.
 */
export interface Stalls {
  /** The longest time between two turns of a timer beyond its interval, in milliseconds. */
  stallMs: number;
  /** The most processor time of the thread in one such time, and how much of that the garbage collector took. */
  workedMs: number;
  collectedMs: number;
}

const INTERVAL_MS = 5;
const TOLD_AFTER_MS = 100;
let worst: Stalls = { stallMs: 0, workedMs: 0, collectedMs: 0 };
let before = { at: performance.now(), cpu: threadMs() };
/** Pauses of the collector that may belong to a turn that has not been judged yet. */
let pauses: { from: number; to: number }[] = [];

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}

/** Not from the start: the watching itself takes more of the processor than a service at rest. */
function watch(): true {
  before = { at: performance.now(), cpu: threadMs() };
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) pauses.push({ from: startTime, to: startTime + duration });
  }).observe({ entryTypes: ['gc'] });

  setInterval(() => {
    const now = { at: performance.now(), cpu: threadMs() };
    const turn = { from: before.at, to: now.at, workedMs: now.cpu - before.cpu };
    before = now;
    worst.stallMs = Math.max(worst.stallMs, turn.to - turn.from - INTERVAL_MS);
    if (turn.workedMs <= worst.workedMs) return;
    // The collector's pauses are told some turns later.
    setTimeout(() => {
      if (turn.workedMs <= worst.workedMs) return;
      const collectedMs = pauses.reduce((sum, { from, to }) => {
        return sum + Math.max(0, Math.min(to, turn.to) - Math.max(from, turn.from));
      }, 0);
      worst = { ...worst, workedMs: turn.workedMs, collectedMs };
      pauses = pauses.filter(({ to }) => to > turn.to);
    }, TOLD_AFTER_MS).unref();
  }, INTERVAL_MS).unref();
  return true;
}

let isWatching = false;
process.on('message', () => {
  process.send?.(worst);
  isWatching ||= watch();
  worst = { stallMs: 0, workedMs: 0, collectedMs: 0 };
});
// The service must be able to end.
process.channel?.unref();
