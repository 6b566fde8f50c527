/** Shares of questions with an answer among the first one, five and ten hits, and the mean reciprocal rank (0 where there is none). */
export interface Figures {
  at1: number;
  at5: number;
  at10: number;
  mrr: number;
}

/** @param ranks of the first answer to each question, from 1; null: not found */
export function figuresOf(ranks: readonly (number | null)[]): Figures {
  const among = (depth: number) => ranks.filter((rank) => rank !== null && rank <= depth).length / ranks.length;
  const reciprocal = ranks.reduce<number>((sum, rank) => sum + (rank === null ? 0 : 1 / rank), 0);
  return { at1: among(1), at5: among(5), at10: among(10), mrr: reciprocal / ranks.length };
}

/** What drawing ten facts at random would give: exact, without drawing. */
export function chanceOf(facts: number, questions: readonly { answers: readonly string[] }[]): Figures {
  const missed = (depth: number, answers: number) => {
    let chance = 1;
    for (let drawn = 0; drawn < depth; drawn += 1) chance *= (facts - answers - drawn) / (facts - drawn);
    return chance;
  };
  const mean = (of: (answers: number) => number) =>
    questions.reduce((sum, { answers }) => sum + of(answers.length), 0) / questions.length;
  const found = (depth: number) => mean((answers) => 1 - missed(depth, answers));
  const mrr = mean((answers) => {
    let sum = 0;
    for (let rank = 1; rank <= 10; rank += 1) sum += (missed(rank - 1, answers) - missed(rank, answers)) / rank;
    return sum;
  });
  return { at1: found(1), at5: found(5), at10: found(10), mrr };
}
