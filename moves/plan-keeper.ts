import type { Records } from '../database/records.ts';
import { isOutage } from '../database/availability.ts';
import { hasEnded } from '../database/run-status.ts';
import type { PlanRow } from '../database/tables-moves.ts';
import type { RunRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import { PLANS_CAMPAIGN_ID } from './plan-definition.ts';

export interface PlanKeeperDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
}

const EVERY_MS = 60_000;
/** A plan without a run after this was left by a process that died between the two. */
const UNSTARTED_MS = 300_000;

type Planned = Pick<PlanRow, 'id' | 'run_id' | 'updated_at'>;
type Run = Pick<RunRow, 'id' | 'status' | 'status_reason'>;

/** Notes plans as failed that nobody plans any more: their run was cancelled, failed, or its budget was spent. */
export class PlanKeeper {
  readonly #deps: PlanKeeperDependencies;
  readonly #looking: Repeater;
  #unsubscribe: () => void = () => undefined;

  constructor(dependencies: PlanKeeperDependencies) {
    this.#deps = dependencies;
    const { clock, logger } = dependencies;
    this.#looking = new Repeater(() => this.runOnce(), {
      clock,
      everyMs: EVERY_MS,
      onFailure: (error) => {
        if (!isOutage(error)) logger.warn('The look at plans failed; it will be repeated', { error });
      },
    });
  }

  start(): void {
    this.#unsubscribe = this.#deps.events.subscribe(({ type, facts }) => {
      if (type === 'run.finished' && facts.campaignId === PLANS_CAMPAIGN_ID) this.#looking.wake();
    });
    this.#looking.start();
  }

  stop(): Promise<void> {
    this.#unsubscribe();
    return this.#looking.stop();
  }

  /** One look at the plans that are being planned. */
  async runOnce(): Promise<void> {
    const { records, clock } = this.#deps;
    const plans = await records.select('plans', {
      columns: ['id', 'run_id', 'updated_at'],
      where: [{ column: 'state', op: 'eq', value: 'planning' }],
    });
    if (plans.length === 0) return;
    const runs = await records.select('campaign_runs', {
      columns: ['id', 'status', 'status_reason'],
      where: [{ column: 'id', op: 'in', value: plans.flatMap(({ run_id: id }) => id ?? []) }],
    });
    const byId = new Map(runs.map((run) => [run.id, run]));
    for (const plan of plans) {
      const why = whyNotPlanned(plan, byId, clock.now());
      if (why !== null) await this.#fail(plan, why);
    }
  }

  /** Unless it is planned again, or has got its arc, meanwhile. */
  async #fail({ id, run_id: runId }: Planned, reason: string): Promise<void> {
    const { records, clock } = this.#deps;
    await records.update('plans', { state: 'failed', state_reason: reason, updated_at: iso(clock.now()) }, [
      { column: 'id', op: 'eq', value: id },
      { column: 'state', op: 'eq', value: 'planning' },
      runId === null ? { column: 'run_id', op: 'is', value: null } : { column: 'run_id', op: 'eq', value: runId },
    ]);
  }
}

/** Why nobody plans it any more; null while somebody does. */
function whyNotPlanned(plan: Planned, runs: ReadonlyMap<string, Run>, nowMs: number): string | null {
  const isOld = Date.parse(plan.updated_at) < nowMs - UNSTARTED_MS;
  if (plan.run_id === null) return isOld ? 'Its run was never started.' : null;
  const run = runs.get(plan.run_id);
  if (!run) return isOld ? `Its run ${plan.run_id} is not kept any more.` : null;
  if (!hasEnded(run.status)) return null;
  return run.status_reason ?? `The run that planned it is ${run.status}.`;
}
