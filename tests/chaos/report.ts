import { duplicatesById } from './invariants-mail.ts';
import { callsAfterPause, sentAgainOnRequest } from './invariants-steps.ts';
import type { EngineCall } from './engine-records.ts';
import type { Evidence, RunFacts, StepState } from './evidence.ts';
import { type Invariant, invariants } from './invariants.ts';
import type { Injected } from './storm.ts';

export interface Verdict {
  invariant: string;
  held: boolean;
  violations: string[];
}

/** One run, with what the engines and the database wrote down of it, and the faults of that time. */
export interface Case {
  run: RunFacts | undefined;
  calls: EngineCall[];
  states: Record<string, StepState[]>;
  faults: Injected[];
}

/** What came out, as it is printed and kept as JSON. */
export interface ChaosReport {
  mode: 'faults' | 'schedule';
  seed: number;
  seconds: number;
  replicas: number;
  faults: Record<string, number>;
  counts: Record<string, number>;
  verdicts: Verdict[];
  /** Everything that is known of the runs that the violations name. */
  cases: Case[];
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
  facts: Pick<ChaosReport, 'mode' | 'seed' | 'seconds' | 'replicas' | 'notes'>,
  judgedBy: readonly Invariant[] = invariants,
): ChaosReport {
  const verdicts = judgedBy.map(({ name, violations }) => {
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
      'late calls of a paused caller': callsAfterPause(evidence).length,
      mails: letters.length,
      ...prefixed('mails', tally(letters.map(({ kind }) => kind ?? 'stray'))),
      'mails that came again under their id': duplicatesById(evidence).length,
      'runs started by hand': evidence.promised.length,
      'stops that were not clean': evidence.badStops.length,
    },
    verdicts,
    cases: casesOf(evidence, verdicts),
    held: verdicts.every(({ held }) => held),
  };
}

const RUN_ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const MOST_CASES = 20;
/** Faults that ended this long before the first call may still have a say, in milliseconds. */
const AFTERMATH_MS = 10_000;

function casesOf(evidence: Evidence, verdicts: readonly Verdict[]): Case[] {
  const ids = new Set(verdicts.flatMap(({ violations }) => violations.flatMap((text) => text.match(RUN_ID) ?? [])));
  return [...ids].slice(0, MOST_CASES).map((id) => {
    const calls = evidence.calls.filter(({ runId }) => runId === id);
    const states = [...evidence.history].filter(([key]) => key.startsWith(id));
    const times = [...calls.map(({ beganAt }) => beganAt), ...states.flatMap(([, of]) => of.map(({ at }) => at))];
    const [from, to] = [Math.min(...times) - AFTERMATH_MS, Math.max(...times) + AFTERMATH_MS];
    return {
      run: evidence.runs.find((run) => run.id === id),
      calls,
      states: Object.fromEntries(states),
      faults: evidence.faults.filter((fault) => fault.from <= to && fault.to >= from),
    };
  });
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
