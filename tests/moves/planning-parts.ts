import type pg from 'pg';
import type { Records } from '../../database/records.ts';
import type { PlanRow } from '../../database/tables-moves.ts';
import type { JsonObject } from '../../database/tables.ts';
import type { Generated, GenerateRequest, ModelCall } from '../../generation/model.ts';
import type { Arc } from '../../moves/arc.ts';
import { evidenceCited } from '../../moves/cited.ts';
import { type PlanContext, planContextSchema } from '../../moves/context.ts';
import { DecisionLog } from '../../moves/decisions/decision-log.ts';
import { type KnownFacts, requestEvidence } from '../../moves/evidence.ts';
import { KpiDesk } from '../../moves/kpi/kpi-desk.ts';
import { KpiMonitor } from '../../moves/kpi/monitor.ts';
import { pivotTemplates } from '../../moves/pivots/write-pivot.ts';
import { PLANS_CAMPAIGN_ID, plansCampaign } from '../../moves/plan-definition.ts';
import { makePlanning } from '../../moves/planning.ts';
import { writeArc } from '../../moves/rules/write-arc.ts';
import { planningTemplates } from '../../moves/rules/templates.ts';
import { toolTemplates } from '../../moves/tools/plan-tools.ts';
import { makeToolbox } from '../../moves/tools/registry.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { TestClock } from '../support/clock.ts';
import { type Act, ScriptedModel } from '../support/model.ts';

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
