import { setTimeout as pause } from 'node:timers/promises';
import type { JsonObject } from '../../database/tables.ts';
import type { Json } from '../../shared/json.ts';
import { type Answer, Service } from '../support/service.ts';

export interface Approval {
  id: string;
  kind: string;
  state: string;
  runId: string;
  planId: string;
  title: string;
}

/** A service that is killed again and again, and started anew on what it left behind. */
export class KilledService {
  readonly #env: Record<string, string>;
  #service: Service;
  kills = 0;

  private constructor(env: Record<string, string>, service: Service) {
    this.#env = env;
    this.#service = service;
  }

  static async start(env: Record<string, string>): Promise<KilledService> {
    return new KilledService(env, await Service.start(env));
  }

  get now(): Service {
    return this.#service;
  }

  /** kill -9, and a start on the same data. */
  async kill(): Promise<void> {
    await this.#service.end('SIGKILL');
    this.kills += 1;
    this.#service = await Service.start(this.#env);
  }

  /** Sends a request and kills the service so many milliseconds later; null when there was no answer any more. */
  async killDuring(ms: number, request: (service: Service) => Promise<Answer>): Promise<Answer | null> {
    const answer = request(this.#service).catch(() => null);
    await pause(ms);
    await this.kill();
    return answer;
  }

  end(): Promise<number | null> {
    return this.#service.end();
  }

  async get(path: string): Promise<JsonObject> {
    return (await this.#service.get(path)).body;
  }

  /** @throws {Error} when it is refused */
  async post(path: string, body?: Json): Promise<JsonObject> {
    const { status, body: answer } = await this.#service.post(path, body);
    if (status >= 300) throw new Error(`POST ${path}: ${status} ${JSON.stringify(answer)}`);
    return answer;
  }

  run(id: string, states: readonly string[] = ['completed', 'partial', 'failed', 'aborted']): Promise<JsonObject> {
    return this.#service.untilRun(id, states);
  }

  async plan(id: string): Promise<JsonObject> {
    return (await this.get(`/api/plans/${id}`))['plan'] as JsonObject;
  }

  async approvals(planId: string, state = ''): Promise<Approval[]> {
    const query = state === '' ? '' : `&state=${state}`;
    return (await this.get(`/api/approvals?planId=${planId}&limit=200${query}`))['approvals'] as unknown as Approval[];
  }

  /** Waits until people are asked, of one kind. */
  async asked(planId: string, kind: string): Promise<Approval> {
    let found: Approval | undefined;
    await this.#service.until(async () => {
      found = (await this.approvals(planId, 'pending')).find((one) => one.kind === kind);
      return found !== undefined;
    });
    return found as Approval;
  }

  decide(id: string, by: string, decision = 'approve'): Promise<JsonObject> {
    return this.post(`/api/approvals/${id}/decision`, { decision, by, reason: `${by} says so` });
  }

  /** Decides, and is killed in the middle of it; decides again only where the first time left no trace. */
  async decideAndDie(id: string, by: string, ms: number): Promise<void> {
    const path = `/api/approvals/${id}/decision`;
    await this.killDuring(ms, (service) => service.post(path, { decision: 'approve', by }));
    const { state } = (await this.get(`/api/approvals/${id}`))['approval'] as JsonObject;
    if (state === 'pending') await this.decide(id, by);
  }

  /** Every row of a list. */
  async all(path: string, name: string): Promise<JsonObject[]> {
    const rows: JsonObject[] = [];
    for (let cursor: unknown = ''; cursor !== null;) {
      const mark = path.includes('?') ? '&' : '?';
      const page = await this.get(`${path}${mark}limit=100${cursor === '' ? '' : `&cursor=${String(cursor)}`}`);
      rows.push(...(page[name] as JsonObject[]));
      cursor = page['nextCursor'] ?? null;
    }
    return rows;
  }

  /** The types of a run's events, in order. */
  async eventsOf(runId: string): Promise<string[]> {
    const { body } = await this.#service.get(`/api/runs/${runId}/events`, { accept: 'text/event-stream' });
    return [...String(body['text']).matchAll(/^event: (.+)$/gm)].map(([, type]) => String(type));
  }
}

/** What stands in a list more than once. */
export function repeated(list: readonly string[]): string[] {
  return list.filter((entry, at) => list.indexOf(entry) !== at);
}
