import type { StepDefinition } from '../campaigns/definition.ts';
import type { Iso, JsonObject, StepRow } from '../database/tables.ts';
import { microsToDollars } from '../shared/money.ts';
import type { StepError } from '../steps/step.ts';
import type { Charge } from './step-budget.ts';

/** The row of a step that begins now, or goes on after an interruption. */
export function openStepRow(runId: string, position: number, step: StepDefinition, before?: StepRow): StepRow {
  return {
    run_id: runId,
    name: step.name,
    position,
    kind: step.kind,
    effect: step.effect,
    status: 'running',
    attempts: before?.attempts ?? 0,
    started_at: before?.started_at ?? null,
    completed_at: null,
    cost_micros: before?.cost_micros ?? 0,
    cost_unknown: before?.cost_unknown ?? false,
    counts: {},
    // Of a step that waited for people, what it told of that.
    output: before?.output ?? null,
    error: null,
    attempt_log: before?.attempt_log ?? [],
    carried_from: null,
  };
}

/** How often it was tried; attempts that ended in waiting for people are no tries. */
export function triesOf(row: StepRow): number {
  return row.attempts - row.attempt_log.filter((entry) => entry.waited).length;
}

/** Whether the step is over, one way or another. */
export function isSettled({ status }: StepRow): boolean {
  return status !== 'running' && status !== 'waiting';
}

/** Whether the last attempt was begun and has no end: the engine may be working, or may have done the work. */
export function isUnderWay(row: StepRow): boolean {
  return row.attempt_log.at(-1)?.completed_at === null;
}

/** The row with one more attempt begun. */
export function beginAttempt(row: StepRow, at: Iso): StepRow {
  const attempt = row.attempts + 1;
  return {
    ...row,
    attempts: attempt,
    started_at: row.started_at ?? at,
    attempt_log: [
      ...row.attempt_log,
      { attempt, started_at: at, completed_at: null, cost_micros: 0, cost_unknown: false, error: null },
    ],
  };
}

/** The row after an attempt has ended, with what it was charged. */
export function endAttempt(
  row: StepRow,
  at: Iso,
  charge: Pick<Charge, 'micros' | 'unknown'>,
  failure?: StepError,
): StepRow {
  const error = failure ? { code: failure.code, message: failure.message } : null;
  return {
    ...row,
    cost_micros: row.cost_micros + charge.micros,
    cost_unknown: row.cost_unknown || charge.unknown,
    attempt_log: row.attempt_log.map((entry) =>
      entry.attempt === row.attempts
        ? { ...entry, completed_at: at, cost_micros: charge.micros, cost_unknown: charge.unknown, error }
        : entry,
    ),
  };
}

/** The row of a step that people have been asked about; its last attempt has ended. @param output whom it waits for */
export function waitingRow(row: StepRow, output: JsonObject): StepRow {
  const log = row.attempt_log.map((entry) =>
    entry.attempt === row.attempts ? { ...entry, waited: true as const } : entry,
  );
  return { ...row, status: 'waiting', attempt_log: log, output };
}

/** What the events of a settled step tell. */
export function settledFacts(row: StepRow): JsonObject {
  return {
    step: row.name,
    kind: row.kind,
    status: row.status,
    attempts: row.attempts,
    cost: microsToDollars(row.cost_micros),
    ...(row.cost_unknown ? { costUnknown: true } : {}),
    ...(row.started_at && row.completed_at
      ? { durationMs: Date.parse(row.completed_at) - Date.parse(row.started_at) }
      : {}),
  };
}
