import { setImmediate } from 'node:timers/promises';
import { isSuspicious } from '../../../knowledge/suspicious.ts';
import { isFunctionWord, wordsOf } from '../../../knowledge/words.ts';
import type { PagePassage } from './page-text.ts';

/** A passage with the heading over it, looked at: what reads like an instruction to a model is marked, and shown to none. */
export interface LookedAt {
  text: string;
  suspicious: boolean;
}

/** Characters on either side that a sentence over two passages is looked for in. */
const SEAM = 80;
/** Passages looked at before the process does other work. */
const TURN = 400;

/** Calls for each item, letting other work go on in between. */
async function inTurns<T>(items: readonly T[], look: (item: T, at: number) => void): Promise<void> {
  for (const [at, item] of items.entries()) {
    look(item, at);
    if (at % TURN === TURN - 1) await setImmediate();
  }
}

/** Marks passages that speak to models, also where one sentence is spread over two passages, or is spelt in unseen characters. */
export async function lookAt(passages: readonly PagePassage[]): Promise<LookedAt[]> {
  const looked: LookedAt[] = [];
  const trusted = new Map<string, boolean>();
  await inTurns(passages, ({ text: own, context, invisible }) => {
    if (!trusted.has(context)) trusted.set(context, !isSuspicious(context));
    // A heading that speaks to models is left out, not everything below it.
    const isHeaded = context !== '' && trusted.get(context) === true && !own.startsWith(context);
    const text = isHeaded ? `${context}: ${own}` : own;
    const passage = { text, suspicious: isSuspicious(text) || (invisible !== '' && isSuspicious(invisible)) };
    const before = looked.at(-1);
    looked.push(passage);
    if (!before || before.suspicious || passage.suspicious) return;
    if (isSuspicious(`${before.text.slice(-SEAM)} ${own.slice(0, SEAM)}`))
      before.suspicious = passage.suspicious = true;
  });
  return looked;
}

/** The same for singular and plural; no more than that. */
const stem = (word: string) => (word.length > 4 ? word.replace(/(?:ies|es|s|y)$/, '') : word);

const matterOf = (text: string) =>
  new Set(
    wordsOf(text)
      .filter((word) => !isFunctionWord(word))
      .map(({ plain }) => stem(plain)),
  );

/**
 * The passages that have most words of the question in them, rare words counting more (inverse document frequency over the page), in
 * the order of the page. Passages without any are left out.
 */
export async function closest<P extends { text: string }>(
  passages: readonly P[],
  question: string,
  most: number,
): Promise<P[]> {
  const asked = matterOf(question);
  const held: Set<string>[] = [];
  await inTurns(passages, ({ text }) => held.push(asked.intersection(matterOf(text))));
  const weightOf = (word: string) =>
    Math.log(1 + passages.length / Math.max(1, held.filter((words) => words.has(word)).length));
  const weights = new Map([...asked].map((word) => [word, weightOf(word)]));
  const scored = passages.map((passage, at) => {
    const score = [...(held[at] ?? [])].reduce((sum, word) => sum + (weights.get(word) ?? 0), 0);
    return { passage, at, score };
  });
  return scored
    .filter(({ score }) => score > 0)
    .toSorted((a, b) => b.score - a.score || a.at - b.at)
    .slice(0, most)
    .toSorted((a, b) => a.at - b.at)
    .map(({ passage }) => passage);
}
