/** The times of a lease, in milliseconds. */
export interface LeaseTimes {
  /** How long the record says a run belongs to its worker. */
  validMs: number;
  /** How often a worker says that it is still there. */
  renewEveryMs: number;
  /** How often others look for runs whose lease has lapsed. */
  sweepEveryMs: number;
}

/**
 * Takeover within `leaseMs` of a worker's death: the lease it leaves behind and the wait for the next sweep together are four
 * fifths of that, and the rest is for waking another worker. A live worker may miss three renewals.
 */
export function leaseTimes(leaseMs: number): LeaseTimes {
  return { validMs: leaseMs * 0.6, renewEveryMs: leaseMs * 0.15, sweepEveryMs: Math.min(5_000, leaseMs * 0.2) };
}
