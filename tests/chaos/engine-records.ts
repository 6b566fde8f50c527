import type { Work } from '../../sandbox/engines.ts';

/** One request for work as the engines wrote it down; times by the harness' clock, epoch milliseconds. */
export interface EngineCall {
  /** The replica whose engine address was called. */
  replica: string;
  work: Work;
  path: string;
  /** The Idempotency-Key. */
  key: string;
  runId: string;
  step: string;
  campaignId: string;
  /** The nominal time that the run stands for; null for one started by hand. */
  scheduledFor: string | null;
  beganAt: number;
  endedAt: number | null;
  /** What the engine charges for the call; 0 when it refused to work. */
  dollars: number;
  /** For sending: the mails went out. */
  sent: boolean;
  /** What was answered in full, or that the connection broke before; null while under way. */
  answered: 'success' | 'failure' | 'broken' | null;
}

/** `<run>/<step>`, by which everything about one step of one run is found. */
export type StepKey = `${string}/${string}`;

export function stepKey(runId: string, step: string): StepKey {
  return `${runId}/${step}`;
}

export function groupBy<T, K>(items: Iterable<T>, key: (item: T) => K): Map<K, T[]> {
  return Map.groupBy(items, key);
}
