import { setImmediate } from 'node:timers/promises';
import type { Micros } from '../../shared/money.ts';
import { passagesOf, type Artifact, type ArtifactKind, type Passage } from '../artifacts.ts';
import type { Model, ModelCall } from '../model.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { byPlace, findingOf, gravest, type Finding, type Flaw } from './finding.ts';
import type { Gate } from './gate.ts';
import type { JudgeFailure } from './judge-failures.ts';
import { runJudge, type JudgeResult, type Unanswered } from './judge.ts';
import type { Patience } from './judge-time.ts';
import { verdictOf, withheld, worst, type Verdict } from './verdict.ts';

/** What one gate found in the whole bundle. */
export interface GateReport {
  gate: string;
  version: number;
  findings: number;
  /** Findings of less weight that were left out of the list. */
  omitted: number;
}

export interface AuditResult {
  /** The worst verdict on an artifact. */
  verdict: Verdict;
  /** Ordered by artifact and place. */
  findings: Finding[];
  artifacts: { id: string; kind: ArtifactKind; verdict: Verdict }[];
  /** `pending`: some questions were not answered, since the model was away; the audit has to be run again. */
  judged: 'complete' | 'pending' | 'not_available';
  unanswered: Unanswered[];
  /** Why it is pending; null when it is not, or when the model only was too slow. */
  failure: JudgeFailure | null;
  costMicros: Micros;
  /** Whether a failed call may have cost something that nobody knows. */
  costUnknown: boolean;
  gates: GateReport[];
}

/** Findings of one gate in one artifact that are listed. */
const MOST_FINDINGS = 50;
/** UTF-16 units of one artifact that are judged; nobody publishes more. */
const MOST_TEXT = 200_000;

interface Judged {
  artifact: Artifact;
  passages: Passage[];
  findings: Finding[];
}

/** The passages that are judged, and the flaw of an artifact that has more. */
function readable(artifact: Artifact): { passages: Passage[]; flaws: Flaw[] } {
  let left = MOST_TEXT;
  const passages: Passage[] = [];
  for (const passage of passagesOf(artifact.kind, artifact.content)) {
    if (left <= 0) break;
    passages.push({ ...passage, text: passage.text.slice(0, left) });
    left -= passage.text.length;
  }
  const last = passages.at(-1);
  if (left >= 0 || !last) return { passages, flaws: [] };
  const flaw: Flaw = {
    passage: last,
    start: last.text.length,
    end: last.text.length,
    severity: 'critical',
    code: 'too_much_text',
    message: `The artifact holds more than ${MOST_TEXT} characters; what is behind them was not judged.`,
    mend: 'shorten it',
  };
  return { passages, flaws: [flaw] };
}

/** One gate over one artifact: what it found, the gravest first, and cut to what is listed. */
function runGate(gate: Gate, { artifact, passages }: Judged, brief: NormalizedBrief) {
  const flaws = gate.check({ kind: artifact.kind, passages }, brief);
  return {
    listed: gravest(flaws, MOST_FINDINGS).map((flaw) => findingOf(artifact, gate.name, flaw)),
    omitted: Math.max(0, flaws.length - MOST_FINDINGS),
  };
}

async function runGates(judged: readonly Judged[], brief: NormalizedBrief, signal: AbortSignal): Promise<GateReport[]> {
  // The libraries of the gates take 0.4 s and 100 MB, which a service that audits nothing does not need.
  const { gates } = await import('./registry.ts');
  const reports: GateReport[] = [];
  for (const gate of gates) {
    const report: GateReport = { gate: gate.name, version: gate.version, findings: 0, omitted: 0 };
    for (const one of judged) {
      signal.throwIfAborted();
      const { listed, omitted } = runGate(gate, one, brief);
      one.findings.push(...listed);
      report.findings += listed.length;
      report.omitted += omitted;
      // Requests and timers get their turn between two gates.
      await setImmediate();
    }
    reports.push(report);
  }
  return reports;
}

/** With what, and until when. */
export interface AuditMeans extends Pick<ModelCall, 'signal' | 'onSent'> {
  model: Model;
  /** How long the judge is waited for; as long as the signal where it is not given. */
  patience?: Patience;
}

const NOT_JUDGED: JudgeResult = {
  findings: [],
  costMicros: 0,
  costUnknown: false,
  unanswered: [],
  failure: null,
  doubted: new Set(),
};

/**
 * Judges artifacts against the brief that they were made from: every deterministic gate, then one question a model call. With the
 * offline writer the judge is left out, and said to be. The same artifacts get the same findings in whatever order they come, as
 * far as the model answers the same.
 * @throws the signal's reason on abort
 */
export async function auditArtifacts(
  brief: NormalizedBrief,
  artifacts: readonly Artifact[],
  { model, ...time }: AuditMeans,
): Promise<AuditResult> {
  const judged = artifacts.map((artifact): Judged => {
    const { passages, flaws } = readable(artifact);
    return { artifact, passages, findings: flaws.map((flaw) => findingOf(artifact, 'length', flaw)) };
  });
  const gates = await runGates(judged, brief, time.signal);
  const isAvailable = model.provider !== 'rules';
  // What is too long to be read whole fails already, and would cost the most.
  const short = judged.filter(({ findings }) => !findings.some(({ code }) => code === 'too_much_text'));
  const judge = isAvailable
    ? await runJudge(
        model,
        brief,
        short.map(({ artifact }) => artifact),
        time,
      )
    : NOT_JUDGED;
  const open = new Set([...judge.unanswered.map(({ artifactId }) => artifactId), ...judge.doubted]);
  const verdicts = judged.map(({ artifact, findings }) => {
    const all = [...findings, ...judge.findings.filter(({ artifactId }) => artifactId === artifact.id)];
    const verdict = verdictOf(all);
    return { id: artifact.id, kind: artifact.kind, verdict: open.has(artifact.id) ? withheld(verdict) : verdict };
  });
  return {
    verdict: worst(verdicts.map(({ verdict }) => verdict)),
    findings: [...judged.flatMap(({ findings }) => findings), ...judge.findings].toSorted(byPlace),
    artifacts: verdicts.toSorted((a, b) => (`${a.kind} ${a.id}` < `${b.kind} ${b.id}` ? -1 : 1)),
    judged: !isAvailable ? 'not_available' : judge.unanswered.length > 0 ? 'pending' : 'complete',
    unanswered: judge.unanswered,
    failure: judge.failure,
    costMicros: judge.costMicros,
    costUnknown: judge.costUnknown,
    gates,
  };
}
