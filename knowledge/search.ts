import { LRUCache } from 'lru-cache';
import {
  type FactFilter,
  findByMeaning,
  findByWords,
  type MeaningHit,
  type PresentedFact,
  presentFacts,
  type WordHit,
} from '../database/queries/knowledge.ts';
import type { Records } from '../database/records.ts';
import type { KnowledgeSpaceRow } from '../database/tables-knowledge.ts';
import { AppError, messageOf } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import { aliasesOf, clean } from './clean.ts';
import type { Embedder } from './embedder.ts';
import { LONGEST_QUERY } from './limits.ts';
import { isFunctionWord, wordsOf } from './words.ts';

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

/** Where a matched word stands in the text of the fact, in UTF-16 units. */
export interface Highlight {
  from: number;
  to: number;
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
  logger: Logger;
  embedderOf(space: { model: string; dimensions: number }): Embedder | undefined;
  isPossible(): Promise<boolean>;
}

/** From each side, so many are looked at. */
const DEPTH = 50;
/** The constant of reciprocal rank fusion, as its authors chose it. */
const RANK_CONSTANT = 60;
const KEPT_QUERIES = 500;
/** A query written with signs of web searches: a phrase, a word left out, a choice. */
const SIGNS = /"[^"]+"|(^|\s)-\p{L}|\sOR\s/u;

/**
 * Searches facts by words, by meaning, or both. Both are put together by reciprocal rank fusion: a fact's score is the sum of
 * weight / (60 + rank) over the lists that hold it (Cormack, Clarke and Büttcher, Reciprocal Rank Fusion Outperforms Condorcet and
 * Individual Rank Learning Methods, SIGIR 2009).
 */
export class Search {
  readonly #deps: SearchDependencies;
  readonly #vectors = new LRUCache<string, number[]>({ max: KEPT_QUERIES });

  constructor(dependencies: SearchDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Any text is a query. Without `mode` both ways are used, and words alone where meaning cannot be; the answer says so.
   * @throws {AppError} with mode `meaning`: KNOWLEDGE_NO_VECTORS (501), KNOWLEDGE_NO_SPACE (409), KNOWLEDGE_MODEL_AWAY (503)
   */
  async find(request: SearchRequest, signal: AbortSignal): Promise<SearchAnswer> {
    const { mode = 'hybrid', limit = 10 } = request;
    const query = clean(request.query.slice(0, LONGEST_QUERY)).text;
    if (!/[\p{L}\p{N}]/u.test(query)) return { mode, note: null, space: null, hits: [] };
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
      return this.#answer('words', meaning.reason.message, null, fuse(query, words.value, []), limit);
    }
    const { space, hits } = meaning.value ?? { space: null, hits: [] };
    return this.#answer(mode, null, space, fuse(query, words.value, hits), limit);
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
      const { vectors } = await embedder.embed([query], signal);
      const [vector = []] = vectors;
      this.#vectors.set(key, vector);
      return vector;
    } catch (error) {
      signal.throwIfAborted();
      this.#deps.logger.warn('A query could not be embedded', { model: space.model, error });
      throw new MeaningError('KNOWLEDGE_MODEL_AWAY', messageOf(error));
    }
  }
}

type MeaningCode = 'KNOWLEDGE_NO_VECTORS' | 'KNOWLEDGE_NO_SPACE' | 'KNOWLEDGE_MODEL_AWAY';

const WHY: Record<MeaningCode, { status: number; message: string; mend: string }> = {
  KNOWLEDGE_NO_VECTORS: {
    status: 501,
    message: 'The database has no pgvector, which search by meaning needs; words are searched everywhere.',
    mend: 'use mode=words, or install pgvector 0.8 or later in the database and start the service again',
  },
  KNOWLEDGE_NO_SPACE: {
    status: 409,
    message: 'There are no vectors yet of a model that this service has; words are searched meanwhile.',
    mend: 'use mode=words, or wait until GET /api/knowledge shows that the vectors are complete',
  },
  KNOWLEDGE_MODEL_AWAY: {
    status: 503,
    message: 'The embedding model does not answer; words are searched meanwhile.',
    mend: 'use mode=words, or try again later',
  },
};

class MeaningError extends AppError {
  constructor(code: MeaningCode, cause?: unknown) {
    const { status, message, mend } = WHY[code];
    super(code, status, message, {
      cause,
      retryable: status === 503,
      details: [{ path: 'mode', message: 'meaning cannot be searched now', mend }],
    });
  }
}

/**
 * How much the rank by words counts, where that by meaning counts 1: three times as much for a fact that holds every word of the
 * query, a third for one that holds a third of them. Whoever writes the very words of a fact wants that fact; a question in other words
 * finds one of them in many. Tried on the set of `npm run eval`, which finds more so than with equal weights.
 */
function wordsWeight({ matched }: WordHit, asked: number): number {
  return 3 * Math.min(1, matched.length / Math.max(1, asked)) ** 2;
}

interface Fused {
  id: string;
  score: number;
  word: { rank: number; hit: WordHit } | null;
  near: { rank: number; hit: MeaningHit } | null;
}

function fuse(query: string, words: readonly WordHit[], meaning: readonly MeaningHit[]): Fused[] {
  const asked = new Set(
    wordsOf(query)
      .filter((word) => !isFunctionWord(word))
      .map(({ plain }) => plain),
  ).size;
  const found = new Map<string, Fused>();
  const entry = (id: string) => {
    const known = found.get(id) ?? { id, score: 0, word: null, near: null };
    found.set(id, known);
    return known;
  };
  for (const [at, hit] of words.entries()) {
    const fused = entry(hit.id);
    fused.word = { rank: at + 1, hit };
    fused.score += wordsWeight(hit, asked) / (RANK_CONSTANT + at + 1);
  }
  for (const [at, hit] of meaning.entries()) {
    const fused = entry(hit.id);
    fused.near = { rank: at + 1, hit };
    fused.score += 1 / (RANK_CONSTANT + at + 1);
  }
  return [...found.values()].toSorted((a, b) => b.score - a.score || (a.id < b.id ? -1 : 1));
}

/** Follows the marks of a headline through the text that it was made of; Postgres may have left something out of it. */
function highlightsOf(text: string, headline: string): Highlight[] {
  const highlights: Highlight[] = [];
  let at = 0;
  for (const [index, part] of headline.split(/[\uE000\uE001]/).entries()) {
    const from = text.startsWith(part, at) ? at : text.indexOf(part, at);
    if (from < 0) continue;
    at = from + part.length;
    if (index % 2 === 1) highlights.push({ from, to: at });
  }
  return highlights;
}
