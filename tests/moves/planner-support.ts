import type pg from 'pg';
import request from 'supertest';
import type { Records } from '../../database/records.ts';
import type { ApprovalRow, ArcVersionRow, MoveRow, PivotRow, PlanRow } from '../../database/tables-moves.ts';
import type { DecisionRow, JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import type { Model } from '../../generation/model.ts';
import { planEditChecks } from '../../moves/edit-checks.ts';
import { PlanControl } from '../../moves/plan-control.ts';
import { originPolicy } from '../../shared/origins.ts';
import { makeApi } from '../support/api.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import type { TestRecords } from '../support/records.ts';
import { NOW, PLAN, PlanningModel, planningParts } from './planning-parts.ts';

export interface SceneOptions {
  clock?: TestClock;
  model?: Model;
  worker?: string;
  env?: Record<string, string>;
  /** Of the database that holds the checkpoints, where that is not the one of the records. */
  pool?: pg.Pool;
}

/** The API over a worker of its own: what is asked for is done at once, in this process. */
export class PlanScene {
  readonly records: Records;
  readonly clock: TestClock;
  readonly model: Model;
  readonly harness: Harness;
  readonly api: ReturnType<typeof makeApi>;
  readonly parts: ReturnType<typeof planningParts>;

  constructor(records: Records & { pool?: pg.Pool }, options: SceneOptions = {}) {
    const { clock = new TestClock(NOW), model = new PlanningModel(), worker = 'one', env = {} } = options;
    const pool = options.pool ?? (records as TestRecords).pool;
    const url = 'http://127.0.0.1:9';
    this.records = records;
    this.clock = clock;
    this.model = model;
    this.parts = planningParts(records, pool, { clock, env });
    this.harness = new Harness({
      records,
      clock,
      worker,
      model,
      env,
      planning: this.parts.works,
      checks: planEditChecks,
      engines: { prospecting: url, analysis: url, outreach: url },
    });
    const { runs, events, approvals } = this.harness;
    const { config, kpis } = this.parts;
    const plans = new PlanControl({ records, clock, config, runs, origins: originPolicy(config) });
    this.api = makeApi(records, { plans, runs, events, approvals, kpis, config, clock });
  }

  post(path: string, body: object = {}, headers: Record<string, string> = {}) {
    return request(this.api.app).post(path).set(headers).send(body);
  }

  put(path: string, body: object) {
    return request(this.api.app).put(path).send(body);
  }

  remove(path: string) {
    return request(this.api.app).delete(path);
  }

  patch(path: string, body: object) {
    return request(this.api.app).patch(path).send(body);
  }

  get(path: string) {
    return request(this.api.app).get(path);
  }

  /** Requests a plan and waits until nothing is being done any more. */
  async submit(changes: JsonObject = {}): Promise<{ planId: string; runId: string }> {
    const answer = await this.post('/api/plans', { ...PLAN, ...changes });
    if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
    await this.harness.idle();
    return { planId: answer.body.plan.id as string, runId: answer.body.runId as string };
  }

  /** A plan whose arc and moves are approved. */
  async active(changes: JsonObject = {}): Promise<{ planId: string; runId: string }> {
    const plan = await this.submit({ assets: false, ...changes });
    await this.decide(plan.planId);
    await this.decide(plan.planId);
    return plan;
  }

  /** Decides what of a plan waits, and waits until nothing is being done any more. */
  async decide(planId: string, decision: JsonObject = {}): Promise<ApprovalRow> {
    const [pending] = await this.pending(planId);
    if (!pending) throw new Error(`nothing of plan ${planId} waits`);
    return this.decideOn(pending.id, decision);
  }

  async decideOn(approvalId: string, decision: JsonObject = {}): Promise<ApprovalRow> {
    const body = { decision: 'approve', by: 'Ben', ...decision };
    const answer = await this.post(`/api/approvals/${approvalId}/decision`, body);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    await this.harness.idle();
    const [row] = await this.records.select('approvals', { where: [{ column: 'id', op: 'eq', value: approvalId }] });
    return row as ApprovalRow;
  }

  pending(planId: string): Promise<ApprovalRow[]> {
    return this.records.select('approvals', {
      where: [
        { column: 'plan_id', op: 'eq', value: planId },
        { column: 'state', op: 'eq', value: 'pending' },
      ],
      order: [{ column: 'id' }],
    });
  }

  async plan(id: string): Promise<PlanRow> {
    const [row] = await this.records.select('plans', { where: [{ column: 'id', op: 'eq', value: id }] });
    return row as PlanRow;
  }

  versions(planId: string): Promise<ArcVersionRow[]> {
    return this.records.select('arc_versions', {
      where: [{ column: 'plan_id', op: 'eq', value: planId }],
      order: [{ column: 'arc_version' }],
    });
  }

  moves(planId: string): Promise<MoveRow[]> {
    return this.records.select('moves', {
      where: [{ column: 'plan_id', op: 'eq', value: planId }],
      order: [{ column: 'week' }, { column: 'id' }],
    });
  }

  pivots(planId: string): Promise<PivotRow[]> {
    return this.records.select('pivots', {
      where: [{ column: 'plan_id', op: 'eq', value: planId }],
      order: [{ column: 'id' }],
    });
  }

  decisions(planId: string): Promise<DecisionRow[]> {
    return this.records.select('agent_decisions', {
      where: [{ column: 'plan_id', op: 'eq', value: planId }],
      order: [{ column: 'chain_seq' }],
    });
  }

  read(runId: string): Promise<{ run: RunRow; steps: StepRow[] }> {
    return this.harness.read(runId);
  }

  /** Writes a reading of a KPI, of now. */
  async observe(planId: string, kpi: string, value: number): Promise<void> {
    const at = new Date(this.clock.now()).toISOString();
    await this.records.insert('kpi_readings', [
      { plan_id: planId, kpi, observed_at: at, value, source: 'test', read_at: at },
    ]);
  }

  async close(): Promise<void> {
    await this.harness.close();
    await this.parts.toolbox.close();
  }
}
