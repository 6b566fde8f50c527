import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ModelError } from '../../generation/model.ts';
import { ScriptedModel } from '../support/model.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { type Bench, bench, type BenchOptions, type Site, site } from './tools-support.ts';

let records: TestRecords;
let web: Site;
let made: Bench[] = [];

beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  web = await site({ '/about': '<p>The restaurant has 40 seats.</p>', '/other': '<p>It has 12 seats.</p>' });
});
afterEach(async () => {
  await Promise.all(made.map(({ toolbox }) => toolbox.close()));
  made = [];
  await web.close();
});
afterAll(() => records.close());

function make(options: BenchOptions = {}): Bench {
  const one = bench(records, options);
  made.push(one);
  return one;
}

const seats = (path = '/about') => ({ url: `${web.url}${path}`, question: 'How many seats?' });
const brief = { objective: 'More guests', audience: 'Families', product: "Luigi's, a restaurant", tone: 'warm' };
const copyOf = (more = {}) => ({ kind: 'copy', brief, ...more });

describe('the log of tool calls', () => {
  test('has a row for every use, whatever became of it', async () => {
    const one = make();
    const tools = one.bind();
    await tools.use('research', seats(), 'a');
    await tools.use('research', seats('/missing'), 'a');
    await tools.use('research', { url: 'ftp://x' }, 'a');
    await tools.use('reserch', {}, 'a');
    const rows = await one.rows();
    const shown = rows.map(({ tool, outcome, result }) => [
      tool,
      outcome,
      (result['error'] as { code?: string })?.code,
    ]);
    expect(new Set(shown.map((row) => row.join(' ').trim()))).toEqual(
      new Set([
        'research completed',
        'research failed TOOL_HTTP_STATUS',
        'research refused TOOL_ARGUMENTS_INVALID',
        'reserch refused TOOL_UNKNOWN',
      ]),
    );
    expect(rows.find(({ outcome }) => outcome === 'completed')).toMatchObject({
      run_id: one.runId,
      step_name: 'arc',
      arguments: seats(),
      cost_micros: 0,
      called_at: '2026-01-05T09:00:00.000Z',
    });
  });

  test('answers a step that is run again, which then asks nobody', async () => {
    const one = make();
    const first = await one.bind().use('research', seats(), 'a');
    const asked = web.asked.length;
    const again = await one.bind({}, { attempt: 2 }).use('research', seats(), 'a');
    expect(web.asked).toHaveLength(asked);
    expect(again).toEqual({ ...first, fromLog: true });
    expect(again.evidence.map(({ text }) => text)).toEqual(['The restaurant has 40 seats.']);
    expect(await one.rows()).toHaveLength(1);
  });

  test('takes the same arguments in another order of fields for the same', async () => {
    const one = make();
    const { url, question } = seats();
    await one.bind().use('research', { url, question }, 'a');
    expect((await one.bind().use('research', { question, url }, 'a')).fromLog).toBe(true);
  });

  test('takes another key, step, run or other arguments for another call', async () => {
    const one = make();
    await one.bind().use('research', seats(), 'a');
    const others = [
      await one.bind().use('research', seats(), 'b'),
      await one.bind({}, { stepName: 'moves' }).use('research', seats(), 'a'),
      await one.bind().use('research', seats('/other'), 'a'),
      await make().bind().use('research', seats(), 'a'),
    ];
    expect(others.map(({ fromLog }) => fromLog)).toEqual([false, false, false, false]);
    expect(await one.rows()).toHaveLength(4);
  });

  test('does not answer for what failed: it is tried again, in the same row', async () => {
    const one = make();
    expect((await one.bind().use('research', seats('/late'), 'a')).outcome).toBe('failed');
    web.pages['/late'] = '<p>It has 12 seats.</p>';
    const again = await one.bind().use('research', seats('/late'), 'a');
    expect([again.outcome, again.fromLog]).toEqual(['completed', false]);
    expect((await one.rows()).map(({ outcome }) => outcome)).toEqual(['completed']);
  });

  test('shows a use that the end of the step broke off, and the next try makes it again', async () => {
    const one = make();
    web.pages['/slow'] = () => undefined;
    const asked = web.untilAsked('/slow');
    const use = one.bind().use('research', seats('/slow'), 'a');
    await asked;
    one.stop.abort(new Error('stopped'));
    await expect(use).rejects.toThrow('stopped');
    expect((await one.rows()).map(({ outcome, result }) => [outcome, result])).toEqual([
      ['failed', { error: expect.objectContaining({ code: 'TOOL_INTERRUPTED' }) }],
    ]);
    web.pages['/slow'] = '<p>It has 12 seats.</p>';
    const { signal } = new AbortController();
    expect((await one.bind({}, { signal }).use('research', seats('/slow'), 'a')).outcome).toBe('completed');
    expect((await one.rows()).map(({ outcome }) => outcome)).toEqual(['completed']);
  });

  test('keeps what another worker has completed when this one is broken off', async () => {
    const one = make();
    web.pages['/slow'] = () => undefined;
    const asked = web.untilAsked('/slow');
    const late = one.bind().use('research', seats('/slow'), 'a');
    await asked;
    web.pages['/slow'] = '<p>It has 12 seats.</p>';
    const { signal } = new AbortController();
    await one.bind({}, { signal }).use('research', seats('/slow'), 'a');
    one.stop.abort(new Error('fenced'));
    await expect(late).rejects.toThrow('fenced');
    expect((await one.rows()).map(({ outcome }) => outcome)).toEqual(['completed']);
  });

  test('begins nothing once the step has ended', async () => {
    const one = make();
    one.stop.abort(new Error('stopped'));
    await expect(one.bind().use('research', seats(), 'a')).rejects.toThrow('stopped');
    expect(web.asked).toEqual([]);
  });

  test('holds no secret, neither of arguments nor of answers, and neither does what the agent gets', async () => {
    const secret = 'sk-live-4711';
    web.pages['/leak'] = (response) => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify({ seats: `how many: ${secret}`, more: 'seats of postgres://me:hunter2222@db/x' }));
    };
    const one = make({ secrets: [secret] });
    const args = { url: `${web.url}/leak?key=${secret}`, question: `How many seats has ${secret}?` };
    const outcome = await one.bind().use('research', args, 'a');
    expect(outcome.evidence).toHaveLength(2);
    await one.bind().use('research', { ...args, [secret]: secret }, 'a');
    const everything = JSON.stringify([outcome, await one.rows()]);
    expect(everything).not.toContain(secret);
    expect(everything).not.toContain('hunter2222');
    expect(everything).toContain('[secret]');
    // The page itself was asked with it.
    expect(web.paths).toEqual([`/leak?key=${secret}`]);
  });

  test('keeps signs that no database holds out of the row', async () => {
    web.pages['/odd'] = '<p>It has 12 \u0000 seats.</p>';
    const one = make();
    const outcome = await one
      .bind()
      .use('research', { ...seats('/odd'), question: 'How many \u0000 seats?' }, 'a\u0000');
    expect(outcome.outcome).toBe('completed');
    expect(await one.rows()).toHaveLength(1);
  });
});

describe('arguments', () => {
  test.each([
    [{}, ['url', 'question']],
    [{ url: 'javascript:alert(1)', question: 'x' }, ['url']],
    [{ url: `https://a.example/${'x'.repeat(2_000)}`, question: 'x' }, ['url']],
    [{ url: 'https://a.example/', question: 7, depth: 3 }, ['question', 'depth']],
  ])('that do not fit are refused with the names of the fields', async (args, paths) => {
    const { outcome, error } = await make().bind().use('research', args, 'a');
    expect([outcome, error?.code]).toEqual(['refused', 'TOOL_ARGUMENTS_INVALID']);
    expect(error?.problems.map(({ path }) => path)).toEqual(paths);
    for (const path of paths) expect(error?.message).toContain(path);
    expect(web.asked).toEqual([]);
  });

  test('that are huge are refused, and not stored', async () => {
    const one = make();
    const { error } = await one.bind().use('research', { url: 'x'.repeat(20_000) }, 'a');
    expect(error?.code).toBe('TOOL_ARGUMENTS_INVALID');
    expect((await one.rows())[0]?.arguments).toEqual({ leftOut: expect.stringContaining('characters') });
  });

  test('for a tool that there is not are refused with the nearest name', async () => {
    const { error } = await make().bind().use('reserch', {}, 'a');
    expect(error?.message).toContain('Did you mean research?');
  });
});

describe('limits', () => {
  test('end the uses of one try after 20, those from the log included', async () => {
    const one = make();
    const tools = one.bind();
    for (let at = 0; at < 20; at++) expect((await tools.use('research', seats(), 'a')).outcome).toBe('completed');
    const beyond = await tools.use('research', seats(), 'b');
    expect([beyond.outcome, beyond.error?.code]).toEqual(['refused', 'TOOL_CALLS_EXHAUSTED']);
    expect(await one.rows()).toHaveLength(1);
  });

  test('keep uses within the time of the step', async () => {
    web.pages['/slow'] = () => undefined;
    const one = make();
    const asked = web.untilAsked('/slow');
    const use = one.bind({}, { deadline: one.clock.now() + 5_000 }).use('research', seats('/slow'), 'a');
    await asked;
    await one.clock.advance(5_000);
    expect((await use).error).toMatchObject({ code: 'TOOL_TIMEOUT', message: expect.stringContaining('5000 ms') });
  });

  test('keep what uses cost within what is left, also while others are under way', async () => {
    const model = new ScriptedModel();
    const write = model.generate.bind(model);
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    model.generate = async (request, call) => {
      await gate;
      return write(request, call);
    };
    // Estimated at 20,000 for each of the two models.
    const one = make({ model });
    const tools = one.bind({ mostMicros: 70_000 });
    const first = tools.use('content', copyOf(), 'a');
    const second = await tools.use('content', copyOf(), 'b');
    expect(second.error?.code).toBe('TOOL_BUDGET_EXHAUSTED');
    open();
    expect((await first).outcome).toBe('completed');
    expect(tools.spentMicros).toBe(10_000);
    expect((await tools.use('content', copyOf(), 'b')).outcome).toBe('completed');
    expect(tools.spentMicros).toBe(20_000);
    expect((await tools.use('content', copyOf(), 'c')).outcome).toBe('completed');
    expect((await tools.use('content', copyOf(), 'd')).outcome).toBe('completed');
    expect((await tools.use('content', copyOf(), 'e')).error?.code).toBe('TOOL_BUDGET_EXHAUSTED');
  });
});

describe('content', () => {
  test('is written by the agents of generation, costed, and written once', async () => {
    const model = new ScriptedModel();
    const one = make({ model });
    const tools = one.bind();
    const first = await tools.use('content', copyOf(), 'move-1');
    expect(first).toMatchObject({ outcome: 'completed', costMicros: 10_000, evidence: [] });
    expect(first.result['artifact']).toMatchObject({ kind: 'copy', content: { headline: expect.any(String) } });
    const again = await one.bind().use('content', copyOf(), 'move-1');
    expect([again.fromLog, again.result]).toEqual([true, first.result]);
    expect(model.asked('brief.copy')).toBe(1);
    expect((await one.rows()).map(({ cost_micros: cost }) => cost)).toEqual([10_000]);
    const other = await tools.use('content', copyOf(), 'move-2');
    expect((other.result['artifact'] as { id: string }).id).not.toBe((first.result['artifact'] as { id: string }).id);
  });

  test('rests on evidence of the step alone, named by ids', async () => {
    const model = new ScriptedModel();
    const tools = make({ model }).bind({
      evidence: [{ id: 'f1', text: 'It has 40 seats.', source: { kind: 'request', location: 'facts[0]' } }],
    });
    const written = await tools.use('content', copyOf({ facts: ['f1', 'f1'] }), 'a');
    expect(written.outcome).toBe('completed');
    expect(model.requests[0]?.input['brief']).toMatchObject({ facts: [{ id: 'f1', text: 'It has 40 seats.' }] });
    const refused = await tools.use('content', copyOf({ facts: ['f1', 'made-up'] }), 'b');
    expect(refused.outcome).toBe('refused');
    expect(refused.error?.problems.map(({ path }) => path)).toEqual(['facts[1]']);
  });

  test('is refused for a brief that contradicts itself, with the place', async () => {
    const constraints = { requiredTerms: ['pizza'], prohibitedTerms: ['Pizza'] };
    const { error } = await make()
      .bind()
      .use('content', copyOf({ brief: { ...brief, constraints } }), 'a');
    expect(error?.code).toBe('TOOL_ARGUMENTS_INVALID');
    expect(error?.problems.map(({ path }) => path)).toEqual(['brief.constraints.requiredTerms[0]']);
  });

  test('that the model refuses is a failure with the code and the cost of the model', async () => {
    const model = new ScriptedModel();
    model.script['brief.copy'] = [new ModelError('MODEL_BLOCKED', 'blocked', { costMicros: 3_000 })];
    const one = make({ model });
    const tools = one.bind();
    expect(await tools.use('content', copyOf(), 'a')).toMatchObject({
      outcome: 'failed',
      error: { code: 'MODEL_BLOCKED' },
      costMicros: 3_000,
    });
    expect(tools.spentMicros).toBe(3_000);
    expect((await one.rows())[0]?.cost_micros).toBe(3_000);
  });

  test('that is too long to be kept has failed, and costs what it cost', async () => {
    const model = new ScriptedModel();
    const post = { channel: 'linkedin', text: 'x'.repeat(60_000), hashtags: [] };
    model.script['brief.social'] = [() => ({ posts: [post, post] })];
    const one = make({ model });
    const tools = one.bind();
    const outcome = await tools.use('content', { kind: 'social', brief }, 'a');
    expect(outcome).toMatchObject({ error: { code: 'TOOL_RESULT_TOO_LARGE' }, costMicros: 10_000, result: {} });
    expect(tools.spentMicros).toBe(10_000);
    expect((await one.rows())[0]).toMatchObject({ outcome: 'failed', cost_micros: 10_000 });
  });

  test('that takes too long costs at most what was estimated, and says that this is not known', async () => {
    const model = new ScriptedModel();
    model.script['brief.copy'] = ['hang'];
    const one = make({ model });
    const tools = one.bind();
    const use = tools.use('content', copyOf(), 'a');
    // The time of the use, and the patience with the best model.
    await one.clock.untilSleeping(2);
    await one.clock.advance(30_000);
    await one.clock.advance(30_000);
    expect(await use).toMatchObject({ error: { code: 'TOOL_TIMEOUT' }, costMicros: 40_000, costUnknown: true });
    expect([tools.spentMicros, tools.costUnknown]).toEqual([40_000, true]);
  });
});

test('a tool that breaks down is a failure, and a warning in the log', async () => {
  const model = new ScriptedModel();
  model.script['brief.copy'] = [new TypeError('no such thing')];
  const one = make({ model });
  expect((await one.bind().use('content', copyOf(), 'a')).error).toMatchObject({ code: 'TOOL_CRASHED' });
  expect(one.warnings).toEqual(['A tool broke down']);
});

test('what uses may cost is known before', () => {
  const { toolbox, step } = make();
  expect(toolbox.estimate('content', copyOf(), step)).toBe(40_000);
  expect(toolbox.estimate('research', seats(), step)).toBe(0);
  expect(toolbox.estimate('content', { kind: 'film' }, step)).toBe(0);
  expect(toolbox.estimate('nothing', {}, step)).toBe(0);
});
