import { LRUCache } from 'lru-cache';
import {
  type FactFilter,
  findByMeaning,
  findByWords,
  type PresentedFact,
  presentFacts,
  type WordHit,
} from '../database/queries/knowledge.ts';
import type { Records } from '../database/records.ts';
import type { KnowledgeSpaceRow } from '../database/tables-knowledge.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { aliasesOf, clean } from './clean.ts';
import type { Embedder } from './embedder.ts';
import { type Fused, fuse, type Highlight, highlightsOf } from './fusion.ts';
import { LONGEST_QUERY } from './limits.ts';
import { MeaningError } from './meaning-error.ts';
import { within } from './within.ts';

export type SearchMode = 'hybrid' | 'words' | 'meaning';

export interface SearchRequest extends FactFilter {
  query: string;
  mode?: SearchMode | undefined;
  limit?: number | undefined;
}

export interface SearchHit {
  fact: PresentedFact;
  /** Reciprocal rank fusion of the two ranks. */
  score: number;
  /** How the words of the query found it; null when they did not. */
  words: { rank: number; score: number; matched: string[]; highlights: Highlight[] } | null;
  /** How its meaning found it; null when it did not. Cosine distance, 0 to 2. */
  meaning: { rank: number; distance: number } | null;
}

export interface SearchAnswer {
  /** How it was searched, which is not how it was asked when `note` says so. */
  mode: SearchMode;
  note: string | null;
  /** The space in which meanings were compared. */
  space: { model: string; dimensions: number } | null;
  hits: SearchHit[];
}

export interface SearchDependencies {
  records: Records;
  clock: Clock;
  logger: Logger;
  embedderOf(space: { model: string; dimensions: number }): Embedder | undefined;
  isPossible(): Promise<boolean>;
}

/** From each side, so many are looked at. */
const DEPTH = 50;
const KEPT_QUERIES = 500;
/** The vector of a query is waited for so long, in milliseconds: who searches would rather have what words find. */
const PATIENCE_MS = 2_000;
/** A query written with signs of web searches: a phrase, a word left out, a choice. */
const SIGNS = /"[^"]+"|(^|\s)-\p{L}|\sOR\s/u;

/** Searches facts by words, by meaning, or both, put together by reciprocal rank fusion. */
export class Search {
  readonly #deps: SearchDependencies;
  readonly #vectors = new LRUCache<string, number[]>({ max: KEPT_QUERIES });

  constructor(dependencies: SearchDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Any text is a query. Without `mode` both ways are used, and words alone where meaning cannot be, or as soon as the signal aborts;
   * the answer says so.
   * @throws {AppError} with mode `meaning`: KNOWLEDGE_NO_VECTORS (501), KNOWLEDGE_NO_SPACE (409), KNOWLEDGE_MODEL_AWAY (503)
   */
  async find(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    const { mode = 'hybrid', limit = 10 } = request;
    const query = clean(request.query.slice(0, LONGEST_QUERY)).text;
    if (!/[\p{L}\p{N}]/u.test(query)) return { mode, note: await this.#noteOf(request, null), space: null, hits: [] };
    const depth = Math.max(DEPTH, limit);
    const byWords = mode === 'meaning' ? Promise.resolve([]) : this.#byWords(query, request, depth);
    // Both are waited for, lest one fails with nobody looking.
    const [words, meaning] = await Promise.allSettled([
      byWords,
      mode === 'words' ? Promise.resolve(null) : this.#byMeaning(query, request, depth, signal),
    ]);
    if (words.status === 'rejected') throw words.reason;
    if (meaning.status === 'rejected') {
      if (mode === 'meaning' || !(meaning.reason instanceof MeaningError)) throw meaning.reason;
      const fused = fuse(query, words.value, []);
      return this.#answer('words', await this.#noteOf(request, meaning.reason.message, fused), null, fused, limit);
    }
    const { space, hits } = meaning.value ?? { space: null, hits: [] };
    const fused = fuse(query, words.value, hits);
    return this.#answer(mode, await this.#noteOf(request, null, fused), space, fused, limit);
  }

  /** With what is to be said when nothing was found: there may be no such collection. */
  async #noteOf({ collection }: FactFilter, note: string | null, fused: readonly Fused[] = []): Promise<string | null> {
    if (collection === undefined || fused.length > 0) return note;
    const files = await this.#deps.records.select('knowledge_ingests', {
      where: [{ column: 'collection', op: 'eq', value: collection }],
      columns: ['id'],
      limit: 1,
    });
    const none = files.length > 0 ? null : `No collection is called "${collection}".`;
    return [none, note].filter((part) => part !== null).join(' ') || null;
  }

  async #answer(
    mode: SearchMode,
    note: string | null,
    space: KnowledgeSpaceRow | null,
    fused: readonly Fused[],
    limit: number,
  ): Promise<SearchAnswer> {
    const best = fused.slice(0, limit);
    const facts = new Map(
      (
        await presentFacts(
          this.#deps.records,
          best.map(({ id }) => id),
        )
      ).map((fact) => [fact.id, fact]),
    );
    const hits = best.flatMap(({ id, score, word, near }): SearchHit[] => {
      const fact = facts.get(id);
      if (!fact) return [];
      return [
        {
          fact,
          score,
          words: word && {
            rank: word.rank,
            score: word.hit.score,
            matched: word.hit.matched,
            highlights: highlightsOf(fact.text, word.hit.headline),
          },
          meaning: near && { rank: near.rank, distance: near.hit.distance },
        },
      ];
    });
    return { mode, note, space: space && { model: space.model, dimensions: space.dimensions }, hits };
  }

  #byWords(query: string, filter: FactFilter, limit: number): Promise<WordHit[]> {
    const strict = SIGNS.test(query);
    return findByWords(
      this.#deps.records,
      strict ? query : `${aliasesOf(query)} ${query}`.trim(),
      strict,
      filter,
      limit,
    );
  }

  async #byMeaning(query: string, filter: FactFilter, limit: number, signal: AbortSignal) {
    const { records } = this.#deps;
    if (!(await this.#deps.isPossible())) throw new MeaningError('KNOWLEDGE_NO_VECTORS');
    const [space] = await records.select('knowledge_spaces', {
      where: [{ column: 'state', op: 'eq', value: 'active' }],
    });
    const embedder = space && this.#deps.embedderOf(space);
    if (!space || !embedder) throw new MeaningError('KNOWLEDGE_NO_SPACE');
    const vector = await this.#vectorOf(query, space, embedder, signal);
    return { space, hits: await findByMeaning(records, space.id, vector, filter, limit) };
  }

  async #vectorOf(query: string, space: KnowledgeSpaceRow, embedder: Embedder, signal: AbortSignal): Promise<number[]> {
    const key = `${space.id} ${query}`;
    const known = this.#vectors.get(key);
    if (known) return known;
    try {
      const { vectors } = await within(this.#deps.clock, PATIENCE_MS, signal, (patience) =>
        embedder.embed([query], patience),
      );
      const [vector = []] = vectors;
      this.#vectors.set(key, vector);
      return vector;
    } catch (error) {
      // Nobody waits for it any more, or the service stops: no fault of the model.
      if (!signal.aborted) this.#deps.logger.warn('A query could not be embedded', { model: space.model, error });
      throw new MeaningError('KNOWLEDGE_MODEL_AWAY', messageOf(error));
    }
  }
}
