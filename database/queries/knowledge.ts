import { iso } from '../../shared/clock.ts';
import type { Micros } from '../../shared/money.ts';
import type { Filter, Records } from '../records.ts';
import type { Iso, JsonObject } from '../tables.ts';
import type {
  FactType,
  IngestRow,
  IngestState,
  KnowledgeEventRow,
  KnowledgeLineRow,
  KnowledgeProblemRow,
} from '../tables-knowledge.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

export async function findIngest(records: Records, id: string): Promise<IngestRow | undefined> {
  const [row] = await records.select('knowledge_ingests', { where: [{ column: 'id', op: 'eq', value: id }] });
  return row;
}

export interface IngestListing {
  state?: IngestState | undefined;
  collection?: string | undefined;
  /** Id of the last ingest of the page before. */
  after?: string | undefined;
  limit: number;
}

/** Newest first. */
export async function listIngests(records: Records, listing: IngestListing): Promise<Page<IngestRow>> {
  const where: Filter<'knowledge_ingests'>[] = [];
  if (listing.state) where.push({ column: 'state', op: 'eq', value: listing.state });
  if (listing.collection) where.push({ column: 'collection', op: 'eq', value: listing.collection });
  if (listing.after) where.push({ column: 'id', op: 'lt', value: listing.after });
  const rows = await records.select('knowledge_ingests', {
    where,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(listing.limit),
  });
  return pageOf(rows, listing.limit, (row) => row.id);
}

/** The problems of a file with a number above `afterSeq`, in order. */
export async function listProblems(
  records: Records,
  ingestId: string,
  afterSeq: number,
  limit: number,
): Promise<Page<KnowledgeProblemRow>> {
  const rows = await records.select('knowledge_problems', {
    where: [
      { column: 'ingest_id', op: 'eq', value: ingestId },
      { column: 'seq', op: 'gt', value: afterSeq },
    ],
    order: [{ column: 'seq' }],
    limit: rowsToRead(limit),
  });
  return pageOf(rows, limit, (row) => String(row.seq));
}

/** The stored events of a file with a number above `afterSeq`, in order, at most `limit`. */
export async function ingestEventsAfter(
  records: Records,
  ingestId: string,
  afterSeq: number,
  limit: number,
): Promise<KnowledgeEventRow[]> {
  return records.select('knowledge_events', {
    where: [
      { column: 'ingest_id', op: 'eq', value: ingestId },
      { column: 'seq', op: 'gt', value: afterSeq },
    ],
    order: [{ column: 'seq' }],
    limit,
  });
}

/** How many facts of a file wait for their vectors. */
export async function countPending(records: Records, ingestId: string): Promise<number> {
  return records.count('knowledge_pending', [
    { column: 'ingest_id', op: 'eq', value: ingestId },
    { column: 'refused', op: 'is', value: false },
  ]);
}

/** The raw lines of a file behind a line, in order; lines that could not be read are missing. */
export async function linesAfter(
  records: Records,
  ingestId: string,
  afterLine: number,
  limit: number,
): Promise<KnowledgeLineRow[]> {
  return records.select('knowledge_lines', {
    where: [
      { column: 'ingest_id', op: 'eq', value: ingestId },
      { column: 'line', op: 'gt', value: afterLine },
    ],
    order: [{ column: 'line' }],
    limit,
  });
}

/** A fact as it is shown. */
export interface PresentedFact {
  id: string;
  collection: string;
  context: string;
  text: string;
  type: FactType;
  suspicious: boolean;
  attributes: JsonObject;
  merged_into: string | null;
  created_at: Iso;
  sources: { ingest_id: string; name: string; line: number; last_line: number }[];
  source_count: number;
  wordings: string[];
  contradictions: { id: string; text: string; attribute: string; here: string; there: string }[];
  embedding: { model: string; dimensions: number } | null;
}

/** The facts in the order of the ids; ids of none are left out. */
export async function presentFacts(records: Records, ids: readonly string[]): Promise<PresentedFact[]> {
  return ids.length === 0 ? [] : records.call<PresentedFact[]>('knowledge_present', { p_ids: ids });
}

/** What facts must be; what is null or left out does not matter. */
export interface FactFilter {
  collection?: string | undefined;
  type?: FactType | undefined;
  suspicious?: boolean | undefined;
}

const filterArgs = ({ collection, type, suspicious }: FactFilter) => ({
  p_collection: collection ?? null,
  p_type: type ?? null,
  p_suspicious: suspicious ?? null,
});

export interface FactListing extends FactFilter {
  /** Name of a file, or id of its ingest. */
  source?: string | undefined;
  /** Id of the last fact of the page before. */
  after?: string | undefined;
  limit: number;
}

/** In the order of their ids. */
export async function listFacts(records: Records, listing: FactListing): Promise<Page<PresentedFact>> {
  const ids = await records.call<string[]>('knowledge_list', {
    ...filterArgs(listing),
    p_after: listing.after ?? null,
    p_limit: rowsToRead(listing.limit),
    p_source: listing.source ?? null,
  });
  const page = pageOf(ids, listing.limit, (id) => id);
  return { rows: await presentFacts(records, page.rows), next: page.next };
}

export interface WordHit {
  id: string;
  score: number;
  /** Words of the query that the fact holds, in one form or another. */
  matched: string[];
  /** The fact's text with its matched words between U+E000 and U+E001. */
  headline: string;
}

/**
 * Facts that hold words of the query, best first.
 * @param strict whether the query's own signs ("a phrase", -without, or) must be fulfilled
 */
export async function findByWords(
  records: Records,
  query: string,
  strict: boolean,
  filter: FactFilter,
  limit: number,
): Promise<WordHit[]> {
  return records.call<WordHit[]>('knowledge_words', {
    ...filterArgs(filter),
    p_query: query,
    p_strict: strict,
    p_limit: limit,
  });
}

export interface MeaningHit {
  id: string;
  /** Cosine distance, 0 to 2. */
  distance: number;
}

/** Facts whose vectors are near, nearest first. */
export async function findByMeaning(
  records: Records,
  spaceId: string,
  vector: readonly number[],
  filter: FactFilter,
  limit: number,
): Promise<MeaningHit[]> {
  return records.call<MeaningHit[]>('knowledge_near', {
    ...filterArgs(filter),
    p_space: spaceId,
    p_vector: vectorText(vector),
    p_limit: limit,
  });
}

/** As pgvector reads it; a halfvec keeps three to four digits of each component. */
export function vectorText(vector: readonly number[]): string {
  return `[${vector.map((component) => Number(component.toPrecision(5))).join(',')}]`;
}

export interface Space {
  id: string;
  model: string;
  dimensions: number;
  state: 'building' | 'active';
  active_at: Iso | null;
  /** What its vectors cost so far. */
  cost_micros: Micros;
  /** Facts without a vector. */
  pending: number;
  /** Facts whose text the model does not take. */
  refused: number;
}

export interface Overview {
  collections: { collection: string; facts: number; types: Partial<Record<FactType, number>> }[];
  spaces: Space[];
}

export async function knowledgeOverview(records: Records): Promise<Overview> {
  return records.call<Overview>('knowledge_overview', {});
}

/** Ends a file wherever it is. null: there is none. */
export async function cancelIngest(
  records: Records,
  id: string,
  reason: string | null,
  nowMs: number,
): Promise<{ cancelled: boolean; state: IngestState } | null> {
  return records.call('knowledge_cancel', { p_id: id, p_reason: reason, p_at: iso(nowMs) });
}
