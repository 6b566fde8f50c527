import { type ConstructorOptions, type Job, PgBoss } from 'pg-boss';
import { isOutage } from '../database/availability.ts';
import { sqlError } from '../database/sql.ts';
import type { Logger } from '../shared/logger.ts';

export interface RunQueueDependencies {
  /** Where the queue lives: a connection string, or the embedded database. */
  connection: ConstructorOptions;
  /** Takes a run as far as it goes; resolves when this process has let go of it. */
  execute(runId: string): Promise<void>;
  maxConcurrentRuns: number;
  logger: Logger;
}

const QUEUE = 'runs';
/** Of each run at most one job waits to be fetched; the run's id is the key. */
const POLICY = 'short';
/** Finished jobs are only wake-up calls; nothing is lost when they go. */
const KEEP_JOBS_SECONDS = 3_600;
const POLL_SECONDS = 2;
const BATCH = 50;

/**
 * Hands runs to workers through pg-boss. A job is a wake-up call and no more: the run row with its lease says whether there is
 * work, so a job that is lost or delivered twice does no harm. A handler gives its runs to this process' own slots
 * and returns, so a slow run never holds up the others of its batch.
 */
export class RunQueue {
  readonly #deps: RunQueueDependencies;
  readonly #boss: PgBoss;
  readonly #running = new Set<Promise<void>>();
  #waiting: (() => void)[] = [];
  #up = false;
  /** Whether the absence of the queue's database has been told. */
  #away = false;

  constructor(dependencies: RunQueueDependencies) {
    this.#deps = dependencies;
    this.#boss = new PgBoss({ ...dependencies.connection, useListenNotify: true, schedule: false });
    this.#boss.on('error', (error) => this.#tell('The queue reported a fault', error));
  }

  /** Whether jobs in hand wait for a slot already, so that more of them would do nothing here. */
  get busy(): boolean {
    return this.#waiting.length > 0;
  }

  async start(): Promise<void> {
    await this.#boss.start();
    await this.#makeQueue();
    // Before there is a worker: its first batch may come at once.
    this.#up = true;
    await this.#boss.work<{ runId: string }>(
      QUEUE,
      { batchSize: BATCH, pollingIntervalSeconds: POLL_SECONDS, notifyPollingIntervalSeconds: POLL_SECONDS },
      (jobs: Job<{ runId: string }>[]) => this.#take(jobs),
    );
  }

  /** Wakes a worker for this run, unless a job for it waits already. A failure is logged only: the sweep finds the run again. */
  enqueue(runId: string): Promise<void> {
    return this.enqueueAll([runId]);
  }

  /** The same for many runs, in one statement. */
  async enqueueAll(runIds: readonly string[]): Promise<void> {
    if (runIds.length === 0) return;
    try {
      await this.#boss.insert(
        QUEUE,
        runIds.map((runId) => ({ data: { runId }, singletonKey: runId })),
      );
      this.#away = false;
    } catch (error) {
      this.#tell('Runs could not be put into the queue; the sweep will find them', error, { runIds });
    }
  }

  /** Resolves when the queue is running and its database answers. */
  async ping(): Promise<void> {
    if (!this.#up) throw new Error('The queue is not running.');
    if (!(await this.#boss.getQueue(QUEUE))) throw new Error('The queue is not in its database.');
    this.#away = false;
  }

  /** Takes no more jobs. Runs in flight are the orchestrator's to end. */
  async stop(): Promise<void> {
    this.#up = false;
    for (const go of this.#waiting.splice(0)) go();
    await this.#boss.stop({ graceful: false, close: true });
  }

  /**
   * The policy of a queue cannot be changed, so one made with another is made anew. That loses its jobs, which is harmless: the
   * sweep wakes workers for their runs again.
   */
  async #makeQueue(): Promise<void> {
    const existing = await this.#boss.getQueue(QUEUE);
    if (existing && existing.policy !== POLICY) await this.#boss.deleteQueue(QUEUE);
    await this.#boss.createQueue(QUEUE, {
      policy: POLICY,
      notify: true,
      retryLimit: 0,
      expireInSeconds: KEEP_JOBS_SECONDS,
      deleteAfterSeconds: KEEP_JOBS_SECONDS,
    });
  }

  async #take(jobs: Job<{ runId: string }>[]): Promise<void> {
    this.#away = false;
    for (const job of jobs) {
      while (this.#up && this.#running.size >= this.#deps.maxConcurrentRuns)
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      // What is not launched here stays queued in its row.
      if (!this.#up) return;
      this.#launch(job.data.runId);
    }
  }

  /** An absence of the database is told once: workers poll, and each poll would tell it again. */
  #tell(message: string, error: unknown, facts: Record<string, unknown> = {}): void {
    if (!isOutage(sqlError(error))) {
      this.#deps.logger.warn(message, { ...facts, error });
      return;
    }
    if (!this.#away && this.#up) this.#deps.logger.warn("The queue's database cannot be reached", { error });
    this.#away = true;
  }

  #launch(runId: string): void {
    const work = this.#deps
      .execute(runId)
      .catch((error: unknown) => {
        if (!isOutage(error))
          this.#deps.logger.warn('A run could not be taken up; the sweep will try again', { runId, error });
      })
      .finally(() => {
        this.#running.delete(work);
        this.#waiting.shift()?.();
      });
    this.#running.add(work);
  }
}
