import { describe, expect, test } from '@jest/globals';
import { analysis } from '../../steps/analysis.ts';
import { outreach } from '../../steps/outreach.ts';
import { prospecting } from '../../steps/prospecting.ts';
import { stepKinds } from '../../steps/registry.ts';
import { sender } from '../../steps/sender.ts';
import { failureOf, named, openStream, runKind, sendJson, unnamed } from './harness.ts';

describe('prospecting', () => {
  test('reports what was saved and what it cost, from a stream of unnamed frames', async () => {
    const result = await runKind(prospecting, (_request, response) =>
      openStream(
        response,
        unnamed({ type: 'started' }),
        unnamed({ type: 'progress', data: { found: 3 } }),
        unnamed({ type: 'complete', data: { found: 20, verified: 18, saved: 17, cost: 0.125, runId: 'p-1' } }),
      ),
    );
    expect(result).toMatchObject({
      outcome: 'completed',
      counts: { prospects_generated: 17 },
      costMicros: 125_000,
      output: { data: { runId: 'p-1' }, frames: { started: 1, progress: 1, complete: 1 } },
    });
  });

  test.each([
    [{ data: { verified: 4, found: 9, cost: 1 } }, 4],
    [{ found: 9, cost: '0.10' }, 9],
    [{ result: { saved: 2 }, cost: 1 }, 2],
  ])('falls back from saved to verified to found, wherever they stand: %j', async (body, expected) => {
    const result = await runKind(prospecting, (_request, response) => sendJson(response, { success: true, ...body }));
    expect(result.counts).toEqual({ prospects_generated: expected });
  });

  test('an answer without any count completes without inventing one, at unknown cost', async () => {
    const result = await runKind(prospecting, (_request, response) => sendJson(response, { success: true, cost: 0 }));
    expect(result).toMatchObject({ outcome: 'completed', counts: {}, costMicros: null });
  });

  test('"no prospects match" comes as an error event: the step is empty with zero items', async () => {
    const result = await runKind(prospecting, (_request, response) =>
      openStream(response, unnamed({ type: 'error', error: 'No prospects match the given filters', cost: 0.01 })),
    );
    expect(result).toMatchObject({ outcome: 'empty', counts: { prospects_generated: 0 }, costMicros: 10_000 });
  });

  test.each([
    [404, { error: 'No leads found for these filters' }],
    [200, { success: false, error: 'No prospects available' }],
    [200, { success: false, error: { message: 'Nothing to do' } }],
  ])('the same said with status %i as JSON is empty too: %j', async (status, body) => {
    const result = await runKind(prospecting, (_request, response) => sendJson(response, body, status));
    expect(result).toMatchObject({ outcome: 'empty', counts: { prospects_generated: 0 } });
  });

  test('an error that only sounds like it is a failure', async () => {
    const failure = await failureOf(
      runKind(prospecting, (_request, response) =>
        openStream(response, unnamed({ type: 'error', message: 'No prospects available: the database timed out' })),
      ),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', retryable: false });
  });
});

describe('every kind that calls an engine', () => {
  test.each(Object.values(stepKinds).flatMap((kind) => (kind.engine === null ? [] : [[kind.kind, kind] as const])))(
    'is empty where the engine had nothing to queue: %s',
    async (_name, kind) => {
      const result = await runKind(kind, (_request, response) =>
        sendJson(response, { success: true, job_ids: [] }, 202),
      );
      expect(result.outcome).toBe('empty');
      expect(Object.values(result.counts)).toEqual([0]);
    },
  );
});

describe('analysis', () => {
  test('`complete` comes once per lead; the terminal events are `summary` then `done`, which adds to it', async () => {
    const result = await runKind(analysis, (_request, response) =>
      openStream(
        response,
        named('status', { total: 3 }),
        named('complete', { lead_id: 'a', analysis_cost: 0.1 }),
        named('failed', { lead_id: 'b', error: 'Site is down' }),
        named('complete', { lead_id: 'c', analysis_cost: 0.1 }),
        named('summary', { summary: { total: 3, successful: 2, failed: 1, totalCost: 0.2 } }),
        named('done', { duration_ms: 900, summary: 'ignored' }),
      ),
    );
    expect(result).toMatchObject({
      outcome: 'completed',
      counts: { leads_analyzed: 2 },
      costMicros: 200_000,
      output: { summary: { successful: 2 }, duration_ms: 900, frames: { complete: 2, failed: 1, summary: 1, done: 1 } },
    });
  });

  test('counts the leads that completed when the summary does not', async () => {
    const result = await runKind(analysis, (_request, response) => {
      openStream(response, named('complete', { lead: 1 }), named('complete', { lead: 2 }), named('done', {}));
    });
    expect(result).toMatchObject({ counts: { leads_analyzed: 2 }, costMicros: null });
  });

  test.each([
    ['unnamed', unnamed({ type: 'complete', summary: { total: 3, successful: 3, failed: 0, totalCost: 0.3 } })],
    ['named', named('complete', { success: true, summary: { total: 3, successful: 3, failed: 0, totalCost: 0.3 } })],
    ['counts at the top', named('complete', { successful: 3, failed: 0, total_cost: 0.3 })],
    ['counts in data', unnamed({ type: 'complete', data: { successful: 3, cost: 0.3 } })],
  ])('a stream whose one `complete` carries the totals completes: %s', async (_case, frame) => {
    const result = await runKind(analysis, (_request, response) => {
      openStream(response, unnamed({ type: 'started' }), unnamed({ type: 'progress', data: { current: 1 } }), frame);
      response.end();
    });
    expect(result).toMatchObject({ outcome: 'completed', counts: { leads_analyzed: 3 }, costMicros: 300_000 });
  });

  test.each([[{ type: 'complete' }], [{ type: 'complete', success: true }]])(
    'a last `complete` without counts is no lead: %j',
    async (frame) => {
      const result = await runKind(analysis, (_request, response) => {
        openStream(response, unnamed({ type: 'started' }), unnamed(frame));
        response.end();
      });
      expect(result).toMatchObject({ outcome: 'completed', counts: {}, costMicros: null });
      expect(result.counts).toEqual({});
    },
  );

  test('a failure that names no lead fails the step', async () => {
    const failure = await failureOf(
      runKind(analysis, (_request, response) => openStream(response, named('failed', { error: 'Out of credits' }))),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', message: 'Out of credits' });
  });

  test('adds up what each job cost and leaves out the one whose result did not succeed', async () => {
    const result = await runKind(
      analysis,
      (request, response) =>
        request.method === 'POST'
          ? sendJson(response, { success: true, job_ids: ['a', 'b', 'c'] }, 202)
          : sendJson(response, {
              jobs: [
                { job_id: 'a', state: 'completed', result: { success: true, analysis_cost: 0.02 } },
                {
                  job_id: 'b',
                  state: 'completed',
                  result: { success: false, error: 'No website', analysis_cost: 0.01 },
                },
                { job_id: 'c', state: 'completed', result: { analysis_cost: '0.0300' } },
              ],
            }),
      {},
      '/api/analyze-queue',
    );
    expect(result).toMatchObject({ outcome: 'completed', counts: { leads_analyzed: 2 }, costMicros: 60_000 });
  });

  test('success: true over leads that all failed is a failure', async () => {
    const failure = await failureOf(
      runKind(analysis, (_request, response) =>
        sendJson(response, {
          success: true,
          summary: { total: 2, successful: 0, failed: 2, totalCost: 0.04 },
          results: [{ success: false, error: 'Site is down' }, { success: false }],
        }),
      ),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_ITEMS_FAILED', costMicros: 40_000 });
    expect(failure.message).toContain('Site is down');
  });
});

describe('compose', () => {
  test('`error` frames that concern one lead only are counted, not terminal', async () => {
    const result = await runKind(outreach, (_request, response) =>
      openStream(
        response,
        named('progress', { processed: 1 }),
        named('error', { lead_id: 'x', error: 'No contact' }),
        named('error', { error: 'Model overloaded' }),
        named('complete', { completed: 4, failed: 2 }),
      ),
    );
    expect(result).toMatchObject({
      outcome: 'completed',
      counts: { emails_composed: 4 },
      output: { frames: { error: 2 } },
    });
  });

  test('reads a JSON result, with the cost in result.total_cost', async () => {
    const result = await runKind(outreach, (_request, response) =>
      sendJson(response, { success: true, result: { processed_leads: 6, total_cost: 0.42 } }),
    );
    expect(result).toMatchObject({ counts: { emails_composed: 6 }, costMicros: 420_000 });
  });

  test.each([[{}], [{ result: { total_cost: 0 } }], [{ cost: 0 }]])(
    'a cost that is missing, or zero though work was done, is unknown: %j',
    async (cost) => {
      const result = await runKind(outreach, (_request, response) =>
        sendJson(response, { success: true, completed: 6, ...cost }),
      );
      expect(result.costMicros).toBeNull();
    },
  );

  test('a cost of zero with nothing done is zero', async () => {
    const result = await runKind(outreach, (_request, response) =>
      sendJson(response, { success: true, completed: 0, cost: 0 }),
    );
    expect(result).toMatchObject({ outcome: 'empty', costMicros: 0 });
  });

  test.each<[object, number]>([
    [{ completed: 2, failed: 0 }, 2],
    [{ duration_ms: 5 }, 2],
  ])(
    '`complete` once per lead waits for `summary` and `done`, which may leave out the count: %j',
    async (summary, count) => {
      const result = await runKind(outreach, (_request, response) =>
        openStream(
          response,
          named('complete', { lead_id: 1 }),
          named('complete', { lead_id: 2 }),
          named('summary', summary),
          named('done', {}),
        ),
      );
      expect(result).toMatchObject({
        counts: { emails_composed: count },
        output: { frames: { complete: 2, done: 1 } },
      });
    },
  );

  test('a fatal_error frame fails the whole call even here', async () => {
    const failure = await failureOf(
      runKind(outreach, (_request, response) => openStream(response, named('fatal_error', { message: 'No API key' }))),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_FAILED', message: 'No API key' });
  });
});

describe('send', () => {
  test.each([
    [{ sent: [{ id: 1 }, { id: 2 }], failed: [{ id: 3 }], skipped: [] }],
    [{ sent: 2, failed: 1, skipped: 0 }],
  ])('counts the mails that were sent, listed or numbered: %j', async (results) => {
    const result = await runKind(sender, (_request, response) => sendJson(response, { success: true, results }));
    expect(result).toMatchObject({ outcome: 'completed', counts: { emails_sent: 2 }, costMicros: null });
    expect(result.dryRun).toBeUndefined();
  });

  test('send-batch answers success though every mail failed: the step failed, for certain', async () => {
    const failure = await failureOf(
      runKind(sender, (_request, response) =>
        sendJson(response, { success: true, results: { sent: [], failed: [{ error: 'SMTP 550' }], skipped: [{}] } }),
      ),
    );
    expect(failure).toMatchObject({ code: 'ENGINE_ITEMS_FAILED', retryable: false, definite: true });
  });

  test('only skipped mails is empty, not failed', async () => {
    const result = await runKind(sender, (_request, response) =>
      sendJson(response, { success: true, results: { sent: [], failed: [], skipped: [{}] } }),
    );
    expect(result).toMatchObject({ outcome: 'empty', counts: { emails_sent: 0 } });
  });

  test('send-batch dry_run: true sends nothing, and the run shows it', async () => {
    const result = await runKind(sender, (_request, response) =>
      sendJson(response, { success: true, dry_run: true, results: { sent: [{}, {}], failed: [], skipped: [] } }),
    );
    expect(result).toMatchObject({ outcome: 'completed', counts: { emails_sent: 0 }, dryRun: true });
  });

  test.each([[{ dry_run: true }], [{ dryRun: true }], [{ actualSend: false }]])(
    'a step that asks for pretence sends nothing either: %j',
    async (params) => {
      const result = await runKind(
        sender,
        (_request, response) => sendJson(response, { success: true, results: { sent: 3, failed: 0 } }),
        { params },
      );
      expect(result).toMatchObject({ counts: { emails_sent: 0 }, dryRun: true });
    },
  );

  test.each([[{}], [{ data: {} }], [{ success: null, message: '' }], [{ result: {}, cost: 0.1 }]])(
    'an answer that says nothing of the mails leaves open whether they went out: %j',
    async (body) => {
      const failure = await failureOf(runKind(sender, (_request, response) => sendJson(response, body)));
      expect(failure).toMatchObject({
        code: 'ENGINE_ANSWER_INVALID',
        retryable: false,
        worked: 'maybe',
        definite: false,
      });
    },
  );

  test.each([
    [{ success: true }],
    [{ status: 'ok' }],
    [{ message: 'Handed to the mail server' }],
    [{ data: { success: true } }],
    [{ skipped: 2 }],
  ])('an answer that says anything completes without inventing a count: %j', async (body) => {
    const result = await runKind(sender, (_request, response) => sendJson(response, body));
    expect(result).toMatchObject({ outcome: 'completed', costMicros: null });
    expect(result.counts).toEqual({});
  });

  test.each([prospecting, analysis, outreach].map((kind) => [kind.kind, kind] as const))(
    'another kind completes on an answer that says nothing: %s',
    async (_name, kind) => {
      const result = await runKind(kind, (_request, response) => sendJson(response, {}));
      expect(result).toMatchObject({ outcome: 'completed', costMicros: null });
      expect(result.counts).toEqual({});
    },
  );

  test('a step that asks for pretence completes on it too', async () => {
    const result = await runKind(sender, (_request, response) => sendJson(response, {}), { params: { dry_run: true } });
    expect(result).toMatchObject({ counts: {}, dryRun: true });
  });
});
