import { storable, type ArtifactKind, type Passage } from '../artifacts.ts';

/** `info` never counts against an artifact; what the others do stands in `verdict.ts`. */
export type Severity = 'info' | 'minor' | 'major' | 'critical';

/** What is wrong at one place of an artifact. */
export interface Finding {
  /** The gate that found it; `judge` for a model's answer. */
  gate: string;
  severity: Severity;
  /** Names the kind of fault, such as `prohibited_term`. */
  code: string;
  artifactId: string;
  artifactKind: ArtifactKind;
  /** JSON pointer into the artifact's content. */
  path: string;
  /** UTF-16 offsets in the text at `path`. */
  start: number;
  end: number;
  /** The beginning of what stands between them; what the database cannot hold is replaced. */
  excerpt: string;
  message: string;
  /** What to do about it. */
  mend: string;
}

/** A fault as a gate tells it, before it is tied to an artifact. */
export interface Flaw {
  passage: Passage;
  start: number;
  end: number;
  severity: Severity;
  code: string;
  message: string;
  mend: string;
}

/** UTF-16 units of an excerpt at most. */
export const LONGEST_EXCERPT = 160;

const cut = (text: string, most: number) => storable(text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** A piece of a text as a finding shows it. */
export const excerptOf = (text: string, start: number, end: number) => cut(text.slice(start, end), LONGEST_EXCERPT);

/** A piece of text within a message, in quotation marks and short. */
export const quoted = (text: string) => `“${cut(text.replace(/\s+/gu, ' ').trim(), 60)}”`;

export function findingOf(artifact: { id: string; kind: ArtifactKind }, gate: string, flaw: Flaw): Finding {
  const { passage, start, end, severity, code, message, mend } = flaw;
  return {
    gate,
    severity,
    code,
    artifactId: artifact.id,
    artifactKind: artifact.kind,
    path: passage.path,
    start,
    end,
    excerpt: excerptOf(passage.text, start, end),
    message,
    mend,
  };
}

const byText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const RANK: Record<Severity, number> = { critical: 0, major: 1, minor: 2, info: 3 };

/** By artifact, then by place, then by weight: the same findings always come in the same order. */
export function byPlace(a: Finding, b: Finding): number {
  return (
    byText(a.artifactKind, b.artifactKind) ||
    byText(a.artifactId, b.artifactId) ||
    a.path.localeCompare(b.path, 'en', { numeric: true }) ||
    a.start - b.start ||
    a.end - b.end ||
    RANK[a.severity] - RANK[b.severity] ||
    byText(a.gate, b.gate) ||
    byText(a.code, b.code)
  );
}

/** The gravest flaws first; of the same weight, in the order in which they stand in the list. */
export function gravest(flaws: readonly Flaw[], most: number): Flaw[] {
  return flaws.toSorted((a, b) => RANK[a.severity] - RANK[b.severity]).slice(0, most);
}
