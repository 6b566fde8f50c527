import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { EmailNotifier } from './email.ts';
import type { Notifier } from './notifier.ts';
import { SlackNotifier } from './slack.ts';

export type NotifierConfig = Pick<
  Config,
  'allowedOrigins' | 'engines' | 'notifyFrom' | 'references' | 'slackWebhookUrl' | 'smtpUrl'
>;

/** Every notifier, one alphabetical line each. */
export function makeNotifiers(config: NotifierConfig, clock: Clock): Notifier[] {
  return [
    new EmailNotifier(config), //
    new SlackNotifier(config, clock),
  ];
}
