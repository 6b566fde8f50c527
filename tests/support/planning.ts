import type { Asking } from '../../runs/approvals/approval-desk.ts';
import type { Planning } from '../../steps/step.ts';

const refuse = () => Promise.reject(new Error('there is no planning here'));

/** For runs that plan nothing. */
export const NO_PLANNING: Planning = { arc: refuse, kpis: refuse, 'move-assets': refuse, moves: refuse, pivot: refuse };

/** For runs that ask nobody. */
export const NO_APPROVALS: Asking = { ask: refuse, wake: () => undefined };
