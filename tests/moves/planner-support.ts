import type pg from 'pg';
import request from 'supertest';
import type { Records } from '../../database/records.ts';
import type { ApprovalRow, ArcVersionRow, MoveRow, PivotRow, PlanRow } from '../../database/tables-moves.ts';
import type { DecisionRow, JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import type { Generated, GenerateRequest, Model, ModelCall } from '../../generation/model.ts';
import type { Arc } from '../../moves/arc.ts';
import { evidenceCited } from '../../moves/cited.ts';
import { type PlanContext, planContextSchema } from '../../moves/context.ts';
import { DecisionLog } from '../../moves/decisions/decision-log.ts';
import { planEditChecks } from '../../moves/edit-checks.ts';
import { type KnownFacts, requestEvidence } from '../../moves/evidence.ts';
import { KpiDesk } from '../../moves/kpi/kpi-desk.ts';
import { KpiMonitor } from '../../moves/kpi/monitor.ts';
import { pivotTemplates } from '../../moves/pivots/write-pivot.ts';
import { PLANS_CAMPAIGN_ID, plansCampaign } from '../../moves/plan-definition.ts';
import { PlanControl } from '../../moves/plan-control.ts';
import { makePlanning } from '../../moves/planning.ts';
import { writeArc } from '../../moves/rules/write-arc.ts';
import { planningTemplates } from '../../moves/rules/templates.ts';
import { toolTemplates } from '../../moves/tools/plan-tools.ts';
import { makeToolbox } from '../../moves/tools/registry.ts';
import type { Question, Unanswered, Verdict, WorkContext } from '../../moves/work.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { makeApi } from '../support/api.ts';
import { TestClock } from '../support/clock.ts';
import { Harness } from '../support/harness.ts';
import { type Act, ScriptedModel } from '../support/model.ts';
import type { MemoryRecords } from '../support/records.ts';

/** A Monday, the first of the 90 days of {@link PLAN}; the last one is 2026-05-30. */
export const NOW = '2026-03-02T09:00:00.000Z';
export const DAY = 86_400_000;

/** What is sent to have 90 days planned. */
export const PLAN: JsonObject = {
  name: 'Spring',
  startsOn: '2026-03-02',
  requestedBy: 'Ana',
  objective: 'More independent restaurants book their first month with Tably.',
  cohorts: [
    {
      name: 'Owners of small restaurants',
      description: 'They run one place with 20 to 60 seats and do the books themselves.',
      pains: ['Guests who do not come', 'No time for the telephone in the evening'],
      channels: ['facebook'],
    },
    { name: 'Hotel managers', description: 'They fill a dining room.', channels: ['linkedin'] },
  ],
  foundation: {
    brand: 'Tably',
    promise: 'Every table taken, no evening on the telephone.',
    products: ['Tably Book', 'Tably Remind, which writes to guests 24 hours before'],
    proof: ['No-shows fell by 31 % at Casa Luna.'],
  },
  channels: ['facebook', 'instagram', 'linkedin', 'email'],
  budget: 18_000,
  owners: ['Ana', 'Ben', 'Chris'],
  kpis: [
    { name: 'leads', label: 'Qualified leads', unit: 'leads', baseline: 40, target: 120 },
    { name: 'no-shows', unit: '%', baseline: 14, target: 9, channel: 'email' },
  ],
  facts: [{ id: 'survey', text: 'Of 212 owners asked, 64 % want fewer calls.' }],
};

const planning = { ...planningTemplates, ...pivotTemplates, ...toolTemplates };

/** What the offline templates write for a request. */
export const written = ({ task, input }: Pick<GenerateRequest<unknown>, 'task' | 'input'>): unknown =>
  planning[task]?.(structuredClone(input));

/** A hosted model that plans as the offline templates do, unless it is scripted otherwise. */
export class PlanningModel extends ScriptedModel {
  /** Fails single requests, whatever is scripted. */
  failFor: (request: GenerateRequest<unknown>) => Error | null = () => null;

  constructor(script: Record<string, Act[]> = {}) {
    super();
    for (const task of Object.keys(planning)) this.script[task] = [written];
    Object.assign(this.script, script);
  }

  override async generate<T>(wanted: GenerateRequest<T>, call: ModelCall): Promise<Generated<T>> {
    const failure = this.failFor(wanted);
    if (failure === null) return super.generate(wanted, call);
    this.requests.push(wanted);
    call.onSent?.();
    throw failure;
  }

  /** How often a task was asked for, its revisions told apart from it. */
  get counts(): Record<string, number> {
    return Object.fromEntries(
      [...new Set(this.requests.map(({ task }) => task))].map((task) => [task, this.asked(task)]),
    );
  }
}

/** The answer of the templates, with changes made to it. */
export const but =
  <T>(change: (answer: T) => void) =>
  (asked: GenerateRequest<unknown>): unknown => {
    const answer = structuredClone(written(asked)) as T;
    change(answer);
    return answer;
  };

export interface SceneOptions {
  clock?: TestClock;
  model?: Model;
  worker?: string;
  env?: Record<string, string>;
  /** Of the database that holds the checkpoints, where that is not the one of the records. */
  pool?: pg.Pool;
}

type Known = Awaited<ReturnType<KnownFacts['search']>>['hits'][number]['fact'];

/** What every part of planning is made of, over these records. */
export function planningParts(
  records: Records,
  pool: pg.Pool,
  options: { clock: TestClock; env?: Record<string, string> },
) {
  const { clock, env = {} } = options;
  const config = loadConfig({ SLACK_WEBHOOK_URL: 'http://127.0.0.1:9/hook', ...env });
  const origins = originPolicy(config);
  const events = new EventBus();
  const known: Known[] = [];
  const searches: Parameters<KnownFacts['search']>[0][] = [];
  const knowledge: KnownFacts = {
    search: async (search) => {
      searches.push(search);
      return { note: null, hits: known.map((fact) => ({ fact })) };
    },
  };
  const shared = { records, clock, events, logger: silentLogger };
  const toolbox = makeToolbox(config, { records, clock, origins });
  const kpis = new KpiDesk(shared);
  const monitor = new KpiMonitor({ ...shared, ...config, origins, tell: () => Promise.resolve([]) });
  const decisions = new DecisionLog(shared);
  const works = makePlanning({ ...shared, knowledge, kpis, toolbox, pool, decisions, monitor });
  return { config, known, searches, knowledge, toolbox, kpis, works };
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
    const pool = options.pool ?? (records as MemoryRecords).pool;
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

/** How a test answers what a step asks people. */
export type Answer = (question: Question) => Verdict | Unanswered;

export const approve: Answer = (question) => verdictOn(question, { decision: 'approved' });
export const undecided: Answer = () => ({
  approvalId: '',
  decision: 'pending',
  expiresAt: '2026-03-05T09:00:00.000Z',
});

export const verdictOn = ({ subject }: Question, verdict: Partial<Verdict>): Verdict => ({
  approvalId: '',
  decision: 'approved',
  by: 'Ben',
  reason: null,
  subject,
  edited: false,
  ...verdict,
});

const APPROVALS = new Map<string, string>();
const idOf = (name: string): string => {
  const id = APPROVALS.get(name) ?? newId();
  APPROVALS.set(name, id);
  return id;
};

/** The context of one try of a step, outside of any run. */
export function workContext(given: Partial<WorkContext> & { clock: TestClock; model: Model; answer?: Answer }) {
  const { answer = undecided, ...rest } = given;
  const asked: Question[] = [];
  const told: JsonObject[] = [];
  const warnings: string[] = [];
  const work: WorkContext = {
    runId: newId(),
    campaignId: PLANS_CAMPAIGN_ID,
    stepName: 'arc',
    attempt: 1,
    signal: new AbortController().signal,
    deadline: given.clock.now() + 300_000,
    onSent: () => undefined,
    ask: async (question) => {
      asked.push(question);
      return { ...answer(question), approvalId: idOf(`${work.runId}/${work.stepName}/${question.name}`) };
    },
    progress: (facts) => void told.push(facts),
    log: { info: () => undefined, warn: (message) => void warnings.push(message) },
    ...rest,
  };
  return { work, asked, told, warnings };
}

/** A plan that is on record, as {@link PLAN} has it. */
export async function planRow(records: Records, changes: Partial<PlanRow> = {}): Promise<PlanRow> {
  const { name, requestedBy, ...given } = PLAN;
  const context = planContextSchema.parse(given);
  const config = plansCampaign() as unknown as JsonObject;
  await records.insert('campaigns', [{ id: PLANS_CAMPAIGN_ID, name: 'Plans', config }], { conflict: 'ignore' });
  const [row] = await records.insert('plans', [
    {
      id: newId(),
      workspace: 'default',
      name: String(name),
      state: 'planning',
      context: context as unknown as JsonObject,
      starts_on: context.startsOn,
      arc_version: 0,
      requested_by: String(requestedBy),
      created_at: NOW,
      updated_at: NOW,
      ...changes,
    },
  ]);
  return row as PlanRow;
}

/** The first arc of a plan, as the offline planner writes it. */
export async function storeArc(records: Records, { id, context }: PlanRow): Promise<Arc> {
  const given = context as unknown as PlanContext;
  const evidence = requestEvidence(given);
  const arc = writeArc(given, evidence);
  await records.insert('arc_versions', [
    {
      plan_id: id,
      arc_version: 1,
      arc,
      evidence: evidenceCited(arc, evidence) as unknown as JsonObject[],
      reason: 'So.',
      approved_by: 'Ben',
      approval_id: newId(),
      model: 'rules-v1',
      created_at: NOW,
    },
  ]);
  return arc;
}
