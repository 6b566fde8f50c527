import { z } from 'zod';
import { CHAIN_PROBLEMS, type ChainProblem, type ChainReport } from '../../database/queries/decisions.ts';
import type { DecisionRow } from '../../database/tables.ts';
import { anyObject, count, time } from './common.ts';

const hash = z.string().meta({ description: 'SHA-256, 64 hexadecimal digits.' });

export const loggedDecision = z
  .strictObject({
    id: z.guid(),
    workspace: z.string().nullable().meta({ description: 'Null: in no chain, such as why a run was stopped.' }),
    planId: z.guid().nullable(),
    campaignId: z.guid().nullable(),
    runId: z.guid().nullable().meta({ description: 'The run may have been pruned since.' }),
    agent: z.string(),
    action: z.string(),
    decidedAt: time,
    reasoning: z.string(),
    confidence: z.number().min(0).max(1),
    predicted: anyObject.meta({ description: 'What was expected to come of it.' }),
    evidence: anyObject,
    chain: z
      .strictObject({
        seq: count.meta({ description: 'Place in the chain of its workspace, from 1 on.' }),
        prevHash: hash.meta({ description: 'Hash of the entry before; of the first one 64 zeros.' }),
        hash: hash.meta({ description: 'Of this entry; docs/decisions-log.md says of what.' }),
      })
      .nullable(),
  })
  .meta({ id: 'LoggedDecision' });

export function presentLoggedDecision(row: DecisionRow): z.infer<typeof loggedDecision> {
  const { chain_seq: seq, prev_hash: prevHash, hash: own } = row;
  return {
    id: row.id,
    workspace: row.workspace,
    planId: row.plan_id,
    campaignId: row.campaign_id,
    runId: row.run_id,
    agent: row.agent,
    action: row.action,
    decidedAt: row.decided_at,
    reasoning: row.reasoning,
    confidence: row.confidence,
    predicted: row.predicted,
    evidence: row.evidence,
    chain: seq === null || prevHash === null || own === null ? null : { seq, prevHash, hash: own },
  };
}

const WORDS: Record<ChainProblem, string> = {
  content_changed: 'The entry is not what its hash was taken of: one of its fields, or the hash, was changed.',
  chain_broken: 'The entry does not hold the hash of the one before: that one was replaced, or entries changed places.',
  row_missing: 'The entry is gone, while later ones are there.',
  tail_missing: 'The entry is gone, and so are those after it, if there were any.',
  extra_row: 'The entry was not appended by the service: the chain ends before it, or has its place twice.',
  head_changed: 'The entries hold together, but the chain’s own note of where it ends says something else.',
  head_missing: 'The chain’s own note of where it ends is gone.',
};

export const chainReport = z
  .strictObject({
    workspace: z.string(),
    valid: z.boolean(),
    entries: count.meta({ description: 'How many hold, from the first one on: all, or those before the first break.' }),
    headSeq: count.nullable().meta({ description: 'How many entries the chain has by its own note.' }),
    headHash: hash
      .nullable()
      .meta({ description: 'Of the last entry. Kept elsewhere, it proves all entries up to it.' }),
    firstBreak: z
      .strictObject({
        seq: z.number().int().meta({ description: 'Place in the chain.' }),
        id: z.guid().nullable(),
        problem: z.enum(CHAIN_PROBLEMS),
        message: z.string(),
      })
      .nullable(),
  })
  .meta({ id: 'ChainReport' });

export function presentChainReport(report: ChainReport): z.infer<typeof chainReport> {
  const { first_break: broken } = report;
  return {
    workspace: report.workspace,
    valid: report.valid,
    entries: report.entries,
    headSeq: report.head_seq,
    headHash: report.head_hash,
    firstBreak: broken && { ...broken, message: WORDS[broken.problem] },
  };
}
