import { duplicatesById } from './invariants-mail.ts';
import { sentAgainOnRequest } from './invariants-steps.ts';
import type { Evidence } from './evidence.ts';
import { invariants } from './invariants.ts';

export interface Verdict {
  invariant: string;
  held: boolean;
  violations: string[];
}

/** What came out, as it is printed and kept as JSON. */
export interface ChaosReport {
  seed: number;
  seconds: number;
  replicas: number;
  faults: Record<string, number>;
  counts: Record<string, number>;
  verdicts: Verdict[];
  /** Worth a look, and no violation. */
  notes: string[];
  held: boolean;
}

const MOST_EXAMPLES = 5;

function tally(names: Iterable<string>): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const name of [...names].toSorted((a, b) => a.localeCompare(b))) counts[name] = (counts[name] ?? 0) + 1;
  return counts;
}

export function judge(
  evidence: Evidence,
  facts: Pick<ChaosReport, 'seed' | 'seconds' | 'replicas' | 'notes'>,
): ChaosReport {
  const verdicts = invariants.map(({ name, violations }) => {
    const found = violations(evidence);
    return { invariant: name, held: found.length === 0, violations: found };
  });
  const { runs, fires, calls, letters, steps, history } = evidence;
  const unknown = [...history.values()].filter((states) => states.some(({ status }) => status === 'unknown'));
  return {
    ...facts,
    faults: tally(evidence.faults.map(({ name }) => name)),
    counts: {
      campaigns: evidence.campaigns.length,
      fires: fires.length,
      ...prefixed('fires', tally(fires.map(({ outcome, reason }) => (reason ? `${outcome}, ${reason}` : outcome)))),
      runs: runs.length,
      ...prefixed('runs', tally(runs.map(({ status }) => status))),
      'runs taken over': runs.filter(({ epoch }) => epoch > 1).length,
      steps: steps.length,
      'engine calls': calls.length,
      ...prefixed('engine calls', tally(calls.map(({ answered }) => answered ?? 'open'))),
      'sends at the engine': calls.filter(({ sent }) => sent).length,
      'sends of unknown outcome': unknown.length,
      'sends that a person had made again': sentAgainOnRequest(evidence).length,
      mails: letters.length,
      ...prefixed('mails', tally(letters.map(({ kind }) => kind ?? 'stray'))),
      'mails that came again under their id': duplicatesById(evidence).length,
      'runs started by hand': evidence.promised.length,
      'stops that were not clean': evidence.badStops.length,
    },
    verdicts,
    held: verdicts.every(({ held }) => held),
  };
}

function prefixed(prefix: string, counts: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [`  ${prefix}: ${name}`, count]));
}

/** The report for people. */
export function render(report: ChaosReport): string {
  const { seed, seconds, replicas, held } = report;
  return [
    `Faults (seed ${seed}, ${seconds} s, ${replicas} replicas)`,
    ...table(report.faults),
    '',
    'What happened',
    ...table(report.counts),
    '',
    'Invariants',
    ...report.verdicts.flatMap((verdict) => [
      `  ${verdict.held ? 'held    ' : 'VIOLATED'}  ${verdict.invariant}${verdict.held ? '' : ` (${verdict.violations.length})`}`,
      ...verdict.violations.slice(0, MOST_EXAMPLES).map((example) => `              ${example}`),
    ]),
    ...(report.notes.length > 0 ? ['', 'Notes', ...report.notes.slice(0, 20).map((note) => `  ${note}`)] : []),
    '',
    held ? 'All invariants held.' : `Invariants were violated; seed ${seed} makes about the same faults again.`,
  ].join('\n');
}

function table(rows: Record<string, number>): string[] {
  const width = Math.max(10, ...Object.keys(rows).map((name) => name.length)) + 2;
  return Object.entries(rows).map(([name, count]) => `  ${name.padEnd(width)}${String(count).padStart(6)}`);
}
