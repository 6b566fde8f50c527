import type { JournalEntry, JournalEvent } from './journal.ts';
import { RecordsError } from './records.ts';
import { hasEnded } from './run-status.ts';
import type { JsonObject, Period, StepRow } from './tables.ts';

/** A period's counter that did not admit a hold. Amounts in micro-dollars. */
export interface RefusedPeriod {
  scope: string;
  period: Period;
  starts_on: string;
  limit: number;
  spent: number;
  held: number;
}

/** What `budget_reserve` answers for a hold that it does not admit; `spent`: the cost under this key is known already. */
export interface HoldRefusal {
  spent?: boolean;
  refused?: RefusedPeriod[];
}

/** A budget threshold that a charge was the first to cross. Amounts in micro-dollars. */
export interface CrossedThreshold {
  scope: string;
  period: Period;
  starts_on: string;
  percent: number;
  limit: number;
  spent: number;
}

/** What became of an entry. */
export interface JournalAnswer {
  /** false: the run is not the writer's any more, and nothing was written. */
  accepted: boolean;
  /** `made` also when the entry had none; otherwise the attempt was not written, and why. */
  begin: 'made' | 'stale' | HoldRefusal;
  /** Each has been written as an event after the entry's own. */
  alerts: CrossedThreshold[];
  /** Set when the entry had been written before: the number of the run's last event. */
  seq?: number;
}

/** How the SQL function `journal_write` tells of what did not go as usual; `i` is the place of the entry, from 1. */
export interface JournalException {
  i: number;
  accepted?: false;
  stale?: true;
  refused?: HoldRefusal;
  alerts?: CrossedThreshold[];
  seq?: number;
}

/** Where each run's entry stands: in the order of the runs' ids, in which rows are locked everywhere. */
function inOrder(entries: readonly JournalEntry[]): JournalEntry[] {
  const ordered = entries.toSorted((a, b) => (a.run_id < b.run_id ? -1 : 1));
  if (ordered.some((entry, index) => ordered[index + 1]?.run_id === entry.run_id))
    throw new RecordsError('21000', 'Two entries of one run cannot share a statement.');
  return ordered;
}

/**
 * The arguments of the SQL function `journal_write`: a flat list for each kind of row, in which `i` refers to the entry.
 * @throws {RecordsError} for two entries of one run
 */
export function journalArguments(entries: readonly JournalEntry[]) {
  const lists = {
    p_entries: [] as JsonObject[],
    p_runs: [] as JsonObject[],
    p_steps: [] as JsonObject[],
    p_events: [] as JsonObject[],
    p_begins: [] as JsonObject[],
    p_charges: [] as JsonObject[],
    p_extras: [] as JsonObject[],
  };
  for (const [index, entry] of inOrder(entries).entries()) {
    const i = index + 1;
    const { begin, outbox, decisions, pause } = entry;
    const { run_id, epoch, at, after_seq, campaign_id, run, again } = entry;
    const events = entry.events.length + (begin ? 1 : 0);
    const ends = run?.status !== undefined && hasEnded(run.status);
    lists.p_entries.push({
      i,
      run_id,
      epoch,
      at,
      after_seq,
      ...(again ? { again } : {}),
      ...(ends ? { ends: campaign_id } : {}),
    });
    if (run) lists.p_runs.push({ i, event_seq: after_seq + events, ends, ...(run as unknown as JsonObject) });
    for (const step of entry.steps ?? []) lists.p_steps.push({ i, ...stepColumns(step) });
    for (const [nth, event] of entry.events.entries()) lists.p_events.push(eventColumns(i, after_seq + nth + 1, event));
    for (const charge of entry.charges ?? []) lists.p_charges.push({ i, ...charge });
    if (begin) {
      const { name, attempts } = begin.step;
      const hold = begin.hold ? { hold: begin.hold } : {};
      lists.p_begins.push({ i, name, attempts, version: begin.version, campaign_id, ...hold });
      lists.p_steps.push({ i, begins: true, ...stepColumns(begin.step) });
      lists.p_events.push({ ...eventColumns(i, after_seq + events, begin.event), begins: true });
    }
    if (outbox?.length || decisions?.length || pause)
      lists.p_extras.push({ i, campaign_id, ...({ outbox, decisions, pause } as unknown as JsonObject) });
  }
  return lists;
}

/** The answers of `journal_write` in the order of the entries as they were given. */
export function journalAnswers(
  entries: readonly JournalEntry[],
  exceptions: readonly JournalException[],
): JournalAnswer[] {
  if (exceptions.length === 0) return entries.map(() => ({ accepted: true, begin: 'made', alerts: [] }));
  const answers = new Map<string, JournalAnswer>();
  const ordered = inOrder(entries);
  for (const { i, accepted, stale, refused, alerts, seq } of exceptions) {
    const runId = ordered[i - 1]?.run_id ?? '';
    const answer = answers.get(runId) ?? { accepted: true, begin: 'made' as const, alerts: [] };
    if (accepted === false) answer.accepted = false;
    if (stale) answer.begin = 'stale';
    if (refused) answer.begin = refused;
    if (alerts) answer.alerts.push(...alerts);
    if (seq !== undefined) answer.seq = seq;
    answers.set(runId, answer);
  }
  return entries.map(({ run_id }) => answers.get(run_id) ?? { accepted: true, begin: 'made', alerts: [] });
}

function eventColumns(i: number, seq: number, { type, data }: JournalEvent): JsonObject {
  return { i, seq, type, data };
}

/** The columns of a step that say something; the others are the defaults of the table. */
function stepColumns(step: StepRow): JsonObject {
  const columns: JsonObject = {};
  for (const [name, value] of Object.entries(step)) {
    if (value === null || value === false || name === 'run_id') continue;
    if (typeof value === 'object' && Object.keys(value as object).length === 0) continue;
    columns[name] = value as JsonObject;
  }
  return columns;
}
