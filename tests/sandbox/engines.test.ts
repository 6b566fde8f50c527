import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { type SandboxEngines, type SandboxOptions, startSandboxEngines } from '../../sandbox/engines.ts';
import { analysis } from '../../steps/analysis.ts';
import { outreach } from '../../steps/outreach.ts';
import { prospecting } from '../../steps/prospecting.ts';
import { sender } from '../../steps/sender.ts';
import type { EngineCall, EngineStepKind, StepResult } from '../../steps/step.ts';
import { TestClock } from '../support/clock.ts';
import { type Bench, failureOf, makeBench } from '../steps/harness.ts';

let engines: SandboxEngines;
let bench: Bench;

async function open(options: SandboxOptions = {}): Promise<void> {
  await engines?.close();
  engines = await startSandboxEngines(options);
}

beforeEach(async () => {
  bench = makeBench();
  await open();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
  await engines.close();
});

function run(kind: EngineStepKind, call: Partial<EngineCall> = {}, runId = 'run-1'): Promise<StepResult> {
  const url = engines.urls[kind.engine] + kind.defaultPath;
  const rest = { runId, idempotencyKey: `${runId}/${kind.kind}`, effect: kind.defaultEffect };
  return kind.execute(bench.context({ url, ...call }, rest));
}

/** What twelve calls meet, sends and prospecting by turns. */
async function outcomesOfShare(): Promise<string[]> {
  await open({ faultShare: 0.5, seed: 3 });
  const seen: string[] = [];
  for (let call = 0; call < 12; call++)
    seen.push(
      await run(call % 2 ? sender : prospecting, {}, `run-${call}`).then(
        (result) => result.outcome,
        (error: unknown) => (error instanceof Error && 'code' in error ? `${call % 2} ${String(error.code)}` : 'other'),
      ),
    );
  return seen;
}

const COUNTED = {
  prospecting: { counts: { prospects_generated: 20 }, costMicros: 80_000 },
  analysis: { counts: { leads_analyzed: 18 }, costMicros: 216_000 },
  outreach: { counts: { emails_composed: 12 }, costMicros: 72_000 },
  sender: { counts: { emails_sent: 12 }, costMicros: null },
};

describe('the stand-in engines', () => {
  test('serve a whole campaign, each step following from the one before', async () => {
    expect(await run(prospecting, { params: { count: 20 } })).toMatchObject(COUNTED.prospecting);
    expect(await run(analysis)).toMatchObject(COUNTED.analysis);
    expect(await run(outreach)).toMatchObject(COUNTED.outreach);
    expect(await run(sender)).toMatchObject(COUNTED.sender);
    expect(engines.done.map(({ work, items }) => [work, items])).toEqual([
      ['prospecting', 20],
      ['analysis', 18],
      ['compose', 12],
      ['send', 12],
    ]);
  });

  test.each(['json', 'sse'] as const)('give the same numbers in the %s dialect', async (dialect) => {
    await open({ dialects: { prospecting: dialect, analysis: dialect, compose: dialect, send: dialect } });
    expect(await run(prospecting, { params: { count: 20 } })).toMatchObject(COUNTED.prospecting);
    expect(await run(analysis)).toMatchObject(COUNTED.analysis);
    expect(await run(outreach)).toMatchObject(COUNTED.outreach);
    expect(await run(sender)).toMatchObject(COUNTED.sender);
  });

  test('send the terminal `complete` twice where asked, and the first counts', async () => {
    await open({ completesTwice: true, counts: { prospecting: 3 } });
    expect(await run(prospecting)).toMatchObject({
      counts: { prospects_generated: 3 },
      output: { frames: { complete: 1 } },
    });
  });

  test('leave the cost out where it is set to null', async () => {
    await open({ costs: { compose: null } });
    expect(await run(outreach)).toMatchObject({ outcome: 'completed', costMicros: null });
  });

  test('answer a repeated Idempotency-Key without doing the work again', async () => {
    const first = await run(sender);
    expect(await run(sender)).toEqual(first);
    expect(engines.done).toHaveLength(1);
    expect(engines.calls.map((call) => call.repeat)).toEqual([false, true]);
    await run(sender, {}, 'run-2');
    expect(engines.done).toHaveLength(2);
  });

  test.each([
    [
      { kind: 'status', status: 503, retryAfter: '7' },
      { code: 'ENGINE_BUSY', retryAfterMs: 7_000 },
    ],
    [
      { kind: 'failure', message: 'Out of credits', cost: 0.5 },
      { code: 'ENGINE_FAILED', costMicros: 500_000 },
    ],
    [{ kind: 'early_end' }, { code: 'ENGINE_STREAM_ENDED_EARLY' }],
    [{ kind: 'reset' }, { code: 'ENGINE_CONNECTION_LOST' }],
    [{ kind: 'garbage' }, { code: 'ENGINE_ANSWER_INVALID' }],
    [{ kind: 'oversized', bytes: 2_000_000 }, { code: 'ENGINE_RESPONSE_TOO_LARGE' }],
    [{ kind: 'redirect', to: 'https://elsewhere.example/', status: 307 }, { code: 'ENGINE_REDIRECT_FORBIDDEN' }],
  ] as const)('meet a scripted fault once: %j', async (fault, expected) => {
    engines.script('prospecting', fault);
    expect(await failureOf(run(prospecting))).toMatchObject(expected);
    expect(await run(prospecting)).toMatchObject({ outcome: 'completed' });
    expect(engines.done).toHaveLength(1);
  });

  test('script what only some engines do', async () => {
    engines.script('prospecting', { kind: 'empty' });
    expect(await run(prospecting)).toMatchObject({ outcome: 'empty' });
    engines.script('analysis', { kind: 'lost_jobs' });
    expect(await failureOf(run(analysis))).toMatchObject({ code: 'ENGINE_JOB_LOST', retryable: true });
    engines.script('send', { kind: 'all_failed' });
    expect(await failureOf(run(sender))).toMatchObject({ code: 'ENGINE_ITEMS_FAILED' });
  });

  test('hang until the client leaves', async () => {
    engines.script('send', { kind: 'hang' });
    const control = new AbortController();
    const url = `${engines.urls.outreach}/api/send-batch`;
    const sending = sender.execute(bench.context({ url }, { signal: control.signal, effect: 'once' }));
    control.abort(new Error('cancelled'));
    await expect(sending).rejects.toThrow('cancelled');
    expect(engines.done).toEqual([]);
  });

  test('go on working after a client has left, until told to stop', async () => {
    const clock = new TestClock();
    await open({ clock, paceMs: 1_000, counts: { prospecting: 3 } });
    const control = new AbortController();
    const url = `${engines.urls.prospecting}/api/prospect`;
    const leaving = prospecting.execute(bench.context({ url }, { signal: control.signal }));
    await clock.untilSleeping();
    control.abort(new Error('left'));
    await expect(leaving).rejects.toThrow('left');
    await clock.advance(3_000);
    expect(engines.done).toHaveLength(1);

    const stopped = new AbortController();
    const cancelUrl = `${engines.urls.prospecting}/api/cancel`;
    const again = prospecting.execute(
      bench.context({ url, cancelUrl }, { signal: stopped.signal, runId: 'run-2', idempotencyKey: 'run-2/step' }),
    );
    await clock.untilSleeping();
    stopped.abort(new Error('stopped'));
    await expect(again).rejects.toThrow('stopped');
    await bench.client.close();
    await clock.advance(3_000);
    expect(engines.done).toHaveLength(1);
  });

  test('a share of faults is the same for the same seed, and a send only meets a refusal', async () => {
    const first = await outcomesOfShare();
    expect(await outcomesOfShare()).toEqual(first);
    expect(first).toContain('completed');
    expect(new Set(first.filter((seen) => seen.startsWith('1 ')))).toEqual(new Set(['1 ENGINE_BUSY']));
    expect(first.some((seen) => seen.startsWith('0 '))).toBe(true);
  });

  test('refuse what they do not know', async () => {
    const url = `${engines.urls.analysis}/api/unheard-of`;
    const failure = await failureOf(analysis.execute(bench.context({ url })));
    expect(failure).toMatchObject({ code: 'ENGINE_REFUSED', worked: 'no' });
    expect(engines.calls[0]).toMatchObject({
      engine: 'analysis',
      method: 'POST',
      path: '/api/unheard-of',
      body: { count: 2 },
    });
  });
});
