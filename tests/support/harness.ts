import type { CampaignDefinition } from '../../campaigns/definition.ts';
import { parseDefinition } from '../../campaigns/schema.ts';
import { BudgetLedger } from '../../budget/ledger.ts';
import { Claims } from '../../database/claims.ts';
import { Journal } from '../../database/journal.ts';
import type { Records } from '../../database/records.ts';
import type { CampaignRow, RunRow, StepRow } from '../../database/tables.ts';
import type { Model } from '../../generation/model.ts';
import { makeModel } from '../../generation/model-layer.ts';
import { templates } from '../../generation/rules/templates.ts';
import { Orchestrator } from '../../orchestrator.ts';
import { ApprovalDesk } from '../../runs/approvals/approval-desk.ts';
import { ApprovalKeeper } from '../../runs/approvals/approval-keeper.ts';
import { checkStepEdits, type SubjectChecks } from '../../runs/approvals/edits.ts';
import { EngineGate } from '../../runs/engine-gate.ts';
import { RunControl } from '../../runs/run-control.ts';
import { loadConfig } from '../../shared/config.ts';
import { EventBus, type ServiceEvent } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';
import { silentLogger } from '../../shared/logger.ts';
import { originPolicy } from '../../shared/origins.ts';
import { makeEngineClient } from '../../steps/engine-client.ts';
import type { Planning } from '../../steps/step.ts';
import type { JsonObject } from '../../database/tables.ts';
import type { TestClock } from './clock.ts';
import { NO_PLANNING } from './planning.ts';

export interface HarnessOptions {
  records: Records;
  clock: TestClock;
  engines: { prospecting: string; analysis: string; outreach: string };
  worker?: string;
  env?: Record<string, string>;
  /** The offline writer when not given. */
  model?: Model;
  planning?: Planning;
  /** How edits of questions are checked, by their kind; those of steps are known. */
  checks?: SubjectChecks;
}

/** One worker without a queue and without a schedule: what is started is executed at once, in this process. */
export class Harness {
  readonly records: Records;
  readonly clock: TestClock;
  readonly events = new EventBus();
  readonly seen: ServiceEvent[] = [];
  readonly orchestrator: Orchestrator;
  readonly runs: RunControl;
  readonly approvals: ApprovalDesk;
  readonly keeper: ApprovalKeeper;
  readonly #environment;
  readonly #http;
  readonly #executing = new Set<Promise<void>>();

  constructor(options: HarnessOptions) {
    this.records = options.records;
    this.clock = options.clock;
    const config = {
      ...loadConfig({ SLACK_WEBHOOK_URL: 'http://127.0.0.1:9/hook', ...options.env }),
      engines: options.engines,
    };
    const origins = originPolicy(config);
    this.#environment = {
      origins,
      engines: config.engines,
      referenceNames: Object.keys(config.references),
      approvalGroups: Object.keys(config.approvalGroups),
    };
    this.#http = makeEngineClient({ origins, maxResponseBytes: config.maxEngineResponseBytes, clock: this.clock });
    this.events.subscribe((event) => this.seen.push(event));
    const track = (task: Promise<void>): void => {
      const work = task.finally(() => this.#executing.delete(work));
      this.#executing.add(work);
    };
    const enqueue = async (runId: string): Promise<void> => track(this.orchestrator.execute(runId));
    const shared = { records: this.records, clock: this.clock, events: this.events, logger: silentLogger, config };
    const forApprovals = { ...shared, enqueue, publicUrl: 'http://orchestrator.test', onMessages: () => undefined };
    this.keeper = new ApprovalKeeper(forApprovals);
    this.approvals = new ApprovalDesk({
      ...forApprovals,
      checks: { step: checkStepEdits, ...options.checks },
      wake: () => track(this.keeper.runOnce()),
    });
    this.orchestrator = new Orchestrator({
      ...shared,
      http: this.#http,
      model: options.model ?? makeModel(config.model, { clock: this.clock, logger: silentLogger, templates }),
      enqueue,
      journal: new Journal(this.records),
      claims: new Claims({
        records: this.records,
        clock: this.clock,
        worker: options.worker ?? 'test',
        validMs: 30_000,
      }),
      planning: options.planning ?? NO_PLANNING,
      approvals: this.approvals,
      gate: new EngineGate(config.engineConcurrency),
      ledger: new BudgetLedger({
        records: this.records,
        clock: this.clock,
        globalDailyLimit: config.globalDailyBudget,
      }),
      publicUrl: 'http://orchestrator.test',
    });
    this.runs = new RunControl({
      ...shared,
      enqueue,
      cancelHeld: (runId, reason) => this.orchestrator.cancel(runId, reason),
    });
  }

  async createCampaign(input: JsonObject): Promise<CampaignRow> {
    const parsed = parseDefinition(input, this.#environment);
    if (!('definition' in parsed)) throw new Error(JSON.stringify(parsed.problems));
    const definition: CampaignDefinition = parsed.definition;
    const [row] = await this.records.insert('campaigns', [
      { id: newId(), name: definition.name, config: definition as unknown as JsonObject },
    ]);
    return row as CampaignRow;
  }

  /** Starts a run and waits until this worker has let go of it. */
  async runToEnd(campaignId: string): Promise<{ run: RunRow; steps: StepRow[] }> {
    const { runId } = await this.runs.start(campaignId, { force: false });
    await this.idle();
    return this.read(runId);
  }

  /** Resolves when nothing is being executed. */
  async idle(): Promise<void> {
    while (this.#executing.size > 0) await Promise.all(this.#executing);
  }

  /** Resolves at the next event of this type. */
  next(type: ServiceEvent['type']): Promise<ServiceEvent> {
    return new Promise((resolve) => {
      const end = this.events.subscribe((event) => {
        if (event.type !== type) return;
        end();
        resolve(event);
      });
    });
  }

  async read(runId: string): Promise<{ run: RunRow; steps: StepRow[] }> {
    const [run] = await this.records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: runId }] });
    const steps = await this.records.select('run_steps', {
      where: [{ column: 'run_id', op: 'eq', value: runId }],
      order: [{ column: 'position' }],
    });
    return { run: run as RunRow, steps };
  }

  async close(): Promise<void> {
    await this.#http.close();
  }
}
