import type { ArtifactKind, Passage } from '../artifacts.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import type { Flaw } from './finding.ts';

/** What a gate is shown of an artifact. */
export interface Candidate {
  kind: ArtifactKind;
  passages: readonly Passage[];
}

/**
 * One deterministic check of an artifact against its brief. `check` is a pure function, throws for no text whatever, and its work
 * grows in proportion to the text.
 */
export interface Gate {
  name: string;
  /** Raised when the gate judges differently, so that old verdicts can be told from new ones. */
  version: number;
  check(candidate: Candidate, brief: NormalizedBrief): Flaw[];
}

/** What the public reads. */
export const published = ({ passages }: Candidate) => passages.filter((passage) => passage.published);

/** What of a passage is a flaw, for gates that look at each passage alone. */
export type Spot = Omit<Flaw, 'passage'>;

export const spotsIn = (passages: readonly Passage[], look: (passage: Passage) => Spot[]): Flaw[] =>
  passages.flatMap((passage) => look(passage).map((spot) => ({ passage, ...spot })));

/** Remembers what is made of an object, as long as the object lives. */
export function memo<Key extends object, Made>(make: (key: Key) => Made): (key: Key) => Made {
  const made = new WeakMap<Key, Made>();
  return (key) => {
    const known = made.get(key);
    if (known !== undefined) return known;
    const fresh = make(key);
    made.set(key, fresh);
    return fresh;
  };
}
