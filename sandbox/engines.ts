import type { ServerResponse } from 'node:http';
import { systemClock } from '../shared/clock.ts';
import { answerFailure, jsonAnswer, streamAnswer } from './engine-answers.ts';
import { FaultPlan } from './engine-faults.ts';
import { JobBook } from './engine-jobs.ts';
import type { Dialect, EngineName, EngineRequest, Fault, SandboxOptions, Work, WorkDone } from './engine-options.ts';
import { answerJson, type EngineServer, openStream, startEngineServer, writeFrame } from './engine-server.ts';
import { type Plan, WorkBook } from './engine-work.ts';

export type { EngineRequest, Fault, SandboxOptions, Work, WorkDone } from './engine-options.ts';

export interface SandboxEngines {
  urls: Record<EngineName, string>;
  /** Every request in the order in which it came. */
  calls: EngineRequest[];
  /** Work that was really done, one entry a call; a repeated Idempotency-Key gets the earlier answer and adds none. */
  done: WorkDone[];
  /** What the next calls for a kind of work meet. */
  script(work: Work, ...faults: Fault[]): void;
  /** Forgets every queued job, as a restart does. */
  forgetJobs(): void;
  close(): Promise<void>;
}

const DIALECTS: Record<Work, Dialect> = { prospecting: 'sse', analysis: 'job', compose: 'sse', send: 'json' };

function workAt(engine: EngineName, path: string): Work | null {
  const last = path.split('/').at(-1) ?? '';
  if (engine === 'prospecting') return last.startsWith('prospect') ? 'prospecting' : null;
  if (engine === 'analysis') return last.startsWith('analyze') ? 'analysis' : null;
  if (last.startsWith('send')) return 'send';
  return last.startsWith('compose') ? 'compose' : null;
}

/** The three stand-in engines of one sandbox and what they share. */
class Sandbox {
  readonly calls: EngineRequest[] = [];
  readonly done: WorkDone[] = [];
  readonly faults: FaultPlan;
  readonly jobs: JobBook;
  readonly closing = new AbortController();
  readonly #options: SandboxOptions;
  readonly #book: WorkBook;
  readonly #plans = new Map<string, Plan>();
  readonly #cancelled = new Set<string>();

  constructor(options: SandboxOptions) {
    this.#options = options;
    this.#book = new WorkBook(options);
    this.faults = new FaultPlan(options.faultShare ?? 0, options.seed ?? 1);
    this.jobs = new JobBook(this.clock);
  }

  get clock() {
    return this.#options.clock ?? systemClock;
  }

  async route(request: EngineRequest, response: ServerResponse): Promise<void> {
    const { engine, method, path } = request;
    if (method === 'GET' && path.endsWith('/health')) return answerJson(response, { status: 'ok' });
    if (path.endsWith('cancel')) return this.#cancel(request, response);
    if (method === 'GET' && path.endsWith('-status'))
      return answerJson(response, this.jobs.status((request.query['job_ids'] ?? '').split(',').filter(Boolean)));
    const work = workAt(engine, path);
    if (work === null) return answerJson(response, { error: `No route for ${method} ${path}` }, 404);
    if (method !== 'POST') return answerJson(response, { error: 'Method not allowed' }, 405, { allow: 'POST' });
    if (typeof request.body !== 'object' || request.body === null)
      return answerJson(response, { error: 'The body has to be a JSON object' }, 400);
    await this.#work(work, request, response);
  }

  #cancel(request: EngineRequest, response: ServerResponse): void {
    const { body } = request;
    const runId = typeof body === 'object' && body !== null && 'runId' in body ? String(body.runId) : '';
    this.#cancelled.add(runId);
    this.jobs.cancel(runId);
    answerJson(response, { success: true });
  }

  async #work(work: Work, request: EngineRequest, response: ServerResponse): Promise<void> {
    const dialect = this.#options.dialects?.[work] ?? DIALECTS[work];
    const runId = request.headers['x-run-id'] ?? '';
    const key = request.headers['idempotency-key'] ?? '';
    this.#cancelled.delete(runId);
    const earlier = key === '' ? undefined : this.#plans.get(`${work} ${key}`);
    let plan = earlier ?? this.#book.plan(work, runId, request.body);
    const fault = this.faults.next(work);
    if (fault?.kind === 'all_failed') plan = { ...plan, done: 0, failed: Math.max(1, plan.done) };
    else if (fault && fault.kind !== 'lost_jobs') return this.#meet(fault, dialect, response);
    const finish = () => {
      if (earlier) return;
      this.#plans.set(`${work} ${key}`, plan);
      this.#book.record(work, runId, plan.done);
      this.done.push({ work, runId, key, items: plan.dryRun ? 0 : plan.done, dollars: plan.dollars ?? 0 });
    };
    const tick = earlier ? () => Promise.resolve() : () => this.#tick(runId);
    if (dialect === 'job') {
      const ids = this.jobs.queue(runId, plan, this.#options.paceMs ?? 0);
      finish();
      if (fault) this.jobs.forget(ids);
      return answerJson(response, { success: true, job_ids: ids, message: `${ids.length} jobs queued` }, 202);
    }
    if (dialect === 'sse') {
      return streamAnswer(response, work, plan, { tick, finish }, this.#options.completesTwice ?? false);
    }
    for (let item = 0; item < plan.done; item++) await tick();
    finish();
    answerJson(response, jsonAnswer(work, plan));
  }

  /** One item of work. A client that has left does not stop it; only being told to stop does. */
  async #tick(runId: string): Promise<void> {
    const paceMs = this.#options.paceMs ?? 0;
    if (paceMs > 0) await this.clock.sleep(paceMs, this.closing.signal);
    if (this.#cancelled.has(runId)) throw new Error('cancelled');
  }

  async #meet(fault: Fault, dialect: Dialect, response: ServerResponse): Promise<void> {
    switch (fault.kind) {
      case 'status': {
        const cost = fault.cost === undefined ? {} : { cost: fault.cost };
        const headers = fault.retryAfter === undefined ? undefined : { 'retry-after': fault.retryAfter };
        return answerJson(response, { error: fault.error ?? `Status ${fault.status}`, ...cost }, fault.status, headers);
      }
      case 'failure':
        return answerFailure(response, dialect, fault.message, fault.cost === undefined ? {} : { cost: fault.cost });
      case 'empty':
        return answerFailure(response, dialect, 'No prospects match the given filters');
      case 'early_end':
        return this.#endEarly(dialect, response);
      case 'reset':
        return void response.socket?.destroy();
      case 'garbage':
        return void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>It works!</html>');
      case 'hang':
        return;
      case 'oversized':
        return answerJson(response, { success: true, rows: 'x'.repeat(fault.bytes) });
      case 'redirect':
        return void response.writeHead(fault.status, { location: fault.to }).end();
      case 'lost_jobs':
      case 'all_failed':
        return;
    }
  }

  async #endEarly(dialect: Dialect, response: ServerResponse): Promise<void> {
    if (dialect === 'sse') {
      openStream(response);
      writeFrame(response, 'unnamed', 'progress', { data: { current: 1 } });
      response.end();
      return;
    }
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '1000' });
    await new Promise<void>((resolve) => response.write('{"success": true, "da', () => resolve()));
    response.socket?.destroy();
  }
}

/**
 * Starts stand-ins for the three engines on loopback, speaking the dialects of the real ones. For the demo and the tests; the
 * service never starts them.
 */
export async function startSandboxEngines(options: SandboxOptions = {}): Promise<SandboxEngines> {
  const sandbox = new Sandbox(options);
  const start = (engine: EngineName): Promise<EngineServer> =>
    startEngineServer(engine, options.ports?.[engine] ?? 0, sandbox.clock, sandbox.calls, (request, response) =>
      sandbox.route(request, response),
    );
  const [prospecting, analysis, outreach] = await Promise.all([
    start('prospecting'),
    start('analysis'),
    start('outreach'),
  ]);
  return {
    urls: { prospecting: prospecting.url, analysis: analysis.url, outreach: outreach.url },
    calls: sandbox.calls,
    done: sandbox.done,
    script: (work, ...faults) => sandbox.faults.script(work, faults),
    forgetJobs: () => sandbox.jobs.forget(),
    async close() {
      sandbox.closing.abort();
      await Promise.all([prospecting.close(), analysis.close(), outreach.close()]);
    },
  };
}
