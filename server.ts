import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { hostname } from 'node:os';
import { createApp } from './api/app.ts';
import { answerClientError } from './api/client-error.ts';
import { createMetrics } from './api/metrics.ts';
import { BudgetLedger } from './budget/ledger.ts';
import { Journal } from './database/journal.ts';
import { openDatabase } from './database/open.ts';
import { Dispatcher } from './notifications/dispatcher.ts';
import { campaignResumed } from './notifications/messages.ts';
import { Orchestrator } from './orchestrator.ts';
import { LeaseKeeper } from './runs/lease-keeper.ts';
import { RunControl } from './runs/run-control.ts';
import { CampaignControl } from './scheduler/campaign-control.ts';
import { CampaignFiles } from './scheduler/campaign-files.ts';
import { CronScheduler } from './scheduler/cron-scheduler.ts';
import { Recovery } from './scheduler/recovery.ts';
import { RunQueue } from './scheduler/run-queue.ts';
import { systemClock } from './shared/clock.ts';
import { type Config, loadConfig } from './shared/config.ts';
import { AppError, ValidationError } from './shared/errors.ts';
import { logEvents } from './shared/event-log.ts';
import { EventBus } from './shared/events.ts';
import { newId } from './shared/ids.ts';
import { type Logger, makeLogger, secretsOf } from './shared/logger.ts';
import { originPolicy } from './shared/origins.ts';
import { makeEngineClient } from './steps/engine-client.ts';

/** After these events there may be messages to send. */
const TELLING: ReadonlySet<string> = new Set(['run.finished', 'run.waiting', 'step.unknown', 'campaign.resumed']);

/** How long a stop waits for answers that are on their way, in milliseconds. */
const HTTP_GRACE_MS = 5_000;

/**
 * Puts the service together and starts it: configuration → database → queue → scheduler → HTTP. What was started is stopped in
 * reverse order when the returned stack is disposed: first nothing new comes in, then runs in flight end or are abandoned,
 * then the database closes.
 */
async function startService(config: Config, logger: Logger): Promise<AsyncDisposableStack> {
  await using starting = new AsyncDisposableStack();
  const clock = systemClock;
  const events = new EventBus();
  starting.defer(logEvents(events, logger));
  const publicUrl =
    config.publicUrl ?? `http://${config.host.includes(':') ? `[${config.host}]` : config.host}:${config.port}`;
  const worker = `${hostname()}/${process.pid}/${newId()}`;

  const database = await openDatabase(config, { logger, events });
  starting.defer(() => database.close());
  const { records } = database;
  const queueDepth = () => records.count('campaign_runs', [{ column: 'status', op: 'eq', value: 'queued' }]);
  const metrics = createMetrics(events, { queueDepth });
  const origins = originPolicy(config);
  const http = makeEngineClient({ origins, maxResponseBytes: config.maxEngineResponseBytes, clock });
  starting.defer(() => http.close());

  const dispatcher = new Dispatcher({ records, clock, events, logger, config });
  starting.defer(() => dispatcher.stop());
  const shared = { records, clock, events, logger, worker, leaseMs: config.leaseMs, publicUrl, config };
  const ledger = new BudgetLedger({ records, clock, globalDailyLimit: config.globalDailyBudget });
  const enqueue = (runId: string) => queue.enqueue(runId);
  const orchestrator = new Orchestrator({
    ...shared,
    http,
    enqueue,
    journal: new Journal(records),
    ledger,
  });
  const queue = new RunQueue({
    connection: database.boss,
    execute: (runId) => orchestrator.execute(runId),
    maxConcurrentRuns: config.maxConcurrentRuns,
    logger,
  });
  const keeper = new LeaseKeeper({
    ...shared,
    held: () => [...orchestrator.sessions.keys()],
    onLost: (runId) => orchestrator.fence(runId),
    onCancel: (runId, reason) => orchestrator.cancel(runId, reason),
  });
  const recovery = new Recovery({ ...shared, queue });
  const environment = { origins, engines: config.engines, referenceNames: Object.keys(config.references) };
  const campaigns = new CampaignControl({ ...shared, environment });
  const files = new CampaignFiles({ ...shared, campaigns, environment, folder: config.campaignsDir });
  const scheduler = new CronScheduler({
    ...shared,
    enqueue,
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

  if (database.kind === 'embedded') await recovery.voidLeases();
  keeper.start();
  starting.defer(() => keeper.stop());
  starting.defer(() => orchestrator.stop(config.stopGraceMs));
  await queue.start();
  starting.defer(() => queue.stop());
  recovery.start();
  starting.defer(() => recovery.stop());
  dispatcher.start();
  starting.defer(events.subscribe(({ type }) => TELLING.has(type) && dispatcher.wake()));
  await files.start();
  starting.defer(() => files.stop());
  scheduler.start();
  starting.defer(() => scheduler.stop());

  const stopping = new AbortController();
  const ready = async () => {
    const reachable = await records.ping().then(
      () => true,
      () => false,
    );
    const checks = [
      { name: 'database', ok: reachable, ...(reachable ? {} : { message: 'The database does not answer.' }) },
      { name: 'queue', ok: true },
    ];
    return { ready: checks.every((check) => check.ok), checks };
  };
  const app = createApp({
    ...shared,
    campaigns,
    runs,
    metrics,
    environment,
    budget: ledger,
    health: { ready },
    stopping: stopping.signal,
  });
  const server = createServer(app).on('clientError', answerClientError).listen(config.port, config.host);
  await once(server, 'listening');
  starting.defer(() => stopServer(server));
  starting.defer(() => stopping.abort());
  logger.info('Service ready', { url: publicUrl, database: database.kind, campaigns: config.campaignsDir });
  return starting.move();
}

/** Accepts nothing new, lets answers on their way go out, then closes what is left. */
async function stopServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  const idle = setInterval(() => server.closeIdleConnections(), 50);
  const last = setTimeout(() => server.closeAllConnections(), HTTP_GRACE_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(last);
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

async function main(): Promise<void> {
  const config = loadConfig();
  const logger = makeLogger(config, secretsOf(config));
  if (config.hostRefused)
    logger.warn('HOST is ignored: without API_KEYS the service listens on loopback only', { host: config.hostRefused });
  await using service = await startService(config, logger);
  void service;
  // Only now: a signal during the start ends the process at once, and the next start repairs what there is to repair.
  const stop = new Promise<string>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
    for (const fault of ['uncaughtException', 'unhandledRejection'] as const)
      process.on(fault, (error: unknown) => {
        logger.error('Unforeseen fault, stopping', { fault, error });
        process.exitCode = 1;
        resolve(fault);
      });
  });
  const reason = await stop;
  logger.info('Service stopping', { reason });
}

try {
  await main();
} catch (error) {
  reportStartFailure(error);
}
