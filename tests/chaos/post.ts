import { type MailCatcher, type ReceivedMail, startMailCatcher } from '../../sandbox/mail-catcher.ts';

export type MailKind = 'completed' | 'recovered' | 'partial' | 'failed' | 'aborted' | 'budget' | 'resumed' | 'unknown';

/** One mail as it came in. */
export interface Letter {
  /** By the harness' clock, within a tenth of a second. */
  at: number;
  messageId: string;
  to: string;
  subject: string;
  kind: MailKind | null;
  runId: string | null;
  /** For a decision that is asked for: the step. */
  step: string | null;
}

const SUBJECTS: readonly { kind: MailKind; pattern: RegExp }[] = [
  { kind: 'completed', pattern: /" completed$/ },
  { kind: 'partial', pattern: /" completed only in part$/ },
  { kind: 'failed', pattern: /" failed$/ },
  { kind: 'aborted', pattern: /" was aborted$/ },
  { kind: 'recovered', pattern: /" works again$/ },
  { kind: 'resumed', pattern: /" resumed$/ },
  { kind: 'budget', pattern: /" (?:paused|stopped): .* reached$/ },
  { kind: 'unknown', pattern: /" needs a decision: step "/ },
];

function read(mail: ReceivedMail, at: number): Letter {
  const subject = mail.subject ?? '';
  const run = /\/api\/runs\/([0-9a-f-]{36})/.exec(mail.text ?? '');
  return {
    at,
    messageId: mail.messageId ?? '',
    to: mail.envelope.to.join(','),
    subject,
    kind: SUBJECTS.find(({ pattern }) => pattern.test(subject))?.kind ?? null,
    runId: run?.[1] ?? null,
    step: /step "([^"]+)"$/.exec(subject)?.[1] ?? null,
  };
}

/** The mail server, and whoever empties its boxes. */
export class Post {
  readonly letters: Letter[] = [];
  readonly server: MailCatcher;

  private constructor(server: MailCatcher) {
    this.server = server;
  }

  static async open(): Promise<Post> {
    return new Post(await startMailCatcher());
  }

  /** Takes in what has come since the last time. */
  collect(): Letter[] {
    const fresh = this.server.mails.slice(this.letters.length).map((mail) => read(mail, Date.now()));
    this.letters.push(...fresh);
    return fresh;
  }
}
