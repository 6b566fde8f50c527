import { createHash } from 'node:crypto';
import type { OutboxRow } from '../database/journal.ts';
import type { ApprovalRow } from '../database/tables-moves.ts';
import { newId } from '../shared/ids.ts';
import type { ApprovalFacts } from './facts.ts';
import { campaignFacts, type Occasion } from './gather-facts.ts';
import { oneLine, printable } from './plain-text.ts';
import { troubleRecipients } from './recipients.ts';

export interface ApprovalOccasion extends Occasion {
  approval: Pick<
    ApprovalRow,
    'id' | 'run_id' | 'title' | 'summary' | 'groups' | 'requested_by' | 'allow_self' | 'expires_at' | 'on_expiry'
  >;
}

/** Asks people to decide. */
export const approvalAsked = (occasion: ApprovalOccasion): OutboxRow[] => messages('approval.asked', occasion, 0);

/** Reminds them. @param time 1 for the first reminder */
export const approvalReminder = (occasion: ApprovalOccasion, time: number): OutboxRow[] =>
  messages('approval.reminder', occasion, time);

function messages(kind: 'approval.asked' | 'approval.reminder', occasion: ApprovalOccasion, time: number): OutboxRow[] {
  const { approval, campaign, slackConfigured, nowMs } = occasion;
  const facts: ApprovalFacts = {
    ...campaignFacts(occasion),
    runId: approval.run_id,
    approvalId: approval.id,
    title: oneLine(approval.title),
    summary: printable(approval.summary, 2_000),
    groups: approval.groups.map((group) => oneLine(group)),
    requestedBy: approval.requested_by === null ? null : oneLine(approval.requested_by),
    allowSelf: approval.allow_self,
    expiresAt: approval.expires_at,
    onExpiry: approval.on_expiry,
  };
  return troubleRecipients(campaign.definition.notifications, slackConfigured).map(({ notifier, recipient }) => ({
    id: newId(nowMs),
    dedupe_key: `${kind}:${approval.id}/${time}:${notifier}:${digest(recipient)}`,
    kind,
    notifier,
    recipient,
    campaign_id: campaign.id,
    run_id: approval.run_id,
    facts,
  }));
}

/** Recipients may be long, and keys are indexed. */
const digest = (recipient: string) => createHash('sha256').update(recipient).digest('base64url');
