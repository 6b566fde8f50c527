import { describe, expect, test } from '@jest/globals';
import type { CampaignDefinition } from '../../campaigns/definition.ts';
import type { OutboxRow } from '../../database/journal.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import type { Refusal } from '../../notifications/gather-facts.ts';
import { campaignResumed, runFinished, stepUnknown } from '../../notifications/messages.ts';
import { failedStep, makeDefinition, makeRun, makeStep, notify, NOW, PUBLIC_URL } from './support.ts';

const CAMPAIGN_ID = '0198a000-0000-7000-8000-000000000001';

function occasion(definition: CampaignDefinition, slackConfigured = false) {
  return { campaign: { id: CAMPAIGN_ID, definition }, slackConfigured, publicUrl: PUBLIC_URL, nowMs: NOW };
}

function finished(
  definition: CampaignDefinition,
  run: Partial<RunRow>,
  options: { slackConfigured?: boolean; steps?: StepRow[]; budgetRefusal?: Refusal } = {},
): OutboxRow[] {
  return runFinished({
    ...occasion(definition, options.slackConfigured),
    run: makeRun(run),
    steps: options.steps ?? [],
    ...(options.budgetRefusal ? { budgetRefusal: options.budgetRefusal } : {}),
  });
}

const told = (rows: OutboxRow[]) => rows.map((row) => `${row.kind} ${row.notifier}:${row.recipient}`);

const refusal: Refusal = {
  scope: `campaign:${CAMPAIGN_ID}`,
  period: 'day',
  startsOn: '2026-01-05',
  limitMicros: 5_000_000,
  spentMicros: 4_900_000,
  heldMicros: 0,
  amountMicros: 1_200_000,
  turnsAtMs: Date.parse('2026-01-06T05:00:00.000Z'),
  message: 'The daily budget of $5.00 has no room for the next step.',
};

describe('who is told', () => {
  test('of a completed run: onComplete, and whoever hears of trouble if trouble was open', () => {
    const rows = finished(makeDefinition(), { status: 'completed' });
    expect(told(rows)).toEqual(['run.completed email:done@example.com', 'run.recovered email:trouble@example.com']);
    expect(rows[0]?.closes_episodes).toBeUndefined();
    expect(rows[1]?.closes_episodes).toBe(true);
  });

  test('of a failed or aborted run: onFailure', () => {
    expect(told(finished(makeDefinition(), { status: 'failed' }))).toEqual(['run.failed email:trouble@example.com']);
    expect(told(finished(makeDefinition(), { status: 'aborted' }))).toEqual(['run.aborted email:trouble@example.com']);
  });

  test('of a partial run: onFailure, or onComplete when onFailure names nobody', () => {
    expect(told(finished(makeDefinition(), { status: 'partial' }))).toEqual(['run.partial email:trouble@example.com']);
    const onlyComplete = notify({ email: ['done@example.com'] }, {});
    expect(told(finished(onlyComplete, { status: 'partial' }))).toEqual(['run.partial email:done@example.com']);
  });

  test('of a recovery: whoever was told of the partial run before', () => {
    const rows = finished(notify({ email: ['done@example.com'] }, {}), { status: 'completed' });
    expect(told(rows)).toEqual(['run.completed email:done@example.com', 'run.recovered email:done@example.com']);
  });

  test('of a cancelled run: nobody, as a person did it', () => {
    expect(finished(makeDefinition(), { status: 'cancelled' }, { slackConfigured: true })).toEqual([]);
  });

  test('by mail each address once', () => {
    const rows = finished(notify({}, { email: ['a@example.com', 'b@example.com', 'a@example.com'] }), {
      status: 'failed',
    });
    expect(rows.map((row) => row.recipient)).toEqual(['a@example.com', 'b@example.com']);
  });

  test.each([
    [null, true, ['default']],
    [null, false, []],
    [false, true, []],
    [true, true, ['default']],
    [true, false, ['default']],
    ['#ops', true, ['#ops']],
    ['{{ env.SLACK_WEBHOOK_SALES }}', false, ['env:SLACK_WEBHOOK_SALES']],
    ['http://127.0.0.1:9/hook', false, ['http://127.0.0.1:9/hook']],
  ])('on Slack of a failure when slack is %j and a webhook is configured: %j', (slack, configured, recipients) => {
    const rows = finished(notify({}, { slack }), { status: 'failed' }, { slackConfigured: configured });
    expect(rows.map((row) => row.recipient)).toEqual(recipients);
  });

  test('on Slack of a completion only when the campaign says so', () => {
    const quiet = finished(notify({ slack: null }, {}), { status: 'completed' }, { slackConfigured: true });
    expect(quiet).toEqual([]);
    const loud = finished(notify({ slack: true }, {}), { status: 'completed' }, { slackConfigured: true });
    expect(told(loud)).toContain('run.completed slack:default');
  });
});

describe('an episode', () => {
  const keyOf = (steps: StepRow[], status: 'failed' | 'partial' = 'failed') =>
    finished(makeDefinition(), { status }, { steps })[0]?.episode_key;

  test('is the same for the same steps failing with the same codes, whatever the run and the words', () => {
    const first = keyOf([failedStep('analysis', 'ENGINE_ERROR', 'once')]);
    expect(first).toBe('failed:analysis:ENGINE_ERROR');
    expect(keyOf([makeStep('prospecting'), failedStep('analysis', 'ENGINE_ERROR', 'twice')])).toBe(first);
  });

  test('is another for another step, another code or another ending', () => {
    const keys = [
      keyOf([failedStep('analysis')]),
      keyOf([failedStep('prospecting')]),
      keyOf([failedStep('analysis', 'ENGINE_REFUSED')]),
      keyOf([failedStep('analysis')], 'partial'),
      keyOf([failedStep('analysis'), failedStep('send-emails')]),
    ];
    expect(new Set(keys).size).toBe(5);
  });

  test('has a key that fits an index, however many steps fail', () => {
    const many = (last: string) => [
      ...Array.from({ length: 99 }, (_, at) => failedStep(`step-with-a-long-name-${at}`)),
      failedStep(last),
    ];
    expect(keyOf(many('x'))?.length).toBeLessThan(400);
    expect(keyOf(many('x'))).not.toBe(keyOf(many('y')));
  });

  test('is told again after 24 hours', () => {
    expect(finished(makeDefinition(), { status: 'failed' })[0]?.repeat_after_ms).toBe(86_400_000);
  });
});

describe('a budget notice', () => {
  const keyOf = (change: Partial<Refusal>) =>
    finished(makeDefinition(), { status: 'aborted' }, { budgetRefusal: { ...refusal, ...change } })[0]?.dedupe_key;

  test('takes the place of the failure notice and belongs to no episode', () => {
    const rows = finished(makeDefinition(), { status: 'aborted' }, { budgetRefusal: refusal });
    expect(told(rows)).toEqual(['budget.exceeded email:trouble@example.com']);
    expect(rows[0]?.episode_key).toBeUndefined();
  });

  test('goes out once a campaign, scope and period, whatever the run', () => {
    expect(keyOf({})).toBe(keyOf({ spentMicros: 5_000_000 }));
    const others = [
      keyOf({}),
      keyOf({ startsOn: '2026-01-06' }),
      keyOf({ period: 'week' }),
      keyOf({ scope: 'global' }),
    ];
    expect(new Set(others).size).toBe(4);
  });

  test('of the limit per lead, which every run may pass, is one episode of trouble', () => {
    const perLead = { period: 'lead', startsOn: null, turnsAtMs: null, scope: 'run' };
    expect(keyOf(perLead)).not.toBe(keyOf(perLead));
    const [row] = finished(makeDefinition(), { status: 'aborted' }, { budgetRefusal: { ...refusal, ...perLead } });
    expect(row).toMatchObject({ episode_key: 'budget:lead', repeat_after_ms: 86_400_000 });
  });
});

describe('other messages', () => {
  const unknown = makeStep('send-emails', {
    status: 'unknown',
    kind: 'sender',
    effect: 'once',
    error: { code: 'STEP_OUTCOME_UNKNOWN', message: 'connection lost', retryable: false },
  });

  test('a step of unknown outcome asks whoever hears of trouble, once an attempt', () => {
    const ask = (step: StepRow) => stepUnknown({ ...occasion(makeDefinition()), runId: 'run-1', step });
    expect(told(ask(unknown))).toEqual(['step.unknown email:trouble@example.com']);
    expect(ask(unknown)[0]?.dedupe_key).toBe(ask(unknown)[0]?.dedupe_key);
    expect(ask(unknown)[0]?.dedupe_key).not.toBe(ask({ ...unknown, attempts: 2 })[0]?.dedupe_key);
    expect(ask(unknown)[0]?.facts).toMatchObject({ waits: true, endpoint: 'http://127.0.0.1:3001/api/sender' });
    expect(JSON.stringify(ask(unknown))).not.toContain('hidden');
  });

  test('the end of a budget pause is told once a pause', () => {
    const resumed = (resumeAt: string) =>
      campaignResumed({ ...occasion(makeDefinition()), reason: 'budget', resumeAt, nextRunAt: null });
    expect(told(resumed('a'))).toEqual(['budget.resumed email:trouble@example.com']);
    expect(resumed('a')[0]?.dedupe_key).toBe(resumed('a')[0]?.dedupe_key);
    expect(resumed('a')[0]?.dedupe_key).not.toBe(resumed('b')[0]?.dedupe_key);
  });

  test('facts stay small for ten thousand failing steps with endless messages', () => {
    const steps = Array.from({ length: 10_000 }, (_, at) =>
      failedStep(`step-${at}`, 'ENGINE_ERROR', 'x'.repeat(100_000)),
    );
    const [row] = finished(makeDefinition(), { status: 'partial' }, { steps });
    expect(JSON.stringify(row).length).toBeLessThan(300_000);
    expect(row?.facts['stepsLeftOut']).toBe(9_900);
  });

  test('every message has an id of its own and a key that names its kind, notifier and recipient', () => {
    const rows = finished(makeDefinition(), { status: 'completed' });
    expect(new Set(rows.map((row) => row.id)).size).toBe(2);
    for (const row of rows) expect(row.dedupe_key).toBe(`${row.kind}:${row.run_id}:${row.notifier}:${row.recipient}`);
  });
});
