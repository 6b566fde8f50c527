import type { StepDefinition } from '../campaigns/definition.ts';
import type { Iso, StepRow } from '../database/tables.ts';
import type { StepError, StepResult } from '../steps/step.ts';
import { mustSettle, nextAttempt } from './repeat-rules.ts';
import type { RunRecord } from './run-writer.ts';
import type { AttemptOutcome } from './step-attempt.ts';
import type { Charge } from './step-budget.ts';
import { endAttempt, settledFacts, waitingRow } from './step-rows.ts';

/** An attempt that has ended. */
export interface EndedAttempt {
  step: StepDefinition;
  /** With the attempt begun. */
  row: StepRow;
  charge: Charge;
  outcome: AttemptOutcome;
  at: Iso;
}

/** What an attempt has come to. */
export interface AttemptRecord {
  /** The row after it. */
  row: StepRow;
  /** What is written of it. */
  record: Omit<RunRecord, 'run'>;
  /** Why it failed. */
  error?: StepError;
}

/** What is written of an attempt that has ended, one way or another. */
export function attemptRecord(ended: EndedAttempt): AttemptRecord {
  const { outcome, charge, row, at } = ended;
  if (!outcome.ok) return failedRecord(ended, outcome.error);
  const after = endAttempt(row, at, charge);
  return outcome.result.outcome === 'waiting'
    ? waitingRecord(waitingRow(after, outcome.result.output), charge)
    : settledRecord(settledRow(after, outcome.result, at), charge, outcome.result.dryRun);
}

function failedRecord({ step, row, charge, at }: EndedAttempt, error: StepError): AttemptRecord {
  const { code, message, retryable } = error;
  const data = { step: row.name, attempt: row.attempts, code, error: message, ...nextAttempt(step, row, error) };
  const after = endAttempt(row, at, charge, error);
  const record = {
    charges: charge.items,
    // Shown while the step waits for its next attempt; gone when that succeeds. Where there must be none, the row stays under way
    // until it is settled, which shares this commit: a worker that finds it would else begin another attempt.
    steps: mustSettle(step, error) ? [] : [{ ...after, error: { code, message, retryable } }],
    events: [{ type: 'step.attempt_failed' as const, data }],
  };
  return { row: after, record, error };
}

function waitingRecord(row: StepRow, charge: Charge): AttemptRecord {
  const data = { ...settledFacts(row), ...row.output };
  return { row, record: { steps: [row], charges: charge.items, events: [{ type: 'step.waiting', data }] } };
}

function settledRow(row: StepRow, result: StepResult, at: Iso): StepRow {
  return {
    ...row,
    status: result.outcome,
    completed_at: at,
    counts: { ...result.counts },
    output: { ...result.output, ...(result.dryRun ? { dryRun: true } : {}) },
  };
}

function settledRecord(row: StepRow, charge: Charge, dryRun = false): AttemptRecord {
  const data = { ...settledFacts(row), counts: row.counts, ...(dryRun ? { dryRun: true } : {}) };
  return { row, record: { steps: [row], charges: charge.items, events: [{ type: 'step.completed', data }] } };
}
