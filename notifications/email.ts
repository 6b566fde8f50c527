import { createTransport, type NodemailerError, type Transporter } from 'nodemailer';
import type { NotificationRow } from '../database/tables.ts';
import type { Config } from '../shared/config.ts';
import { messageOf } from '../shared/errors.ts';
import { factsOf } from './facts.ts';
import { DeliveryError, type Notifier } from './notifier.ts';
import { oneLine } from './plain-text.ts';
import { renderMail } from './render-mail.ts';
import { contentOf } from './wording.ts';

const CONNECTION_TIMEOUT_MS = 10_000;
const SOCKET_TIMEOUT_MS = 30_000;

/** Mail over SMTP. The connection pool is opened by the first message. */
export class EmailNotifier implements Notifier {
  readonly notifier = 'email';
  readonly #smtpUrl: string | null;
  readonly #from: string;
  readonly #domain: string;
  #transport: Transporter | null = null;

  constructor(config: Pick<Config, 'smtpUrl' | 'notifyFrom'>) {
    this.#smtpUrl = config.smtpUrl;
    this.#from = oneLine(config.notifyFrom, 500);
    this.#domain = /@([A-Za-z0-9.-]+)>?\s*$/.exec(this.#from)?.[1] ?? 'localhost';
  }

  async deliver(row: NotificationRow, signal: AbortSignal): Promise<void> {
    if (this.#smtpUrl === null)
      throw new DeliveryError('SMTP_NOT_CONFIGURED', 'undeliverable', 'SMTP_URL is not set, so no mail can be sent.');
    const address = row.recipient.trim();
    // nodemailer would read a list or a display name out of free text; this is one bare address.
    if (!/^[^\s,;:<>"()[\]\\@]+@[^\s,;:<>"()[\]\\@]+$/u.test(address))
      throw new DeliveryError('MAIL_ADDRESS_INVALID', 'failed', 'The recipient is not a mail address.');
    const mail = renderMail(contentOf(factsOf(row)), row.id);
    this.#transport ??= openTransport(this.#smtpUrl);
    try {
      await this.#transport.sendMail({
        from: this.#from,
        to: { name: '', address },
        // The same on every attempt, so that a mailbox can tell a repetition.
        messageId: `<${row.id}@${this.#domain}>`,
        date: new Date(row.created_at),
        headers: { 'X-Notification-Id': row.id, 'Auto-Submitted': 'auto-generated' },
        ...mail,
        disableFileAccess: true,
        disableUrlAccess: true,
        signal,
      });
    } catch (error) {
      throw asDeliveryError(error);
    }
  }

  close(): Promise<void> {
    this.#transport?.close();
    this.#transport = null;
    return Promise.resolve();
  }
}

function openTransport(url: string): Transporter {
  return createTransport({
    url,
    pool: true,
    maxConnections: 4,
    // The outbox repeats; a repetition inside the pool could deliver a message twice in one attempt.
    maxRequeues: 0,
    connectionTimeout: CONNECTION_TIMEOUT_MS,
    greetingTimeout: CONNECTION_TIMEOUT_MS,
    socketTimeout: SOCKET_TIMEOUT_MS,
    dnsTimeout: CONNECTION_TIMEOUT_MS,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
}

/**
 * A 5xx answer to the message or its recipient is final (RFC 5321, section 4.2.1). A refused login is not: it is the
 * service's own set-up, and the messages are still good once that is mended.
 */
function asDeliveryError(error: unknown): DeliveryError {
  const { code, permanent, responseCode } = error as NodemailerError;
  const said = oneLine(messageOf(error), 300);
  if (code === 'EAUTH' || code === 'ENOAUTH' || code === 'EOAUTH2')
    return new DeliveryError('SMTP_LOGIN_REFUSED', 'retry', `The mail server refused the login: ${said}`, {
      cause: error,
    });
  if (permanent === true)
    return new DeliveryError('SMTP_REFUSED', 'failed', `The mail server refused the message: ${said}`, {
      cause: error,
    });
  if (responseCode !== undefined)
    return new DeliveryError('SMTP_BUSY', 'retry', `The mail server put the message off: ${said}`, { cause: error });
  return new DeliveryError('SMTP_UNREACHABLE', 'retry', `The mail server did not answer: ${said}`, { cause: error });
}
