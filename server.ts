import { createApp } from './api/app.ts';
import { countBriefs } from './api/brief-metrics.ts';
import { createMetrics } from './api/metrics.ts';
import { showModel } from './api/model-metrics.ts';
import { linkHost, stopServer, takePort } from './api/port.ts';
import { readiness } from './api/readiness.ts';
import { BudgetLedger } from './budget/ledger.ts';
import { Claims } from './database/claims.ts';
import { Journal } from './database/journal.ts';
import { type Database, openDatabase } from './database/open.ts';
import { modelAnswers } from './database/queries/model-answers.ts';
import { campaignsOfActive } from './database/queries/runs.ts';
import type { Records } from './database/records.ts';
import { ServerClock } from './database/server-clock.ts';
import { Dispatcher } from './notifications/dispatcher.ts';
import { tellOfKpis } from './notifications/kpi-messages.ts';
import { campaignResumed } from './notifications/messages.ts';
import { AuditCatchUp } from './generation/briefs/audit-catch-up.ts';
import { BriefControl } from './generation/briefs/brief-control.ts';
import type { Model } from './generation/model.ts';
import { makeModel } from './generation/model-layer.ts';
import { templates } from './generation/rules/templates.ts';
import { KnowledgeBase } from './knowledge/knowledge-base.ts';
import { localEmbedder } from './knowledge/local-embedder.ts';
import { modelEmbedder } from './knowledge/model-embedder.ts';
import { RedisCache } from './knowledge/memory/redis-cache.ts';
import { SessionMemory } from './knowledge/memory/session-memory.ts';
import { KpiDesk } from './moves/kpi/kpi-desk.ts';
import { KpiMonitor } from './moves/kpi/monitor.ts';
import { DecisionLog } from './moves/decisions/decision-log.ts';
import { planEditChecks } from './moves/edit-checks.ts';
import { MoveControl } from './moves/move-control.ts';
import { pivotTemplates } from './moves/pivots/write-pivot.ts';
import { PlanControl } from './moves/plan-control.ts';
import { PlanKeeper } from './moves/plan-keeper.ts';
import { makePlanning } from './moves/planning.ts';
import { planningTemplates } from './moves/rules/templates.ts';
import { toolTemplates } from './moves/tools/plan-tools.ts';
import { makeToolbox } from './moves/tools/registry.ts';
import { Orchestrator } from './orchestrator.ts';
import { ApprovalDesk } from './runs/approvals/approval-desk.ts';
import { ApprovalKeeper } from './runs/approvals/approval-keeper.ts';
import { checkStepEdits } from './runs/approvals/edits.ts';
import { EngineGate } from './runs/engine-gate.ts';
import { leaseTimes } from './runs/lease.ts';
import { LeaseKeeper } from './runs/lease-keeper.ts';
import { RunControl } from './runs/run-control.ts';
import { isGone, workerName } from './runs/worker-name.ts';
import { CampaignControl } from './scheduler/campaign-control.ts';
import { CampaignFiles } from './scheduler/campaign-files.ts';
import { CronScheduler } from './scheduler/cron-scheduler.ts';
import { Recovery } from './scheduler/recovery.ts';
import { Retention } from './scheduler/retention.ts';
import { RunQueue } from './scheduler/run-queue.ts';
import { type Clock, systemClock } from './shared/clock.ts';
import { type Config, loadConfig } from './shared/config.ts';
import { AppError, ValidationError } from './shared/errors.ts';
import { logEvents } from './shared/event-log.ts';
import { EventBus } from './shared/events.ts';
import { type Logger, makeLogger, secretsOf } from './shared/logger.ts';
import { originPolicy } from './shared/origins.ts';
import { outliveReaders, stopRequest } from './shared/process.ts';
import { makeEngineClient } from './steps/engine-client.ts';

/** After these events there may be messages to send. */
const TELLING: ReadonlySet<string> = new Set([
  'run.finished',
  'run.waiting',
  'step.unknown',
  'campaign.resumed',
  'kpi.changed',
]);

/** What the offline writer can write. */
const OFFLINE_WRITER = { ...templates, ...planningTemplates, ...pivotTemplates, ...toolTemplates };

/** What every part is given. */
interface Ground {
  config: Config;
  logger: Logger;
  clock: Clock;
  events: EventBus;
  worker: string;
  leaseMs: number;
  publicUrl: string;
}

/**
 * Puts the service together and starts it: configuration → port → database → queue → scheduler → HTTP. The port comes first, so
 * that a second process started by mistake ends before it touches a run. What was started is stopped in reverse order
 * when the returned stack is disposed: first nothing new comes in, then runs in flight end or are abandoned, then the
 * database closes.
 */
async function startService(config: Config, logger: Logger): Promise<AsyncDisposableStack> {
  await using starting = new AsyncDisposableStack();
  const events = new EventBus();
  starting.defer(logEvents(events, logger));
  const door = await takePort(config);
  starting.defer(() => stopServer(door.server));
  const ground: Ground = {
    config,
    logger,
    clock: systemClock,
    events,
    worker: workerName(),
    leaseMs: config.leaseMs,
    publicUrl: config.publicUrl ?? `http://${linkHost(config.host)}:${door.port}`,
  };
  const database = await openDatabase(config, { logger, events });
  starting.defer(() => database.close());
  ground.clock = await databaseTime(database.records, logger, starting);
  const parts = makeParts(ground, database, starting);
  await startParts(parts, ground, database, starting);

  const stopping = new AbortController();
  door.open(createApp({ ...ground, ...parts, records: database.records, stopping: stopping.signal }));
  starting.defer(() => stopServer(door.server));
  starting.defer(() => stopping.abort());
  logger.info('Service ready', { url: ground.publicUrl, database: database.kind, campaigns: config.campaignsDir });
  return starting.move();
}

/** The one clock of all machines on this database. */
async function databaseTime(records: Records, logger: Logger, stack: AsyncDisposableStack): Promise<Clock> {
  const clock = new ServerClock({ base: systemClock, records, logger });
  await clock.ask();
  stack.defer(() => clock.stop());
  clock.start();
  return clock;
}

/** Makes every part and ties them together; starts none. */
function makeParts(ground: Ground, database: Database, stack: AsyncDisposableStack) {
  const { config, clock, events, logger, publicUrl } = ground;
  const { records } = database;
  const shared = { ...ground, records };
  const queueDepth = () => records.count('campaign_runs', [{ column: 'status', op: 'eq', value: 'queued' }]);
  const pendingApprovals = () => records.count('approvals', [{ column: 'state', op: 'eq', value: 'pending' }]);
  const metrics = createMetrics(events, { queueDepth, pendingApprovals });
  countBriefs(metrics, events, () => clock.now());
  const origins = originPolicy(config);
  const toolbox = makeToolbox(config, { records, clock, origins });
  stack.defer(() => toolbox.close());
  const http = makeEngineClient({ origins, maxResponseBytes: config.maxEngineResponseBytes, clock });
  stack.defer(() => http.close());
  const model = makeModel(config.model, {
    clock,
    logger,
    templates: OFFLINE_WRITER,
    store: modelAnswers(records, clock),
  });
  stack.defer(() => model.close());
  showModel(metrics, () => model.stats());
  const gone = (worker: string) => isGone(worker, ground.worker);
  const budget = new BudgetLedger({ records, clock, globalDailyLimit: config.globalDailyBudget });
  const enqueue = (runId: string) => queue.enqueue(runId);
  const claims = new Claims({ ...shared, validMs: leaseTimes(ground.leaseMs).validMs });
  const dispatcher = new Dispatcher(shared);
  const forApprovals = { ...shared, enqueue, onMessages: () => dispatcher.wake() };
  const approvalKeeper = new ApprovalKeeper(forApprovals);
  const approvals = new ApprovalDesk({
    ...forApprovals,
    checks: { step: checkStepEdits, ...planEditChecks },
    wake: () => approvalKeeper.wake(),
  });
  const knowledge = new KnowledgeBase({ ...shared, ...embeddersOf(config.model, model), isGone: gone });
  const kpis = new KpiDesk(shared);
  const planning = makePlanning({
    ...shared,
    knowledge,
    kpis,
    toolbox,
    pool: database.checkpoints,
    decisions: new DecisionLog(shared),
    monitor: new KpiMonitor({
      ...shared,
      ...config,
      origins,
      tell: tellOfKpis({ ...shared, slackConfigured: config.slackWebhookUrl !== null }),
    }),
  });
  const gate = new EngineGate(config.engineConcurrency);
  const orchestrator = new Orchestrator({
    ...shared,
    http,
    model,
    enqueue,
    planning,
    approvals,
    journal: new Journal(records),
    claims,
    gate,
    ledger: budget,
  });
  const queue = new RunQueue({
    connection: database.boss,
    execute: (runId, park) => orchestrator.execute(runId, park),
    campaignsOf: (runIds) => campaignsOfActive(records, runIds),
    maxConcurrentRuns: config.maxConcurrentRuns,
    logger,
  });
  const keeper = new LeaseKeeper({
    ...shared,
    claims,
    held: () => [...orchestrator.sessions.keys()],
    onKept: (runId, untilMs) => orchestrator.kept(runId, untilMs),
    onLost: (runId) => orchestrator.fence(runId),
    onCancel: (runId, reason) => orchestrator.cancel(runId, reason),
  });
  const environment = {
    origins,
    engines: config.engines,
    referenceNames: Object.keys(config.references),
    approvalGroups: Object.keys(config.approvalGroups),
  };
  const campaigns = new CampaignControl({ ...shared, environment });
  const scheduler = new CronScheduler({
    ...shared,
    enqueue: (runId) => queue.enqueueNew(runId),
    onCrowd: (crowded) => gate.crowd(crowded),
    onResumed: (resumed) =>
      campaignResumed({
        ...resumed,
        slackConfigured: config.slackWebhookUrl !== null,
        publicUrl,
        nowMs: clock.now(),
      }),
  });
  const runs = new RunControl({
    ...shared,
    enqueue,
    cancelHeld: (runId, reason) => orchestrator.cancel(runId, reason),
  });
  const cache = config.redisUrl === null ? undefined : new RedisCache({ ...shared, url: config.redisUrl });
  return {
    metrics,
    budget,
    orchestrator,
    queue,
    keeper,
    environment,
    campaigns,
    scheduler,
    dispatcher,
    approvals,
    approvalKeeper,
    recovery: new Recovery({
      ...shared,
      queue,
      ...leaseTimes(ground.leaseMs),
      isGone: gone,
    }),
    retention: new Retention(shared),
    files: new CampaignFiles({ ...shared, campaigns, environment, folder: config.campaignsDir }),
    runs,
    briefs: new BriefControl({ records, runs, knowledge, clock }),
    auditCatchUp: new AuditCatchUp({ ...shared, runs }),
    cache,
    knowledge,
    memory: new SessionMemory({ ...shared, cache }),
    kpis,
    plans: new PlanControl({ ...shared, runs, origins }),
    planKeeper: new PlanKeeper(shared),
    moves: new MoveControl(shared),
    health: { ready: readiness(records, queue, clock) },
  };
}

/** The model that a provider embeds with, and the built-in one, which is wanted where there is no other and answers until then. */
function embeddersOf({ provider, embedding, embeddingDimensions: dimensions }: Config['model'], model: Model) {
  const builtIn = localEmbedder();
  if (provider === 'rules') return { embedder: builtIn };
  return { embedder: modelEmbedder(model, { model: embedding, dimensions }), formerEmbedders: [builtIn] };
}

type Parts = ReturnType<typeof makeParts>;

/** Starts the parts in the order in which they need each other, and puts their ends on the stack. */
async function startParts(
  parts: Parts,
  ground: Ground,
  database: Database,
  stack: AsyncDisposableStack,
): Promise<void> {
  const { orchestrator, queue, keeper, recovery, retention, dispatcher, files, scheduler, auditCatchUp, cache } = parts;
  stack.defer(() => cache?.stop());
  cache?.start();
  stack.defer(() => dispatcher.stop());
  if (database.kind === 'embedded') await recovery.voidLeases();
  stack.defer(() => keeper.stop());
  keeper.start();
  stack.defer(() => queue.stop());
  stack.defer(() => orchestrator.stop(ground.config.stopGraceMs));
  stack.defer(() => queue.quiet());
  await queue.start();
  stack.defer(() => recovery.stop());
  recovery.start();
  dispatcher.start();
  stack.defer(ground.events.subscribe(({ type }) => TELLING.has(type) && dispatcher.wake()));
  stack.defer(() => files.stop());
  await files.start();
  stack.defer(() => scheduler.stop());
  scheduler.start();
  stack.defer(() => retention.stop());
  retention.start();
  stack.defer(() => parts.approvalKeeper.stop());
  parts.approvalKeeper.start();
  stack.defer(() => parts.planKeeper.stop());
  parts.planKeeper.start();
  stack.defer(() => auditCatchUp.stop());
  auditCatchUp.start();
  stack.defer(() => parts.knowledge.stop());
  parts.knowledge.start();
}

/** Says what keeps the service from starting, without a stack where the operator can mend it. */
function reportStartFailure(error: unknown): void {
  const write = (text: string) => process.stderr.write(`${text}\n`);
  if (error instanceof ValidationError)
    for (const { path, message, mend } of error.details) write(`${path}: ${message}${mend ? ` (${mend})` : ''}`);
  else if (error instanceof AppError) write(`${error.message} [${error.code}]`);
  else if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')
    write('The port is in use by another process; set PORT to a free one. [EADDRINUSE]');
  else write(error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.exitCode = 1;
}

async function start(): Promise<{ service: AsyncDisposableStack; logger: Logger } | null> {
  try {
    const config = loadConfig();
    outliveReaders();
    const logger = makeLogger(config, secretsOf(config));
    if (config.hostRefused)
      logger.warn('HOST is ignored: without API_KEYS the service listens on loopback only', {
        host: config.hostRefused,
      });
    return { service: await startService(config, logger), logger };
  } catch (error) {
    reportStartFailure(error);
    return null;
  }
}

const started = await start();
if (started) {
  const { service, logger } = started;
  // Only now: a signal during the start ends the process at once, and the next start repairs what there is to repair.
  logger.info('Service stopping', { reason: await stopRequest(logger) });
  try {
    await service.disposeAsync();
  } catch (error) {
    logger.error('The service did not stop cleanly; the next start repairs what there is to repair', { error });
    process.exitCode = 1;
  }
}
