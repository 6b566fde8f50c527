import { LRUCache } from 'lru-cache';
import { Counter, Histogram, type Registry } from 'prom-client';
import { BRIEFS_CAMPAIGN_ID, WRITERS } from '../generation/briefs/definition.ts';
import type { EventBus } from '../shared/events.ts';
import { timeOfId } from '../shared/ids.ts';

/** Around the targets: the first artifact within 15 seconds, the whole brief within 60. */
const SECONDS = [0.5, 1, 2.5, 5, 10, 15, 20, 30, 45, 60, 120, 300];

/**
 * Counts how briefs go, besides what is counted of every step by its kind (`orchestrator_steps_total`, `_step_duration_seconds`).
 * @param now milliseconds since the epoch
 */
export function countBriefs(registry: Registry, events: EventBus, now: () => number): void {
  const histogram = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Histogram<L>({ name: `orchestrator_brief_${name}`, help, labelNames, buckets: SECONDS, registers: [registry] });
  const ended = new Counter({
    name: 'orchestrator_briefs_total',
    help: 'Briefs that have ended, by status; each counted once, when its first run ends.',
    labelNames: ['status'],
    registers: [registry],
  });
  const repaired = new Counter({
    name: 'orchestrator_brief_repairs_total',
    help: 'Runs that repaired a brief, or only audited it, by status.',
    labelNames: ['status'],
    registers: [registry],
  });
  const whole = histogram('duration_seconds', 'From a brief to its audited artifacts, by status.', 'status');
  const first = histogram('first_artifact_seconds', 'From a brief to its first artifact.');
  const audit = histogram('audit_seconds', 'How much longer a brief takes for its audit.');
  /** Runs that have their first artifact; forgotten when they end here, or when many have come since. */
  const begun = new LRUCache<string, true>({ max: 1_000 });
  /** Runs that repair another one. */
  const repairs = new LRUCache<string, true>({ max: 1_000 });
  events.subscribe(({ type, facts: { campaignId, runId, ...facts } }) => {
    if (campaignId !== BRIEFS_CAMPAIGN_ID || runId === undefined) return;
    if (facts['trigger'] === 'retry') repairs.set(runId, true);
    const isRepair = repairs.has(runId);
    const sinceSubmitted = (now() - timeOfId(runId)) / 1_000;
    if (type === 'step.completed' && facts['kind'] === 'audit' && typeof facts['durationMs'] === 'number')
      audit.observe(facts['durationMs'] / 1_000);
    else if (
      type === 'step.completed' &&
      WRITERS.some((kind) => kind === facts['kind']) &&
      !isRepair &&
      !begun.has(runId)
    ) {
      begun.set(runId, true);
      first.observe(sinceSubmitted);
    } else if (type === 'run.finished') {
      begun.delete(runId);
      const status = String(facts['status']);
      if (isRepair) return repaired.inc({ status });
      ended.inc({ status });
      whole.observe({ status }, sinceSubmitted);
    }
  });
}
