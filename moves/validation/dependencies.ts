import type { Finding } from '../finding.ts';
import { flaw, type Keys, listed } from './flaw.ts';

/** Something that has to wait for others. */
export interface Dependent {
  id: string;
  dependsOn: readonly string[];
}

/**
 * Every way in which things wait for themselves, each named by its members in the order of waiting. The work is linear in the number
 * of dependencies: of cycles that share members, those are told that a walk from the first of them meets.
 */
function cyclesOf(all: readonly Dependent[]): string[][] {
  const known = new Map<string, string[]>();
  for (const { id, dependsOn } of all) if (!known.has(id)) known.set(id, [...new Set(dependsOn)]);
  const left = new Set<string>();
  const cycles: string[][] = [];
  for (const { id: root } of all) {
    if (left.has(root)) continue;
    // The way from the root to where the walk is, with how many of each one's dependencies have been looked at.
    const way: { id: string; next: number }[] = [{ id: root, next: 0 }];
    const places = new Map([[root, 0]]);
    for (let here = way.at(-1); here; here = way.at(-1)) {
      const other = known.get(here.id)?.[here.next];
      here.next += 1;
      if (other === undefined) {
        left.add(here.id);
        places.delete(here.id);
        way.pop();
      } else if (places.has(other)) cycles.push(way.slice(places.get(other)).map(({ id }) => id));
      else if (known.has(other) && !left.has(other)) {
        places.set(other, way.length);
        way.push({ id: other, next: 0 });
      }
    }
  }
  return cycles;
}

/** Cycles among `ours` and `others`, told at the first of ours that is part of them; of others alone they are not ours to mend. */
export function cycleFindings(
  ours: readonly Dependent[],
  others: readonly Dependent[],
  path: (at: number) => Keys,
): Finding[] {
  return cyclesOf([...ours, ...others]).flatMap((cycle) => {
    const at = ours.findIndex(({ id }) => cycle.includes(id));
    const names = [...cycle, cycle[0] as string];
    const shown = names.length > 13 ? listed(cycle) : names.join(' → ');
    return at === -1
      ? []
      : [flaw('PLAN_DEPENDENCY_CYCLE', path(at), `waits for itself: ${shown}`, 'take one of these dependencies out')];
  });
}

/** Dependencies on what there is not. */
export function unknownDependencies(
  { dependsOn }: Dependent,
  isKnown: (id: string) => boolean,
  path: Keys,
  what: string,
): Finding[] {
  return dependsOn.flatMap((id, at) =>
    isKnown(id)
      ? []
      : [
          flaw(
            'PLAN_DEPENDENCY_UNKNOWN',
            [...path, at],
            `is ${id}, which is no ${what}`,
            'name one that there is, or take it out',
          ),
        ],
  );
}
