import { iso } from '../../shared/clock.ts';
import { timeOfId } from '../../shared/ids.ts';
import type { Records } from '../records.ts';
import type { DecisionRow, Iso } from '../tables.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

/** A decision for the chain of a workspace. Its id says which decision it is, however often it is written. */
export type NewDecision = Omit<DecisionRow, 'workspace' | 'chain_seq' | 'prev_hash' | 'hash'> & { workspace: string };

/** Appends to the chains, in the order given, all or none; an id that is there already is left as it is. Returns how many are new. */
export async function recordDecisions(records: Records, decisions: readonly NewDecision[]): Promise<number> {
  return decisions.length === 0 ? 0 : records.call<number>('record_decisions', { p_decisions: decisions });
}

export interface DecisionListing {
  workspace?: string | undefined;
  planId?: string | undefined;
  runId?: string | undefined;
  campaignId?: string | undefined;
  agent?: string | undefined;
  action?: string | undefined;
  /** Place in the chain. */
  seq?: number | undefined;
  /** The first moment, and the first one no more. */
  since?: Iso | undefined;
  until?: Iso | undefined;
  /** Id of the last decision of the page before. */
  after?: string | undefined;
  limit: number;
}

/** Any id has 48 bits where one of version 7 has its time; Postgres knows no year beyond this one as ISO text. */
const LAST_MS = Date.UTC(9999, 11, 31);

/** Decisions in and outside of chains, newest first. */
export async function listDecisions(records: Records, listing: DecisionListing): Promise<Page<DecisionRow>> {
  const { limit, after } = listing;
  const rows = await records.call<DecisionRow[]>('list_decisions', {
    p_workspace: listing.workspace ?? null,
    p_plan_id: listing.planId ?? null,
    p_run_id: listing.runId ?? null,
    p_campaign_id: listing.campaignId ?? null,
    p_agent: listing.agent ?? null,
    p_action: listing.action ?? null,
    p_seq: listing.seq ?? null,
    p_since: listing.since ?? null,
    p_until: listing.until ?? null,
    p_after: after ?? null,
    p_after_at: after === undefined ? null : iso(Math.min(timeOfId(after), LAST_MS)),
    p_limit: rowsToRead(limit),
  });
  return pageOf(rows, limit, (row) => row.id);
}

export async function findDecision(records: Records, id: string): Promise<DecisionRow | undefined> {
  const [row] = await records.select('agent_decisions', { where: [{ column: 'id', op: 'eq', value: id }] });
  return row;
}

/** What can be wrong with a chain; docs/decisions-log.md tells them. */
export const CHAIN_PROBLEMS = [
  'content_changed',
  'chain_broken',
  'row_missing',
  'tail_missing',
  'extra_row',
  'head_changed',
  'head_missing',
] as const;
export type ChainProblem = (typeof CHAIN_PROBLEMS)[number];

/** A chain as it was found. */
export interface ChainReport {
  workspace: string;
  /** How many hold, from the first one on: all, or those before the first break. */
  entries: number;
  /** Where the chain says that it ends; null when that is lost. */
  head_seq: number | null;
  head_hash: string | null;
  valid: boolean;
  first_break: { seq: number; id: string | null; problem: ChainProblem } | null;
}

/** The last entry that was looked at. */
interface Position {
  seq: number;
  hash: string;
}

/** What `verify_decisions` answers; `next`: where to go on, null at the end. */
type ReportSoFar = ChainReport & { next: Position | null };

/** Of one statement: hosted databases give one a few seconds, and on the embedded one everybody waits for it. */
const ENTRIES_A_CALL = 1_000;

/**
 * Computes every hash of a workspace's chain anew. undefined: the workspace has no chain.
 * @param entriesACall how many are looked at by one statement
 */
export async function verifyChain(
  records: Records,
  workspace: string,
  entriesACall: number = ENTRIES_A_CALL,
): Promise<ChainReport | undefined> {
  let from: Position | null = null;
  for (;;) {
    const answer: ReportSoFar | null = await records.call('verify_decisions', {
      p_workspace: workspace,
      p_from: from,
      p_limit: entriesACall,
    });
    if (answer === null) return undefined;
    const { next, ...report }: ReportSoFar = answer;
    if (next === null) return report;
    from = next;
  }
}

/** The workspaces that have a chain, or what is left of one. */
export async function chainedWorkspaces(records: Records): Promise<string[]> {
  return records.call<string[]>('decision_workspaces', {});
}
