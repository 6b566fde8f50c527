import type { CampaignDefinition, NotificationTargets } from '../campaigns/definition.ts';

export interface Recipient {
  notifier: 'email' | 'slack';
  /**
   * An address, or for Slack: `default` (the configured webhook), `#channel` (that webhook, another channel), `env:NAME` (a
   * webhook by reference), or a webhook URL as written in the campaign. Never the value behind a reference.
   */
  recipient: string;
}

type Occasion = 'onComplete' | 'onFailure';

const REFERENCE = /^\{\{\s*env\.([A-Za-z_][A-Za-z0-9_]*)\s*\}\}$/;

/**
 * Who is told on an occasion. `slack: null` means that the campaign does not say: a failure then goes to the service's own
 * webhook if it has one, a completion to nobody.
 */
export function recipientsOf(targets: NotificationTargets, occasion: Occasion, slackConfigured: boolean): Recipient[] {
  const slack = slackRecipient(targets.slack, occasion, slackConfigured);
  return [
    ...[...new Set(targets.email)].map((recipient) => ({ notifier: 'email' as const, recipient })),
    ...(slack === null ? [] : [{ notifier: 'slack' as const, recipient: slack }]),
  ];
}

function slackRecipient(target: NotificationTargets['slack'], occasion: Occasion, configured: boolean): string | null {
  if (target === false) return null;
  if (target === null) return occasion === 'onFailure' && configured ? 'default' : null;
  if (target === true) return 'default';
  const name = REFERENCE.exec(target.trim())?.[1];
  return name ? `env:${name}` : target.trim() || null;
}

/** Who is told of trouble that ends nothing by itself (partly done, a decision to take): never nobody, if anybody is named. */
export function troubleRecipients(
  notifications: CampaignDefinition['notifications'],
  slackConfigured: boolean,
): Recipient[] {
  const onFailure = recipientsOf(notifications.onFailure, 'onFailure', slackConfigured);
  return onFailure.length > 0 ? onFailure : recipientsOf(notifications.onComplete, 'onComplete', slackConfigured);
}
