import type { Records } from '../../database/records.ts';
import type { ApprovalRow } from '../../database/tables-moves.ts';
import type { JsonObject } from '../../database/tables.ts';
import { TestClock } from '../support/clock.ts';
import { Harness, type HarnessOptions } from '../support/harness.ts';
import { type Script, scriptedEngine, type ScriptedEngine } from '../support/scripted-engine.ts';

export const HOUR_MS = 3_600_000;

/** A step that asks whether a mail may go out. */
export const asks = (params: JsonObject = {}, step: JsonObject = {}): JsonObject => ({
  name: 'approval',
  engine: 'approval',
  retry: { attempts: 1, delay: 0 },
  params: {
    title: 'May the offer go out?',
    subject: { offer: '10 % off', count: 20, tags: ['new', 'spring'], sender: { name: 'Ann' } },
    editable: ['offer', 'tags', 'sender'],
    ...params,
  },
  ...step,
});

/** A step that works with what was approved. */
export const works = (step: JsonObject = {}): JsonObject => ({
  name: 'prospecting',
  engine: 'prospecting',
  retry: { attempts: 1, delay: 0 },
  params: { offer: '{{ steps.approval.subject.offer }}' },
  ...step,
});

/** A worker with an engine, and what tests ask of both. */
export class Scene {
  readonly records: Records;
  readonly clock = new TestClock('2026-03-02T09:00:00.000Z');
  readonly engine: ScriptedEngine;
  readonly scripts: Record<string, Script>;
  readonly harness: Harness;
  readonly #others: Harness[] = [];

  private constructor(records: Records, engine: ScriptedEngine, scripts: Record<string, Script>, env = {}) {
    this.records = records;
    this.engine = engine;
    this.scripts = scripts;
    this.harness = this.worker('one', { env });
  }

  static async open(records: Records, env: Record<string, string> = {}): Promise<Scene> {
    const scripts: Record<string, Script> = {
      '/api/prospect': () => ({ success: true, data: { saved: 1, cost: 0.5 } }),
      '/api/analyze': () => ({ success: true, summary: { successful: 1, totalCost: 0.2 } }),
    };
    return new Scene(records, await scriptedEngine(scripts), scripts, env);
  }

  /** Another worker on the same records. */
  worker(name: string, options: Partial<HarnessOptions> = {}): Harness {
    const { records, clock, engine } = this;
    const engines = { prospecting: engine.url, analysis: engine.url, outreach: engine.url };
    const made = new Harness({ records, clock, engines, worker: name, ...options });
    this.#others.push(made);
    return made;
  }

  /** Starts a run of these steps and waits until its worker lets go of it. */
  async run(steps: JsonObject[] = [asks(), works()], more: JsonObject = {}) {
    const { id } = await this.harness.createCampaign({ name: 'Offer', steps, ...more });
    return this.harness.runToEnd(id);
  }

  /** A run that waits for one answer, with its approval. */
  async asked(steps?: JsonObject[], more?: JsonObject) {
    const { run } = await this.run(steps, more);
    return { run, approval: await this.approval() };
  }

  async approvals(): Promise<ApprovalRow[]> {
    return this.records.select('approvals', { order: [{ column: 'created_at' }, { column: 'step_name' }] });
  }

  /** The only one. */
  async approval(): Promise<ApprovalRow> {
    const [approval, ...others] = await this.approvals();
    if (!approval || others.length > 0) throw new Error(`there are ${others.length + (approval ? 1 : 0)} approvals`);
    return approval;
  }

  async decide(id: string, decision: 'approve' | 'reject' = 'approve', by = 'Bea', reason: string | null = null) {
    const row = await this.harness.approvals.decide(id, { decision, by, reason });
    await this.harness.idle();
    return row;
  }

  /** A look of the keeper, and what follows from it. */
  async tend(): Promise<void> {
    await this.harness.keeper.runOnce();
    await this.harness.idle();
  }

  /** Runs and steps as words. */
  async state(runId: string) {
    const { run, steps } = await this.harness.read(runId);
    return { run: run.status, ...Object.fromEntries(steps.map(({ name, status }) => [name, status])) };
  }

  calls(path = '/api/prospect'): JsonObject[] {
    return this.engine.requests.filter((request) => request.path === path).map(({ body }) => body);
  }

  /** What was put into the outbox. */
  async told(kind: string) {
    return this.records.select('notifications', { where: [{ column: 'kind', op: 'eq', value: kind }] });
  }

  async close(): Promise<void> {
    for (const harness of this.#others) await harness.close();
    await this.engine.close();
  }
}
