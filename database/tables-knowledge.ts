import type { JsonObject } from '../shared/json.ts';
import type { Micros } from '../shared/money.ts';
import type { Iso } from './tables.ts';

export const FACT_TYPES = [
  'product',
  'audience',
  'brand',
  'offer',
  'proof',
  'constraint',
  'metric',
  'unclassified',
] as const;
export type FactType = (typeof FACT_TYPES)[number];

export const INGEST_STATES = [
  'receiving',
  'queued',
  'refining',
  'embedding',
  'completed',
  'cancelled',
  'failed',
] as const;
export type IngestState = (typeof INGEST_STATES)[number];

export type KnowledgeFormat = 'text' | 'markdown' | 'csv' | 'jsonl' | 'html';

/** One file. */
export interface IngestRow {
  id: string;
  collection: string;
  name: string;
  format: KnowledgeFormat;
  state: IngestState;
  state_reason: string | null;
  bytes: number;
  lines: number;
  /** How far the lines have become facts. */
  lines_read: number;
  /** The cursor: how many pieces of the file have become facts, or problems, for good. */
  segments_done: number;
  facts_new: number;
  /** Lines that say word for word what another one said. */
  facts_repeated: number;
  /** Texts that say the same as another one in almost the same words. */
  facts_merged: number;
  suspicious: number;
  problems: number;
  attempts: number;
  epoch: number;
  claimed_by: string | null;
  lease_until_at: Iso | null;
  event_seq: number;
  created_at: Iso;
  received_at: Iso | null;
  completed_at: Iso | null;
}

export interface KnowledgeLineRow {
  ingest_id: string;
  line: number;
  text: string;
}

export interface KnowledgeProblemRow {
  ingest_id: string;
  seq: number;
  line: number;
  code: string;
  message: string;
  mend: string;
}

export interface KnowledgeEventRow {
  ingest_id: string;
  seq: number;
  type: string;
  occurred_at: Iso;
  data: JsonObject;
}

export interface FactRow {
  id: string;
  collection: string;
  /** The heading under which the text stands, empty without one. */
  context: string;
  text: string;
  /** Other spellings of its words, for the search alone. */
  aliases: string;
  type: FactType;
  type_rank: number;
  /** Whether it reads like an instruction to a model. */
  suspicious: boolean;
  content_hash: string;
  near_key: string | null;
  attributes: JsonObject;
  merged_into: string | null;
  created_at: Iso;
}

export interface KnowledgeSourceRow {
  fact_id: string;
  ingest_id: string;
  line: number;
  last_line: number;
}

export interface KnowledgeClaimRow {
  fact_id: string;
  key: string;
  collection: string;
  attribute: string;
  value: string;
}

export interface KnowledgeSpaceRow {
  id: string;
  model: string;
  dimensions: number;
  slot: number;
  state: 'building' | 'active' | 'retired';
  /** What its vectors cost so far. */
  cost_micros: Micros;
  claimed_by: string | null;
  lease_until_at: Iso | null;
  created_at: Iso;
  active_at: Iso | null;
}

export interface KnowledgePendingRow {
  space_id: string;
  fact_id: string;
  ingest_id: string | null;
  refused: boolean;
}

export interface KnowledgeTables {
  knowledge_claims: KnowledgeClaimRow;
  knowledge_events: KnowledgeEventRow;
  knowledge_facts: FactRow;
  knowledge_ingests: IngestRow;
  knowledge_lines: KnowledgeLineRow;
  knowledge_pending: KnowledgePendingRow;
  knowledge_problems: KnowledgeProblemRow;
  knowledge_sources: KnowledgeSourceRow;
  knowledge_spaces: KnowledgeSpaceRow;
}
