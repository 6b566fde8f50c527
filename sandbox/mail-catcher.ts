import { once } from 'node:events';
import type { AddressInfo, Server } from 'node:net';
import PostalMime, { type Email } from 'postal-mime';
import { SMTPServer, type SMTPServerDataStream, type SMTPServerSession } from 'smtp-server';

/** A mail as it arrived. */
export interface ReceivedMail extends Email {
  /** What the sender said in the conversation, whatever the headers say. */
  envelope: { from: string; to: string[] };
  raw: string;
}

/**
 * What the catcher does with a mail: takes it, answers with an SMTP code (4xx: try later, 5xx: never) to the recipient or to
 * the content, or says nothing more.
 */
export type MailBehaviour = 'accept' | 'hang' | { code: number; text?: string; at?: 'recipient' | 'content' };

export interface MailCatcher {
  /** For SMTP_URL. */
  readonly url: string;
  /** In the order of arrival. */
  readonly mails: ReceivedMail[];
  /** Resolves with the first mail that fits, past or future. Never by itself gives up. */
  waitForMail(predicate?: (mail: ReceivedMail) => boolean): Promise<ReceivedMail>;
  /** Decides for mails to come; a function is asked for each recipient. */
  behave(behaviour: MailBehaviour | ((recipient: string) => MailBehaviour)): void;
  /** Stops listening and breaks open connections, as a mail server that is switched off. */
  down(): Promise<void>;
  /** Listens again, at the same address. */
  up(): Promise<void>;
  close(): Promise<void>;
}

type Reply = (error?: Error | null) => void;

/** A mail server of the loopback interface that keeps what it gets: for the demo and the tests. */
export async function startMailCatcher(): Promise<MailCatcher> {
  const mails: ReceivedMail[] = [];
  const watchers: { fits: (mail: ReceivedMail) => boolean; found: (mail: ReceivedMail) => void }[] = [];
  let behaviourFor: (recipient: string) => MailBehaviour = () => 'accept';
  let port = 0;
  let server: SMTPServer | null = null;

  function keep(mail: ReceivedMail): void {
    mails.push(mail);
    for (const watcher of watchers.filter(({ fits }) => fits(mail))) {
      watchers.splice(watchers.indexOf(watcher), 1);
      watcher.found(mail);
    }
  }

  function onRecipient(recipient: string, reply: Reply): void {
    const behaviour = behaviourFor(recipient);
    if (behaviour === 'hang') return;
    if (behaviour !== 'accept' && behaviour.at !== 'content') reply(refusal(behaviour));
    else reply();
  }

  async function onContent(stream: SMTPServerDataStream, session: SMTPServerSession, reply: Reply): Promise<void> {
    const raw = (await stream.toArray()).map((chunk: Buffer) => chunk.toString('latin1')).join('');
    const to = session.envelope.rcptTo.map(({ address }) => address);
    const refused = to.map(behaviourFor).find((behaviour) => typeof behaviour === 'object');
    if (refused) return reply(refusal(refused));
    const parsed = await PostalMime.parse(Buffer.from(raw, 'latin1'));
    const from = session.envelope.mailFrom ? session.envelope.mailFrom.address : '';
    keep({ ...parsed, envelope: { from, to }, raw });
    reply();
  }

  async function up(): Promise<void> {
    if (server) return;
    const made = new SMTPServer({
      authOptional: true,
      disabledCommands: ['STARTTLS', 'AUTH'],
      disableReverseLookup: true,
      logger: false,
      closeTimeout: 100,
      onRcptTo: ({ address }, _session, reply) => onRecipient(address, reply),
      onData: (stream, session, reply) => void onContent(stream, session, reply).catch(reply),
    });
    // A client that breaks off is no fault of the catcher.
    made.on('error', () => undefined);
    const listening: Server = made.listen(port, '127.0.0.1');
    await once(listening, 'listening');
    port = (listening.address() as AddressInfo).port;
    server = made;
  }

  async function down(): Promise<void> {
    const closing = server;
    server = null;
    if (closing) await new Promise<void>((resolve) => closing.close(() => resolve()));
  }

  await up();
  return {
    url: `smtp://127.0.0.1:${port}`,
    mails,
    waitForMail(fits = () => true) {
      const arrived = mails.find(fits);
      return arrived ? Promise.resolve(arrived) : new Promise((found) => watchers.push({ fits, found }));
    },
    behave(behaviour) {
      behaviourFor = typeof behaviour === 'function' ? behaviour : () => behaviour;
    },
    up,
    down,
    close: down,
  };
}

function refusal({ code, text }: { code: number; text?: string }): Error {
  return Object.assign(new Error(text ?? (code < 500 ? 'Try again later' : 'No such mailbox')), { responseCode: code });
}
