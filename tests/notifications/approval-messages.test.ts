import { describe, expect, test } from '@jest/globals';
import type { OutboxRow } from '../../database/journal.ts';
import { approvalAsked, approvalReminder, type ApprovalOccasion } from '../../notifications/approval-messages.ts';
import { factsOf } from '../../notifications/facts.ts';
import { renderMail } from '../../notifications/render-mail.ts';
import { renderSlack } from '../../notifications/render-slack.ts';
import { contentOf } from '../../notifications/wording.ts';
import { makeDefinition, notify, NOW, PUBLIC_URL } from './support.ts';

const ID = '0198a000-0000-7000-8000-00000000000c';
const RUN_ID = '0198a000-0000-7000-8000-00000000000a';

function occasion(change: Partial<ApprovalOccasion['approval']> = {}, definition = makeDefinition()): ApprovalOccasion {
  return {
    campaign: { id: '0198a000-0000-7000-8000-000000000001', definition },
    slackConfigured: false,
    publicUrl: `${PUBLIC_URL}/`,
    nowMs: NOW,
    approval: {
      id: ID,
      run_id: RUN_ID,
      title: 'May the offer go out?',
      summary: 'To 1,200 restaurants.\nOn Monday.',
      groups: [],
      requested_by: null,
      allow_self: false,
      expires_at: '2026-01-08T14:45:00.000Z',
      on_expiry: 'rejected',
      ...change,
    },
  };
}

function rendered([row]: OutboxRow[]) {
  if (!row) throw new Error('no message');
  const content = contentOf(factsOf(row));
  return { ...renderMail(content, row.id), slack: renderSlack(content, row.id) };
}

describe('a question to people', () => {
  test('says what is asked, until when, what if nobody decides, and how to', () => {
    const { subject, text, html, slack } = rendered(approvalAsked(occasion()));
    expect(subject).toBe('Campaign "Weekly Restaurant Outreach" asks for approval: May the offer go out?');
    for (const part of [
      'About: May the offer go out?',
      'Decide until: 8 Jan 2026, 09:45 (America/New_York)',
      'If nobody does: it is rejected',
      `Run: ${RUN_ID}`,
      'Nothing takes effect before it is approved.',
      '  | To 1,200 restaurants.\n  | On Monday.',
      'Somebody decides. Look at it, then run one of these lines with your name.',
      `curl -H "Authorization: Bearer $API_KEY" '${PUBLIC_URL}/api/approvals/${ID}'`,
      `-X POST`,
      `'${PUBLIC_URL}/api/approvals/${ID}/decision'`,
      `'{"decision":"approve","by":"your name","reason":"why"}'`,
      `'{"decision":"reject","by":"your name","reason":"why"}'`,
    ])
      expect(text).toContain(part);
    expect(text).not.toContain('Requested by');
    expect(html).toContain('May the offer go out?');
    const told = JSON.stringify(slack);
    for (const part of ['May the offer go out?', '8 Jan 2026, 09:45', 'On Monday.', `/api/approvals/${ID}/decision`])
      expect(told).toContain(part);
  });

  test('names who decides and who does not', () => {
    const { text } = rendered(
      approvalAsked(occasion({ groups: ['marketing', 'finance'], requested_by: 'Ann', on_expiry: 'approved' })),
    );
    expect(text).toContain('Requested by: Ann');
    expect(text).toContain('If nobody does: it counts as approved');
    expect(text).toContain('A member of marketing or finance decides, but not Ann, who requested it.');
  });

  test('does not shut out who requested it where that may decide', () => {
    const { text } = rendered(approvalAsked(occasion({ requested_by: 'Ann', allow_self: true })));
    expect(text).toContain('Requested by: Ann');
    expect(text).toContain('Somebody decides. Look');
  });

  test('links only to what shows it: whoever follows the link decides nothing', () => {
    const { html, slack } = rendered(approvalAsked(occasion()));
    const links = [...html.matchAll(/href="([^"]*)"/g)].map(([, link]) => link);
    expect(links).toEqual([`${PUBLIC_URL}/api/approvals/${ID}`]);
    const inSlack = [...JSON.stringify(slack).matchAll(/<(http[^|>]*)\|/g)].map(([, link]) => link);
    expect(inSlack).toEqual([`${PUBLIC_URL}/api/approvals/${ID}`]);
    expect(JSON.stringify(slack)).not.toContain('"button"');
  });

  test('holds nothing of what is to be approved', () => {
    const secret = { subject: { key: 'sesame' }, context: { editable: ['sesame'] } };
    const rows = approvalAsked(occasion(secret as Partial<ApprovalOccasion['approval']>));
    expect(JSON.stringify(rows)).not.toContain('sesame');
  });

  test('brings nothing of its words into headers, HTML, Slack or a shell', () => {
    const hostile = "<script>x</script>\r\nBcc: eve@example.com\u202e <!channel> `$(rm)` '; rm";
    const { subject, text, html, slack } = rendered(
      approvalAsked(occasion({ title: hostile, summary: hostile, groups: [hostile], requested_by: hostile })),
    );
    expect(subject).not.toMatch(/\p{Cc}|\u202e/u);
    expect(html).not.toContain('<script>');
    expect(JSON.stringify(slack.blocks.slice(1))).not.toMatch(/<!|<script/);
    for (const line of text.split('\n').filter((each) => each.trim().startsWith('curl')))
      expect(line).not.toContain('rm');
  });

  test('cuts words without end', () => {
    const rows = approvalAsked(occasion({ title: 'x'.repeat(10_000), summary: 'y'.repeat(100_000) }));
    expect(JSON.stringify(rows).length).toBeLessThan(5_000);
    expect(JSON.stringify(rendered(rows).slack).length).toBeLessThan(10_000);
  });
});

describe('who is asked', () => {
  test('are those who hear of trouble, by e-mail and Slack; without any, those who hear of success', () => {
    const to = (definition: ReturnType<typeof notify>, slackConfigured = false) =>
      approvalAsked({ ...occasion({}, definition), slackConfigured }).map(({ notifier, recipient }) => [
        notifier,
        recipient,
      ]);
    expect(
      to(notify({ email: ['done@example.com'] }, { email: ['a@example.com', 'b@example.com'], slack: '#ops' })),
    ).toEqual([
      ['email', 'a@example.com'],
      ['email', 'b@example.com'],
      ['slack', '#ops'],
    ]);
    expect(to(notify({ email: ['done@example.com'] }, {}))).toEqual([['email', 'done@example.com']]);
    expect(to(notify({}, { slack: null }), true)).toEqual([['slack', 'default']]);
    expect(to(notify({}, {}))).toEqual([]);
  });

  test('are asked once and reminded once for each time', () => {
    const keys = (rows: OutboxRow[]) => rows.map((row) => row.dedupe_key);
    const all = [
      ...keys(approvalAsked(occasion())),
      ...keys(approvalReminder(occasion(), 1)),
      ...keys(approvalReminder(occasion(), 2)),
      ...keys(approvalAsked(occasion({ id: '0198a000-0000-7000-8000-00000000000d' }))),
    ];
    expect(new Set(all).size).toBe(4);
    expect(keys(approvalAsked(occasion()))).toEqual([all[0]]);
    expect(keys(approvalReminder(occasion(), 2))).toEqual([all[2]]);
  });

  test('are reminded in the same words', () => {
    const reminder = rendered(approvalReminder(occasion(), 1));
    expect(reminder.subject).toBe(
      'Reminder: Campaign "Weekly Restaurant Outreach" asks for approval: May the offer go out?',
    );
    expect(reminder.text).toContain('Decide until: 8 Jan 2026, 09:45 (America/New_York)');
  });
});
