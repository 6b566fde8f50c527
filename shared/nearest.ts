/** Edit distance with swaps of neighbours (optimal string alignment), given up beyond `most`. */
function distance(a: string, b: string, most: number): number {
  if (Math.abs(a.length - b.length) > most) return most + 1;
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row += 1) {
    const line = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        (last[column] ?? 0) + 1,
        (line[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1])
        cost = Math.min(cost, (beforeLast[column - 2] ?? 0) + 1);
      line.push(cost);
    }
    beforeLast = last;
    last = line;
  }
  return last[b.length] ?? most + 1;
}

/** Spelling without case, hyphens and underscores: `on_failure` and `onFailure` are one. */
const bare = (text: string) => text.toLowerCase().replace(/[\s_-]/g, '');

/** The known name that a misspelt one most likely means, or undefined when none is near. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  if (name.length > 60) return undefined;
  const wanted = bare(name);
  const most = Math.min(3, Math.floor(wanted.length / 3) + (wanted.length > 1 ? 1 : 0));
  let best: string | undefined;
  let bestDistance = most + 1;
  for (const candidate of known) {
    const target = bare(candidate);
    const begins =
      wanted.length >= 3 && (target.startsWith(wanted) || (target.length >= 3 && wanted.startsWith(target)));
    const far = Math.min(distance(wanted, target, most), begins ? most : Infinity);
    if (far < bestDistance) [best, bestDistance] = [candidate, far];
  }
  return best;
}
