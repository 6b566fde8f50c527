import type { EventBus, EventFacts, EventType } from './events.ts';
import type { Logger } from './logger.ts';

type Level = 'error' | 'warn' | 'info' | 'debug';

interface Line {
  message: string;
  level: Level | ((facts: EventFacts) => Level);
}

/** How each business event reads in the log. The record is exhaustive: a new event type without a line does not compile. */
const LINES: Record<EventType, Line> = {
  'approval.asked': { message: 'People are asked for approval', level: 'info' },
  'approval.decided': { message: 'Approval decided', level: 'info' },
  'approval.expired': { message: 'Approval expired', level: 'warn' },
  'approval.reminded': { message: 'People are reminded of an approval', level: 'info' },
  'budget.exceeded': { message: 'Budget exceeded', level: 'warn' },
  'budget.threshold': { message: 'Budget threshold crossed', level: 'warn' },
  'cache.lost': { message: 'Cache lost; the database serves', level: 'warn' },
  'cache.restored': { message: 'Cache restored', level: 'info' },
  'campaign.changed': { message: 'Campaign changed', level: 'info' },
  'campaign.file_rejected': { message: 'Campaign file rejected', level: 'warn' },
  'campaign.paused': { message: 'Campaign paused', level: 'info' },
  'campaign.resumed': { message: 'Campaign resumed', level: 'info' },
  'database.lost': { message: 'Database lost', level: 'error' },
  'database.restored': { message: 'Database restored', level: 'info' },
  'fire.caught_up': { message: 'Missed fire made up for', level: 'info' },
  'fire.ran': { message: 'Fire started a run', level: 'info' },
  'fire.skipped': { message: 'Fire skipped', level: 'info' },
  'knowledge.embedded': { message: 'Space of vectors complete', level: 'info' },
  'knowledge.finished': { message: 'Knowledge file finished', level: levelOfEnd },
  'knowledge.progress': { message: 'Knowledge file in progress', level: 'debug' },
  'knowledge.received': { message: 'Knowledge file received', level: 'info' },
  'kpi.changed': { message: 'Colour of a KPI changed', level: 'info' },
  'memory.recovered': { message: 'Session state recovered', level: 'debug' },
  'move.changed': { message: 'Move changed', level: 'info' },
  'notification.failed': { message: 'Notification failed', level: 'error' },
  'notification.sent': { message: 'Notification sent', level: 'info' },
  'records.pruned': { message: 'Old records removed', level: 'info' },
  'run.cancel_requested': { message: 'Cancel of a run requested', level: 'info' },
  'run.fenced': { message: 'Run went to another worker', level: 'warn' },
  'run.finished': { message: 'Run finished', level: levelOfEnd },
  'run.queued': { message: 'Run queued', level: 'info' },
  'run.resumed': { message: 'Run resumed', level: 'info' },
  'run.started': { message: 'Run started', level: 'info' },
  'run.waiting': { message: 'Run waits for a person', level: 'warn' },
  'step.attempt_failed': { message: 'Attempt of a step failed', level: 'warn' },
  'step.completed': { message: 'Step completed', level: 'info' },
  'step.failed': { message: 'Step failed', level: 'error' },
  'step.progress': { message: 'Step progress', level: 'debug' },
  'step.resolved': { message: 'Outcome of a step decided by a person', level: 'info' },
  'step.started': { message: 'Step started', level: 'info' },
  'step.waiting': { message: 'Step waits for people', level: 'info' },
  'step.unknown': { message: 'Outcome of a step unknown', level: 'error' },
};

function levelOfEnd(facts: EventFacts): Level {
  if (facts['status'] === 'failed' || facts['state'] === 'failed') return 'error';
  return facts['status'] === 'partial' || facts['status'] === 'aborted' ? 'warn' : 'info';
}

/**
 * Writes one log line for each business event, with its facts and its type (`event`) as fields. Whoever emits an event logs
 * nothing besides. Returns the function that ends it.
 */
export function logEvents(events: EventBus, logger: Logger): () => void {
  return events.subscribe(({ type, facts }) => {
    const { message, level } = LINES[type];
    logger[typeof level === 'function' ? level(facts) : level](message, { event: type, ...facts });
  });
}
