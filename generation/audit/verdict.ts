import type { Finding, Severity } from './finding.ts';

export type Verdict = 'pass' | 'conditional' | 'fail';

/** Major findings in one artifact from which it fails. */
const MAJORS_TO_FAIL = 3;
/** Minor findings in one artifact from which it passes only on condition. */
const MINORS_TO_HOLD = 5;

/**
 * The verdict on one artifact: `fail` with one critical finding or three major ones, `conditional` (a person decides) with a major
 * one or five minor ones, else `pass`. Notes count for nothing.
 */
export function verdictOf(findings: readonly Pick<Finding, 'severity'>[]): Verdict {
  const count = (wanted: Severity) => findings.filter(({ severity }) => severity === wanted).length;
  if (count('critical') > 0 || count('major') >= MAJORS_TO_FAIL) return 'fail';
  return count('major') > 0 || count('minor') >= MINORS_TO_HOLD ? 'conditional' : 'pass';
}

const ORDER: readonly Verdict[] = ['pass', 'conditional', 'fail'];

/** The worst of some verdicts; nothing at all is no pass. */
export const worst = (verdicts: readonly Verdict[]): Verdict =>
  ORDER.findLast((verdict) => verdicts.includes(verdict)) ?? 'fail';

/** What a verdict is worth as long as a question about the artifact is not answered. */
export const withheld = (verdict: Verdict): Verdict => worst([verdict, 'conditional']);
