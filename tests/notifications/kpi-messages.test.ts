import { describe, expect, test } from '@jest/globals';
import type { OutboxRow } from '../../database/journal.ts';
import { factsOf } from '../../notifications/facts.ts';
import { kpiChanged, type KpiOccasion } from '../../notifications/kpi-messages.ts';
import { renderMail } from '../../notifications/render-mail.ts';
import { renderSlack } from '../../notifications/render-slack.ts';
import { contentOf } from '../../notifications/wording.ts';
import { makeDefinition, notify, NOW, PUBLIC_URL } from './support.ts';

const PLAN_ID = '0198a000-0000-7000-8000-00000000000b';
const RUN_ID = '0198a000-0000-7000-8000-00000000000a';

function told(
  status: Partial<KpiOccasion['change']['status']> = {},
  change: Partial<KpiOccasion['change']> = {},
  definition = makeDefinition(),
): OutboxRow[] {
  return kpiChanged({
    campaign: { id: '0198a000-0000-7000-8000-000000000001', definition },
    slackConfigured: false,
    publicUrl: PUBLIC_URL,
    nowMs: NOW,
    runId: RUN_ID,
    change: {
      plan: { id: PLAN_ID, name: 'Spring' },
      changes: 3,
      from: 'green',
      status: {
        kpi: 'leads',
        label: 'Leads a week',
        unit: 'leads',
        colour: 'red',
        value: 1234.5,
        expected: 2000,
        attainment: 0.61725,
        target: 8900,
        observedAt: '2026-01-05T14:00:00.000Z',
        ...status,
      },
      ...change,
    },
  });
}

function rendered([row]: OutboxRow[]) {
  if (!row) throw new Error('no message');
  const content = contentOf(factsOf(row));
  return { ...renderMail(content, row.id), slack: renderSlack(content, row.id) };
}

describe('a change of a KPI', () => {
  test('is told whoever hears of trouble, once for each change', () => {
    const [row, ...others] = told();
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      kind: 'kpi.changed',
      notifier: 'email',
      recipient: 'trouble@example.com',
      run_id: RUN_ID,
    });
    expect(row?.dedupe_key).toBe(told()[0]?.dedupe_key);
    expect(row?.dedupe_key).not.toBe(told({}, { changes: 4 })[0]?.dedupe_key);
    const both = told({}, {}, notify({ email: ['done@example.com'], slack: '#ops' }, {}));
    expect(both.map(({ recipient }) => recipient)).toEqual(['done@example.com', '#ops']);
    expect(told({}, {}, notify({}, {}))).toEqual([]);
  });

  test('for the worse says where it is, where it should be, and what to look at', () => {
    const { subject, text, html, slack } = rendered(told());
    expect(subject).toBe('KPI "Leads a week" of plan "Spring" is red (was green)');
    for (const part of [
      'Value: 1,234.5 leads',
      'Expected by then: 2,000 leads',
      'To be reached in the end: 8,900 leads',
      'Of the way that should be behind: 62 %',
      'Observed: 5 Jan 2026, 09:00 (America/New_York)',
      'It is far behind what was expected by now.',
      `'${PUBLIC_URL}/api/plans/${PLAN_ID}/kpis'`,
    ])
      expect(text).toContain(part);
    expect(html).toContain(`href="${PUBLIC_URL}/api/plans/${PLAN_ID}/kpis"`);
    expect(JSON.stringify(slack)).toContain('1,234.5 leads');
  });

  test('for the better says that nothing needs to be done', () => {
    const { subject, text } = rendered(told({ colour: 'green', attainment: null }, { from: 'amber' }));
    expect(subject).toBe('KPI "Leads a week" of plan "Spring" is green (was amber)');
    expect(text).toContain('Nothing needs to be done.');
    expect(text).not.toContain('Of the way');
  });

  test('that is the first that anybody saw names no colour before', () => {
    expect(rendered(told({ colour: 'amber' }, { from: 'unknown' })).subject).toBe(
      'KPI "Leads a week" of plan "Spring" is amber',
    );
  });

  test('brings nothing of its names into headers, HTML or Slack', () => {
    const hostile = '<script>x</script>\r\nBcc: eve@example.com\u202e <!channel>';
    const { subject, html, slack } = rendered(
      told({ label: hostile, unit: hostile }, { plan: { id: PLAN_ID, name: hostile } }),
    );
    expect(subject).not.toMatch(/\p{Cc}|\u202e/u);
    expect(html).not.toContain('<script>');
    expect(JSON.stringify(slack.blocks.slice(1))).not.toMatch(/<!|<script/);
  });
});
