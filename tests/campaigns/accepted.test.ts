import { describe, expect, test } from '@jest/globals';
import { accepted, campaign, campaignFile, firstStep, oneStep } from './support.ts';

describe('a campaign that is accepted', () => {
  test('may be as short as section 5.1 has it: a bare cron expression and steps of engine and params', () => {
    const definition = accepted({
      name: 'Weekly Restaurant Outreach',
      schedule: '0 9 * * MON',
      steps: [{ engine: 'prospecting', params: { count: 20 } }],
      budget: { daily: 5 },
    });
    expect(definition).toEqual({
      name: 'Weekly Restaurant Outreach',
      schedule: {
        cron: '0 9 * * MON',
        timezone: 'UTC',
        enabled: true,
        catchUp: 'last',
        catchUpWindow: 3_600_000,
        jitter: 0,
      },
      overlap: 'skip',
      budget: { daily: 5 },
      steps: [
        {
          name: 'prospecting',
          engine: 'prospecting',
          kind: 'prospecting',
          method: 'POST',
          params: { count: 20 },
          timeout: 300_000,
          retry: { attempts: 3, delay: 5_000, backoff: 'exponential' },
          onSuccess: 'continue',
          onFailure: 'abort',
          effect: 'repeatable',
          protocol: 'auto',
          pollInterval: 2_000,
        },
      ],
      notifications: { onComplete: { email: [], slack: null }, onFailure: { email: [], slack: null } },
      metadata: {},
    });
  });

  test('may be the file of section 4, whose last step is then a sender that is tried once', () => {
    const definition = accepted(campaignFile('weekly-restaurant.json'));
    expect(definition.schedule).toMatchObject({ cron: '0 9 * * MON', timezone: 'America/New_York', enabled: true });
    expect(definition.budget).toEqual({ daily: 5, weekly: 20, monthly: 80, perLead: 0.2 });
    expect(definition.steps.map((step) => ('kind' in step ? [step.name, step.kind, step.effect] : step))).toEqual([
      ['prospecting', 'prospecting', 'repeatable'],
      ['analysis', 'analysis', 'repeatable'],
      ['outreach-compose', 'outreach', 'repeatable'],
      ['send-emails', 'sender', 'once'],
    ]);
    expect(definition.notifications.onFailure).toEqual({ email: ['your-email@example.com'], slack: null });
    expect(definition.metadata).toMatchObject({ project_id: 'uuid-here', owner: 'maksant-agency' });
  });

  test.each([
    ['weekly-restaurant.json', 4],
    ['monthly-retail.json', 4],
    ['test-campaign.json', 4],
    ['weekly-moves.json', 2],
    ['plan-monitoring.json', 2],
  ])('%s is one', (file, steps) => {
    const definition = accepted(campaignFile(file));
    expect(definition.steps).toHaveLength(steps);
    expect(accepted(structuredClone(definition))).toEqual(definition);
  });

  test.each(['weekly-moves.json', 'plan-monitoring.json'])(
    '%s tells nobody of a run in which all went well',
    (file) => {
      const { notifications } = accepted(campaignFile(file));
      expect(notifications).toEqual({
        onComplete: { email: [], slack: null },
        onFailure: { email: ['your-email@example.com'], slack: null },
      });
    },
  );

  test('the test campaign names no address and is not scheduled', () => {
    const definition = accepted(campaignFile('test-campaign.json'));
    expect(definition.schedule?.enabled).toBe(false);
    for (const step of definition.steps) expect(step).not.toHaveProperty('endpoint');
  });

  test('steps without a name are named by their kind, past names that are taken', () => {
    const { steps } = accepted(
      campaign({
        steps: [
          { engine: 'analysis' },
          { parallel: [{ engine: 'analysis' }, { engine: 'analysis', name: 'analysis-2' }] },
          { engine: 'outreach', endpoint: '/api/send-batch' },
        ],
      }),
    );
    const names = steps.flatMap((entry) => ('parallel' in entry ? entry.parallel : [entry])).map((step) => step.name);
    expect(names).toEqual(['analysis', 'analysis-3', 'analysis-2', 'sender']);
  });

  test.each([
    [300_000, 300_000],
    ['300000ms', 300_000],
    ['90s', 90_000],
    ['15m', 900_000],
    ['1h', 3_600_000],
    ['1.5h', 5_400_000],
    ['1h 30m', 5_400_000],
    ['100ms', 100],
    ['1d', 86_400_000],
  ])('a timeout of %j is %i milliseconds', (given, ms) => {
    expect(firstStep(oneStep({ timeout: given })).timeout).toBe(ms);
  });

  test('durations are read as text everywhere', () => {
    const definition = accepted({
      ...oneStep({ retry: { delay: '2s' }, pollInterval: '5s' }),
      schedule: { cron: '@daily', catchUpWindow: '12h', jitter: '5m' },
    });
    expect(definition.schedule).toMatchObject({ catchUpWindow: 43_200_000, jitter: 300_000 });
    expect(definition.steps[0]).toMatchObject({ retry: { delay: 2_000 }, pollInterval: 5_000 });
  });

  test('policies beside a bare cron expression go into the schedule; overlap always stays at the top', () => {
    const definition = accepted(
      campaign({ schedule: '@hourly', overlap: 'queue', catchUp: 'all', catchUpWindow: '2h', jitter: '10s' }),
    );
    expect(definition.overlap).toBe('queue');
    expect(definition.schedule).toMatchObject({ catchUp: 'all', catchUpWindow: 7_200_000, jitter: 10_000 });
    expect(definition.schedule).not.toHaveProperty('overlap');
    expect(accepted(campaign({ schedule: { cron: '@hourly', overlap: 'allow' } })).overlap).toBe('allow');
    expect(accepted(campaign({ overlap: 'cancel_previous' }))).toMatchObject({ overlap: 'cancel_previous' });
    expect(accepted(campaign({ schedule: { cron: '@hourly', jitter: '1m' }, jitter: 60_000 })).schedule?.jitter).toBe(
      60_000,
    );
  });

  test.each([undefined, null])('a schedule of %s means that it is started by hand', (schedule) => {
    expect(accepted(campaign({ schedule }))).not.toHaveProperty('schedule');
  });

  test.each([
    [null, []],
    ['a@example.com', ['a@example.com']],
    [' a@example.com ', ['a@example.com']],
    [
      ['a@example.com', 'b@example.com', 'a@example.com'],
      ['a@example.com', 'b@example.com'],
    ],
    ['root@localhost', ['root@localhost']],
    ["o'neil+x@sub.example.co.uk", ["o'neil+x@sub.example.co.uk"]],
  ])('e-mail %j goes to %j', (email, addresses) => {
    const definition = accepted(campaign({ notifications: { onFailure: { email } } }));
    expect(definition.notifications.onFailure.email).toEqual(addresses);
  });

  test.each([
    [null, null],
    [undefined, null],
    [true, true],
    [false, false],
    ['#campaigns', '#campaigns'],
    ['{{env.SLACK_WEBHOOK_URL}}', '{{ env.SLACK_WEBHOOK_URL }}'],
    ['http://127.0.0.1:9999/hook', 'http://127.0.0.1:9999/hook'],
  ])('slack %j is kept as %j', (slack, kept) => {
    expect(accepted(campaign({ notifications: { onComplete: { slack } } })).notifications.onComplete.slack).toBe(kept);
  });

  test('limits of null do not bind', () => {
    expect(accepted(campaign({ budget: { daily: null, weekly: 0 } })).budget).toEqual({ weekly: 0 });
    expect(accepted(campaign({ budget: null })).budget).toEqual({});
  });

  test('what is tried once by its effect is tried once by default, whatever the kind', () => {
    expect(firstStep(oneStep({ effect: 'once' })).retry.attempts).toBe(1);
    expect(firstStep(campaign({ steps: [{ engine: 'sender', effect: 'repeatable' }] })).retry.attempts).toBe(3);
    expect(firstStep(oneStep({ effect: 'once', retry: { attempts: 5 } })).retry.attempts).toBe(5);
  });

  test('names lose the blanks around them, descriptions may have several lines', () => {
    const definition = accepted(campaign({ name: '  Wöchentlich 🍝 ', description: 'one\n\ttwo' }));
    expect(definition).toMatchObject({ name: 'Wöchentlich 🍝', description: 'one\n\ttwo' });
  });

  test('params and metadata are free, names of the prototype among their keys included', () => {
    const free = JSON.parse(
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}, "toString": null, "": []}',
    ) as unknown;
    const definition = accepted({ ...oneStep({ params: free }), metadata: free });
    expect(JSON.stringify(definition.metadata)).toBe(JSON.stringify(free));
    expect(JSON.stringify(firstStep({ ...oneStep({ params: free }) }).params)).toBe(JSON.stringify(free));
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('references may go to any earlier step, a parallel one among them', () => {
    const input = campaign({
      steps: [
        { engine: 'prospecting', params: { run: '{{ run.id }}', region: '{{ env.REGION }}' } },
        {
          parallel: [
            { name: 'fast', engine: 'analysis', params: { n: '{{ steps.prospecting.found }}' } },
            { engine: 'analysis' },
          ],
        },
        {
          engine: 'outreach',
          params: { a: '{{ steps.fast.n | default: 1 }} {{ steps["analysis"].n }} {{ campaign.metadata.owner }}' },
        },
      ],
    });
    expect(accepted(input).steps).toHaveLength(3);
  });

  test('200 steps are not too many', () => {
    const steps = Array.from({ length: 200 }, () => ({ engine: 'analysis' }));
    expect(accepted(campaign({ steps })).steps).toHaveLength(200);
  });

  test('the $schema of an editor is not kept', () => {
    expect(accepted(campaign({ $schema: './campaign.schema.json' }))).not.toHaveProperty('$schema');
  });
});
