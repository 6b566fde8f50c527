import { probe } from '../database/availability.ts';
import type { Clock } from '../shared/clock.ts';
import type { ReadyReport } from './deps.ts';

/** How long the ready check waits for a database, in milliseconds. */
const PATIENCE_MS = 1_500;

interface Answering {
  ping(): Promise<void>;
}

/** Makes what /api/ready reports; it never waits longer than its patience, whatever a database does. */
export function readiness(records: Answering, queue: Answering, clock: Clock): () => Promise<ReadyReport> {
  const recordsAnswer = probe(() => records.ping(), clock, PATIENCE_MS);
  const queueAnswers = probe(() => queue.ping(), clock, PATIENCE_MS);
  return async () => {
    const [database, queued] = await Promise.all([recordsAnswer(), queueAnswers()]);
    const checks = [
      { name: 'database', ok: database, ...(database ? {} : { message: 'The database does not answer.' }) },
      { name: 'queue', ok: queued, ...(queued ? {} : { message: "The queue's database does not answer." }) },
    ];
    return { ready: database && queued, checks };
  };
}
