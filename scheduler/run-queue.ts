import { type ConstructorOptions, type Job, PgBoss } from 'pg-boss';
import { isOutage } from '../database/availability.ts';
import { Batch } from '../database/batch.ts';
import { sqlError } from '../database/sql.ts';
import { systemClock } from '../shared/clock.ts';
import { FairSlots } from '../shared/fair-slots.ts';
import type { Logger } from '../shared/logger.ts';
import { jobsOfNew, jobsOfWoken, RUNS_A_JOB, runsOf, type WakeUp, type WakeUpJob } from './wake-ups.ts';

export interface RunQueueDependencies {
  /** Where the queue lives: a connection string, or the embedded database. */
  connection: ConstructorOptions;
  /**
   * Takes a run as far as it goes; resolves when this process has let go of it. `park` gives its slot away before that, for a
   * run that waits for something which others do not need.
   */
  execute(runId: string, park: () => void): Promise<void>;
  /** The campaigns of those runs that still need a worker. */
  campaignsOf(runIds: readonly string[]): Promise<Map<string, string>>;
  maxConcurrentRuns: number;
  logger: Logger;
}

const QUEUE = 'runs';
/** Of the same runs at most one job waits to be fetched; their ids are the key. A run that is woken again gets a job of its own. */
const POLICY = 'short';
/** Finished jobs are only wake-up calls; nothing is lost when they go. */
const KEEP_JOBS_SECONDS = 3_600;
const POLL_SECONDS = 2;
/** Jobs that are fetched at a time. */
const BATCH = 50;
/** So many fetched runs stand in line here for each slot before more are fetched; the others are left to other replicas. */
const LINE_PER_SLOT = 2;
/** But so many at least: what is not in line has no turn, whosever it is. */
const LEAST_LINE = BATCH * RUNS_A_JOB;
/** How long a stop waits for jobs that are just being fetched to be given back, in milliseconds. */
const LAST_JOBS_MS = 2_000;
/** Parked runs at most, for each slot, and at least: beyond that they keep their slots, so that memory stays bounded. */
const PARKED_PER_SLOT = 20;
const LEAST_PARKED = 1_000;

/**
 * Hands runs to workers through pg-boss. A job is a wake-up call and no more: the run row with its lease says whether there is
 * work, so a job that is lost or delivered twice does no harm. A handler puts its runs in line for this process' own slots,
 * which go round the campaigns, and returns: a slow run never holds up the others of its batch.
 */
export class RunQueue {
  readonly #deps: RunQueueDependencies;
  readonly #boss: PgBoss;
  readonly #slots: FairSlots;
  readonly #inserting: Batch<string, void>;
  readonly #starting: Batch<string, void>;
  /** In line or under way in this process. */
  readonly #here = new Set<string>();
  /** Of those, the ones for which another job came meanwhile. */
  readonly #again = new Set<string>();
  #parked = 0;
  #room = Promise.withResolvers<void>();
  /** Aborts when no more runs are to be taken up. */
  readonly #quiet = new AbortController();
  /** Resolves when no more jobs are fetched, those of the last batch dealt with. */
  #fetched: Promise<void> = Promise.resolve();
  #inserted: Promise<void> = Promise.resolve();
  #up = false;
  /** Whether the absence of the queue's database has been told. */
  #away = false;

  constructor(dependencies: RunQueueDependencies) {
    this.#deps = dependencies;
    this.#slots = new FairSlots(dependencies.maxConcurrentRuns);
    this.#boss = new PgBoss({ ...dependencies.connection, useListenNotify: true, schedule: false });
    this.#boss.on('error', (error) => this.#tell('The queue reported a fault', error));
    this.#inserting = new Batch((runIds) => this.#insert(runIds, jobsOfWoken(runIds)));
    this.#starting = new Batch((runIds) => this.#insert(runIds, jobsOfNew(runIds)));
  }

  /** Whether runs stand in line for a slot already, so that more jobs would do nothing here. */
  get busy(): boolean {
    return this.#slots.waiting > 0;
  }

  async start(): Promise<void> {
    await this.#boss.start();
    await this.#makeQueue();
    // Before there is a worker: its first batch may come at once.
    this.#up = true;
    await this.#boss.work<WakeUp>(
      QUEUE,
      {
        batchSize: BATCH,
        pollingIntervalSeconds: POLL_SECONDS,
        notifyPollingIntervalSeconds: POLL_SECONDS,
        // Of a backlog, batch after batch without a pause between them.
        burstWhenBatchFull: true,
      },
      (jobs: Job<WakeUp>[]) => this.#take(jobs),
    );
  }

  /** Wakes a worker for this run, unless a job for it waits already. A failure is logged only: the sweep finds the run again. */
  enqueue(runId: string): Promise<void> {
    return (this.#inserted = this.#inserting.add(runId));
  }

  /** The same for a run that has just been made; many of them share jobs. */
  enqueueNew(runId: string): Promise<void> {
    return (this.#inserted = this.#starting.add(runId));
  }

  /** The same as {@link enqueue} for many runs. */
  async enqueueAll(runIds: readonly string[]): Promise<void> {
    await Promise.all(runIds.map((runId) => this.enqueue(runId)));
  }

  async #insert(runIds: readonly string[], jobs: WakeUpJob[]): Promise<void[]> {
    try {
      if (!this.#up) return runIds.map(() => undefined);
      await this.#boss.insert(QUEUE, jobs);
      this.#away = false;
    } catch (error) {
      this.#tell('Runs could not be put into the queue; the sweep will find them', error, { runIds });
    }
    return runIds.map(() => undefined);
  }

  /** Resolves when the queue is running and its database answers. */
  async ping(): Promise<void> {
    if (!this.#up) throw new Error('The queue is not running.');
    if (!(await this.#boss.getQueue(QUEUE))) throw new Error('The queue is not in its database.');
    this.#away = false;
  }

  /**
   * Takes up no more runs; those in line are left to other workers, and so are those that are handed over from now on: fetched here,
   * they would be lost to the others until their sweep. Runs under way are the orchestrator's to end.
   */
  quiet(): void {
    if (this.#quiet.signal.aborted) return;
    this.#quiet.abort();
    this.#room.resolve();
    this.#fetched = this.#boss.offWork(QUEUE).catch(() => undefined);
  }

  /** Ends the connection to the queue. */
  async stop(): Promise<void> {
    this.quiet();
    const waited = new AbortController();
    const given = this.#fetched.then(() => this.#inserted);
    await Promise.race([given, systemClock.sleep(LAST_JOBS_MS, waited.signal).catch(() => undefined)]);
    waited.abort();
    this.#up = false;
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

  async #take(jobs: Job<WakeUp>[]): Promise<void> {
    this.#away = false;
    const runIds = runsOf(jobs);
    // One that is just ending here may need a worker again.
    for (const runId of runIds) if (this.#here.has(runId)) this.#again.add(runId);
    const fresh = runIds.filter((runId) => !this.#here.has(runId));
    // Without an answer, all take turns as one; whether they need a worker, the claim says.
    const campaigns = await this.#deps.campaignsOf(fresh).catch(() => new Map(fresh.map((runId) => [runId, ''])));
    const longest = Math.max(LEAST_LINE, LINE_PER_SLOT * this.#deps.maxConcurrentRuns);
    for (const [runId, campaignId] of inTurns(campaigns)) {
      while (!this.#quiet.signal.aborted && this.#slots.waiting >= longest) await this.#room.promise;
      if (this.#quiet.signal.aborted) return this.enqueueAll([...campaigns.keys()].filter((id) => !this.#here.has(id)));
      if (!this.#here.has(runId)) void this.#line(runId, campaignId);
    }
  }

  /** One run's way through this process: in line, under way, gone. */
  async #line(runId: string, campaignId: string): Promise<void> {
    this.#here.add(runId);
    let parked = false;
    try {
      const release = await this.#slots.take(campaignId, this.#quiet.signal);
      this.#room.resolve();
      this.#room = Promise.withResolvers<void>();
      const park = () => {
        const most = Math.max(LEAST_PARKED, PARKED_PER_SLOT * this.#deps.maxConcurrentRuns);
        if (parked || this.#parked >= most) return;
        parked = true;
        this.#parked += 1;
        release();
      };
      await this.#deps.execute(runId, park).finally(release);
    } catch (error) {
      if (this.#quiet.signal.aborted) void this.enqueue(runId);
      else if (!isOutage(error))
        this.#deps.logger.warn('A run could not be taken up; the sweep will try again', { runId, error });
    } finally {
      if (parked) this.#parked -= 1;
      this.#here.delete(runId);
      if (this.#again.delete(runId)) void this.enqueue(runId);
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
}

/** One run of each campaign in turn: the line is short, and a batch may be of one campaign but for its last. */
function inTurns(campaigns: ReadonlyMap<string, string>): [runId: string, campaignId: string][] {
  const turns = new Map<string, number>();
  const placed = [...campaigns].map(([runId, campaignId]) => {
    const turn = turns.get(campaignId) ?? 0;
    turns.set(campaignId, turn + 1);
    return { runId, campaignId, turn };
  });
  return placed.toSorted((a, b) => a.turn - b.turn).map(({ runId, campaignId }) => [runId, campaignId]);
}
