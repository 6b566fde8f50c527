import { Agent, request, type Dispatcher } from 'undici';
import type { NotificationRow } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import { type OriginPolicy, originPolicy } from '../shared/origins.ts';
import { parseRetryAfter } from '../shared/retry-after.ts';
import { factsOf } from './facts.ts';
import { DeliveryError, type Notifier } from './notifier.ts';
import { oneLine } from './plain-text.ts';
import { renderSlack } from './render-slack.ts';
import { contentOf } from './wording.ts';

const TIMEOUT_MS = 10_000;
const LONGEST_RETRY_AFTER_MS = 24 * 3_600_000;
/** Slack answers with a word or two; nothing longer is kept. */
const ANSWER_BYTES = 2_048;

type SlackConfig = Pick<Config, 'slackWebhookUrl' | 'references' | 'allowedOrigins' | 'engines'>;

/** Slack's incoming webhooks. A webhook URL is itself a secret: it stands in no error and no log. */
export class SlackNotifier implements Notifier {
  readonly notifier = 'slack';
  readonly #config: SlackConfig;
  readonly #origins: OriginPolicy;
  readonly #clock: Clock;
  readonly #agent = new Agent({ connect: { timeout: TIMEOUT_MS }, connections: 8 });

  constructor(config: SlackConfig, clock: Clock) {
    this.#config = config;
    this.#origins = originPolicy(config);
    this.#clock = clock;
  }

  async deliver(row: NotificationRow, signal: AbortSignal): Promise<void> {
    const { url, channel } = this.#target(row.recipient);
    const body = JSON.stringify(renderSlack(contentOf(factsOf(row)), row.id, channel));
    const { status, retryAfter, answer } = await this.#post(url, body, row.id, signal);
    if (status >= 200 && status < 300) return;
    const said = `Slack answered ${status}${answer ? `: ${answer}` : ''}`;
    if (status === 429)
      throw new DeliveryError('SLACK_RATE_LIMITED', 'retry', said, { retryAfterMs: this.#wait(retryAfter) });
    if (status >= 500 || status === 408)
      throw new DeliveryError('SLACK_UNAVAILABLE', 'retry', said, { retryAfterMs: this.#wait(retryAfter) });
    if (status >= 300 && status < 400)
      throw new DeliveryError('SLACK_REFUSED', 'failed', `${said}; redirects of webhooks are not followed.`);
    throw new DeliveryError('SLACK_REFUSED', 'failed', `${said}.`);
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  /** Where a recipient is, resolved at the moment of sending so that a changed webhook counts at once. */
  #target(recipient: string): { url: string; channel?: string } {
    const { slackWebhookUrl, references } = this.#config;
    if (recipient.startsWith('env:')) {
      const name = recipient.slice('env:'.length);
      const url = Object.hasOwn(references, name) ? references[name] : undefined;
      if (url === undefined) throw notConfigured(`${name} is not set, or not named in ENV_REFERENCES.`);
      if (!/^https?:$/.test(URL.parse(url)?.protocol ?? '')) throw notConfigured(`${name} is not a webhook URL.`);
      return { url };
    }
    if (/^https?:/i.test(recipient)) {
      if (!this.#origins.allows(recipient)) throw notConfigured(`${this.#origins.refusal(recipient)}.`);
      return { url: recipient };
    }
    if (slackWebhookUrl === null) throw notConfigured('SLACK_WEBHOOK_URL is not set.');
    return recipient === 'default' ? { url: slackWebhookUrl } : { url: slackWebhookUrl, channel: recipient };
  }

  async #post(url: string, body: string, id: string, signal: AbortSignal) {
    let response: Dispatcher.ResponseData;
    try {
      response = await request(url, {
        dispatcher: this.#agent,
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-notification-id': id },
        body,
        headersTimeout: TIMEOUT_MS,
        bodyTimeout: TIMEOUT_MS,
        signal,
      });
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : 'no answer';
      throw new DeliveryError('SLACK_UNAVAILABLE', 'retry', `Slack could not be reached (${code}).`);
    }
    const retryAfter = response.headers['retry-after'];
    return {
      status: response.statusCode,
      retryAfter: Array.isArray(retryAfter) ? retryAfter[0] : retryAfter,
      answer: await startOf(response.body),
    };
  }

  /** Milliseconds that Slack asks to wait, 0 when it does not. */
  #wait(retryAfter: string | undefined): number {
    return parseRetryAfter(retryAfter, this.#clock.now(), LONGEST_RETRY_AFTER_MS) ?? 0;
  }
}

function notConfigured(reason: string): DeliveryError {
  return new DeliveryError('SLACK_NOT_CONFIGURED', 'undeliverable', reason);
}

/** The beginning of an answer. An answer that breaks off takes nothing back: the status has been given. */
async function startOf(body: Dispatcher.ResponseData['body']): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes >= ANSWER_BYTES) break;
    }
  } catch {
    // Said above.
  }
  return oneLine(Buffer.concat(chunks).toString('utf8'), 200);
}
