import { describe, expect, test } from '@jest/globals';
import * as fc from 'fast-check';
import type { EngineCall, EngineTraits } from '../../steps/step.ts';
import { failureOf, makeBench, named, openStream, plainTraits, startEngine, unnamed } from './harness.ts';

const perLead: EngineTraits = {
  terminalEvents: ['summary', 'done'],
  closingEvent: 'done',
  errorFramesArePerItem: false,
};
const perItem: EngineTraits = { terminalEvents: ['complete'], errorFramesArePerItem: true };

/** What the client makes of a stream that is written as given and, where asked, closed. */
async function follow(
  frames: readonly (string | Uint8Array)[],
  traits: EngineTraits = plainTraits,
  {
    close = false,
    call = {},
    closingLimitMs = 30_000,
  }: { close?: boolean; call?: Partial<EngineCall>; closingLimitMs?: number } = {},
) {
  await using engine = await startEngine(async (_request, response) => {
    openStream(response);
    for (const frame of frames) await new Promise<void>((resolve) => response.write(frame, () => resolve()));
    if (close) response.end();
  });
  await using bench = makeBench({ closingLimitMs });
  const answer = await bench.client.run(bench.context({ url: engine.url, ...call }), traits);
  return { ...answer, progress: bench.progress };
}

describe('an event stream', () => {
  test('ends with its terminal event, whether or not the engine closes it', async () => {
    const answer = await follow([unnamed({ type: 'complete', data: { saved: 3 } })]);
    expect(answer).toMatchObject({ dialect: 'sse', terminal: 'complete', payload: { data: { saved: 3 } } });
  });

  test('has its terminal names per engine, and a step may name others', async () => {
    const frames = [named('complete', { n: 1 }), named('finished', { total: 1 })];
    expect((await follow(frames)).terminal).toBe('complete');
    const call = { terminalEvents: ['finished'] };
    expect(await follow(frames, plainTraits, { call })).toMatchObject({
      terminal: 'finished',
      frames: { complete: 1 },
    });
  });

  test('with the terminal `complete` twice: the first counts', async () => {
    const frames = [unnamed({ type: 'complete', saved: 1 }), unnamed({ type: 'complete', saved: 2 })];
    expect(await follow([frames.join('')])).toMatchObject({ payload: { saved: 1 }, frames: { complete: 1 } });
  });

  test.each([
    ['`done` in the same write', [named('summary', { n: 1 }) + named('done', { n: 2, ms: 5 })], { n: 1, ms: 5 }],
    ['`done` in another write', [named('summary', { n: 1 }), named('done', { n: 2, ms: 5 })], { n: 1, ms: 5 }],
    ['`done` alone', [named('done', { n: 2 })], { n: 2 }],
  ])('`complete` once per lead, then `summary`: %s', async (_case, frames, payload) => {
    const answer = await follow([named('complete', { lead: 1 }), ...frames], perLead);
    expect(answer.payload).toEqual(payload);
    expect(answer.frames).toMatchObject({ complete: 1 });
  });

  test('`summary` without `done` is waited on for a moment only', async () => {
    const answer = await follow([named('summary', { n: 1 })], perLead, { closingLimitMs: 20 });
    expect(answer).toMatchObject({ terminal: 'summary', payload: { n: 1 } });
  });

  test.each([
    ['nothing at all', []],
    ['progress only', [unnamed({ type: 'progress' })]],
    ['half a terminal frame', ['event: complete\ndata: {"saved": 3']],
    ['half an unnamed one', ['data: {"type": "complete", "saved": 3']],
    ['comments only', [': keep-alive\n\n']],
  ])(
    'that ends without a terminal event is a failure "stream ended early", never success: %s',
    async (_case, frames) => {
      const failure = await failureOf(follow(frames, plainTraits, { close: true }));
      expect(failure).toMatchObject({
        code: 'ENGINE_STREAM_ENDED_EARLY',
        retryable: true,
        worked: 'maybe',
        definite: false,
      });
      expect(failure.message).toContain('stream ended early, without "complete"');
    },
  );

  test('that is cut by a broken connection ended early too', async () => {
    await using engine = await startEngine(async (_request, response) => {
      openStream(response);
      await new Promise<void>((resolve) => response.write(unnamed({ type: 'started' }), () => resolve()));
      response.socket?.destroy();
    });
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), plainTraits));
    expect(failure).toMatchObject({ code: 'ENGINE_STREAM_ENDED_EARLY', definite: false });
  });

  test('may end without the blank line after its last frame', async () => {
    const answer = await follow(['event: complete\ndata: {"saved": 3}'], plainTraits, { close: true });
    expect(answer.payload).toEqual({ saved: 3 });
  });

  test('whose terminal frame is garbage is an invalid answer', async () => {
    const failure = await failureOf(follow(['event: complete\ndata: {"saved": }\n\n']));
    expect(failure).toMatchObject({ code: 'ENGINE_ANSWER_INVALID', definite: false });
  });

  test.each(['error', 'failed', 'fatal', 'fatal_error'])(
    'failure arrives as status 200 plus a `%s` frame: the step fails with the message of the engine and its cost',
    async (name) => {
      for (const frame of [
        unnamed({ type: name, error: 'Places API quota', cost: 0.5 }),
        named(name, { message: 'Places API quota', data: { cost: 0.5 } }),
      ])
        expect(await failureOf(follow([unnamed({ type: 'started' }), frame]))).toMatchObject({
          code: 'ENGINE_FAILED',
          message: 'Places API quota',
          costMicros: 500_000,
          retryable: false,
          worked: 'maybe',
        });
    },
  );

  test('a terminal frame that says success: false is a failure', async () => {
    const failure = await failureOf(follow([named('complete', { success: false, error: 'Out of credits' })]));
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', message: 'Out of credits' });
  });

  test('`error` frames that concern one lead only are counted, not terminal; the last one explains an early end', async () => {
    const errors = [named('error', { error: 'No contact' }), named('failed', { error: 'Model overloaded' })];
    expect(await follow([...errors, named('complete', { completed: 3 })], perItem)).toMatchObject({
      frames: { error: 1, failed: 1 },
      payload: { completed: 3 },
    });
    const failure = await failureOf(follow(errors, perItem, { close: true }));
    expect(failure.code).toBe('ENGINE_STREAM_ENDED_EARLY');
    expect(failure.message).toContain('Model overloaded');
  });

  test('where `complete` comes per lead, an error that names its lead is about that lead', async () => {
    const frames = [named('failed', { lead_id: 'a', error: 'Site is down' }), named('done', {})];
    expect(await follow(frames, perLead)).toMatchObject({ frames: { failed: 1 }, terminal: 'done' });
    expect(await failureOf(follow(frames))).toMatchObject({ code: 'ENGINE_FAILED' });
  });

  test('"no prospects match" comes as an `error` event: that is empty, not failed', async () => {
    const answer = await follow([unnamed({ type: 'error', message: 'No prospects match the filters' })]);
    expect(answer).toMatchObject({ empty: 'No prospects match the filters', terminal: 'error' });
  });

  test('passes small facts on as progress, and no rows', async () => {
    const { progress } = await follow([
      unnamed({ type: 'progress', data: { current: 1, rows: [1, 2], company: 'x'.repeat(500) } }),
      unnamed({ type: 'progress', filler: 'x'.repeat(70_000) }),
      unnamed({ type: 'complete' }),
    ]);
    expect(progress).toEqual([{ event: 'progress', current: 1, company: `${'x'.repeat(200)}…` }]);
  });

  test('ends at [DONE] where `done` is terminal', async () => {
    const answer = await follow(['data: [DONE]\n\n'], perLead);
    expect(answer).toMatchObject({ terminal: 'done', payload: {} });
  });

  test('with endless new event names does not grow the record', async () => {
    const frames = Array.from({ length: 200 }, (_, index) => named(`__proto__${index}`, {}));
    const answer = await follow([frames.join(''), named('__proto__', {}), named('complete', {})]);
    expect(Object.keys(answer.frames ?? {}).length).toBeLessThanOrEqual(52);
    expect(Object.values(answer.frames ?? {}).reduce((sum, count) => sum + count, 0)).toBe(202);
  });
});

describe('a `complete` frame', () => {
  const TOTALS: [string, string][] = [
    ['unnamed, with a summary', unnamed({ type: 'complete', summary: { total: 3, successful: 3, totalCost: 0.3 } })],
    ['named, with a summary', named('complete', { success: true, summary: { successful: 3 } })],
    ['counts at the top', named('complete', { successful: 3, failed: 0, cost: 0.3 })],
    ['counts in data', unnamed({ type: 'complete', data: { completed: 3 } })],
    ['counts in result.data', unnamed({ type: 'complete', result: { data: { saved: 3 } } })],
    ['a total cost', named('complete', { total_cost: 0.3 })],
    ['saved rows beside a tenant and a position', unnamed({ type: 'complete', company_id: 7, current: 9, saved: 9 })],
    ['success alone', named('complete', { success: true })],
    ['a summary beside a tenant and its page', named('complete', { company_id: 7, url: '/r', summary: { total: 3 } })],
  ];

  test.each(TOTALS)('that carries totals ends the stream of every engine: %s', async (_case, frame) => {
    for (const traits of [plainTraits, perItem, perLead])
      expect(await follow([frame], traits, { closingLimitMs: 20 })).toMatchObject({ terminal: 'complete' });
  });

  const LEADS: [string, object][] = [
    ['lead_id', { lead_id: 1, success: true, cost: 0.1 }],
    ['leadId in data', { data: { leadId: 'a', total_cost: 0.1 } }],
    ['lead, with a summary of its own', { lead: { name: 'A' }, summary: { total: 5, failed: 1 } }],
    ['prospect_id in result', { result: { prospect_id: 0, grade: 'A' } }],
    ['company_id', { company_id: 'a', success: true }],
    ['url', { url: 'https://a.example', total_cost: 0.02 }],
    ['website', { website: 'https://a.example', success: false }],
    ['index', { index: 0, success: true }],
    ['current of total', { current: 1, total: 2, completed: 1 }],
  ];

  test.each(LEADS)(
    'that names one lead ends the stream of no engine, `summary` and `done` do: %s',
    async (_case, lead) => {
      const frames = [named('complete', lead), named('summary', { completed: 1 }), named('done', { ms: 5 })];
      for (const traits of [plainTraits, perItem, perLead])
        expect(await follow(frames, traits)).toMatchObject({
          terminal: 'summary',
          payload: { completed: 1, ms: 5 },
          frames: { complete: 1, summary: 1, done: 1 },
        });
      const failure = await failureOf(follow([frames[0] ?? ''], plainTraits, { close: true }));
      expect(failure.code).toBe('ENGINE_STREAM_ENDED_EARLY');
      expect(failure.message).toContain('without "summary" or "done"');
    },
  );

  test('about a lead makes an error that names its lead one about that lead, for every engine', async () => {
    const failed = named('failed', { lead_id: 2, error: 'Site is down' });
    const frames = [named('complete', { lead_id: 1 }), failed, named('done', {})];
    expect(await follow(frames)).toMatchObject({ terminal: 'done', frames: { complete: 1, failed: 1 } });
  });

  test('about a lead is counted unless it says that the lead failed', async () => {
    const frames = [{ lead_id: 1 }, { lead_id: 2, success: false }, { lead_id: 3 }].map((lead) =>
      named('complete', lead),
    );
    expect(await follow([...frames, named('done', {})])).toMatchObject({ itemsCompleted: 2, frames: { complete: 3 } });
    expect(await follow([unnamed({ type: 'complete' })])).not.toHaveProperty('itemsCompleted');
  });

  test('with totals that follows those of the leads counts when the engine closes, and not before `summary`', async () => {
    const frames = [named('complete', { lead_id: 1, success: false }), named('complete', { successful: 0, failed: 1 })];
    expect(await follow(frames, perLead, { close: true })).toMatchObject({
      terminal: 'complete',
      payload: { failed: 1 },
    });
    expect(await follow([...frames, named('summary', { failed: 2 }), named('done', {})], perLead)).toMatchObject({
      terminal: 'summary',
      payload: { failed: 2 },
    });
  });

  test('that tells nothing ends a stream that the engine then closes, where `summary` and `done` are the rule', async () => {
    const bare = unnamed({ type: 'complete' });
    expect(await follow([bare, bare], perLead, { close: true })).toMatchObject({ terminal: 'complete' });
    expect(await follow([bare, named('done', { n: 1 })], perLead)).toMatchObject({
      terminal: 'done',
      payload: { n: 1 },
    });
  });

  test.each([
    ['more work follows', [unnamed({ type: 'complete' }), unnamed({ type: 'progress' })]],
    ['a lead follows', [unnamed({ type: 'complete' }), unnamed({ type: 'complete', lead_id: 1 })]],
  ])('that tells nothing ends no stream when %s', async (_case, frames) => {
    const failure = await failureOf(follow(frames, perLead, { close: true }));
    expect(failure.code).toBe('ENGINE_STREAM_ENDED_EARLY');
  });

  test('that tells nothing does not end a stream whose connection breaks', async () => {
    await using engine = await startEngine(async (_request, response) => {
      openStream(response);
      await new Promise<void>((resolve) => response.write(unnamed({ type: 'complete' }), () => resolve()));
      response.socket?.destroy();
    });
    await using bench = makeBench();
    const failure = await failureOf(bench.client.run(bench.context({ url: engine.url }), perLead));
    expect(failure.code).toBe('ENGINE_STREAM_ENDED_EARLY');
  });

  test('that says success: false of the whole call is a failure everywhere', async () => {
    const failure = await failureOf(follow([named('complete', { success: false, error: 'Out of credits' })], perLead));
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', message: 'Out of credits' });
  });

  test('with totals is joined by the `summary` and `done` that follow at once', async () => {
    const frames = [
      named('complete', { success: true }),
      named('summary', { successful: 3 }),
      named('done', { ms: 5 }),
    ];
    expect((await follow(frames, perLead)).payload).toEqual({ success: true, successful: 3, ms: 5 });
  });

  test('ends the stream or not as the step says where it names the terminal events, whatever the frame carries', async () => {
    const lead = named('complete', { lead_id: 1 });
    expect((await follow([lead], perLead, { call: { terminalEvents: ['complete'] } })).payload).toEqual({ lead_id: 1 });
    const totals = [named('complete', { summary: { total: 3 } }), lead, named('summary', {}), named('end', { n: 1 })];
    expect(await follow(totals, perLead, { call: { terminalEvents: ['end'] } })).toMatchObject({ terminal: 'end' });
  });
});

describe('the same stream', () => {
  const STYLES = {
    unnamed: [
      unnamed({ type: 'started', city: 'München' }),
      unnamed({ type: 'progress', data: { company: 'Café “Lumière” 🍕' } }),
      unnamed({ type: 'complete', data: { saved: 2, note: 'grüße 🎉' } }),
    ],
    named: [
      named('status', { total: 2 }),
      named('complete', { lead_id: 'ä', grade: 'A' }),
      named('failed', { lead_id: '🍕', error: 'Seite ist weg' }),
      named('summary', { summary: { successful: 1, totalCost: '0.10' } }),
      named('done', { ms: 12 }),
    ],
  };

  test.each([
    ['unnamed', plainTraits],
    ['named', perLead],
  ] as const)(
    'cut at arbitrary bytes, with any line ends and comments, gives the same answer: %s frames',
    async (style, traits) => {
      const expected = await follow([STYLES[style].join('')], traits);
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('\n', '\r\n', '\r'),
          fc.array(fc.integer({ min: 0, max: 400 }), { maxLength: 12 }),
          fc.boolean(),
          async (lineEnd, cuts, comments) => {
            const text = STYLES[style].join(comments ? ': keep-alive ü\n\n' : '');
            const bytes = Buffer.from(text.replaceAll('\n', lineEnd));
            const edges = [0, ...cuts.filter((cut) => cut < bytes.length).toSorted((a, b) => a - b), bytes.length];
            const pieces = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
            expect(await follow(pieces, traits)).toEqual(expected);
          },
        ),
        { numRuns: 40 },
      );
    },
  );
});
