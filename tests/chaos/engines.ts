import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { jsonAnswer, streamAnswer } from '../../sandbox/engine-answers.ts';
import { JobBook } from '../../sandbox/engine-jobs.ts';
import { answerJson } from '../../sandbox/engine-server.ts';
import type { Work } from '../../sandbox/engines.ts';
import { systemClock } from '../../shared/clock.ts';
import type { Dice } from './dice.ts';
import type { EngineCall } from './engine-records.ts';

/** How an engine treats a step, as the step's params tell it. */
export type Manner =
  | 'works'
  /** Breaks off or refuses some calls in ways that another try gets over. */
  | 'falters'
  /** Fails every time. */
  | 'broken';

/** The params of every step of these campaigns; the engines do as they say and write down whom the call is for. */
export interface EngineParams {
  campaignId: string;
  scheduledFor: string | null;
  manner: Manner;
  dollars: number;
  /** Milliseconds an item; there are two items. */
  paceMs: number;
}

const WORKS: readonly { path: string; work: Work }[] = [
  { path: '/api/prospect', work: 'prospecting' },
  { path: '/api/analyze', work: 'analysis' },
  { path: '/api/compose-batch', work: 'compose' },
  { path: '/api/send-batch', work: 'send' },
];
const ITEMS = 2;
/** The share of calls that meet a fault at an engine that falters. */
const FALTERING = 0.3;

/**
 * The engines, which every fault but their own leaves alone. They count: each call for work is written down before anything
 * is done. Each call that works charges, also one that repeats an Idempotency-Key, as an engine does that ignores it.
 */
export class CountingEngines {
  readonly calls: EngineCall[] = [];
  readonly #dice: Dice;
  readonly #jobs = new JobBook(systemClock);
  readonly #servers: Server[] = [];
  readonly #open = new Map<ServerResponse, EngineCall>();
  #resetting = false;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** One more address of the same engines, so that each replica calls them at its own. */
  async listen(replica: string): Promise<string> {
    const server = createServer((request, response) => {
      this.#serve(replica, request, response).catch(() => response.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    this.#servers.push(server);
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** Breaks off every call under way and every new one until `endResets`. */
  startResets(): void {
    this.#resetting = true;
    for (const response of this.#open.keys()) response.socket?.destroy();
  }

  endResets(): void {
    this.#resetting = false;
  }

  /** Whether calls for this step of this run are under way. */
  isWorking(runId: string, step: string): boolean {
    return this.calls.some((call) => call.runId === runId && call.step === step && call.answered === null);
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.closeAllConnections();
    await Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }

  async #serve(replica: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://engine');
    if (url.pathname === '/api/analyze-status') {
      if (this.#resetting) return void request.socket.destroy();
      return answerJson(response, this.#jobs.status((url.searchParams.get('job_ids') ?? '').split(',')));
    }
    const beganAt = Date.now();
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const work = WORKS.find(({ path }) => path === url.pathname)?.work;
    if (!work) return answerJson(response, { error: 'No such work' }, 404);
    const params = JSON.parse(Buffer.concat(chunks).toString()) as EngineParams;
    const key = String(request.headers['idempotency-key']);
    const runId = String(request.headers['x-run-id']);
    const call: EngineCall = {
      replica,
      work,
      path: url.pathname,
      key,
      runId,
      step: decodeURIComponent(key.slice(runId.length + 1)),
      campaignId: params.campaignId,
      scheduledFor: params.scheduledFor,
      beganAt,
      endedAt: null,
      dollars: 0,
      sent: false,
      answered: null,
    };
    this.calls.push(call);
    this.#follow(call, response);
    await this.#work(call, params, response);
  }

  /** Writes down how the answer ended. */
  #follow(call: EngineCall, response: ServerResponse): void {
    this.#open.set(response, call);
    response.once('close', () => {
      this.#open.delete(response);
      call.endedAt = Date.now();
      if (!response.writableFinished) call.answered = 'broken';
      else call.answered = response.statusCode < 300 ? 'success' : 'failure';
    });
  }

  async #work(call: EngineCall, params: EngineParams, response: ServerResponse): Promise<void> {
    if (params.manner === 'falters' && this.#dice.chance(FALTERING)) {
      if (call.work === 'send' || this.#dice.chance(0.5))
        return answerJson(response, { error: 'Overloaded' }, 503, { 'retry-after': '0' });
      call.dollars = params.dollars;
      return answerJson(response, { error: 'Worker crashed' }, 500);
    }
    // Half of the broken connections break before the engine has begun.
    if (this.#resetting && this.#dice.chance(0.5)) return void response.socket?.destroy();
    call.dollars = params.dollars;
    if (params.manner === 'broken') {
      await delay(params.paceMs);
      return answerJson(response, { error: 'Out of order' }, 500);
    }
    if (this.#resetting) response.socket?.destroy();
    await this.#answer(call, params, response);
  }

  /** Does the work to its end, whether or not anybody still listens. */
  async #answer(call: EngineCall, { dollars, paceMs }: EngineParams, response: ServerResponse): Promise<void> {
    const plan = { done: ITEMS, failed: 0, skipped: 0, dollars, dryRun: false };
    if (call.work === 'analysis') {
      const ids = this.#jobs.queue(call.runId, plan, paceMs);
      return answerJson(response, { success: true, job_ids: ids }, 202);
    }
    if (call.work === 'send') {
      await delay(paceMs);
      call.sent = true;
      await delay(2 * paceMs);
      if (!response.destroyed) answerJson(response, jsonAnswer('send', plan));
      return;
    }
    await streamAnswer(response, call.work, plan, { tick: () => delay(paceMs), finish: () => undefined }, false);
  }
}
