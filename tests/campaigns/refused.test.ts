import { describe, expect, test } from '@jest/globals';
import { campaign, complaints, mendAt, oneStep, problemsOf } from './support.ts';

const steps = (...entries: unknown[]) => campaign({ steps: entries });
const notifying = (targets: unknown) => campaign({ notifications: { onFailure: targets } });

describe('a campaign that is refused', () => {
  test('is told of everything at once, what is between fields too, though much is broken', () => {
    const input = {
      nmae: 'x',
      schedule: { cron: '0 9 * *', timezone: 'Mars/Olympus', enabled: 'yes' },
      budget: { daily: -1 },
      steps: [
        { engine: 'prospectin', retry: { attempts: 0 } },
        { name: 'a', engine: 'analysis', endpoint: 'http://evil.example/x', params: { x: '{{ steps.b.y }}' } },
        { name: 'a', engine: 'analysis', tiemout: 5 },
        { name: 'b', engine: 'outreach' },
      ],
      notifications: { onFailure: { email: 'nobody', slack: 'https://hooks.slack.com/services/T/B/x' } },
    };
    expect(problemsOf(input).map(({ path }) => path)).toEqual([
      'name',
      'schedule.cron',
      'schedule.timezone',
      'schedule.enabled',
      'budget.daily',
      'steps[0].engine',
      'steps[0].retry.attempts',
      'steps[2].tiemout',
      'notifications.onFailure.email',
      'nmae',
      'steps[2].name',
      'steps[1].endpoint',
      'steps[1].params.x',
      'notifications.onFailure.slack',
    ]);
    for (const problem of problemsOf(input)) expect(problem.message).toMatch(/^\S.*[^.]$/s);
  });

  test.each([null, [], 'text', 5, true])('because it is %j and no object', (input) => {
    expect(complaints(input)).toEqual([expect.stringMatching(/^: must be an object with "name" and "steps", not /)]);
  });

  test.each([
    [{}, ['name: is missing', 'steps: is missing']],
    [campaign({ name: '   ' }), ['name: is empty']],
    [campaign({ name: 5 }), ['name: must be a text, not 5']],
    [campaign({ name: 'x'.repeat(201) }), ['name: is longer than 200 characters']],
    [campaign({ name: 'a\nb' }), ['name: has control characters (line breaks and tabs among them)']],
    [campaign({ description: 'bell \u0007' }), ['description: has control characters other than line breaks and tabs']],
    [steps(), ['steps: is an empty list']],
    [
      steps(
        {
          name: 'a',
          engine: 'approval',
          params: { title: 'Go on?', groups: ['owners', 'owner', '{{ run.trigger }}'] },
        },
        { name: 'b', engine: 'moves', params: { approval: { groups: ['nobody'] } } },
      ),
      [
        'steps[0].params.groups[1]: names the group "owner", which is not configured, so that nobody could decide',
        'steps[1].params.approval.groups[0]: names the group "nobody", which is not configured, so that nobody could decide',
      ],
    ],
    [campaign({ steps: {} }), ['steps: must be a list, not an object']],
    [steps(5), ['steps[0]: must be an object with "engine", or a group {"parallel": [steps]}, not 5']],
    [steps({ name: 'x' }), ['steps[0].engine: is missing']],
    [oneStep({ params: [] }), ['steps[0].params: must be an object, not a list']],
    [
      oneStep({ method: 'FETCH' }),
      ['steps[0].method: must be one of GET, POST, PUT, PATCH, DELETE, not the text "FETCH"'],
    ],
    [oneStep({ retry: { attempts: 21 } }), ['steps[0].retry.attempts: must be 20 or less, not 21']],
    [oneStep({ retry: { attempts: 1.5 } }), ['steps[0].retry.attempts: must be a whole number, not 1.5']],
    [oneStep({ retry: { delay: -1 } }), ['steps[0].retry.delay: must be a duration between 0ms and 1d, not -1']],
    [oneStep({ timeout: 99 }), ['steps[0].timeout: must be a duration between 100ms and 1d, not 99']],
    [oneStep({ timeout: '25h' }), ['steps[0].timeout: must be a duration between 100ms and 1d, not the text "25h"']],
    [
      oneStep({ timeout: '300000' }),
      ['steps[0].timeout: must be a duration between 100ms and 1d, not the text "300000"'],
    ],
    [oneStep({ timeout: true }), ['steps[0].timeout: must be a duration between 100ms and 1d, not true']],
    [oneStep({ timeout: 1000.5 }), ['steps[0].timeout: must be a duration between 100ms and 1d, not 1000.5']],
    [oneStep({ estimatedCost: -0.5 }), ['steps[0].estimatedCost: must be 0 or more, not -0.5']],
    [oneStep({ terminalEvents: [] }), ['steps[0].terminalEvents: is an empty list']],
    [
      campaign({ schedule: 5 }),
      ['schedule: must be a cron expression such as "0 9 * * MON", or an object with "cron", not 5'],
    ],
    [campaign({ schedule: {} }), ['schedule.cron: is missing']],
    [campaign({ budget: { weekly: 1e9 + 1 } }), ['budget.weekly: must be 1000000000 or less, not 1000000001']],
    [campaign({ budget: { daily: JSON.parse('1e999') as number } }), ['budget.daily: must be a number, not Infinity']],
    [campaign({ budget: { daily: '5' } }), ['budget.daily: must be a number, not the text "5"']],
    [campaign({ budget: 5 }), ['budget: must be an object, not 5']],
    [campaign({ metadata: 'x' }), ['metadata: must be an object, not the text "x"']],
    [campaign({ budget: 7 }), ['budget: must be an object, not 7']],
    [oneStep({ retry: { backoff: 'linear' } }), [expect.stringContaining('must be one of fixed, exponential')]],
    [oneStep({ onFailure: 'explode' }), [expect.stringContaining('must be one of abort, continue, log')]],
    [oneStep({ protocol: 'x', effect: null, kind: 'zzz', onSuccess: 7 }), Array(4).fill(expect.any(String))],
    [campaign({ overlap: 'x', catchUp: 3, metadata: [1] }), Array(3).fill(expect.any(String))],
    [
      campaign({ notifications: { onFailure: 5, onComplete: { slack: 5, email: 5 } } }),
      Array(3).fill(expect.any(String)),
    ],
    [[], [expect.stringContaining('must be an object with "name" and "steps"')]],
  ])('with its reason in plain words, and a mend: %j', (input, expected) => {
    expect(complaints(input)).toEqual(expected);
    for (const { mend } of problemsOf(input)) expect(mend).toMatch(/^\S.*[^.]$/);
  });

  test('a cron expression is refused with the words of the calendar, bare and in an object', () => {
    for (const input of [campaign({ schedule: '61 9 * * MON' }), campaign({ schedule: { cron: '61 9 * * MON' } })])
      expect(complaints(input)).toEqual([
        expect.stringMatching(/^schedule(\.cron)?: is refused: minute 61 is above 59$/),
      ]);
    expect(complaints(campaign({ schedule: '0 0 30 2 *' }))[0]).toContain('never fires');
    expect(complaints(campaign({ schedule: { cron: '@daily', timezone: 'EST5' } }))[0]).toContain(
      'not a known time zone',
    );
  });

  test.each([
    [oneStep({ tiemout: 5 }), 'steps[0].tiemout', 'did you mean timeout?'],
    [oneStep({ on_failure: 'log' }), 'steps[0].on_failure', 'did you mean onFailure?'],
    [oneStep({ attempts: 5 }), 'steps[0].attempts', 'it belongs to retry'],
    [oneStep({ retry: { attempt: 5 } }), 'steps[0].retry.attempt', 'did you mean attempts?'],
    [campaign({ timezone: 'UTC' }), 'timezone', 'it belongs to schedule'],
    [campaign({ budget: { day: 1, yearly: 1 } }), 'budget.day', 'did you mean daily?'],
    [campaign({ notifications: { onFail: {} } }), 'notifications.onFail', 'did you mean onFailure?'],
    [campaign({ zzz: 1 }), 'zzz', expect.stringMatching(/^known here: name, description, schedule/)],
    [oneStep({ retry: { backoff: 'linear' } }), 'steps[0].retry.backoff', 'write one of "fixed", "exponential"'],
    [oneStep({ engine: 'outrech' }), 'steps[0].engine', 'did you mean "outreach"?'],
    [oneStep({ method: 'post' }), 'steps[0].method', 'did you mean "POST"?'],
    [oneStep({ onFailure: 'Abort' }), 'steps[0].onFailure', 'did you mean "abort"?'],
    [campaign({ overlap: 'cancel-previous' }), 'overlap', 'did you mean "cancel_previous"?'],
    [notifying({ emial: 'a@b.c' }), 'notifications.onFailure.emial', 'did you mean email?'],
    [
      JSON.parse('{"name": "x", "steps": [{"engine": "sender"}], "__proto__": {}}'),
      '__proto__',
      expect.stringMatching(/^known here/),
    ],
    [oneStep({ constructor: 1 }), 'steps[0].constructor', expect.stringMatching(/^known here/)],
  ])('names the nearest known word: %j', (input, path, mend) => {
    expect(complaints(input)).toHaveLength(Object.keys((input as { budget?: object }).budget ?? { one: 1 }).length);
    expect(mendAt(input, path)).toEqual(mend);
  });

  test.each([
    ['http://evil.example/api', 'is refused: http://evil.example is not an allowed origin'],
    ['https://user:secret@localhost/api', 'is refused: not an http(s) URL without credentials'],
    ['ftp://localhost/x', 'is neither an http(s) URL nor a path'],
    ['file:///etc/passwd', 'is neither an http(s) URL nor a path'],
    ['javascript:alert(1)', 'is neither an http(s) URL nor a path'],
    ['http://169.254.169.254/latest', 'is refused: http://169.254.169.254 is not an allowed origin'],
    ['http://localhost.evil.example/', 'is refused: http://localhost.evil.example is not an allowed origin'],
    ['api/prospect', 'is neither an http(s) URL nor a path'],
    ['//evil.example/x', 'is not a path'],
    ['/\\evil.example', 'is not a path'],
    ['/a b', 'is not a path'],
    ['/api/../admin', 'has . or .. in its path'],
    ['/api/%2e%2E/admin', 'has . or .. in its path'],
    ['http://localhost:3010/{{ run.id }}', 'has a reference, which works in params only'],
    ['', 'is empty'],
  ])('for the address %j', (address, message) => {
    for (const field of ['endpoint', 'statusEndpoint', 'cancelEndpoint'])
      expect(complaints(oneStep({ [field]: address }))).toEqual([`steps[0].${field}: ${message}`]);
  });

  test('an address of a foreign origin says how it is allowed', () => {
    expect(mendAt(oneStep({ endpoint: 'http://evil.example' }), 'steps[0].endpoint')).toBe(
      'add it to ENGINE_ALLOWED_ORIGINS',
    );
  });

  test.each([
    'nobody',
    'a@b.c, d@e.f',
    'Ops <ops@example.com>',
    'x@y.z\r\nBcc: victim@example.com',
    'x@y.z\u0000',
    'a b@example.com',
    '<ops@example.com>',
    '@example.com',
    'a@',
    'a..b@example.com',
    'a@-x.com',
    `${'x'.repeat(250)}@y.zz`,
  ])('for the address %j of a mail', (email) => {
    expect(problemsOf(notifying({ email }))).toEqual([
      expect.objectContaining({ path: 'notifications.onFailure.email' }),
    ]);
    expect(problemsOf(notifying({ email: ['ok@example.com', email] }))).toEqual([
      expect.objectContaining({ path: 'notifications.onFailure.email[1]' }),
    ]);
  });

  test.each([
    ['https://hooks.slack.com/services/T0/B0/secret', '{{ env.SLACK_WEBHOOK_URL }}'],
    ['HTTPS://HOOKS.SLACK.COM/services/T0/B0/secret', '{{ env.SLACK_WEBHOOK_URL }}'],
    ['https://evil.example/hook', 'ENGINE_ALLOWED_ORIGINS'],
    ['general', 'did you mean "#general"?'],
    ['{{ env.SLACK_WEBHOK_URL }}', 'did you mean env.SLACK_WEBHOOK_URL?'],
    ['{{ env.NOT_THERE }}', 'list it in ENV_REFERENCES'],
    ['{{ steps.a.b }}', 'write true, false, null'],
    ['#two words', 'write true, false, null'],
  ])('for the Slack target %j', (slack, mend) => {
    expect(complaints(notifying({ slack }))).toHaveLength(1);
    expect(mendAt(notifying({ slack }), 'notifications.onFailure.slack')).toContain(mend);
    expect(JSON.stringify(problemsOf(notifying({ slack })))).not.toContain('secret"');
  });

  test.each([
    [{ a: '{{ steps.analysis.x }}' }, 'steps[1].params.a', 'comes later'],
    [{ a: '{{ steps.me.x }}' }, 'steps[1].params.a', 'its own step'],
    [{ a: '{{ steps.twin.x }}' }, 'steps[1].params.a', 'comes later'],
    [{ a: ['{{ steps.nobody.x }}'] }, 'steps[1].params.a[0]', 'does not exist'],
    [{ 'odd key': '{{ stps.x }}' }, 'steps[1].params["odd key"]', 'did you mean steps?'],
    [{ a: '{{ steps }}' }, 'steps[1].params.a', 'does not name a step'],
    [{ a: '{{ env.HOME }}' }, 'steps[1].params.a', 'env.HOME, which is not set'],
    [{ a: '{{ env }}' }, 'steps[1].params.a', 'does not name a variable'],
    [{ a: '{{ run.nope }}' }, 'steps[1].params.a', 'run.nope, which does not exist'],
    [{ a: 'Hi {{first_name}}' }, 'steps[1].params.a', 'nothing known here'],
    [{ a: '{{ run.id' }, 'steps[1].params.a', 'without a closing }}'],
    [{ a: '{{ run.id | shout }}' }, 'steps[1].params.a', 'filter "shout"'],
    [{ a: '{{ 1 | plus: steps.analysis.n }}' }, 'steps[1].params.a', 'comes later'],
  ])('for the reference in %j', (params, path, message) => {
    const input = steps(
      { engine: 'prospecting' },
      { name: 'me', engine: 'prospecting', params },
      { parallel: [{ engine: 'analysis' }, { name: 'twin', engine: 'analysis' }] },
    );
    expect(problemsOf(input)).toEqual([{ path, message: expect.stringContaining(message), mend: expect.any(String) }]);
  });

  test('members of one group may not refer to each other', () => {
    const input = steps({
      parallel: [{ engine: 'analysis' }, { name: 'b', engine: 'sender', params: { x: '{{ steps.analysis.y }}' } }],
    });
    expect(complaints(input)).toEqual([
      'steps[0].parallel[1].params.x: {{ steps.analysis.y }} refers to "analysis", which runs at the same time',
    ]);
  });

  test.each([
    [{ parallel: [] }, ['steps[0].parallel: is an empty list']],
    [{ parallel: 4 }, ['steps[0].parallel: must be a list, not 4']],
    [
      { parallel: [{ parallel: [{ engine: 'sender' }] }] },
      ['steps[0].parallel[0].parallel: is a group within a group'],
    ],
    [{ parallel: [{ engine: 'sender' }], name: 'g' }, ['steps[0].name: does not belong to a parallel group']],
    [
      { parallel: Array.from({ length: 51 }, () => ({ engine: 'analysis' })) },
      ['steps[0].parallel: has 51 entries; 50 at most'],
    ],
  ])('for the group %j', (group, expected) => {
    expect(complaints(steps(group))).toEqual(expected);
  });

  test('two steps of one name are told of, across groups', () => {
    const input = steps({ name: 'x', engine: 'analysis' }, { parallel: [{ name: ' x ', engine: 'analysis' }] });
    expect(complaints(input)).toEqual(['steps[1].parallel[0].name: "x" is the name of steps[0] too']);
  });

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('a step may not be called %s', (name) => {
    expect(complaints(oneStep({ name }))).toEqual([`steps[0].name: ${JSON.stringify(name)} is a reserved word`]);
  });

  test('a kind that engine and endpoint do not give is no way to send twice', () => {
    expect(complaints(steps({ engine: 'sender', kind: 'outreach' }))).toEqual([
      'steps[0].kind: is "outreach", but engine and endpoint make it "sender"',
    ]);
    expect(complaints(steps({ engine: 'sender', kind: 'sender' }))).toEqual([]);
  });

  test('a policy in two places must be the same', () => {
    const input = campaign({
      overlap: 'queue',
      jitter: '1m',
      schedule: { cron: '@daily', overlap: 'skip', jitter: 60_000 },
    });
    expect(complaints(input)).toEqual(['overlap: is not the same as schedule.overlap']);
  });
});

describe('hostile input', () => {
  test('NUL and half surrogate pairs are refused wherever they are, keys included', () => {
    const input = {
      ...oneStep({ params: { list: ['ok', 'a\u0000'], ['\ud800']: 1 } }),
      name: 'N\u0000',
      metadata: { deep: { x: '\udfff' } },
    };
    expect(complaints(input)).toEqual([
      'name: contains the character NUL (\\u0000), which the database cannot hold',
      'steps[0].params.list[1]: contains the character NUL (\\u0000), which the database cannot hold',
      'steps[0].params["\\ud800"]: has a name that contains half a surrogate pair (\\ud800 to \\udfff alone), which is no text',
      'metadata.deep.x: contains half a surrogate pair (\\ud800 to \\udfff alone), which is no text',
    ]);
    expect(JSON.stringify(problemsOf(input)).isWellFormed()).toBe(true);
  });

  test('numbers that JSON cannot say are refused in params', () => {
    const input = oneStep({ params: JSON.parse('{"a": [1e999], "b": -1e999, "c": 1}') });
    expect(complaints(input)).toEqual([
      'steps[0].params.a[0]: Infinity is nothing that JSON can say',
      'steps[0].params.b: -Infinity is nothing that JSON can say',
    ]);
  });

  test('100,000 levels do not exhaust the stack', () => {
    const deep = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown;
    const objects = JSON.parse(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`) as unknown;
    const input = { ...oneStep({ name: deep, params: { deep } }), schedule: objects, metadata: { objects }, zzz: deep };
    expect(problemsOf(input).map(({ path }) => path)).toEqual(
      expect.arrayContaining(['steps[0].name', 'steps[0].params', 'metadata', 'zzz', 'schedule.cron']),
    );
    expect(problemsOf(deep)).toHaveLength(1);
    expect(problemsOf(campaign({ steps: [deep] }))).toHaveLength(1);
    const bottom = JSON.parse(`${'{"a":'.repeat(1_000)}"\\u0000"${'}'.repeat(1_000)}`) as unknown;
    expect(problemsOf(campaign({ metadata: bottom }))[0]?.path).toMatch(/^metadata\.a\.a.{150,250}…$/);
  });

  test('params have 32 levels at most, and 256 KiB', () => {
    const nested = (levels: number) =>
      JSON.parse(`{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`) as unknown;
    expect(complaints(oneStep({ params: nested(32) }))).toEqual([]);
    expect(complaints(oneStep({ params: nested(33) }))).toEqual(['steps[0].params: is nested deeper than 32 levels']);
    const sized = (bytes: number) => ({ a: 'é'.repeat((bytes - 8) / 2) });
    expect(complaints(oneStep({ params: sized(256 * 1_024) }))).toEqual([]);
    expect(complaints(oneStep({ params: sized(256 * 1_024 + 2) }))).toEqual([
      'steps[0].params: is 257 KiB of JSON; 256 KiB at most',
    ]);
  });

  test('10,000 steps are one problem, found at once', () => {
    const many = Array.from({ length: 10_000 }, () => ({ engine: 'nope', params: { x: '{{ a }}' } }));
    const started = performance.now();
    expect(complaints(campaign({ steps: many }))).toEqual(['steps: has 10000 steps; 200 at most']);
    expect(complaints(campaign({ steps: [{ parallel: many }] }))).toEqual(['steps: has 10000 steps; 200 at most']);
    expect(performance.now() - started).toBeLessThan(500);
  });

  test('members of groups count as steps', () => {
    const group = { parallel: Array.from({ length: 50 }, () => ({ engine: 'analysis' })) };
    expect(complaints(campaign({ steps: [group, group, group, group] }))).toEqual([]);
    expect(complaints(campaign({ steps: [group, group, group, group, { engine: 'analysis' }] }))).toEqual([
      'steps: has 201 steps; 200 at most',
    ]);
  });

  test('after a hundred problems the rest is a number', () => {
    const problems = problemsOf(campaign({ steps: Array.from({ length: 150 }, () => ({ engine: 'nope' })), zzz: 1 }));
    expect(problems).toHaveLength(101);
    expect(problems.at(-1)).toEqual({ path: '', message: 'and 51 more' });
  });

  test('very many problems take no time', () => {
    const params = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`k${index}`, '{{ x }}']));
    const started = performance.now();
    expect(problemsOf(oneStep({ params })).at(-1)?.message).toBe('and 9900 more');
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
