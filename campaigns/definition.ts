import type { JsonObject } from '../database/tables.ts';
import type { Effect, EngineCall, Protocol } from '../steps/step.ts';

/** What a campaign says, validated, with every default filled in. Stored as `campaigns.config` and in each run. */
export interface CampaignDefinition {
  name: string;
  description?: string;
  /** Absent: runs only when started by hand. */
  schedule?: ScheduleDefinition;
  /** What a new run (scheduled or by hand) does while an earlier run of the campaign is still active. */
  overlap: 'skip' | 'queue' | 'allow' | 'cancel_previous';
  /** Dollars. A limit that is absent does not bind. */
  budget: BudgetDefinition;
  steps: StepEntry[];
  notifications: { onComplete: NotificationTargets; onFailure: NotificationTargets };
  metadata: JsonObject;
}

export interface ScheduleDefinition {
  cron: string;
  /** IANA name. */
  timezone: string;
  enabled: boolean;
  /** Which missed fires are made up for after the service was away. */
  catchUp: 'last' | 'all' | 'none';
  /** Milliseconds back from now within which missed fires are made up for. */
  catchUpWindow: number;
  /** Largest delay after the nominal time in milliseconds; each campaign has its own stable one. */
  jitter: number;
}

/** Dollars. */
export interface BudgetDefinition {
  daily?: number;
  weekly?: number;
  monthly?: number;
  perLead?: number;
}

/** One step, or several that run together. */
export type StepEntry = StepDefinition | { parallel: StepDefinition[] };

export interface StepDefinition {
  /** Unique in the campaign. */
  name: string;
  /** The engine as written: prospecting, analysis, outreach or sender. */
  engine: string;
  /** Kind of the registry that runs it; an outreach step at a send endpoint is of kind `sender`. */
  kind: string;
  /** Absolute URL, or a path under the engine's configured address; absent: the kind's own path there. */
  endpoint?: string;
  method: EngineCall['method'];
  params: JsonObject;
  /** Milliseconds for one attempt. */
  timeout: number;
  retry: { attempts: number; delay: number; backoff: 'fixed' | 'exponential' };
  onSuccess: 'continue' | 'abort';
  onFailure: 'abort' | 'continue' | 'log';
  effect: Effect;
  protocol: Protocol;
  statusEndpoint?: string;
  /** Milliseconds. */
  pollInterval: number;
  cancelEndpoint?: string;
  terminalEvents?: string[];
  /** Dollars; absent: learned from earlier runs. */
  estimatedCost?: number;
}

export interface NotificationTargets {
  email: string[];
  /**
   * `true`: the configured webhook; `false`: none; `null`: not said (failures then go to the configured webhook); text: a
   * `#channel` for the configured webhook, `{{ env.NAME }}`, or a webhook URL of an allowed origin.
   */
  slack: boolean | string | null;
}

/** The steps of a definition in order, each with the index of its entry; steps of one entry run together. */
export function flattenSteps(steps: readonly StepEntry[]): { step: StepDefinition; group: number }[] {
  return steps.flatMap((entry, group) =>
    'parallel' in entry ? entry.parallel.map((step) => ({ step, group })) : [{ step: entry, group }],
  );
}
