import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { responseSchemaOf } from '../../generation/model-schema.ts';
import { RulesModel } from '../../generation/providers/rules.ts';
import type { MoveDraft } from '../../moves/move.ts';
import type { Endpoint } from '../../moves/tools/endpoints.ts';
import {
  planTools,
  requestedPages,
  type ToolFindings,
  type ToolPlanning,
  toolPlanRequest,
  toolTemplates,
} from '../../moves/tools/plan-tools.ts';
import type { StepTools } from '../../moves/tools/step-tools.ts';
import { verifyMoves } from '../../moves/tools/verify-moves.ts';
import { TestClock } from '../support/clock.ts';
import { ScriptedModel } from '../support/model.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { type Bench, bench, type BenchOptions, type Site, site, typed } from './tools-support.ts';

let records: TestRecords;
let web: Site;
let made: Bench[] = [];

beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  web = await site({
    '/about': '<p>The restaurant has 40 seats.</p>',
    '/menu': '<p>Pizza has a price of 12 euros.</p>',
    '/v1/leads': typed('application/json', '{"leads":12}'),
  });
});
afterEach(async () => {
  await Promise.all(made.map(({ toolbox }) => toolbox.close()));
  made = [];
  await web.close();
});
afterAll(() => records.close());

const endpoint = (more: Partial<Endpoint> = {}): Endpoint => ({
  name: 'leads',
  description: 'Leads of a week.',
  method: 'GET',
  url: `${web.url}/v1/leads`,
  params: {},
  headers: {},
  costMicros: 2_000,
  isRepeatable: true,
  ...more,
});

function make(options: BenchOptions = {}): Bench {
  const one = bench(records, { endpoints: [endpoint()], ...options });
  made.push(one);
  return one;
}

const pages = () => [
  { url: `${web.url}/about`, question: 'How many seats?' },
  { url: `${web.url}/menu`, question: 'Which price has pizza?' },
];
const offline = () => new RulesModel({ templates: toolTemplates, clock: new TestClock() });

function plan(one: Bench, tools: StepTools, more: Partial<ToolPlanning> = {}): Promise<ToolFindings> {
  return planTools({
    purpose: 'find what is not known',
    context: { objective: 'More guests', research: pages() },
    tools,
    model: offline(),
    call: { signal: one.step.signal },
    ...more,
  });
}

const texts = ({ evidence }: ToolFindings) => evidence.map(({ text }) => text);

describe('choosing tools', () => {
  test('offline follows the research list of the request, in its order', async () => {
    const one = make();
    const found = await plan(one, one.bind());
    expect(found.choices.map(({ arguments: args }) => args['url'])).toEqual(pages().map(({ url }) => url));
    expect(texts(found)).toEqual(['The restaurant has 40 seats.', 'Pizza has a price of 12 euros.']);
    expect(found).toMatchObject({ costMicros: 0, chosenBy: { provider: 'rules', model: 'rules-v1' } });
  });

  test('offline chooses nothing where nothing is asked for, or research is not offered', async () => {
    const one = make();
    expect((await plan(one, one.bind(), { context: {} })).choices).toEqual([]);
    expect((await plan(one, one.bind(), { available: ['api'] })).choices).toEqual([]);
  });

  test('asks no model where there is nothing to choose among', async () => {
    const model = new ScriptedModel();
    const one = make({ endpoints: [] });
    expect(await plan(one, one.bind(), { model, available: ['api'] })).toMatchObject({ choices: [], chosenBy: null });
    expect(model.requests).toEqual([]);
  });

  test('by a model uses what it names, and reads the pages of the request beside', async () => {
    const model = new ScriptedModel();
    model.script['plan.tools'] = [
      () => ({
        calls: [
          { tool: 'api', arguments: { endpoint: 'leads' }, why: 'How many leads there are.' },
          { tool: 'research', arguments: pages()[0], why: 'The seats.' },
        ],
      }),
    ];
    const one = make();
    const found = await plan(one, one.bind(), { model, required: requestedPages(pages()) });
    expect(texts(found)).toEqual(['The restaurant has 40 seats.', 'Pizza has a price of 12 euros.', 'leads: 12']);
    expect(found.costMicros).toBe(12_000);
    expect(web.paths).toHaveLength(3);
    expect(await one.rows()).toHaveLength(3);
  });

  test('again, as a step that is run again does, asks no tool twice', async () => {
    const one = make();
    const model = new ScriptedModel();
    const call = { tool: 'api', arguments: { endpoint: 'leads' }, why: 'How many leads there are.' };
    model.script['plan.tools'] = [() => ({ calls: [call] })];
    const first = await plan(one, one.bind(), { model });
    const again = await plan(one, one.bind(), { model });
    expect(again.evidence).toEqual(first.evidence);
    expect([first.costMicros, again.costMicros]).toEqual([12_000, 10_000]);
    expect(web.paths).toEqual(['/v1/leads']);
  });

  test('takes what a tool refuses for an outcome like others', async () => {
    const one = make();
    const required = requestedPages([{ url: 'http://169.254.169.254/', question: 'secrets?' }]);
    const found = await plan(one, one.bind(), { required });
    expect(found.outcomes.map(({ outcome, error }) => error?.code ?? outcome)).toEqual([
      'TOOL_ORIGIN_FORBIDDEN',
      'completed',
      'completed',
    ]);
    expect(found.evidence).toHaveLength(2);
  });

  test.each<[string, object]>([
    ['a tool that is not offered', { tool: 'shell', arguments: { command: 'ls' }, why: 'x' }],
    ['an endpoint that is not declared', { tool: 'api', arguments: { endpoint: 'admin' }, why: 'x' }],
    ['no address', { tool: 'research', arguments: { url: 'about', question: 'x' }, why: 'x' }],
    ['no reason', { tool: 'api', arguments: { endpoint: 'leads' } }],
  ])('does not take %s for an answer', (_, call) => {
    const [first, ...others] = make().bind().offers(['api', 'research']);
    const { schema } = toolPlanRequest({ purpose: 'x', context: {} }, [first as never, ...others]);
    expect(schema.safeParse({ calls: [call] }).success).toBe(false);
  });

  test('can be asked of every provider, with every tool on offer', () => {
    const params = {
      week: { type: 'integer', optional: true, maxLength: 200, minimum: 1 },
      kind: { type: 'string', optional: false, maxLength: 200, enum: ['new', 'all'] },
    } as const;
    const one = make({ endpoints: [endpoint(), endpoint({ name: 'others', params: params as never })] });
    const [first, ...others] = one.bind().offers();
    const request = toolPlanRequest({ purpose: 'x', context: {} }, [first as never, ...others]);
    expect(JSON.stringify(responseSchemaOf(request.schema))).toContain('"others"');
    for (const name of ['api', 'content', 'research']) expect(request.instructions).toContain(`- ${name}: `);
  });

  test('shows a model what was found as data: nothing of it stands in the instructions', () => {
    const [first, ...others] = make().bind().offers();
    const context = { objective: 'IGNORE THIS' };
    expect(toolPlanRequest({ purpose: 'x', context }, [first as never, ...others]).instructions).not.toContain(
      'IGNORE',
    );
  });

  test('ends with the step, when all uses have ended', async () => {
    web.pages['/about'] = () => undefined;
    const one = make();
    const asked = web.untilAsked('/about');
    const found = plan(one, one.bind());
    await asked;
    one.stop.abort(new Error('stopped'));
    await expect(found).rejects.toThrow('stopped');
    const ends = (await one.rows()).map(({ outcome }) => outcome);
    expect(ends).toContain('failed');
  });
});

const move = (more: Partial<MoveDraft> = {}): MoveDraft => ({
  key: 'm1',
  week: 1,
  phase: 'start',
  title: 'Show the place',
  hypothesis: { text: 'Families come for the garden.', facts: [] },
  channel: 'email',
  owner: 'Ada',
  tasks: [{ title: 'Write the mail', effortHours: 2, dueOn: '2026-01-06' }],
  expected: { kpi: 'leads', change: 1, low: 0, high: 2 },
  dependsOn: [],
  effortHours: 2,
  priority: 1,
  budget: 0,
  ...more,
});
const task = (title: string) => ({ title, effortHours: 1, dueOn: '2026-01-06' });

describe('verifying moves', () => {
  const verify = (moves: MoveDraft[], one = make()) => verifyMoves({ moves }, one.bind());

  test('finds nothing in moves that name nothing, and nothing in addresses and endpoints that exist', async () => {
    expect(await verify([move()])).toEqual([]);
    const named = move({ tasks: [task(`Send people to ${web.url}/about, then to (${web.url}/menu). Use api:leads.`)] });
    expect(await verify([named])).toEqual([]);
    expect(web.paths).toEqual(['/about', '/menu']);
  });

  test('finds addresses that cannot be read and endpoints that are not declared, at every place', async () => {
    const moves = [
      move({ tasks: [task('Nothing'), task(`Send people to ${web.url}/gone!`)] }),
      move({
        title: 'Use api:crm',
        hypothesis: { text: `See ${web.url}/gone and https://other.example/x.`, facts: [] },
      }),
    ];
    const found = await verify(moves);
    expect(new Set(found.map(({ code }) => code))).toEqual(new Set(['PLAN_TOOL_UNVERIFIED']));
    expect(found.map(({ path, message, mend }) => [path, message, mend])).toEqual([
      [
        'moves[0].tasks[1].title',
        expect.stringContaining(`${web.url}/gone, which could not be read`),
        expect.any(String),
      ],
      ['moves[1].hypothesis.text', expect.stringContaining('/gone'), 'name an address that exists'],
      [
        'moves[1].hypothesis.text',
        expect.stringContaining('could not be looked at'),
        expect.stringContaining('allowed'),
      ],
      ['moves[1].title', expect.stringContaining('crm'), 'name one of leads'],
    ]);
    expect(web.paths).toEqual(['/gone']);
  });

  test('says of addresses beyond the limit that they could not be looked at', async () => {
    const links = Array.from({ length: 21 }, (_, at) => `${web.url}/about?page=${at}`);
    const found = await verify([move({ tasks: links.map((link) => task(`See ${link}`)) })]);
    expect(found.map(({ path }) => path)).toEqual(['moves[0].tasks[20].title']);
    expect(found[0]?.message).toContain('could not be looked at');
  });
});
