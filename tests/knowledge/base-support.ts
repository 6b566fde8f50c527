import { type PresentedFact, listProblems } from '../../database/queries/knowledge.ts';
import type { Records } from '../../database/records.ts';
import type { KnowledgeFormat } from '../../database/tables-knowledge.ts';
import type { Embedder } from '../../knowledge/embedder.ts';
import { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { EventBus } from '../../shared/events.ts';
import { silentLogger } from '../../shared/logger.ts';
import { TestClock } from '../support/clock.ts';
import { wordEmbedder } from '../support/embedder.ts';

export interface BaseOptions {
  clock?: TestClock;
  worker?: string;
  embedder?: Embedder;
  formerEmbedders?: readonly Embedder[];
  gone?: readonly string[];
}

/** A knowledge base whose background stands still: a test calls `refine` and `embed` itself. */
export function baseOn(records: Records, options: BaseOptions = {}): KnowledgeBase {
  const { clock = new TestClock(), worker = 'one', embedder = wordEmbedder(), formerEmbedders = [] } = options;
  return new KnowledgeBase({
    records,
    clock,
    worker,
    embedder,
    formerEmbedders,
    logger: silentLogger,
    events: new EventBus(),
    leaseMs: 30_000,
    isGone: (name) => (options.gone ?? []).includes(name),
  });
}

/** A body in small chunks, as a network delivers it. */
export async function* chunksOf(content: string | Uint8Array, size = 7): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content as string);
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

export interface Given {
  name?: string;
  collection?: string;
  charset?: string;
  /** Bytes of a chunk. */
  chunk?: number;
}

/** Takes in a file and makes facts and vectors of it; answers its id. */
export async function ingest(
  base: KnowledgeBase,
  format: KnowledgeFormat,
  content: string | Uint8Array,
  { name = `file.${format}`, collection = 'default', charset, chunk }: Given = {},
): Promise<string> {
  const { id } = await base.receive({ name, collection, format, charset }, chunksOf(content, chunk));
  await base.refine();
  await base.embed();
  return id;
}

/** All facts, in the order of their first lines. */
export async function allFacts(base: KnowledgeBase, source?: string): Promise<PresentedFact[]> {
  const facts: PresentedFact[] = [];
  for (let after: string | undefined; ;) {
    const page = await base.facts({ limit: 100, source, after });
    facts.push(...page.rows);
    if (page.next === null) break;
    after = page.next;
  }
  const place = (fact: PresentedFact) => fact.sources.find((at) => source === undefined || at.ingest_id === source);
  return facts.toSorted((a, b) => (place(a)?.line ?? 0) - (place(b)?.line ?? 0) || (a.text < b.text ? -1 : 1));
}

/** Facts of a file as `lines | heading | text`. */
export async function toldBy(base: KnowledgeBase, id: string): Promise<string[]> {
  return (await allFacts(base, id)).map(({ context, text, sources }) => {
    const lines = sources
      .filter((source) => source.ingest_id === id)
      .map(({ line, last_line }) => (line === last_line ? `${line}` : `${line}-${last_line}`));
    return `${lines.join(',')} | ${context} | ${text}`;
  });
}

/** Problems of a file as `line code`, in order of lines. */
export async function problemsOf(records: Records, id: string): Promise<string[]> {
  const { rows } = await listProblems(records, id, 0, 1_000);
  return rows.toSorted((a, b) => a.line - b.line).map(({ line, code }) => `${line} ${code}`);
}

/** In an order that does not depend on how they were found. */
export function inOrder<T>(given: readonly T[]): T[] {
  return given.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}
