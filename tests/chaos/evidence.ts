import type { ChaosCampaign } from './campaigns.ts';
import type { ChaosDatabase } from './database.ts';
import { type EngineCall, groupBy, stepKey, type StepKey } from './engine-records.ts';
import type { Decision, Promised } from './people.ts';
import type { Letter } from './post.ts';
import type { Accident } from './replica.ts';
import type { Injected } from './storm.ts';

export interface CampaignFacts {
  id: string;
  campaign: ChaosCampaign;
  /** The first nominal time, as the service said when the campaign was made; null without a schedule. */
  firstFire: number | null;
  /** The nominal time at which the schedule was stopped. */
  stoppedAt: number | null;
}

export interface RunFacts {
  id: string;
  campaignId: string;
  trigger: string;
  /** ISO 8601. */
  scheduledFor: string | null;
  status: string;
  reason: string | null;
  epoch: number;
  /** From its nominal time until it was claimed first, in milliseconds; null without one of the two. */
  startLagMs: number | null;
}

export interface FireFacts {
  campaignId: string;
  scheduledFor: number;
  outcome: string;
  reason: string | null;
  missedCount: number;
  runId: string | null;
}

export interface StepFacts {
  runId: string;
  name: string;
  effect: string;
  status: string;
}

/** One state that a step's row was given; `at` is when that was committed, epoch milliseconds. */
export interface StepState {
  status: string;
  attempts: number;
  at: number;
}

export interface NotificationFacts {
  id: string;
  kind: string;
  status: string;
  runId: string | null;
}

/** Everything that the invariants are judged by: what the engines and the mail server wrote down, and the final rows. */
export interface Evidence {
  campaigns: CampaignFacts[];
  runs: RunFacts[];
  fires: FireFacts[];
  steps: StepFacts[];
  history: Map<StepKey, StepState[]>;
  openHolds: { key: string; status: string; heldAt: string; endedAt: string | null }[];
  notifications: NotificationFacts[];
  calls: readonly EngineCall[];
  letters: readonly Letter[];
  promised: readonly Promised[];
  decisions: ReadonlyMap<StepKey, readonly Decision[]>;
  faults: readonly Injected[];
  /** When the process of a replica was paused, by its name; epoch milliseconds. */
  pauses: ReadonlyMap<string, readonly number[]>;
  accidents: readonly Accident[];
  badStops: readonly string[];
  /** What did not settle in the time that it was given. */
  unsettled: string[];
}

/** What the database holds at the end. */
export async function readRecords(
  database: ChaosDatabase,
): Promise<Pick<Evidence, 'runs' | 'fires' | 'steps' | 'history' | 'openHolds' | 'notifications'>> {
  const runs = await database.ask<RunFacts>(
    `select id, campaign_id as "campaignId", trigger, to_char(scheduled_for at time zone 'UTC',
       'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') as "scheduledFor", status, status_reason as reason, epoch,
       (extract(epoch from started_at - scheduled_for) * 1000)::float8 as "startLagMs"
     from campaign_runs order by id`,
  );
  const fires = await database.ask<FireFacts>(
    `select campaign_id as "campaignId", (extract(epoch from scheduled_for) * 1000)::float8 as "scheduledFor", outcome, reason,
       missed_count as "missedCount", run_id as "runId" from campaign_fires order by scheduled_for`,
  );
  const steps = await database.ask<StepFacts>(`select run_id as "runId", name, effect, status from run_steps`);
  const states = await database.ask<StepState & { runId: string; name: string }>(
    `select run_id as "runId", name, status, attempts,
       (extract(epoch from pg_xact_commit_timestamp(xid::xid)) * 1000)::float8 as at
     from chaos.step_states order by place`,
  );
  const openHolds = await database.ask<Evidence['openHolds'][number]>(
    `select b.key, r.status, b.created_at::text as "heldAt", r.completed_at::text as "endedAt" from budget_entries b join campaign_runs r on r.id = b.run_id
     where b.state = 'held' and r.status not in ('queued', 'running')`,
  );
  const notifications = await database.ask<NotificationFacts>(
    'select id, kind, status, run_id as "runId" from notifications order by id',
  );
  return {
    runs,
    fires,
    steps,
    history: groupBy(states, ({ runId, name }) => stepKey(runId, name)),
    openHolds,
    notifications,
  };
}
