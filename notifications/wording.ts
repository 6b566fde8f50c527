import type { Content } from './content.ts';
import type { NotificationFacts } from './facts.ts';
import { approvalWanted } from './wording-approvals.ts';
import { budgetExceeded, resumed, stepUnknown } from './wording-decisions.ts';
import { kpiChanged } from './wording-kpis.ts';
import { completed, recovered, troubled } from './wording-runs.ts';

/** The words for a message. */
export function contentOf(notification: NotificationFacts): Content {
  switch (notification.kind) {
    case 'approval.asked':
    case 'approval.reminder':
      return approvalWanted(notification.kind, notification.facts);
    case 'run.completed':
      return completed(notification.facts);
    case 'run.recovered':
      return recovered(notification.facts);
    case 'run.partial':
    case 'run.failed':
    case 'run.aborted':
      return troubled(notification.kind, notification.facts);
    case 'budget.exceeded':
      return budgetExceeded(notification.facts);
    case 'budget.resumed':
      return resumed(notification.facts);
    case 'kpi.changed':
      return kpiChanged(notification.facts);
    case 'step.unknown':
      return stepUnknown(notification.facts);
    default:
      throw new TypeError(`no words for messages of the kind ${String((notification as { kind: unknown }).kind)}`);
  }
}
