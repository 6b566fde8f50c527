import type { JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import { microsToDollars } from '../../shared/money.ts';
import type { WrittenArtifact } from '../agents/write.ts';
import { artifactsOf, metadataOf } from './brief-control.ts';
import { AUDIT, WRITERS } from './definition.ts';
import { type AgentState, agentStateOf, type BriefState, briefStateOf } from './lifecycle.ts';

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
export type AuditState = 'waiting' | 'auditing' | 'completed' | 'pending' | 'failed' | 'skipped';

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
  changes: JsonObject[];
  agents: BundleAgent[];
  artifacts: WrittenArtifact[];
  /** Agents whose artifact there is not. */
  missing: { agent: string; reason: string }[];
  audit: { state: AuditState; result: JsonObject | null; error: { code: string; message: string } | null };
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

function auditOf(row: StepRow | undefined, ended: boolean): Bundle['audit'] {
  const error = row?.error ? { code: row.error.code, message: row.error.message } : null;
  const result = row?.output ?? null;
  if (row?.status === 'completed' || row?.status === 'empty') return { state: 'completed', result, error: null };
  if (row?.status === 'failed') return { state: error?.code === 'AUDIT_PENDING' ? 'pending' : 'failed', result, error };
  if (row?.status === 'running') return { state: 'auditing', result: null, error };
  return { state: ended ? 'skipped' : 'waiting', result: null, error: null };
}

/** Puts together what the rows of a brief's newest run say. @param chain ids of all its runs, oldest first */
export function bundleOf(run: RunRow, steps: readonly StepRow[], chain: readonly string[]): Bundle {
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
  return {
    briefId: chain[0] ?? run.id,
    runId: run.id,
    runs: [...chain],
    state: briefStateOf(run.status, states),
    statusReason: run.status_reason,
    mode: metadata.mode,
    brief: metadata.brief as unknown as JsonObject,
    channels: metadata.channels,
    priorRunId: metadata.prior?.runId ?? null,
    changes: (metadata.prior?.changes ?? []) as unknown as JsonObject[],
    agents,
    artifacts: artifactsOf(steps),
    missing: agents
      .filter(({ agent, state }) => agent !== AUDIT && (state === 'failed' || state === 'cancelled'))
      .map(({ agent, state, error }) => ({ agent, reason: error ? `${error.code}: ${error.message}` : state })),
    audit: auditOf(byName.get(AUDIT), ended),
    cost: microsToDollars(run.total_cost_micros),
    costUnknown: run.cost_unknown,
    createdAt: run.created_at,
    completedAt: run.completed_at,
    durationMs: millisBetween(run.created_at, run.completed_at),
    firstArtifactMs: firstMade === undefined ? null : millisBetween(run.created_at, firstMade),
  };
}
