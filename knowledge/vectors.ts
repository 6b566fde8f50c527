import { isOutage } from '../database/availability.ts';
import type { Records } from '../database/records.ts';
import type { KnowledgeSpaceRow } from '../database/tables-knowledge.ts';
import { vectorText } from '../database/queries/knowledge.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus } from '../shared/events.ts';
import { newId } from '../shared/ids.ts';
import type { Logger } from '../shared/logger.ts';
import { embedAll, type Made, type Text } from './embed-all.ts';
import type { Embedder } from './embedder.ts';

export interface VectorsDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  events: EventBus;
  worker: string;
  leaseMs: number;
  /** The one that is wanted, first; others answer for spaces that are still in use. */
  embedders: readonly [Embedder, ...Embedder[]];
}

/** Texts that are asked for at a time, and those whose vectors are stored together. */
const TEXTS_A_ROUND = 512;
const TEXTS_A_COMMIT = 64;
/** Between two notes of how far the embedding has come, in milliseconds. */
const NOTE_EVERY_MS = 2_000;
/** After a failure of the model it is left alone for this long, twice as long after each further one. */
const REST_MS = 1_000;
const LONGEST_REST_MS = 60_000;
const VECTORS_A_PRUNE = 1_000;

/**
 * Sees that every fact has a vector in the spaces in use. A change of the model builds a new space beside the active one, which
 * answers until the new one is complete. One worker at a time fills a space; each round is one commit.
 */
export class Vectors {
  readonly #deps: VectorsDependencies;
  #notedAt = Number.NEGATIVE_INFINITY;
  #restUntil = Number.NEGATIVE_INFINITY;
  #failures = 0;
  #opened = false;
  #isPruneDue = true;

  constructor(dependencies: VectorsDependencies) {
    this.#deps = dependencies;
  }

  /** Whether the database can keep vectors. */
  isPossible(): Promise<boolean> {
    return this.#deps.records.call<boolean>('knowledge_has_vectors', {});
  }

  embedderOf(space: { model: string; dimensions: number }): Embedder | undefined {
    return this.#deps.embedders.find(
      ({ model, dimensions }) => model === space.model && dimensions === space.dimensions,
    );
  }

  /** Asks for the space of the wanted model, once; whoever starts last decides. */
  async open(): Promise<void> {
    if (this.#opened) return;
    const { records, clock, embedders } = this.#deps;
    const [{ model, dimensions }] = embedders;
    await records.call('knowledge_open_space', {
      p_id: newId(clock.now()),
      p_model: model,
      p_dimensions: dimensions,
      p_at: iso(clock.now()),
    });
    this.#opened = true;
  }

  /** Makes vectors until no fact of any space that this process has a model for is without; or until the signal aborts. */
  async fill(signal: AbortSignal): Promise<void> {
    const { records } = this.#deps;
    let grew = false;
    await this.open();
    for (const space of await this.#spaces()) {
      const embedder = this.embedderOf(space);
      if (!embedder) continue;
      while (!signal.aborted && (await this.#fillSome(space, embedder, signal))) grew = true;
    }
    if (grew) await records.call<number>('knowledge_take_statistics', {});
    await this.complete();
    if (this.#isPruneDue) await this.#prune(signal);
  }

  /** Tells of the files that are done. */
  async complete(): Promise<void> {
    const { records, clock, events } = this.#deps;
    const done = await records.call<{ id: string; name: string; facts: number; problems: number }[]>(
      'knowledge_complete',
      { p_at: iso(clock.now()) },
    );
    for (const { id, ...facts } of done)
      events.emit('knowledge.finished', { ingestId: id, state: 'completed', ...facts });
  }

  /** There may be vectors that nothing needs any more. */
  pruneLater(): void {
    this.#isPruneDue = true;
  }

  async #prune(signal: AbortSignal): Promise<void> {
    this.#isPruneDue = false;
    let removed = VECTORS_A_PRUNE;
    while (removed > 0 && !signal.aborted)
      removed = await this.#deps.records.call<number>('knowledge_prune_vectors', { p_limit: VECTORS_A_PRUNE });
  }

  /** Looked at first, since to ask for the next texts is to hold the space. */
  async #hasPending(space: KnowledgeSpaceRow): Promise<boolean> {
    const rows = await this.#deps.records.select('knowledge_pending', {
      where: [
        { column: 'space_id', op: 'eq', value: space.id },
        { column: 'refused', op: 'is', value: false },
      ],
      columns: ['fact_id'],
      limit: 1,
    });
    return rows.length > 0;
  }

  /** Smaller first: what is new in the active space is found by searches now. */
  async #spaces(): Promise<KnowledgeSpaceRow[]> {
    return this.#deps.records.select('knowledge_spaces', {
      where: [{ column: 'state', op: 'neq', value: 'retired' }],
      order: [{ column: 'state' }],
    });
  }

  /** One round; false when there is nothing more to do here. */
  async #fillSome(space: KnowledgeSpaceRow, embedder: Embedder, signal: AbortSignal): Promise<boolean> {
    const { records, clock, worker, leaseMs } = this.#deps;
    if (clock.now() < this.#restUntil) return false;
    if (!(await this.#hasPending(space))) {
      if (space.state === 'building') await this.#turn(space);
      return false;
    }
    const hold = { p_space: space.id, p_worker: worker, p_lease_ms: leaseMs };
    const next = await records.call<{ held: boolean; texts: Text[] }>('knowledge_next_texts', {
      ...hold,
      p_now: iso(clock.now()),
      p_limit: TEXTS_A_ROUND,
    });
    if (!next.held) return false;
    if (next.texts.length === 0) return true;
    return this.#makeVectors(embedder, next.texts, signal, async (made) => {
      const kept = await records.call<boolean>('knowledge_put_vectors', {
        ...hold,
        p_now: iso(clock.now()),
        p_vectors: made.vectors.map(({ text, vector }) => [text.content_hash, vectorText(vector)]),
        p_refused: made.refused.map(({ content_hash }) => content_hash),
        p_cost_micros: made.costMicros,
      });
      await this.#note();
      return kept;
    });
  }

  /** Makes vectors of some texts while those of the texts before are stored; false when the model or the space is not ours any more. */
  async #makeVectors(
    embedder: Embedder,
    texts: readonly Text[],
    signal: AbortSignal,
    store: (made: Made) => Promise<boolean>,
  ): Promise<boolean> {
    let stored = Promise.resolve(true);
    for (let at = 0; at < texts.length; at += TEXTS_A_COMMIT) {
      const [made, kept] = await Promise.allSettled([
        this.#embed(embedder, texts.slice(at, at + TEXTS_A_COMMIT), signal),
        stored,
      ]);
      if (kept.status === 'rejected') throw kept.reason;
      if (made.status === 'rejected') throw made.reason;
      if (!kept.value || !made.value) return false;
      stored = store(made.value);
    }
    return stored;
  }

  /** null: the model cannot work now, and is left alone for a while. */
  async #embed(embedder: Embedder, texts: readonly Text[], signal: AbortSignal): Promise<Made | null> {
    const { logger, clock } = this.#deps;
    try {
      const made = await embedAll(embedder, texts, clock, signal);
      this.#failures = 0;
      return made;
    } catch (error) {
      if (signal.aborted || isOutage(error)) throw error;
      const restMs = Math.min(LONGEST_REST_MS, REST_MS * 2 ** this.#failures);
      this.#failures += 1;
      this.#restUntil = clock.now() + restMs;
      logger.warn('Facts could not be embedded; it will be tried again', { model: embedder.model, restMs, error });
      return null;
    }
  }

  async #turn(space: KnowledgeSpaceRow): Promise<void> {
    const { records, clock, events } = this.#deps;
    const turned = await records.call<boolean>('knowledge_turn_space', { p_id: space.id, p_at: iso(clock.now()) });
    if (!turned) return;
    this.pruneLater();
    events.emit('knowledge.embedded', { model: space.model, dimensions: space.dimensions });
  }

  async #note(): Promise<void> {
    const { records, clock, events } = this.#deps;
    if (clock.now() - this.#notedAt < NOTE_EVERY_MS) return;
    this.#notedAt = clock.now();
    const ids = await records.call<string[]>('knowledge_note_embedding', { p_at: iso(clock.now()) });
    for (const ingestId of ids) events.emit('knowledge.progress', { ingestId });
    await records.call<number>('knowledge_take_statistics', {});
    await this.complete();
  }
}
