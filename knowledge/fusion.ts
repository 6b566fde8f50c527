import type { MeaningHit, WordHit } from '../database/queries/knowledge.ts';
import { isFunctionWord, wordsOf } from './words.ts';

/** The constant of reciprocal rank fusion, as its authors chose it. */
const RANK_CONSTANT = 60;

/**
 * How much the rank by words counts, where that by meaning counts 1: three times as much for a fact that holds every word of the
 * query, a third for one that holds a third of them. Whoever writes the very words of a fact wants that fact; a question in other words
 * finds one of them in many. Tried on the set of `npm run eval`, which finds more so than with equal weights.
 */
function wordsWeight({ matched }: WordHit, asked: number): number {
  return 3 * Math.min(1, matched.length / Math.max(1, asked)) ** 2;
}

/** A fact that was found, with the ranks that make its score. */
export interface Fused {
  id: string;
  score: number;
  word: { rank: number; hit: WordHit } | null;
  near: { rank: number; hit: MeaningHit } | null;
}

/**
 * Puts both ways together by reciprocal rank fusion: a fact's score is the sum of weight / (60 + rank) over the lists that hold it
 * (Cormack, Clarke and Büttcher, Reciprocal Rank Fusion Outperforms Condorcet and Individual Rank Learning Methods, SIGIR 2009).
 */
export function fuse(query: string, words: readonly WordHit[], meaning: readonly MeaningHit[]): Fused[] {
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

/** Where a matched word stands in the text of the fact, in UTF-16 units. */
export interface Highlight {
  from: number;
  to: number;
}

/** Follows the marks of a headline through the text that it was made of; Postgres may have left something out of it. */
export function highlightsOf(text: string, headline: string): Highlight[] {
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
