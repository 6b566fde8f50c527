import { describe, expect, test } from '@jest/globals';
import type { KnownBlock, SectionBlock } from '@slack/types';
import type { OutboxRow } from '../../database/journal.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import { factsOf } from '../../notifications/facts.ts';
import type { Refusal } from '../../notifications/gather-facts.ts';
import { campaignResumed, runFinished, stepUnknown } from '../../notifications/messages.ts';
import { renderMail } from '../../notifications/render-mail.ts';
import { renderSlack } from '../../notifications/render-slack.ts';
import { contentOf } from '../../notifications/wording.ts';
import { failedStep, makeDefinition, makeRun, makeStep, NOW, PUBLIC_URL } from './support.ts';

const RUN_ID = '0198a000-0000-7000-8000-00000000000a';
const CAMPAIGN_ID = '0198a000-0000-7000-8000-000000000001';

function occasion(name = 'Weekly Restaurant Outreach') {
  const campaign = { id: CAMPAIGN_ID, definition: makeDefinition({ name }) };
  return { campaign, slackConfigured: false, publicUrl: PUBLIC_URL, nowMs: NOW };
}

function rendered([row]: OutboxRow[]) {
  if (!row) throw new Error('no message');
  const content = contentOf(factsOf(row));
  return { ...renderMail(content, row.id), slack: renderSlack(content, row.id) };
}

function finished(run: Partial<RunRow>, steps: StepRow[], name?: string, budgetRefusal?: Refusal) {
  return rendered(
    runFinished({
      ...occasion(name),
      run: makeRun({ id: RUN_ID, campaign_id: CAMPAIGN_ID, ...run }),
      steps,
      ...(budgetRefusal ? { budgetRefusal } : {}),
    }),
  );
}

const textsOf = (blocks: KnownBlock[]) =>
  blocks.flatMap((block) => {
    if (block.type === 'header') return [block.text.text];
    if (block.type !== 'section') return [];
    return [block.text?.text, ...(block.fields ?? []).map((field) => field.text)].filter((text) => text !== undefined);
  });

describe('a mail', () => {
  test('of a completed run has the subject and the four lines of the pipeline document', () => {
    const mail = finished({}, [makeStep('prospecting')]);
    expect(mail.subject).toBe('Campaign "Weekly Restaurant Outreach" completed');
    expect(mail.text).toContain('Prospects: 20\nAnalyzed: 18\nSent: 12\nCost: $3.85\n');
    expect(mail.text).toContain('Took: 45 min 23 s');
    expect(mail.text).toContain('Started: 5 Jan 2026, 09:00 (America/New_York)');
    expect(mail.text).toContain('prospecting: completed, 1 attempt, $1.20, 12 s');
    expect(mail.html).toContain(`href="${PUBLIC_URL}/api/runs/${RUN_ID}"`);
  });

  test('says when the cost is not known and when engines only pretended', () => {
    const { text } = finished({ cost_unknown: true, dry_run: true }, []);
    expect(text).toContain('Cost: $3.85 (at least in part estimated)');
    expect(text).toContain('Dry run');
  });

  test('of a failed run tells what failed, where, why, what was done and what to do', () => {
    const { subject, text, html } = finished({ status: 'failed' }, [
      failedStep('prospecting', 'ENGINE_UNREACHABLE', 'No connection to http://127.0.0.1:3010 (ECONNREFUSED).'),
      makeStep('send-emails', { status: 'skipped', attempts: 0 }),
    ]);
    expect(subject).toBe('Campaign "Weekly Restaurant Outreach" failed');
    for (const part of [
      'What failed: step "prospecting"',
      'Attempt 3 of 3 failed with ENGINE_UNREACHABLE.',
      'No connection to http://127.0.0.1:3010 (ECONNREFUSED).',
      'was tried 3 times; the run stopped there',
      'Not run: "send-emails".',
      'Check that it runs and that its address is right',
    ]) {
      expect(text).toContain(part);
      expect(html).toContain(part.replaceAll('"', '&quot;'));
    }
    expect(text).toContain(`-X POST -H "Authorization: Bearer $API_KEY" '${PUBLIC_URL}/api/runs/${RUN_ID}/retry'`);
    expect(text).toContain(`-d '{"from":"failed"}'`);
    expect(text).toContain(`${PUBLIC_URL}/api/runs/${RUN_ID}\n`);
  });

  test('of a partial run says so and that the run went on', () => {
    const { subject, text } = finished({ status: 'partial' }, [failedStep('analysis')]);
    expect(subject).toBe('Campaign "Weekly Restaurant Outreach" completed only in part');
    expect(text).toContain('the run went on, as its onFailure is "continue"');
  });

  test('of a step that failed before its first attempt says so', () => {
    const step = { ...failedStep('analysis', 'REFERENCE_UNDEFINED', 'nothing at steps.x'), attempts: 0 };
    const { text } = finished({ status: 'failed' }, [step]);
    expect(text).toContain('It failed with REFERENCE_UNDEFINED before the engine was called.');
    expect(text).not.toContain('Attempt 0');
  });

  test('of a partial run with a step of unknown outcome gives the lines to decide before the one to retry', () => {
    const step = makeStep('send-emails', {
      status: 'unknown',
      error: { code: 'STEP_OUTCOME_UNKNOWN', message: 'connection lost', retryable: false },
    });
    const { text } = finished({ status: 'partial' }, [step]);
    const at = ['"outcome":"done"', '"outcome":"failed"', "/retry'"].map((part) => text.indexOf(part));
    expect(at).not.toContain(-1);
    expect(at).toEqual(at.toSorted((a, b) => a - b));
    expect(text).not.toContain('"outcome":"retry"');
  });

  test('of a spent budget tells the figures, the pause and when it ends, in the zone of the campaign', () => {
    const { subject, text } = finished({ status: 'aborted' }, [], undefined, {
      scope: `campaign:${CAMPAIGN_ID}`,
      period: 'day',
      startsOn: '2026-01-05',
      limitMicros: 5_000_000,
      spentMicros: 4_900_000,
      heldMicros: 0,
      amountMicros: 1_200_000,
      turnsAtMs: Date.parse('2026-01-06T05:00:00.000Z'),
      message: 'No room.',
    });
    expect(subject).toBe('Campaign "Weekly Restaurant Outreach" paused: daily budget of $5.00 reached');
    expect(text).toContain('Limit: $5.00\nSpent: $4.90\n');
    expect(text).toContain('goes on by itself on 6 Jan 2026, 00:00 (America/New_York)');
    expect(text).toContain(`/api/campaigns/${CAMPAIGN_ID}/resume'`);
  });

  test('of an unknown outcome says what was sent, that it is not repeated, and gives the three lines to decide', () => {
    const step = makeStep('send-emails', {
      status: 'unknown',
      error: { code: 'STEP_OUTCOME_UNKNOWN', message: 'connection lost', retryable: false },
    });
    const { subject, text } = rendered(stepUnknown({ ...occasion(), runId: RUN_ID, step }));
    expect(subject).toContain('needs a decision: step "send-emails"');
    expect(text).toContain('Sent to: POST http://127.0.0.1:3001/api/sender');
    expect(text).toContain('It will not repeat the step by itself');
    expect(text).toContain('The run waits for your decision.');
    for (const outcome of ['done', 'failed', 'retry'])
      expect(text).toContain(
        `'${PUBLIC_URL}/api/runs/${RUN_ID}/steps/send-emails/resolve' -H 'Content-Type: application/json' -d '{"outcome":"${outcome}",`,
      );
  });

  test('of an unknown outcome in a cancelled run promises no waiting and offers no repetition', () => {
    const step = makeStep('send-emails', { status: 'unknown' });
    const { text } = rendered(stepUnknown({ ...occasion(), runId: RUN_ID, step, waits: false }));
    expect(text).toContain('The run was cancelled while the step was under way.');
    expect(text).not.toContain('your decision.');
    expect(text).not.toContain('"outcome":"retry"');
    for (const outcome of ['done', 'failed']) expect(text).toContain(`{"outcome":"${outcome}",`);
  });

  test('of a resumed campaign names the next run', () => {
    const rows = campaignResumed({
      ...occasion(),
      reason: 'The daily budget was used up.',
      resumeAt: '2026-01-06T05:00:00.000Z',
      nextRunAt: '2026-01-12T14:00:00.000Z',
    });
    const { subject, text } = rendered(rows);
    expect(subject).toBe('Campaign "Weekly Restaurant Outreach" resumed');
    expect(text).toContain('Next run: 12 Jan 2026, 09:00 (America/New_York)');
  });
});

describe('foreign text', () => {
  const hostile = '<script>alert("x")</script>\r\nBcc: eve@example.com\u202e\u0007 & <!channel> ```';

  test('brings no line break, control or direction character into a subject', () => {
    const { subject } = finished({ status: 'failed' }, [failedStep('analysis')], hostile);
    expect(subject).not.toMatch(/\p{Cc}|\u202e/u);
    expect(subject).toContain('Bcc: eve@example.com');
  });

  test('is escaped in HTML wherever it stands', () => {
    const step = { ...failedStep(`"><img src=x onerror=alert(1)>`, '<b>CODE</b>', hostile) };
    const { html } = finished({ status: 'failed', status_reason: hostile }, [step], hostile);
    expect(html).not.toMatch(/<script|<img|<b>/i);
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;');
  });

  test('cannot mention a channel, forge a link or leave its code block in Slack', () => {
    const step = failedStep('*analysis* <https://evil.example|click>', 'ENGINE_ERROR', hostile);
    const { slack } = finished({ status: 'failed' }, [step], hostile);
    const all = textsOf(slack.blocks).slice(1).join('\n');
    expect(all).not.toMatch(/<!|<https:\/\/evil|<script/);
    expect(slack.text).not.toContain('<');
    for (const text of textsOf(slack.blocks).slice(1)) expect((text.match(/```/g) ?? []).length % 2).toBe(0);
  });

  test('cannot run anything in the shell that a curl line is pasted into', () => {
    const step = makeStep(`x'; rm -rf $(HOME) \`id\` #`, { status: 'unknown' });
    const { text } = rendered(stepUnknown({ ...occasion(), runId: RUN_ID, step }));
    const line = text.split('\n').find((candidate) => candidate.includes('/resolve')) ?? '';
    expect(line).toContain('/steps/x%27%3B%20rm%20-rf%20%24%28HOME%29%20%60id%60%20%23/resolve');
    expect(line.match(/'/g)).toHaveLength(6);
  });

  test('of any length keeps subjects short and Slack within its limits', () => {
    const steps = Array.from({ length: 80 }, (_, at) =>
      failedStep(`${at}${'<&>'.repeat(5_000)}`, 'ENGINE_ERROR', '<&>'.repeat(90_000)),
    );
    const { subject, slack } = finished({ status: 'partial' }, steps, '<&>"'.repeat(20_000));
    expect(subject.length).toBeLessThanOrEqual(250);
    expect(slack.blocks.length).toBeLessThanOrEqual(50);
    expect(slack.text.length).toBeLessThanOrEqual(3_000);
    const [header, ...rest] = slack.blocks;
    expect(header?.type === 'header' && header.text.text.length).toBeLessThanOrEqual(150);
    const sections = rest.filter((block): block is SectionBlock => block.type === 'section');
    expect(sections.length).toBeGreaterThan(10);
    for (const { text, fields } of sections) {
      expect((text?.text ?? 'x').length).toBeGreaterThan(0);
      expect((text?.text ?? '').length).toBeLessThanOrEqual(3_000);
      expect((fields ?? []).length).toBeLessThanOrEqual(10);
      for (const field of fields ?? []) expect(field.text.length).toBeLessThanOrEqual(2_000);
    }
  });
});
