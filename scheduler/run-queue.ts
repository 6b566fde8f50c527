import { type ConstructorOptions, type Job, PgBoss } from 'pg-boss';
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

  constructor(dependencies: RunQueueDependencies) {
    this.#deps = dependencies;
    this.#boss = new PgBoss({ ...dependencies.connection, useListenNotify: true, schedule: false });
    this.#boss.on('error', (error) => dependencies.logger.warn('The queue reported a fault', { error }));
  }

  /** Whether the queue has been started and not stopped. */
  get up(): boolean {
    return this.#up;
  }

  /** How many runs this process is working on. */
  get active(): number {
    return this.#running.size;
  }

  async start(): Promise<void> {
    await this.#boss.start();
    await this.#boss.createQueue(QUEUE, {
      notify: true,
      retryLimit: 0,
      expireInSeconds: KEEP_JOBS_SECONDS,
      deleteAfterSeconds: KEEP_JOBS_SECONDS,
    });
    await this.#boss.work<{ runId: string }>(
      QUEUE,
      { batchSize: BATCH, pollingIntervalSeconds: POLL_SECONDS, notifyPollingIntervalSeconds: POLL_SECONDS },
      (jobs: Job<{ runId: string }>[]) => this.#take(jobs),
    );
    this.#up = true;
  }

  /** Wakes a worker for this run. A failure is logged only: the sweep finds the run again. */
  async enqueue(runId: string): Promise<void> {
    try {
      await this.#boss.send(QUEUE, { runId });
    } catch (error) {
      this.#deps.logger.warn('A run could not be put into the queue; the sweep will find it', { runId, error });
    }
  }

  /** Takes no more jobs. Runs in flight are the orchestrator's to end. */
  async stop(): Promise<void> {
    this.#up = false;
    for (const go of this.#waiting.splice(0)) go();
    await this.#boss.stop({ graceful: false, close: true });
  }

  async #take(jobs: Job<{ runId: string }>[]): Promise<void> {
    for (const job of jobs) {
      while (this.#up && this.#running.size >= this.#deps.maxConcurrentRuns)
        await new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (!this.#up && this.#running.size > 0) return;
      this.#launch(job.data.runId);
    }
  }

  #launch(runId: string): void {
    const work = this.#deps
      .execute(runId)
      .catch((error: unknown) =>
        this.#deps.logger.warn('A run could not be taken up; the sweep will try again', { runId, error }),
      )
      .finally(() => {
        this.#running.delete(work);
        this.#waiting.shift()?.();
      });
    this.#running.add(work);
  }
}
