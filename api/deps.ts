import type { Registry } from 'prom-client';
import type { BudgetDefinition } from '../campaigns/definition.ts';
import type { DefinitionEnvironment } from '../campaigns/schema.ts';
import type { Records } from '../database/records.ts';
import type { CampaignRow } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import type { Config } from '../shared/config.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import type { ApprovalDesk } from '../runs/approvals/approval-desk.ts';
import type { BriefControl } from '../generation/briefs/brief-control.ts';
import type { KnowledgeBase } from '../knowledge/knowledge-base.ts';
import type { SessionMemory } from '../knowledge/memory/session-memory.ts';
import type { KpiDesk } from '../moves/kpi/kpi-desk.ts';
import type { MoveControl } from '../moves/move-control.ts';
import type { PlanControl } from '../moves/plan-control.ts';
import type { BudgetStatus } from './shapes/budget.ts';

/** What the routes may do with campaigns; `input` is whatever the client sent. */
export interface CampaignsPort {
  /** @throws {ValidationError} */
  create(input: unknown): Promise<CampaignRow>;
  /** @throws {ValidationError} @throws {NotFoundError} @throws {ConflictError} */
  replace(id: string, input: unknown): Promise<CampaignRow>;
  /** @throws {NotFoundError} */
  remove(id: string): Promise<unknown>;
  /** @throws {NotFoundError} @throws {ConflictError} */
  pause(id: string, reason?: string): Promise<CampaignRow>;
  /** @throws {NotFoundError} @throws {ConflictError} */
  resume(id: string): Promise<CampaignRow>;
}

/** What the routes may do with runs; implemented by runs/run-control.ts. */
export interface RunsPort {
  start(campaignId: string, options: { force: boolean }): Promise<{ runId: string }>;
  cancel(runId: string, reason?: string): Promise<{ status: string }>;
  retry(
    runId: string,
    options: { from: 'failed' | 'start'; definition: 'pinned' | 'latest' },
  ): Promise<{ runId: string }>;
  resolve(
    runId: string,
    stepName: string,
    decision: { outcome: 'done' | 'failed' | 'retry'; note: string; by: string },
  ): Promise<{ status: string }>;
}

/** What the routes may do with briefs; implemented by generation/briefs/brief-control.ts. */
export type BriefsPort = Pick<BriefControl, 'submit' | 'find' | 'auditBefore' | 'cancel' | 'retry'>;

/** What the routes may do with approvals; implemented by runs/approvals/approval-desk.ts. */
export type ApprovalsPort = Pick<ApprovalDesk, 'find' | 'decide'>;

/** What the routes may do with plans; implemented by moves/plan-control.ts. */
export type PlansPort = Pick<PlanControl, 'submit' | 'replan' | 'pivot' | 'end' | 'find'>;

/** What the routes may do with sessions; implemented by knowledge/memory/session-memory.ts. */
export type MemoryPort = Pick<SessionMemory, 'recover' | 'put' | 'remove'>;

/** What the routes may do with KPIs; implemented by moves/kpi/kpi-desk.ts. */
export type KpisPort = Pick<KpiDesk, 'status' | 'enter'>;

/** What the routes may do with moves; implemented by moves/move-control.ts. */
export type MovesPort = Pick<MoveControl, 'get' | 'change'>;

/** What the routes may do with the knowledge of the business; implemented by knowledge/knowledge-base.ts. */
export type KnowledgePort = Pick<
  KnowledgeBase,
  'receive' | 'cancel' | 'forget' | 'fact' | 'facts' | 'search' | 'overview'
>;

/** What the service needs to do its work, one by one. */
export interface ReadyReport {
  ready: boolean;
  checks: { name: string; ok: boolean; message?: string }[];
}

/** Everything the HTTP side is given; made by the composition root. */
export interface ApiDeps {
  config: Config;
  logger: Logger;
  records: Records;
  clock: Clock;
  events: EventBus;
  campaigns: CampaignsPort;
  runs: RunsPort;
  approvals: ApprovalsPort;
  plans: PlansPort;
  briefs: BriefsPort;
  knowledge: KnowledgePort;
  kpis: KpisPort;
  memory: MemoryPort;
  moves: MovesPort;
  budget: {
    /** Where a campaign stands in its budget. */
    status(campaign: { id: string; timezone: string; budget: BudgetDefinition }): Promise<BudgetStatus>;
  };
  /** Where links lead to. */
  publicUrl: string;
  /** What a definition is checked against. */
  environment: DefinitionEnvironment;
  health: { ready(): Promise<ReadyReport> };
  metrics: Registry;
  /** Aborted when the service stops; live streams then end. */
  stopping: AbortSignal;
}
