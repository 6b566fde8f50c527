import { z } from 'zod';
import { eventsAfter, lastEventOf } from '../../database/queries/run-events.ts';
import { stepsOfRun } from '../../database/queries/runs.ts';
import type { Records } from '../../database/records.ts';
import type { RunRow, StepRow } from '../../database/tables.ts';
import type { BriefRunsRead } from '../../generation/briefs/brief-control.ts';
import { BriefLifecycle } from '../../generation/briefs/lifecycle.ts';
import { contextOf } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { byId } from '../shapes/common.ts';
import { resumePoint, streamRunEvents } from '../sse.ts';
import { existingRun } from './runs.ts';

const stream = z.string().meta({
  description:
    'Frames `id: <runId>:<seq>`, `event: brief.state | agent.state | brief.note`, `data: {agent?, state, overall, …}`; ' +
    '`brief.state` has the state of each agent in `agents`. `step.progress` is live only and has no id.',
});

/** The words of a brief's stream, after the events that a reader has seen already. */
async function tellerOf(records: Records, run: RunRow, steps: readonly StepRow[], afterSeq: number) {
  const lifecycle = new BriefLifecycle(steps.filter((step) => step.carried_from !== null));
  for (const row of afterSeq > 0 ? await eventsAfter(records, run.id, 0, 1_000) : [])
    if (row.seq <= afterSeq) lifecycle.tell(row);
  return lifecycle;
}

type Told = Parameters<BriefLifecycle['tell']>[0];

/** Where a reader goes on: in the run that it was reading until it has all of that, then in the one that repairs it. */
async function placeOf(
  records: Records,
  { newest, chain }: BriefRunsRead,
  lastId: string | undefined,
): Promise<{ run: RunRow; after: number }> {
  const [runId, seq] = lastId?.trim().split(':') ?? [];
  const at = chain.findIndex(({ id }) => id === runId);
  const known = at === -1 || runId === newest.id ? newest : await existingRun(records, String(runId));
  const after = at === -1 ? 0 : resumePoint(seq, await lastEventOf(records, known));
  const next = chain[at + 1];
  if (known === newest || after < known.event_seq || !next) return { run: known, after };
  return { run: next.id === newest.id ? newest : await existingRun(records, next.id), after: 0 };
}

const events = operation({
  id: 'streamBriefEvents',
  method: 'get',
  path: '/api/briefs/{id}/events',
  tag: 'Briefs',
  summary: 'How a brief goes on, live',
  description:
    'Server-sent events of the newest run of the brief, for each agent and for the whole, until it has ended; resumable by ' +
    '`Last-Event-ID`, which leads from the last event of a run to the first of the one that repairs it. States: queued, generating, generated, auditing, then completed, partial, failed, aborted or cancelled.',
  scope: 'read',
  params: byId,
  query: z.strictObject({
    lastEventId: z.string().max(60).optional().meta({ description: 'For readers that cannot send the header.' }),
  }),
  answers: {
    200: { description: 'A stream.', schema: stream, mediaType: 'text/event-stream' },
    204: { description: 'The newest run has ended and `Last-Event-ID` is its last event.', schema: null },
  },
  async handle({ params, query, request }, deps) {
    const runs = await deps.briefs.find(params.id);
    const { run, after } = await placeOf(deps.records, runs, request.get('last-event-id') ?? query.lastEventId);
    const lifecycle = await tellerOf(deps.records, run, await stepsOfRun(deps.records, run.id), after);
    const shown = { tell: (row: Told) => lifecycle.tell(row), idOf: (seq: number) => `${run.id}:${seq}` };
    contextOf(request).streaming = true;
    return (incoming, response) => streamRunEvents(incoming, response, run, after, deps, shown);
  },
});

export const briefEventOperations: readonly Operation[] = [events];
