import type { TestPostgres } from '../support/postgres.ts';
import { type Drain, median } from './measure.ts';
import { drainWithOrchestrator, type Money } from './ours.ts';
import { drainWithGroupCommit, drainWithPgBoss, fullRecord, resultRows } from './rivals.ts';

/** What is measured side by side; every ratio is against one of the others in the same run. */
export interface ThroughputReport {
  inFlight: number;
  ours: Drain;
  /** The same with costs, holds and limits in three periods. */
  oursWithMoney: Drain;
  pgBoss: Drain;
  /** pg-boss, with as much on record as this service keeps. */
  pgBossFullRecord: Drain;
  floor: Drain;
}

const FREE: Money = { cost: 0, budget: {} };
const LIMITED: Money = { cost: 0.01, budget: { daily: 10_000, weekly: 50_000, monthly: 100_000 } };

/**
 * Durable runs of four steps, each step's result committed before the next begins.
 * @param runs how many runs of ours and of pg-boss a round
 * @param rounds the rivals take turns so many times, and the median of each counts
 */
export async function measureThroughput(
  postgres: TestPostgres,
  inFlight: number,
  runs: number,
  rounds: number,
): Promise<ThroughputReport> {
  const rivals = {
    floor: (url: string) => drainWithGroupCommit(url, runs * 4, inFlight),
    pgBoss: (url: string) => drainWithPgBoss(url, runs, inFlight, resultRows),
    pgBossFullRecord: (url: string) => drainWithPgBoss(url, runs, inFlight, fullRecord),
    ours: (url: string) => drainWithOrchestrator(url, runs, inFlight, FREE),
    oursWithMoney: (url: string) => drainWithOrchestrator(url, runs, inFlight, LIMITED),
  };
  const drains: Record<keyof typeof rivals, Drain[]> = {
    floor: [],
    pgBoss: [],
    pgBossFullRecord: [],
    ours: [],
    oursWithMoney: [],
  };
  for (let round = 0; round < rounds; round += 1) {
    const { url } = await postgres.createDatabase();
    for (const name of Object.keys(rivals) as (keyof typeof rivals)[]) drains[name].push(await rivals[name](url));
  }
  return {
    inFlight,
    ours: median(drains.ours),
    oursWithMoney: median(drains.oursWithMoney),
    pgBoss: median(drains.pgBoss),
    pgBossFullRecord: median(drains.pgBossFullRecord),
    floor: median(drains.floor),
  };
}
