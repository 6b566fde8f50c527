import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { EventBus, EventFacts, EventType } from '../shared/events.ts';

const SECONDS = [0.005, 0.025, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Of the recovery of a session's state, which is to take less than 0.2 s. */
const RECOVERY_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1];
const LONG_SECONDS = [1, 5, 15, 30, 60, 120, 300, 600, 1_800, 3_600];

/** Durations of HTTP requests by method, route and status; made once a registry. */
export function httpDurations(registry: Registry): Histogram<'method' | 'route' | 'status'> {
  const name = 'http_request_duration_seconds';
  const existing = registry.getSingleMetric(name);
  if (existing instanceof Histogram) return existing;
  return new Histogram({
    name,
    help: 'Duration of HTTP requests.',
    labelNames: ['method', 'route', 'status'],
    buckets: SECONDS,
    registers: [registry],
  });
}

export interface MetricsOptions {
  /** Runs that wait for a worker, asked at each scrape. */
  queueDepth?: () => Promise<number>;
  /** Approvals that nobody has decided about, asked at each scrape. */
  pendingApprovals?: () => Promise<number>;
  /** Memory, event loop and garbage collection of the process; on unless false. */
  process?: boolean;
}

/** A registry that the business events fill, as long as the bus lives. */
export function createMetrics(events: EventBus, options: MetricsOptions = {}): Registry {
  const registry = new Registry();
  if (options.process !== false) collectDefaultMetrics({ register: registry });
  const { queueDepth, pendingApprovals } = options;
  if (queueDepth) registry.registerMetric(asked('queue_depth', 'Runs that wait for a worker.', queueDepth));
  if (pendingApprovals)
    registry.registerMetric(asked('approvals_pending', 'Approvals that nobody has decided about.', pendingApprovals));
  const handlers = makeHandlers(registry);
  events.subscribe(({ type, facts }) => handlers[type]?.(facts));
  return registry;
}

/** A number that is asked for at each scrape. */
function asked(name: string, help: string, count: () => Promise<number>): Gauge {
  return new Gauge({
    name: `orchestrator_${name}`,
    help,
    registers: [],
    async collect() {
      // A scrape while the database is away must not fail as a whole.
      this.set(await count().catch(() => Number.NaN));
    },
  });
}

const text = (value: unknown) => (typeof value === 'string' ? value : 'unknown');
const amount = (value: unknown) => (typeof value === 'number' && Number.isFinite(value) && value > 0 ? value : 0);

function makeHandlers(registry: Registry): Partial<Record<EventType, (facts: EventFacts) => void>> {
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]) =>
    new Counter<L>({ name: `orchestrator_${name}`, help, labelNames, registers: [registry] });
  const histogram = <L extends string>(name: string, help: string, label: L, buckets = LONG_SECONDS) =>
    new Histogram<L>({ name: `orchestrator_${name}`, help, labelNames: [label], buckets, registers: [registry] });

  const queued = counter('runs_queued_total', 'Runs queued, by what triggered them.', 'trigger');
  const started = counter('runs_started_total', 'Runs started.');
  const runs = counter('runs_total', 'Runs ended, by status.', 'status');
  const runSeconds = histogram('run_duration_seconds', 'Duration of runs, by status.', 'status');
  const steps = counter('steps_total', 'Steps ended, by kind and outcome.', 'kind', 'outcome');
  const stepSeconds = histogram('step_duration_seconds', 'Duration of steps with their retries, by kind.', 'kind');
  const attempts = counter('step_attempts_failed_total', 'Failed attempts of steps, by error code.', 'code');
  const cost = counter('cost_dollars_total', 'What steps cost, by kind.', 'kind');
  const exceeded = counter('budget_exceeded_total', 'Steps refused by a budget.');
  const fires = counter('fires_total', 'Nominal times of schedules, by outcome.', 'outcome');
  const recoveries = histogram(
    'memory_recovery_seconds',
    'Recoveries of session states, by where the state was at hand.',
    'source',
    RECOVERY_SECONDS,
  );
  const approvals = counter('approvals_total', 'Approvals, by what became of them.', 'outcome');
  const messages = counter('notifications_total', 'Messages, by outcome.', 'outcome');

  const stepEnded = (outcome: string) => (facts: EventFacts) => {
    const kind = text(facts['kind']);
    steps.inc({ kind, outcome: facts['status'] === undefined ? outcome : text(facts['status']) });
    cost.inc({ kind }, amount(facts['cost']));
    if (facts['durationMs'] !== undefined) stepSeconds.observe({ kind }, amount(facts['durationMs']) / 1_000);
  };
  return {
    'run.queued': (facts) => queued.inc({ trigger: text(facts['trigger']) }),
    'run.started': () => started.inc(),
    'run.finished': (facts) => {
      const status = text(facts['status']);
      runs.inc({ status });
      if (facts['durationMs'] !== undefined) runSeconds.observe({ status }, amount(facts['durationMs']) / 1_000);
    },
    'step.completed': stepEnded('completed'),
    'step.failed': stepEnded('failed'),
    'step.unknown': stepEnded('unknown'),
    'step.attempt_failed': (facts) => attempts.inc({ code: text(facts['code']) }),
    'approval.asked': () => approvals.inc({ outcome: 'asked' }),
    'approval.decided': ({ decision }) => approvals.inc({ outcome: text(decision) }),
    'approval.expired': () => approvals.inc({ outcome: 'expired' }),
    'budget.exceeded': () => exceeded.inc(),
    'fire.ran': () => fires.inc({ outcome: 'ran' }),
    'fire.caught_up': () => fires.inc({ outcome: 'caught_up' }),
    'fire.skipped': () => fires.inc({ outcome: 'skipped' }),
    'memory.recovered': ({ source, ms }) => recoveries.observe({ source: text(source) }, amount(ms) / 1_000),
    'notification.sent': () => messages.inc({ outcome: 'sent' }),
    'notification.failed': () => messages.inc({ outcome: 'failed' }),
  };
}
