import type { JsonObject } from '../shared/json.ts';
import { stepKinds } from '../steps/registry.ts';
import type { CampaignInput } from './campaign-schema.ts';
import { CAMPAIGN_DEFAULTS, DEFAULT_ATTEMPTS, RETRY_DEFAULTS, SCHEDULE_DEFAULTS, STEP_DEFAULTS } from './defaults.ts';
import type {
  BudgetDefinition,
  CampaignDefinition,
  NotificationTargets,
  ScheduleDefinition,
  StepDefinition,
} from './definition.ts';
import { ENV_REFERENCE, type TargetsInput } from './notification-schema.ts';
import type { StepInput } from './step-schema.ts';
import type { StepView } from './step-views.ts';

/** The fields of an object that are said: neither undefined nor null. */
type Said<T> = { [K in keyof T]?: NonNullable<T[K]> };
function said<T extends object>(fields: T): Said<T> {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== undefined && value !== null),
  ) as Said<T>;
}

function scheduleOf(input: CampaignInput): ScheduleDefinition | undefined {
  if (input.schedule === undefined || input.schedule === null) return undefined;
  const given: Exclude<typeof input.schedule, string> =
    typeof input.schedule === 'string' ? { cron: input.schedule } : input.schedule;
  return {
    cron: given.cron,
    timezone: given.timezone ?? SCHEDULE_DEFAULTS.timezone,
    enabled: given.enabled ?? SCHEDULE_DEFAULTS.enabled,
    catchUp: given.catchUp ?? input.catchUp ?? SCHEDULE_DEFAULTS.catchUp,
    catchUpWindow: given.catchUpWindow ?? input.catchUpWindow ?? SCHEDULE_DEFAULTS.catchUpWindow,
    jitter: given.jitter ?? input.jitter ?? SCHEDULE_DEFAULTS.jitter,
  };
}

function overlapOf({ overlap, schedule }: CampaignInput): CampaignDefinition['overlap'] {
  const inner = typeof schedule === 'object' ? schedule?.overlap : undefined;
  return overlap ?? inner ?? CAMPAIGN_DEFAULTS.overlap;
}

function stepOf(input: StepInput, { name, kind: kindName }: StepView): StepDefinition {
  const kind = kindName === undefined ? undefined : stepKinds[kindName];
  if (!kind || name === undefined) throw new Error('a step that has passed its checks has a kind and a name');
  const { endpoint, statusEndpoint, cancelEndpoint, terminalEvents, estimatedCost, retry } = input;
  const effect = input.effect ?? kind.defaultEffect;
  return {
    name,
    engine: input.engine,
    kind: kind.kind,
    ...said({ endpoint }),
    method: input.method ?? STEP_DEFAULTS.method,
    params: input.params ?? {},
    timeout: input.timeout ?? kind.defaultTimeout,
    retry: {
      attempts: retry?.attempts ?? DEFAULT_ATTEMPTS[effect],
      delay: retry?.delay ?? RETRY_DEFAULTS.delay,
      backoff: retry?.backoff ?? RETRY_DEFAULTS.backoff,
    },
    onSuccess: input.onSuccess ?? STEP_DEFAULTS.onSuccess,
    onFailure: input.onFailure ?? STEP_DEFAULTS.onFailure,
    effect,
    protocol: input.protocol ?? STEP_DEFAULTS.protocol,
    ...said({ statusEndpoint }),
    pollInterval: input.pollInterval ?? STEP_DEFAULTS.pollInterval,
    ...said({ cancelEndpoint, terminalEvents, estimatedCost }),
  };
}

function targetsOf(input: TargetsInput | null | undefined): NotificationTargets {
  const email = typeof input?.email === 'string' ? [input.email] : (input?.email ?? []);
  const slack = input?.slack ?? null;
  const name = typeof slack === 'string' ? ENV_REFERENCE.exec(slack)?.[1] : undefined;
  return { email: [...new Set(email)], slack: name === undefined ? slack : `{{ env.${name} }}` };
}

/**
 * Fills in every default of an input that has passed the schema and the checks.
 * @param views the steps of the same input, in order
 */
export function normalise(input: CampaignInput, views: readonly StepView[]): CampaignDefinition {
  const schedule = scheduleOf(input);
  const ordered = views.values();
  const step = (given: StepInput): StepDefinition => {
    const view = ordered.next().value;
    if (!view) throw new Error('every step that has passed its checks has a view');
    return stepOf(given, view);
  };
  const budget: BudgetDefinition = said(input.budget ?? {});
  const metadata: JsonObject = input.metadata ?? {};
  return {
    name: input.name,
    ...said({ description: input.description }),
    ...said({ schedule }),
    overlap: overlapOf(input),
    budget,
    steps: input.steps.map((entry) => ('parallel' in entry ? { parallel: entry.parallel.map(step) } : step(entry))),
    notifications: {
      onComplete: targetsOf(input.notifications?.onComplete),
      onFailure: targetsOf(input.notifications?.onFailure),
    },
    metadata,
  };
}
