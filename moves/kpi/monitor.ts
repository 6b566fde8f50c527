import pLimit from 'p-limit';
import type { OutboxRow } from '../../database/journal.ts';
import { kpiAlert } from '../../database/queries/kpis.ts';
import { activePlans, findPlan } from '../../database/queries/plans.ts';
import type { Records } from '../../database/records.ts';
import type { Colour, PlanRow } from '../../database/tables-moves.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import type { EventBus } from '../../shared/events.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Logger } from '../../shared/logger.ts';
import { addDays, ARC_DAYS, dayOf } from '../calendar.ts';
import { kpisParams } from '../params.ts';
import { type WorkContext, WorkError, type WorkResult } from '../work.ts';
import { colourChange, type KpiChange } from './alert.ts';
import type { SourceProblem } from './connectors/connector.ts';
import { type ConnectorAccess, makeConnectors, readSource } from './connectors/registry.ts';
import { type LookedAt, outputOf, problemText } from './look.ts';
import { KpiReadings } from './readings.ts';
import { placeOf } from './source.ts';
import { type AimedKpi, aimedKpis, standingOf } from './standing.ts';
import type { KpiStatus } from './status.ts';

/** Sources that are read at the same time. */
const AT_ONCE = 4;
/** Readings that a colour is computed from. */
const RECENT = 500;
/** What comes in after the 90 days of a plan is read for this long. */
const LATE_DAYS = 28;
/** Others may see the same change at the same moment; each time one of them has written it. */
const MOST_TRIES = 5;

export interface KpiMonitorDependencies extends Omit<ConnectorAccess, 'records'> {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  /** Makes the messages about a change of colour, to whom the run's campaign tells of trouble. */
  tell: (change: KpiChange, run: { id: string; campaignId: string }) => Promise<OutboxRow[]>;
}

type Run = { id: string; campaignId: string };

/** Looks at the KPIs of plans: reads their sources, keeps what they give, and tells people when a colour changes. */
export class KpiMonitor {
  readonly #deps: KpiMonitorDependencies;
  readonly #connectors: ReturnType<typeof makeConnectors>;
  readonly #readings: KpiReadings;

  constructor(dependencies: KpiMonitorDependencies) {
    this.#deps = dependencies;
    this.#connectors = makeConnectors(dependencies);
    this.#readings = new KpiReadings(dependencies);
  }

  /**
   * The work of the step kind `kpis`. A source that fails is told of in the output and keeps no other from being read.
   * @throws {WorkError} KPI_SOURCES_FAILED when every source failed, PLAN_UNKNOWN when there is no such plan
   */
  async pull(params: JsonObject, work: WorkContext): Promise<WorkResult> {
    const { plan: planId, workspace } = kpisParams.parse(params);
    const plans = await this.#plans(planId, workspace);
    const run = { id: work.runId, campaignId: work.campaignId };
    const looks: LookedAt[] = [];
    for (const plan of plans) {
      const found = await this.#lookAtPlan(plan, run, work.signal);
      looks.push(...found);
      work.progress({ plan: plan.id, kpis: found.length, changed: found.filter(({ changed }) => changed).length });
    }
    const output = outputOf(looks);
    const sources = looks.filter(({ failure }) => failure !== undefined);
    const failures = sources.flatMap(({ failure }) => failure ?? []);
    const [first] = failures;
    if (first && failures.length === sources.length)
      throw new WorkError('KPI_SOURCES_FAILED', `No source of a KPI could be read; the first: ${first.message}`, {
        retryable: failures.some(({ retryable }) => retryable),
        output,
      });
    return { outcome: looks.length === 0 ? 'empty' : 'completed', output, costMicros: 0 };
  }

  async #plans(planId: string | undefined, workspace: string): Promise<PlanRow[]> {
    if (planId === undefined) {
      const today = dayOf(this.#deps.clock.now());
      return activePlans(this.#deps.records, workspace, { from: addDays(today, 1 - ARC_DAYS - LATE_DAYS) });
    }
    const plan = await findPlan(this.#deps.records, planId);
    if (!plan) throw new WorkError('PLAN_UNKNOWN', `No plan has the id ${planId}.`);
    return plan.state === 'active' ? [plan] : [];
  }

  async #lookAtPlan(plan: PlanRow, run: Run, signal: AbortSignal): Promise<LookedAt[]> {
    const limit = pLimit(AT_ONCE);
    const kpis = await aimedKpis(this.#deps.records, plan);
    const looks = await Promise.allSettled(kpis.map((at) => limit(() => this.#look(at, run, signal))));
    return looks.map((look) => {
      if (look.status === 'rejected') throw look.reason;
      return look.value;
    });
  }

  async #look(at: AimedKpi, run: Run, signal: AbortSignal): Promise<LookedAt> {
    signal.throwIfAborted();
    const read = await this.#read(at, signal);
    const { status, change } = await this.#judge(at, problemText(read), run);
    return { plan: at.plan, status, changed: change !== null, from: change?.from ?? null, ...read };
  }

  /** Reads the source of a KPI, if it has one, and keeps what it gives. */
  async #read({ plan, kpi }: AimedKpi, signal: AbortSignal) {
    const none = { written: 0, problems: [] as SourceProblem[] };
    if (kpi.source === undefined) return none;
    const { clock, logger } = this.#deps;
    try {
      const given = await readSource(this.#connectors, kpi.source, { kpi: kpi.name, signal, clock });
      const kept = await this.#readings.keep(plan, kpi.name, { ...given, source: placeOf(kpi.source) });
      return { ...kept, failure: null };
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof WorkError)) throw error;
      logger.warn('The source of a KPI could not be read', { planId: plan.id, kpi: kpi.name, error });
      return { ...none, failure: error };
    }
  }

  /** Computes the colour and, where it has changed, writes that and the messages about it in one. */
  async #judge(
    at: AimedKpi,
    problem: string | null,
    run: Run,
  ): Promise<{ status: KpiStatus; change: KpiChange | null }> {
    const { records, clock, events, tell } = this.#deps;
    const { plan, kpi } = at;
    for (let tries = 1; ; tries++) {
      const before = await kpiAlert(records, plan.id, kpi.name);
      const status = standingOf(at, await this.#readings.newest(plan, kpi.name, RECENT), clock.now());
      const { colour, changes, tell: isTold } = colourChange(before, status.colour);
      const from: Colour = before?.colour ?? 'unknown';
      const change: KpiChange = { plan: { id: plan.id, name: plan.name }, changes, from, status };
      const written = await records.call<boolean>('kpi_look', {
        p_plan_id: plan.id,
        p_kpi: kpi.name,
        p_seen: before?.changes ?? null,
        p_colour: colour,
        p_changes: changes,
        p_problem: problem,
        p_at: iso(clock.now()),
        p_outbox: isTold ? await tell(change, run) : [],
      });
      if (!written && tries < MOST_TRIES) continue;
      if (!written || colour === null) return { status, change: null };
      events.emit('kpi.changed', {
        runId: run.id,
        campaignId: run.campaignId,
        planId: plan.id,
        kpi: kpi.name,
        from,
        to: colour,
        told: isTold,
      });
      return { status, change };
    }
  }
}
