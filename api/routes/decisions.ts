import { z } from 'zod';
import { chainedWorkspaces, findDecision, listDecisions, verifyChain } from '../../database/queries/decisions.ts';
import type { Records } from '../../database/records.ts';
import { iso } from '../../shared/clock.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { byId, count, shortText, success, uuid } from '../shapes/common.ts';
import { chainReport, loggedDecision, presentChainReport, presentLoggedDecision } from '../shapes/decision.ts';

/** Postgres writes years 1 to 9999 as ISO does; no decision is older than 1970. */
const LAST_MS = Date.UTC(9999, 11, 31);
const moment = z.iso
  .datetime({ offset: true })
  .transform((text) => iso(Math.min(Math.max(0, Date.parse(text)), LAST_MS)))
  .optional();

const workspace = shortText(200).optional();
const list = z.strictObject({ success, decisions: z.array(loggedDecision), nextCursor });

const all = operation({
  id: 'listDecisions',
  method: 'get',
  path: '/api/decisions',
  tag: 'Decisions',
  summary: 'What agents and people have decided, newest first',
  description:
    'With reasons, confidence, what was expected and what it rests on. Decisions about the plans of a workspace are in its hash ' +
    'chain; those that the service takes about fires and runs are in none, and are pruned with these.',
  scope: 'read',
  query: z.strictObject({
    ...pageById,
    workspace,
    planId: uuid.optional(),
    runId: uuid.optional(),
    campaignId: uuid.optional(),
    agent: shortText(300).optional(),
    action: shortText(300).optional(),
    seq: z.coerce.number().int().min(1).max(1e15).optional().meta({ description: 'Place in the chain.' }),
    since: moment.meta({ description: 'Decided then or later.' }),
    until: moment.meta({ description: 'Decided before.' }),
  }),
  answers: { 200: { description: 'One page.', schema: list } },
  async handle({ query: { cursor: after, ...listing } }, { records }) {
    const page = await listDecisions(records, { ...listing, after });
    const decisions = page.rows.map(presentLoggedDecision);
    const body: z.infer<typeof list> = { success: true, decisions, nextCursor: cursorAt(page.next) };
    return { status: 200, body };
  },
});

const verified = z.strictObject({
  success,
  valid: z.boolean().meta({ description: 'Whether every chain holds.' }),
  entries: count.meta({ description: 'How many hold in all chains.' }),
  workspaces: z.array(chainReport),
});

const verify = operation({
  id: 'verifyDecisions',
  method: 'get',
  path: '/api/decisions/verify',
  tag: 'Decisions',
  summary: 'Whether the recorded decisions are as they were written',
  description:
    'Computes every hash of a chain anew, or of all chains, and names the first break. Keep the heads elsewhere: somebody who ' +
    'can rewrite everything, the heads included, is only found by a head that they could not reach.',
  scope: 'read',
  query: z.strictObject({ workspace: workspace.meta({ description: 'All of them when left out.' }) }),
  answers: { 200: { description: 'What was found, also when it is not well.', schema: verified } },
  failures: { 404: ['NOT_FOUND'] },
  async handle({ query }, { records }) {
    const names = query.workspace === undefined ? await chainedWorkspaces(records) : [query.workspace];
    const workspaces: z.infer<typeof chainReport>[] = [];
    for (const name of names) workspaces.push(await reportOf(records, name));
    const body: z.infer<typeof verified> = {
      success: true,
      valid: workspaces.every(({ valid }) => valid),
      entries: workspaces.reduce((sum, { entries }) => sum + entries, 0),
      workspaces,
    };
    return { status: 200, body };
  },
});

/** @throws {NotFoundError} */
async function reportOf(records: Records, name: string): Promise<z.infer<typeof chainReport>> {
  const report = await verifyChain(records, name);
  if (!report) throw new NotFoundError('workspace with decisions', name);
  return presentChainReport(report);
}

const oneDecision = z.strictObject({ success, decision: loggedDecision });

const get = operation({
  id: 'getDecision',
  method: 'get',
  path: '/api/decisions/{id}',
  tag: 'Decisions',
  summary: 'One decision',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The decision.', schema: oneDecision } },
  async handle({ params }, { records }) {
    const row = await findDecision(records, params.id);
    if (!row) throw new NotFoundError('decision', params.id);
    const body: z.infer<typeof oneDecision> = { success: true, decision: presentLoggedDecision(row) };
    return { status: 200, body };
  },
});

export const decisionOperations: readonly Operation[] = [all, verify, get];
