import type { Finding } from '../finding.ts';
import { clipped } from '../statement.ts';
import type { Critique } from '../tasks/critique.ts';

/** Findings, or remarks, that are told. */
const MOST_TOLD = 10;
/** UTF-16 code units of one of them: it may quote what a model wrote. */
const LONGEST_TOLD = 300;

/** The first of them, for a message. */
export function findingsInWords(findings: readonly Finding[]): string {
  const told = findings
    .slice(0, MOST_TOLD)
    .map(({ code, path, message }) => clipped(`${code} at ${path}: ${message}`, LONGEST_TOLD));
  const more = findings.length > MOST_TOLD ? [`and ${findings.length - MOST_TOLD} more`] : [];
  return [...told, ...more].join('; ');
}

/** What a critic and the rules said, for the record. */
export function remarksInWords({ remarks }: Critique, findings: readonly Finding[]): string {
  const said = remarks.slice(0, MOST_TOLD).map(({ severity, path, problem }) => `${severity} at ${path}: ${problem}`);
  const all = [...(findings.length > 0 ? [findingsInWords(findings)] : []), ...said];
  return all.length === 0 ? 'Nothing was found wrong.' : all.join('; ');
}
