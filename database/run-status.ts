import type { RunStatus } from './tables.ts';

const ENDED: ReadonlySet<RunStatus> = new Set(['completed', 'partial', 'failed', 'aborted', 'cancelled']);

/** Whether a run of this status has ended for good; the others are queued, running, or wait for people. */
export const hasEnded = (status: RunStatus): boolean => ENDED.has(status);
