import { readFile } from 'node:fs/promises';
import { FACT_TYPES, type FactType } from '../../database/tables-knowledge.ts';

/** A fact of an invented maker of baking ovens, and the type that a person gave it. */
export interface SetFact {
  type: FactType;
  text: string;
}

export const KINDS = ['paraphrase', 'words', 'number', 'typo'] as const;
export type Kind = (typeof KINDS)[number];

export interface Question {
  kind: Kind;
  query: string;
  /** Texts any of which answers it. */
  answers: readonly string[];
}

async function columnsOf(name: string): Promise<string[][]> {
  const text = await readFile(new URL(name, import.meta.url), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line) => line.split('\t'));
}

/** The facts of facts.tsv and the questions of questions.tsv, which name their answers by how these begin. */
export async function retrievalSet(): Promise<{ facts: SetFact[]; questions: Question[] }> {
  const facts = (await columnsOf('facts.tsv')).map(([type = '', text = '']): SetFact => {
    const known = FACT_TYPES.find((each) => each === type);
    if (!known || text === '') throw new Error(`facts.tsv: "${type}\t${text}" is no type and text.`);
    return { type: known, text };
  });
  const questions = (await columnsOf('questions.tsv')).map(([given, query = '', beginnings = '']): Question => {
    const kind = KINDS.find((each) => each === given);
    const answers = beginnings.split(' || ').map((beginning) => {
      const [answer, ...more] = facts.filter(({ text }) => text.startsWith(beginning));
      if (!answer || more.length > 0)
        throw new Error(`questions.tsv: "${beginning}" begins ${more.length ? 'several facts' : 'no fact'}.`);
      return answer.text;
    });
    if (!kind) throw new Error(`questions.tsv: "${given}" is no kind.`);
    return { kind, query, answers };
  });
  return { facts, questions };
}
