import type { CampaignDefinition, ScheduleDefinition, StepDefinition } from './definition.ts';
import type { Effect } from '../steps/step.ts';

/** What stands in a definition where the campaign says nothing. Durations in milliseconds. */
export const CAMPAIGN_DEFAULTS = { overlap: 'skip' } as const satisfies Partial<CampaignDefinition>;

export const SCHEDULE_DEFAULTS = {
  timezone: 'UTC',
  enabled: true,
  catchUp: 'last',
  catchUpWindow: 3_600_000,
  jitter: 0,
} as const satisfies Partial<ScheduleDefinition>;

export const STEP_DEFAULTS = {
  method: 'POST',
  onSuccess: 'continue',
  onFailure: 'abort',
  protocol: 'auto',
  pollInterval: 2_000,
} as const satisfies Partial<StepDefinition>;

export const RETRY_DEFAULTS = { delay: 5_000, backoff: 'exponential' } as const satisfies Partial<
  StepDefinition['retry']
>;

/** What may be repeated is tried three times; what may happen only once is tried once. */
export const DEFAULT_ATTEMPTS: Record<Effect, number> = { repeatable: 3, once: 1 };

export const MOST_STEPS = 200;
export const MOST_PARALLEL = 50;
export const LONGEST_NAME = 200;
export const LONGEST_DESCRIPTION = 2_000;
export const MOST_ADDRESSES = 50;
/** Bytes of JSON, for params and for metadata, and how deep they may be nested. */
export const LARGEST_FREE_FORM = 256 * 1_024;
export const DEEPEST_FREE_FORM = 32;
