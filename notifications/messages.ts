import { createHash } from 'node:crypto';
import { type CampaignDefinition, flattenSteps, type StepDefinition } from '../campaigns/definition.ts';
import type { OutboxRow } from '../database/journal.ts';
import type { Iso, JsonObject, RunRow, StepRow } from '../database/tables.ts';
import { iso } from '../shared/clock.ts';
import { newId } from '../shared/ids.ts';
import type { Micros } from '../shared/money.ts';
import type {
  BudgetFacts,
  CampaignFacts,
  NotificationKind,
  ResumedFacts,
  RunFacts,
  StepFacts,
  StepUnknownFacts,
} from './facts.ts';
import { oneLine, printable } from './plain-text.ts';
import { type Recipient, recipientsOf, troubleRecipients } from './recipients.ts';

/** The same failure is told again after this time, in milliseconds. */
export const REPEAT_AFTER_MS = 24 * 3_600_000;
const MOST_STEPS = 100;
const MOST_ERRORS = 20;
/** Keys are indexed, and Postgres refuses an index entry beyond 2,704 bytes. */
const LONGEST_KEY = 400;

export interface Occasion {
  campaign: { id: string; definition: CampaignDefinition };
  slackConfigured: boolean;
  publicUrl: string;
  nowMs: number;
}

/** The columns of a run that messages tell about. */
export type FinishedRun = Pick<
  RunRow,
  | 'id'
  | 'trigger'
  | 'status'
  | 'status_reason'
  | 'started_at'
  | 'completed_at'
  | 'prospects_generated'
  | 'leads_analyzed'
  | 'emails_composed'
  | 'emails_sent'
  | 'total_cost_micros'
  | 'cost_unknown'
  | 'dry_run'
  | 'errors'
>;

/** Why a budget refused a step; the ledger's refusals fit. */
export interface Refusal {
  scope: string;
  period: string;
  startsOn: string | null;
  limitMicros: Micros;
  spentMicros: Micros;
  heldMicros: Micros;
  amountMicros: Micros;
  turnsAtMs: number | null;
  message: string;
}

interface Draft {
  kind: NotificationKind;
  recipients: Recipient[];
  /** What makes the message one of a kind; kind, notifier and recipient are added. */
  about: string;
  facts: CampaignFacts;
  runId: string | null;
  extra?: Pick<OutboxRow, 'episode_key' | 'repeat_after_ms' | 'closes_episodes'>;
}

/**
 * The messages of a run that ended. Completed: onComplete, and a recovery notice to whoever was told of trouble, which the
 * outbox drops unless trouble was open. Failed or aborted: onFailure. Partial: onFailure, or onComplete when onFailure names
 * nobody. Cancelled: nobody, a person did it.
 */
export function runFinished(
  occasion: Occasion & { run: FinishedRun; steps: readonly StepRow[]; budgetRefusal?: Refusal },
): OutboxRow[] {
  const { campaign, run, slackConfigured, budgetRefusal } = occasion;
  const { notifications } = campaign.definition;
  const facts = runFacts(occasion, run, occasion.steps);
  const draft = { about: run.id, facts, runId: run.id };
  const onFailure = recipientsOf(notifications.onFailure, 'onFailure', slackConfigured);
  const trouble = troubleRecipients(notifications, slackConfigured);
  const episode = { episode_key: episodeKey(run, facts), repeat_after_ms: REPEAT_AFTER_MS };
  if (run.status === 'completed') {
    const onComplete = recipientsOf(notifications.onComplete, 'onComplete', slackConfigured);
    return [
      ...rows(occasion, { ...draft, kind: 'run.completed', recipients: onComplete }),
      ...rows(occasion, { ...draft, kind: 'run.recovered', recipients: trouble, extra: { closes_episodes: true } }),
    ];
  }
  if (run.status === 'aborted' && budgetRefusal) {
    const about = budgetKey(campaign.id, run.id, budgetRefusal);
    const budget = { ...facts, budget: budgetFacts(budgetRefusal) } satisfies BudgetFacts;
    return rows(occasion, { ...draft, kind: 'budget.exceeded', recipients: onFailure, about, facts: budget });
  }
  if (run.status === 'partial')
    return rows(occasion, { ...draft, kind: 'run.partial', recipients: trouble, extra: episode });
  if (run.status === 'failed' || run.status === 'aborted')
    return rows(occasion, { ...draft, kind: `run.${run.status}`, recipients: onFailure, extra: episode });
  return [];
}

/** Asks a person about a `once` step of which nobody knows whether it was done. */
export function stepUnknown(occasion: Occasion & { runId: string; step: StepRow }): OutboxRow[] {
  const { campaign, runId, step, slackConfigured } = occasion;
  const definition = flattenSteps(campaign.definition.steps).find((entry) => entry.step.name === step.name)?.step;
  const facts: StepUnknownFacts = {
    ...campaignFacts(occasion),
    runId,
    step: stepFacts(step, definition),
    engine: oneLine(definition?.engine ?? step.kind),
    endpoint: definition?.endpoint === undefined ? null : oneLine(withoutQuery(definition.endpoint), 500),
    method: definition?.method ?? 'POST',
    startedAt: step.started_at,
    waits: definition?.onFailure !== 'continue' && definition?.onFailure !== 'log',
  };
  return rows(occasion, {
    kind: 'step.unknown',
    recipients: troubleRecipients(campaign.definition.notifications, slackConfigured),
    about: `${runId}/${step.name}/${step.attempts}`,
    facts,
    runId,
  });
}

/** Tells that a campaign goes on after its budget had paused it. `resumeAt` is the moment the pause was to end. */
export function campaignResumed(
  occasion: Occasion & { reason: string | null; resumeAt: Iso; nextRunAt: Iso | null },
): OutboxRow[] {
  const facts: ResumedFacts = {
    ...campaignFacts(occasion),
    reason: occasion.reason === null ? null : oneLine(occasion.reason, 500),
    resumedAt: iso(occasion.nowMs),
    nextRunAt: occasion.nextRunAt,
  };
  return rows(occasion, {
    kind: 'budget.resumed',
    recipients: recipientsOf(
      occasion.campaign.definition.notifications.onFailure,
      'onFailure',
      occasion.slackConfigured,
    ),
    about: `${occasion.campaign.id}/${occasion.resumeAt}`,
    facts,
    runId: null,
  });
}

function rows(occasion: Occasion, draft: Draft): OutboxRow[] {
  return draft.recipients.map(({ notifier, recipient }) => ({
    id: newId(occasion.nowMs),
    dedupe_key: bounded(`${draft.kind}:${draft.about}:${notifier}:${recipient}`),
    kind: draft.kind,
    notifier,
    recipient,
    campaign_id: occasion.campaign.id,
    run_id: draft.runId,
    facts: draft.facts satisfies JsonObject,
    ...draft.extra,
  }));
}

/** One notice a campaign, scope and period; a limit per lead has no period, so there it is one a run. */
function budgetKey(campaignId: string, runId: string, refusal: Refusal): string {
  const occurrence = refusal.startsOn ?? runId;
  return `${campaignId}/${refusal.scope}/${refusal.period}/${occurrence}`;
}

/** Which trouble this is: the same steps failing with the same codes are one episode. */
function episodeKey(run: FinishedRun, facts: RunFacts): string {
  const failing = facts.steps.filter((step) => step.error).map((step) => `${step.name}:${step.error?.code}`);
  const causes = failing.length > 0 ? failing : facts.otherErrors.map((error) => error.code);
  return bounded(`${run.status}:${causes.join('+') || 'unknown'}`);
}

function bounded(key: string): string {
  const clean = key.replaceAll('\u0000', '');
  return clean.length <= LONGEST_KEY
    ? clean
    : `${clean.slice(0, 200)}#${createHash('sha256').update(clean).digest('hex')}`;
}

function campaignFacts({ campaign, publicUrl }: Occasion): CampaignFacts {
  return {
    campaignId: campaign.id,
    campaign: oneLine(campaign.definition.name),
    timezone: campaign.definition.schedule?.timezone ?? 'UTC',
    publicUrl: publicUrl.replace(/\/+$/, ''),
  };
}

function runFacts(occasion: Occasion, run: FinishedRun, steps: readonly StepRow[]): RunFacts {
  const definitions = new Map(
    flattenSteps(occasion.campaign.definition.steps).map(({ step }) => [step.name, step] as const),
  );
  // What failed is always listed, however many steps there are.
  const listed = steps.length <= MOST_STEPS ? steps : steps.filter((row, at) => at < MOST_STEPS / 2 || row.error);
  return {
    ...campaignFacts(occasion),
    runId: run.id,
    trigger: run.trigger,
    status: run.status,
    reason: run.status_reason === null ? null : printable(run.status_reason, 1_000),
    startedAt: run.started_at,
    completedAt: run.completed_at,
    prospects: run.prospects_generated,
    analyzed: run.leads_analyzed,
    composed: run.emails_composed,
    sent: run.emails_sent,
    costMicros: run.total_cost_micros,
    costUnknown: run.cost_unknown,
    dryRun: run.dry_run,
    steps: listed.slice(0, MOST_STEPS).map((row) => stepFacts(row, definitions.get(row.name))),
    stepsLeftOut: steps.length - Math.min(listed.length, MOST_STEPS),
    otherErrors: run.errors
      .filter((entry) => entry.step === null)
      .slice(0, MOST_ERRORS)
      .map((entry) => ({ code: oneLine(entry.code), message: printable(entry.error) })),
  };
}

function stepFacts(row: StepRow, definition: StepDefinition | undefined): StepFacts {
  const failed = row.error !== null && (row.status === 'failed' || row.status === 'unknown');
  return {
    name: oneLine(row.name),
    kind: row.kind,
    status: row.status,
    attempts: row.attempts,
    maxAttempts: definition?.retry.attempts ?? row.attempts,
    onFailure: definition?.onFailure ?? 'abort',
    costMicros: row.cost_micros,
    costUnknown: row.cost_unknown,
    durationMs: row.started_at && row.completed_at ? Date.parse(row.completed_at) - Date.parse(row.started_at) : null,
    error: failed && row.error ? { code: oneLine(row.error.code), message: printable(row.error.message) } : null,
  };
}

function budgetFacts(refusal: Refusal): BudgetFacts['budget'] {
  const { turnsAtMs, ...rest } = refusal;
  return { ...rest, message: printable(refusal.message, 500), turnsAt: turnsAtMs === null ? null : iso(turnsAtMs) };
}

function withoutQuery(endpoint: string): string {
  return endpoint.split(/[?#]/)[0] ?? endpoint;
}
