import { isOutage } from '../database/availability.ts';
import {
  cancelIngest,
  type FactListing,
  findIngest,
  knowledgeOverview,
  listFacts,
  type Overview as StoredOverview,
  presentFacts,
  type PresentedFact,
} from '../database/queries/knowledge.ts';
import type { Page } from '../database/queries/page.ts';
import type { Records } from '../database/records.ts';
import type { IngestRow } from '../database/tables-knowledge.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, NotFoundError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import type { Embedder } from './embedder.ts';
import { type IncomingFile, receiveFile } from './receive.ts';
import { Refinery } from './refinery.ts';
import { Search, type SearchAnswer, type SearchRequest } from './search.ts';
import { Vectors } from './vectors.ts';

export interface KnowledgeDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  events: EventBus;
  /** Names this process. */
  worker: string;
  /** How long what a worker holds is its own without being renewed, in milliseconds. */
  leaseMs: number;
  /** Whether a worker is known to be gone, so that its leases need not be waited for. */
  isGone(worker: string): boolean;
  /** Makes the vectors. */
  embedder: Embedder;
  /** Models of before, which answer for their vectors until those of `embedder` are complete. */
  formerEmbedders?: readonly Embedder[];
}

/** What there is, and whether the database can keep vectors. */
export type Overview = StoredOverview & { hasVectors: boolean };

/** Between two looks for work that another process left, in milliseconds. */
const LOOK_EVERY_MS = 1_000;
/** Between two looks for processes that are gone, in milliseconds. */
const SWEEP_EVERY_MS = 5_000;
const FACTS_A_FORGET = 1_000;

/**
 * What the business knows of itself: takes in files, makes facts of their lines, and finds facts by words and by meaning. The work goes
 * on in the background, in any process on the same database.
 */
export class KnowledgeBase {
  readonly #deps: KnowledgeDependencies;
  readonly #refinery: Refinery;
  readonly #vectors: Vectors;
  readonly #search: Search;
  readonly #refining: Repeater;
  readonly #embedding: Repeater;
  readonly #stopping = new AbortController();
  #hasVectors = false;
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(dependencies: KnowledgeDependencies) {
    const { records, clock, logger, embedder, formerEmbedders = [] } = dependencies;
    this.#deps = dependencies;
    this.#refinery = new Refinery(dependencies);
    this.#vectors = new Vectors({ ...dependencies, embedders: [embedder, ...formerEmbedders] });
    this.#search = new Search({
      records,
      clock,
      logger,
      embedderOf: (space) => this.#vectors.embedderOf(space),
      isPossible: () => this.#canEmbed(),
    });
    const onFailure = (error: unknown) =>
      isOutage(error) ||
      this.#stopping.signal.aborted ||
      logger.warn('Work on the knowledge base failed; it will be repeated', { error });
    const repeat = (round: () => Promise<unknown>) => new Repeater(round, { clock, everyMs: LOOK_EVERY_MS, onFailure });
    this.#refining = repeat(() => this.refine());
    this.#embedding = repeat(() => this.embed());
  }

  /** Begins the work in the background. */
  start(): void {
    this.#refining.start();
    this.#embedding.start();
  }

  /** Ends the work between two steps, and leaves the rest to whoever comes next. */
  async stop(): Promise<void> {
    const { records, worker, clock, embedder, formerEmbedders = [] } = this.#deps;
    this.#stopping.abort(new Error('The service stops.'));
    await Promise.all([this.#refining.stop(), this.#embedding.stop()]);
    await Promise.all([embedder, ...formerEmbedders].map(async (each) => each.close?.()));
    await records
      .call('knowledge_release', { p_workers: [worker], p_now: iso(clock.now()) })
      .catch((error: unknown) => this.#deps.logger.warn('Leases of the knowledge base lapse by themselves', { error }));
  }

  /**
   * Takes in a file; resolves when all its lines are in the records, and facts are made of them in the background.
   * @throws {AppError} KNOWLEDGE_TOO_LARGE (413), VALIDATION_FAILED for a file without a line, KNOWLEDGE_CANCELLED (409); what the
   *   body's iterator throws. Nothing of the file is then kept.
   */
  async receive(file: IncomingFile, body: AsyncIterable<Uint8Array>): Promise<IngestRow> {
    const row = await receiveFile(file, body, this.#deps);
    this.#deps.events.emit('knowledge.received', { ingestId: row.id, name: row.name, lines: row.lines });
    this.#refining.wake();
    return row;
  }

  /**
   * Stops the work on a file; the facts that were made stay.
   * @throws {NotFoundError} @throws {ConflictError} KNOWLEDGE_FINISHED
   */
  async cancel(id: string, reason: string | null): Promise<void> {
    const { records, clock, events } = this.#deps;
    const answer = await cancelIngest(records, id, reason, clock.now());
    if (!answer) throw new NotFoundError('knowledge file', id);
    if (!answer.cancelled)
      throw new ConflictError('KNOWLEDGE_FINISHED', `The file is ${answer.state} already.`, [
        { path: 'id', message: 'there is nothing to stop', mend: 'send DELETE to take it away with its facts' },
      ]);
    events.emit('knowledge.finished', { ingestId: id, state: 'cancelled' });
  }

  /**
   * Takes a file away, with its lines and the facts that only it says. Broken off, it can be repeated.
   * @throws {NotFoundError}
   */
  async forget(id: string): Promise<void> {
    const { records, clock } = this.#deps;
    if (!(await findIngest(records, id))) throw new NotFoundError('knowledge file', id);
    await cancelIngest(records, id, 'taken away', clock.now());
    while (await records.call<boolean | null>('knowledge_forget', { p_id: id, p_limit: FACTS_A_FORGET }));
    this.#vectors.pruneLater();
    this.#embedding.wake();
  }

  /** @throws {NotFoundError} */
  async fact(id: string): Promise<PresentedFact> {
    const [fact] = await presentFacts(this.#deps.records, [id]);
    if (!fact) throw new NotFoundError('fact', id);
    return fact;
  }

  facts(listing: FactListing): Promise<Page<PresentedFact>> {
    return listFacts(this.#deps.records, listing);
  }

  /** Any text is a query. @throws {AppError} as `Search.find` */
  search(request: SearchRequest, signal: AbortSignal = this.#stopping.signal): Promise<SearchAnswer> {
    return this.#search.find(request, AbortSignal.any([signal, this.#stopping.signal]));
  }

  /** How many facts there are of what, and how far their vectors are. */
  async overview(): Promise<Overview> {
    const [overview, hasVectors] = await Promise.all([knowledgeOverview(this.#deps.records), this.#canEmbed()]);
    return { ...overview, hasVectors };
  }

  /** Makes facts of every file that nobody else works on. The background does this again and again. */
  async refine(): Promise<void> {
    await this.#sweep();
    while (!this.#stopping.signal.aborted && (await this.#refinery.runOnce(this.#stopping.signal)))
      this.#embedding.wake();
  }

  /** Makes vectors of every fact that has none. The background does this again and again. */
  async embed(): Promise<void> {
    if (!(await this.#canEmbed())) return this.#vectors.complete();
    await this.#vectors.fill(this.#stopping.signal);
  }

  /** Whether the database keeps vectors; asked until it does: once there, they stay. */
  async #canEmbed(): Promise<boolean> {
    this.#hasVectors ||= await this.#vectors.isPossible();
    return this.#hasVectors;
  }

  /** Takes up what processes left that are gone. */
  async #sweep(): Promise<void> {
    const { records, clock } = this.#deps;
    const sinceMs = clock.now() - this.#sweptAt;
    if (sinceMs >= 0 && sinceMs < SWEEP_EVERY_MS) return;
    const workers = await records.call<string[]>('knowledge_workers', {});
    const gone = workers.filter((worker) => this.#deps.isGone(worker));
    if (gone.length > 0) await records.call('knowledge_release', { p_workers: gone, p_now: iso(clock.now()) });
    await records.call('knowledge_drop_unfinished', { p_now: iso(clock.now()) });
    this.#sweptAt = clock.now();
  }
}
