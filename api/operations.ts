import { makeOpenApi } from './openapi.ts';
import type { Operation } from './operation.ts';
import { approvalOperations } from './routes/approvals.ts';
import { briefOperations } from './routes/briefs.ts';
import { budgetOperations } from './routes/budget.ts';
import { campaignCheckOperations } from './routes/campaign-checks.ts';
import { campaignRunOperations } from './routes/campaign-runs.ts';
import { campaignOperations } from './routes/campaigns.ts';
import { decisionOperations } from './routes/decisions.ts';
import { docsOperations } from './routes/docs.ts';
import { knowledgeOperations } from './routes/knowledge.ts';
import { kpiOperations } from './routes/kpis.ts';
import { memoryOperations } from './routes/memory.ts';
import { moveOperations } from './routes/moves.ts';
import { notificationOperations } from './routes/notifications.ts';
import { planOperations } from './routes/plans.ts';
import { runEventOperations } from './routes/run-events.ts';
import { runOperations } from './routes/runs.ts';
import { scheduleOperations } from './routes/schedules.ts';
import { serviceOperations } from './routes/service.ts';
import { timelineOperations } from './routes/timeline.ts';
import { toolCallOperations } from './routes/tool-calls.ts';

let document: object | undefined;

/** Every operation of the API. */
export const operations: readonly Operation[] = [
  ...campaignOperations,
  ...campaignCheckOperations,
  ...budgetOperations,
  ...campaignRunOperations,
  ...runOperations,
  ...runEventOperations,
  ...toolCallOperations,
  ...approvalOperations,
  ...briefOperations,
  ...planOperations,
  ...knowledgeOperations,
  ...memoryOperations,
  ...decisionOperations,
  ...kpiOperations,
  ...moveOperations,
  ...timelineOperations,
  ...scheduleOperations,
  ...notificationOperations,
  ...serviceOperations,
  ...docsOperations(openApiDocument),
];

/** The OpenAPI 3.1 document of the whole API. */
export function openApiDocument(): object {
  document ??= makeOpenApi(operations);
  return document;
}
