import type { Fact, NormalizedBrief } from '../normalized-brief.ts';
import { LARGEST_BRIEF } from './request.ts';

/** What briefs need of the knowledge base; implemented by knowledge/knowledge-base.ts. */
export interface KnownFacts {
  search(request: { query: string; collection?: string | undefined; suspicious: boolean; limit: number }): Promise<{
    note: string | null;
    hits: { fact: { id: string; context: string; text: string; contradictions: readonly unknown[] } }[];
  }>;
}

/** Which facts of the knowledge base a brief was given. */
export interface FoundFacts {
  collection: string | null;
  facts: string[];
  /** How it was searched, where that is not how it should have been. */
  note: string | null;
}

/** Characters of the question; more says nothing more. */
const LONGEST_QUESTION = 400;
/** Characters of a fact in a brief. */
const LONGEST_FACT = 2_000;

/** A brief with what the knowledge base holds about it, and which facts these are. What contradicts itself is not stated. */
export async function withKnownFacts(
  brief: NormalizedBrief,
  asked: { collection?: string | undefined; limit: number },
  knowledge: KnownFacts,
): Promise<{ brief: NormalizedBrief; found: FoundFacts }> {
  const { collection, limit } = asked;
  const query = `${brief.objective} ${brief.product} ${brief.audience}`.slice(0, LONGEST_QUESTION);
  const { hits, note } = await knowledge.search({ query, collection, suspicious: false, limit });
  const known = hits
    .filter(({ fact }) => fact.contradictions.length === 0)
    .map(({ fact: { id, context, text } }) => ({ id: `knowledge-${id}`, text: context ? `${context}: ${text}` : text }))
    .filter(({ text }) => text.length <= LONGEST_FACT);
  const given: Fact[] = [];
  let room = LARGEST_BRIEF - JSON.stringify(brief).length;
  for (const fact of known) {
    room -= JSON.stringify(fact).length + 1;
    if (room >= 0) given.push(fact);
  }
  return {
    brief: { ...brief, facts: [...brief.facts, ...given] },
    found: { collection: collection ?? null, facts: given.map(({ id }) => id), note },
  };
}
