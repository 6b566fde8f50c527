import { createHash } from 'node:crypto';
import type { OutboxRow } from '../database/journal.ts';
import type { Iso, JsonObject, StepRow } from '../database/tables.ts';
import { iso } from '../shared/clock.ts';
import { newId } from '../shared/ids.ts';
import type { BudgetFacts, CampaignFacts, NotificationKind, ResumedFacts, RunFacts } from './facts.ts';
import {
  budgetFacts,
  campaignFacts,
  type FinishedRun,
  type Occasion,
  type Refusal,
  runFacts,
  unknownFacts,
} from './gather-facts.ts';
import { oneLine } from './plain-text.ts';
import { type Recipient, recipientsOf, troubleRecipients } from './recipients.ts';

/** The same trouble is told again after this time, in milliseconds. */
export const REPEAT_AFTER_MS = 24 * 3_600_000;
/** Keys are indexed, and Postgres refuses an index entry beyond 2,704 bytes. */
const LONGEST_KEY = 400;

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
    // A period's notice goes out once in the period; the limit per lead has none, and each run could pass it.
    const extra =
      budgetRefusal.period === 'lead'
        ? { extra: { episode_key: 'budget:lead', repeat_after_ms: REPEAT_AFTER_MS } }
        : {};
    return rows(occasion, { ...draft, kind: 'budget.exceeded', recipients: onFailure, about, facts: budget, ...extra });
  }
  if (run.status === 'partial')
    return rows(occasion, { ...draft, kind: 'run.partial', recipients: trouble, extra: episode });
  if (run.status === 'failed' || run.status === 'aborted')
    return rows(occasion, { ...draft, kind: `run.${run.status}`, recipients: onFailure, extra: episode });
  return [];
}

/**
 * Asks a person about a `once` step of which nobody knows whether it was done. `waits` is false where the run was cancelled:
 * then nothing waits for the answer, it only sets the record right.
 */
export function stepUnknown(occasion: Occasion & { runId: string; step: StepRow; waits?: boolean }): OutboxRow[] {
  const { campaign, runId, step, slackConfigured, waits = true } = occasion;
  return rows(occasion, {
    kind: 'step.unknown',
    recipients: troubleRecipients(campaign.definition.notifications, slackConfigured),
    about: `${runId}/${step.name}/${step.attempts}`,
    facts: unknownFacts(occasion, { runId, step, runCancelled: !waits }),
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
