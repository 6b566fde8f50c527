import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { OutboxRow } from '../../database/journal.ts';
import type { NotificationRow } from '../../database/tables.ts';
import { Dispatcher } from '../../notifications/dispatcher.ts';
import { LEASE_MS } from '../../notifications/lane.ts';
import { type MailCatcher, startMailCatcher } from '../../sandbox/mail-catcher.ts';
import { type SlackCatcher, startSlackCatcher } from '../../sandbox/slack-catcher.ts';
import { iso } from '../../shared/clock.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { outboxRow, storeRun, testConfig, watchers } from './support.ts';

let records: TestRecords;
let mail: MailCatcher;
let slack: SlackCatcher;
let clock: TestClock;
let ids: { campaignId: string; runId: string };
let dispatchers: Dispatcher[];

beforeAll(async () => {
  records = await freshRecords();
}, 60_000);
afterAll(() => records.close());
beforeEach(async () => {
  await records.truncate();
  [mail, slack] = await Promise.all([startMailCatcher(), startSlackCatcher()]);
  clock = new TestClock();
  ids = await storeRun(records);
  dispatchers = [];
});
afterEach(async () => {
  await Promise.all(dispatchers.map((dispatcher) => dispatcher.stop()));
  await Promise.all([mail.close(), slack.close()]);
});

function setUp(change: { env?: Record<string, string>; records?: TestRecords; concurrency?: number } = {}) {
  const seen = watchers();
  const dispatcher = new Dispatcher({
    records: change.records ?? records,
    clock,
    config: testConfig({ SMTP_URL: mail.url, SLACK_WEBHOOK_URL: slack.url, ...change.env }),
    ...(change.concurrency === undefined ? {} : { concurrency: change.concurrency }),
    ...seen,
  });
  dispatchers.push(dispatcher);
  return { dispatcher, ...seen };
}

async function put(...rows: OutboxRow[]): Promise<void> {
  await records.call('outbox_put', { p_rows: rows, p_now: iso(clock.now()) });
}

async function stored(id: string): Promise<NotificationRow> {
  const [row] = await records.select('notifications', { where: [{ column: 'id', op: 'eq', value: id }] });
  if (!row) throw new Error('no such notification');
  return row;
}

const toMail = (recipient = 'ann@example.com') => outboxRow(ids, 'email', recipient);
const toSlack = (recipient = 'default') => outboxRow(ids, 'slack', recipient);

/** Records whose `update` of the outbox fails while `failing` is set, as when the service dies or the database goes away. */
function breakable(): { records: TestRecords; state: { failing: boolean } } {
  const state = { failing: true };
  const broken = new Proxy(records, {
    get(target, name) {
      if (name === 'update' && state.failing) return () => Promise.reject(new DatabaseUnavailableError('gone'));
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { records: broken, state };
}

describe('mail', () => {
  test('is delivered over SMTP with its id in the Message-ID and the row marked sent', async () => {
    const row = toMail();
    await put(row);
    const { dispatcher, seen } = setUp();
    expect(await dispatcher.runOnce()).toBe(1);
    const received = mail.mails[0];
    expect(received?.envelope).toEqual({ from: 'orchestrator@example.com', to: ['ann@example.com'] });
    expect(received?.messageId).toBe(`<${row.id}@example.com>`);
    const headers = Object.fromEntries((received?.headers ?? []).map(({ key, value }) => [key, value]));
    expect(headers).toMatchObject({ 'x-notification-id': row.id, 'auto-submitted': 'auto-generated' });
    expect(await stored(row.id)).toMatchObject({
      status: 'sent',
      attempts: 1,
      sent_at: iso(clock.now()),
      last_error: null,
    });
    expect(seen.map(({ type, facts }) => [type, facts['notificationId'], facts.campaignId])).toEqual([
      ['notification.sent', row.id, ids.campaignId],
    ]);
    expect(await dispatcher.runOnce()).toBe(0);
  });

  test('waits in the outbox while the server is down and is delivered once it is up, in order of due time', async () => {
    await mail.down();
    const [first, second] = [toMail('first@example.com'), toMail('second@example.com')];
    const { dispatcher } = setUp({ concurrency: 1 });
    // The later id comes first: the order is that of due times.
    await put(second);
    await dispatcher.runOnce();
    clock.set(clock.now() + 1_000);
    await put(first);
    await dispatcher.runOnce();
    expect(await stored(second.id)).toMatchObject({ status: 'pending', attempts: 1 });
    expect((await stored(second.id)).last_error).toMatch(/^SMTP_UNREACHABLE: /);
    await mail.up();
    expect(await dispatcher.runOnce()).toBe(0);
    clock.set(clock.now() + 10_000);
    await dispatcher.runOnce();
    await dispatcher.runOnce();
    await dispatcher.runOnce();
    expect(mail.mails.map((received) => received.envelope.to[0])).toEqual(['second@example.com', 'first@example.com']);
    expect(await stored(first.id)).toMatchObject({ status: 'sent', attempts: 2, last_error: null });
  });

  test('waits longer after each failure, up to an hour, and is given up after 72 hours', async () => {
    await mail.down();
    const row = toMail();
    await put(row);
    const { dispatcher, seen } = setUp();
    const waits: number[] = [];
    for (;;) {
      await dispatcher.runOnce();
      const { status, next_attempt_at } = await stored(row.id);
      if (status !== 'pending') break;
      waits.push((Date.parse(next_attempt_at) - clock.now()) / 1_000);
      clock.set(next_attempt_at);
    }
    expect(waits.slice(0, 10)).toEqual([10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600]);
    const hours = waits.reduce((sum, seconds) => sum + seconds, 0) / 3_600;
    expect(hours).toBeGreaterThan(70);
    expect(hours).toBeLessThanOrEqual(72);
    expect((await stored(row.id)).last_error).toMatch(/^Given up after 72 hours/);
    expect(seen.at(-1)).toMatchObject({
      type: 'notification.failed',
      facts: { status: 'failed', notificationId: row.id },
    });
  });

  test('that the server refuses for good fails at once and is not tried again', async () => {
    mail.behave({ code: 550, text: 'No such mailbox' });
    const row = toMail();
    await put(row);
    const { dispatcher, seen } = setUp();
    await dispatcher.runOnce();
    const after = await stored(row.id);
    expect(after.status).toBe('failed');
    expect(after.last_error).toMatch(/^SMTP_REFUSED: .*550 No such mailbox/);
    expect(seen[0]).toMatchObject({ type: 'notification.failed', facts: { code: 'SMTP_REFUSED' } });
    mail.behave('accept');
    clock.set(clock.now() + 3_600_000);
    expect(await dispatcher.runOnce()).toBe(0);
  });

  test('that the server puts off is tried again, whether it answers so to the recipient or to the content', async () => {
    const row = toMail();
    await put(row);
    const { dispatcher } = setUp();
    for (const at of ['recipient', 'content'] as const) {
      mail.behave({ code: 451, at });
      await dispatcher.runOnce();
      expect(await stored(row.id)).toMatchObject({ status: 'pending' });
      expect((await stored(row.id)).last_error).toMatch(/^SMTP_BUSY/);
      clock.set(clock.now() + 60_000);
    }
    mail.behave('accept');
    await dispatcher.runOnce();
    expect(mail.mails).toHaveLength(1);
    expect(await stored(row.id)).toMatchObject({ status: 'sent', attempts: 3 });
  });

  test('to something that is no single address is refused without a conversation', async () => {
    for (const recipient of [
      'ann@example.com, eve@example.com',
      'Eve <eve@example.com>',
      'ann@example.com\r\nBcc: eve@example.com',
    ]) {
      const row = toMail(recipient);
      await put(row);
      await setUp().dispatcher.runOnce();
      expect((await stored(row.id)).last_error).toMatch(/^MAIL_ADDRESS_INVALID/);
    }
    expect(mail.mails).toHaveLength(0);
  });

  test('is undeliverable without SMTP_URL, with that reason', async () => {
    const row = toMail();
    await put(row);
    await setUp({ env: { SMTP_URL: '' } }).dispatcher.runOnce();
    const after = await stored(row.id);
    expect(after.status).toBe('undeliverable');
    expect(after.last_error).toContain('SMTP_URL is not set');
  });

  test('is cut off after a minute by a server that says nothing, and tried again', async () => {
    mail.behave('hang');
    const row = toMail();
    await put(row);
    const { dispatcher } = setUp();
    const round = dispatcher.runOnce();
    await clock.untilSleeping();
    await clock.advance(60_000);
    await round;
    expect(await stored(row.id)).toMatchObject({ status: 'pending', attempts: 1 });
  });
});

describe('Slack', () => {
  test('gets Block Kit at the configured webhook, at a channel of it, and at a webhook by reference', async () => {
    await put(
      toSlack('default'),
      toSlack('#ops'),
      toSlack('env:SLACK_WEBHOOK_SALES'),
      toSlack(`${slack.origin}/literal`),
    );
    const env = { SLACK_WEBHOOK_SALES: `${slack.origin}/services/sales` };
    await setUp({ env }).dispatcher.runOnce();
    const seen = slack.posts.map((post) => [post.path, post.message.channel]);
    expect(seen).toHaveLength(4);
    expect(new Set(seen.map(String))).toEqual(
      new Set([
        '/literal,',
        '/services/T000/B000/s3cr3tHook,',
        '/services/T000/B000/s3cr3tHook,#ops',
        '/services/sales,',
      ]),
    );
    expect(slack.posts[0]?.message.blocks).toHaveLength(5);
  });

  test('that asks to wait by 429 and Retry-After is not asked before', async () => {
    slack.behave({ status: 429, headers: { 'retry-after': '120' }, body: 'rate_limited' }, { status: 200, body: 'ok' });
    const row = toSlack();
    await put(row);
    const { dispatcher } = setUp();
    await dispatcher.runOnce();
    expect(await stored(row.id)).toMatchObject({ status: 'pending', next_attempt_at: iso(clock.now() + 120_000) });
    clock.set(clock.now() + 119_000);
    expect(await dispatcher.runOnce()).toBe(0);
    clock.set(clock.now() + 1_000);
    expect(await dispatcher.runOnce()).toBe(1);
    expect((await stored(row.id)).status).toBe('sent');
  });

  test('is tried again after 500, and not after 404 or a redirect, which is not followed', async () => {
    const answers = [
      { status: 500, becomes: 'pending' },
      { status: 404, becomes: 'failed' },
      { status: 302, becomes: 'failed', headers: { location: `${slack.origin}/elsewhere` } },
    ];
    for (const { status, becomes, headers } of answers) {
      slack.behave({ status, body: 'no_service', ...(headers ? { headers } : {}) });
      const row = toSlack();
      await put(row);
      await setUp().dispatcher.runOnce();
      expect((await stored(row.id)).status).toBe(becomes);
    }
    expect(slack.posts.some((post) => post.path === '/elsewhere')).toBe(false);
  });

  test('is undeliverable without a webhook, by an unknown reference, and at an origin that is not allowed', async () => {
    const cases = [
      ['default', 'SLACK_WEBHOOK_URL is not set'],
      ['#ops', 'SLACK_WEBHOOK_URL is not set'],
      ['env:SLACK_WEBHOOK_OLD', 'SLACK_WEBHOOK_OLD is not set'],
      ['https://evil.example/hook', 'not an allowed origin'],
    ] as const;
    const { dispatcher } = setUp({ env: { SLACK_WEBHOOK_URL: '' } });
    for (const [recipient, reason] of cases) {
      const row = toSlack(recipient);
      await put(row);
      await dispatcher.runOnce();
      expect(await stored(row.id)).toMatchObject({ status: 'undeliverable' });
      expect((await stored(row.id)).last_error).toContain(reason);
    }
  });

  test('leaves its URL in no error, event or log line', async () => {
    const { dispatcher, seen, lines } = setUp();
    const rows = [toSlack(), toSlack()];
    slack.behave({ status: 404, body: `no hook ${slack.url}` }, { status: 500, body: `again ${slack.url}` });
    for (const row of rows) {
      await put(row);
      await dispatcher.runOnce();
    }
    await slack.close();
    slack = await startSlackCatcher();
    clock.set(clock.now() + 60_000);
    await dispatcher.runOnce();
    const said = JSON.stringify([seen, lines, await records.select('notifications')]);
    expect(said).toContain('SLACK_UNAVAILABLE');
    expect(said).not.toContain('s3cr3tHook');
  });
});

describe('the outbox', () => {
  test('of Slack goes on while the mail server hangs', async () => {
    mail.behave('hang');
    await put(...Array.from({ length: 8 }, () => toMail()));
    const message = toSlack();
    await put(message);
    const { dispatcher, events } = setUp();
    const sent = new Promise<void>((resolve) => {
      events.subscribe(({ type }) => type === 'notification.sent' && resolve());
    });
    dispatcher.start();
    await sent;
    const later = toSlack();
    await put(later);
    dispatcher.wake();
    await slack.waitForPost((post) => post.headers['x-notification-id'] === later.id);
    expect(slack.posts).toHaveLength(2);
    expect(mail.mails).toHaveLength(0);
    await mail.down();
  });

  test('sends again under the same Message-ID when the service died between sending and writing so', async () => {
    const row = toMail();
    await put(row);
    await setUp({ records: breakable().records }).dispatcher.runOnce();
    expect(await stored(row.id)).toMatchObject({ status: 'sending', attempts: 1 });
    const { dispatcher: next } = setUp();
    expect(await next.runOnce()).toBe(0);
    clock.set(clock.now() + LEASE_MS);
    expect(await next.runOnce()).toBe(1);
    expect(await stored(row.id)).toMatchObject({ status: 'sent', attempts: 2 });
    expect(mail.mails.map((received) => received.messageId)).toEqual([
      `<${row.id}@example.com>`,
      `<${row.id}@example.com>`,
    ]);
  });

  test('does not send again when only the database was away between sending and writing so', async () => {
    const row = toMail();
    await put(row);
    const broken = breakable();
    const { dispatcher, seen, lines } = setUp({ records: broken.records });
    await dispatcher.runOnce();
    expect(lines).toEqual([]);
    broken.state.failing = false;
    clock.set(clock.now() + LEASE_MS);
    await dispatcher.runOnce();
    expect(await stored(row.id)).toMatchObject({ status: 'sent' });
    expect(seen.map(({ type }) => type)).toEqual(['notification.sent']);
    expect(mail.mails).toHaveLength(1);
  });

  test('shared by two dispatchers is sent once', async () => {
    const rows = Array.from({ length: 30 }, (_, at) => toMail(`person${at}@example.com`));
    await put(...rows);
    const [one, two] = [setUp().dispatcher, setUp().dispatcher];
    while ((await Promise.all([one.runOnce(), two.runOnce()])).some((count) => count > 0));
    expect(mail.mails).toHaveLength(rows.length);
    expect(new Set(mail.mails.map((received) => received.envelope.to[0]))).toEqual(
      new Set(rows.map((row) => row.recipient)),
    );
  });

  test('is not written by a sender whose lease has passed to another', async () => {
    mail.behave('hang');
    const row = toMail();
    await put(row);
    const { dispatcher: slow, seen } = setUp();
    const round = slow.runOnce();
    await clock.untilSleeping();
    await records.update('notifications', { attempts: 2 }, [{ column: 'id', op: 'eq', value: row.id }]);
    await clock.advance(60_000);
    await round;
    expect(await stored(row.id)).toMatchObject({ status: 'sending', attempts: 2, last_error: null });
    expect(seen).toEqual([]);
  });

  test('is read again after the database was away, of which the event of its loss has told once', async () => {
    let failing = true;
    const broken = new Proxy(records, {
      get(target, name) {
        if (name === 'call' && failing) return () => Promise.reject(new DatabaseUnavailableError('gone'));
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    const row = toMail();
    await put(row);
    const { dispatcher, lines } = setUp({ records: broken });
    dispatcher.start();
    await clock.untilSleeping(2);
    await clock.advance(5_000);
    await clock.untilSleeping(2);
    failing = false;
    await clock.advance(5_000);
    expect((await mail.waitForMail()).messageId).toContain(row.id);
    expect(lines).toEqual([]);
  });

  test('that the database refuses to give is worth a line in the log', async () => {
    const broken = new Proxy(records, {
      get: (target, name) =>
        name === 'call' ? () => Promise.reject(new Error('no such function')) : (Reflect.get(target, name) as unknown),
    });
    const { dispatcher, lines } = setUp({ records: broken });
    dispatcher.start();
    await clock.untilSleeping(2);
    expect(lines.map(({ message }) => message)).toContain('The outbox could not be read');
  });

  test('stops within its grace though a delivery hangs, and leaves the message for later', async () => {
    mail.behave('hang');
    const row = toMail();
    await put(row);
    const { dispatcher } = setUp();
    dispatcher.start();
    await clock.untilSleeping(2);
    const stopped = dispatcher.stop();
    await clock.advance(10_000);
    await stopped;
    expect(await stored(row.id)).toMatchObject({ status: 'pending' });
  });

  test('marks a message of an unknown kind as a fault, to be tried again after an update', async () => {
    const row = outboxRow(ids, 'email', 'ann@example.com', { kind: 'from.the.future' });
    await put(row);
    await setUp().dispatcher.runOnce();
    expect((await stored(row.id)).last_error).toMatch(/^NOTIFICATION_FAULT: no words for/);
  });
});
