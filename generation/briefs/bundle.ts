import type { JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import { microsToDollars } from '../../shared/money.ts';
import type { WrittenArtifact } from '../agents/write.ts';
import { AUDIT, AUDIT_GIVEN_UP_MS, WRITERS } from './definition.ts';
import { type AgentState, agentStateOf, type BriefState, briefStateOf } from './lifecycle.ts';
import type { BriefRunsRead } from './brief-control.ts';
import type { FoundFacts } from './known-facts.ts';
import { artifactsOf, metadataOf } from './metadata.ts';

export interface BundleAgent {
  agent: string;
  state: AgentState;
  attempts: number;
  startedAt: string | null;
  completedAt: string | null;
  durationMs: number | null;
  /** Dollars. */
  cost: number;
  costUnknown: boolean;
  /** The run that did this part, when it was an earlier one. */
  carriedFrom: string | null;
  artifactId: string | null;
  /** Why there is no artifact. */
  error: { code: string; message: string; retryable: boolean } | null;
}

/** `pending`: it could not be made and is made up for by itself; `skipped`: the run ended before it. */
export type AuditState = 'waiting' | 'auditing' | 'completed' | 'pending' | 'failed' | 'cancelled' | 'skipped';

/** Everything there is about a brief. */
export interface Bundle {
  briefId: string;
  runId: string;
  runs: string[];
  state: BriefState;
  statusReason: string | null;
  mode: { asked: string; used: string; reason?: string };
  brief: JsonObject;
  channels: string[];
  priorRunId: string | null;
  knowledge: FoundFacts | null;
  changes: JsonObject[];
  agents: BundleAgent[];
  artifacts: WrittenArtifact[];
  /** Agents whose artifact there is not. */
  missing: { agent: string; reason: string }[];
  audit: {
    state: AuditState;
    result: JsonObject | null;
    /** The run whose audit the result is, when the newest has none of its own. */
    fromRun: string | null;
    error: { code: string; message: string } | null;
  };
  /** Dollars, of all runs of the brief. */
  cost: number;
  costUnknown: boolean;
  createdAt: string;
  completedAt: string | null;
  durationMs: number | null;
  /** From the submission to the first artifact of the newest run that wrote one. */
  firstArtifactMs: number | null;
}

const millisBetween = (from: string | null, to: string | null) =>
  from === null || to === null ? null : Date.parse(to) - Date.parse(from);

function agentOf(agent: string, row: StepRow | undefined, ended: boolean): BundleAgent {
  const artifact = row?.output?.['artifact'] as unknown as WrittenArtifact | undefined;
  return {
    agent,
    state: agentStateOf(agent, row, ended),
    attempts: row?.attempts ?? 0,
    startedAt: row?.started_at ?? null,
    completedAt: row?.completed_at ?? null,
    durationMs: millisBetween(row?.started_at ?? null, row?.completed_at ?? null),
    cost: microsToDollars(row?.cost_micros ?? 0),
    costUnknown: row?.cost_unknown ?? false,
    carriedFrom: row?.carried_from ?? null,
    artifactId: artifact?.id ?? null,
    error: row?.error ?? null,
  };
}

/** What is known of the audit: by its step in the newest run, or, where that says nothing, by the last one that did. */
function auditOf(row: StepRow | undefined, before: StepRow | undefined, run: RunRow, sinceMs: number): Bundle['audit'] {
  const saying = row?.output || !before ? row : before;
  const error = saying?.error ? { code: saying.error.code, message: saying.error.message } : null;
  const shown = { result: saying?.output ?? null, fromRun: saying && saying !== row ? saying.run_id : null };
  if (row?.status === 'running') return { state: 'auditing', ...shown, error };
  if (run.completed_at === null && saying !== row) return { state: 'waiting', ...shown, error: null };
  if (saying?.status === 'completed' || saying?.status === 'empty')
    return { state: saying === row ? 'completed' : 'skipped', ...shown, error: null };
  if (saying?.status === 'failed') return { state: failureState(saying.error?.code, sinceMs), ...shown, error };
  return { state: run.completed_at === null ? 'waiting' : 'skipped', ...shown, error: null };
}

function failureState(code: string | undefined, sinceMs: number): AuditState {
  if (code === 'AUDIT_CANCELLED') return 'cancelled';
  return code === 'AUDIT_PENDING' && sinceMs < AUDIT_GIVEN_UP_MS ? 'pending' : 'failed';
}

/** The rows of a brief: its runs, the steps of the newest, and the audit of an earlier one. */
export interface BriefRows extends BriefRunsRead {
  steps: readonly StepRow[];
  auditBefore: StepRow | undefined;
}

/** Puts together what the rows of a brief say. */
export function bundleOf({ newest: run, chain, steps, auditBefore }: BriefRows, nowMs: number): Bundle {
  const metadata = metadataOf(run);
  if (!metadata) throw new RangeError(`run ${run.id} has no brief`);
  const ended = run.completed_at !== null;
  const byName = new Map(steps.map((step) => [step.name, step]));
  const agents = [...WRITERS, AUDIT].map((agent) => agentOf(agent, byName.get(agent), ended));
  const states = new Map(agents.map(({ agent, state }) => [agent, state]));
  const firstMade = steps
    .filter(({ kind, status, carried_from }) => kind !== AUDIT && status === 'completed' && carried_from === null)
    .map(({ completed_at }) => completed_at ?? '')
    .toSorted()[0];
  const sinceMs = nowMs - Date.parse((chain[0] ?? run).created_at);
  return {
    briefId: (chain[0] ?? run).id,
    runId: run.id,
    runs: chain.map(({ id }) => id),
    state: briefStateOf(run.status, states),
    statusReason: run.status_reason,
    mode: metadata.mode,
    brief: metadata.brief as unknown as JsonObject,
    channels: metadata.channels,
    priorRunId: metadata.prior?.runId ?? null,
    knowledge: metadata.knowledge ?? null,
    changes: (metadata.prior?.changes ?? []) as unknown as JsonObject[],
    agents,
    artifacts: artifactsOf(steps),
    missing: agents
      .filter(({ agent, state }) => agent !== AUDIT && (state === 'failed' || state === 'cancelled'))
      .map(({ agent, state, error }) => ({
        agent,
        reason: error ? `${error.code}: ${error.message}` : (run.status_reason ?? state),
      })),
    audit: auditOf(byName.get(AUDIT), auditBefore, run, sinceMs),
    cost: microsToDollars(chain.reduce((sum, { total_cost_micros }) => sum + total_cost_micros, 0)),
    costUnknown: chain.some(({ cost_unknown }) => cost_unknown),
    createdAt: run.created_at,
    completedAt: run.completed_at,
    durationMs: millisBetween(run.created_at, run.completed_at),
    firstArtifactMs: firstMade === undefined ? null : millisBetween(run.created_at, firstMade),
  };
}
