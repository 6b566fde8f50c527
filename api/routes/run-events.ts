import type { Request } from 'express';
import { z } from 'zod';
import { eventsAfter, lastEventOf } from '../../database/queries/run-events.ts';
import { pageOf, rowsToRead } from '../../database/queries/page.ts';
import { contextOf } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageByNumber } from '../paging.ts';
import { anyObject, byId, count, success, time } from '../shapes/common.ts';
import { resumePoint, streamRunEvents } from '../sse.ts';
import { existingRun } from './runs.ts';

const eventList = z
  .strictObject({
    success,
    events: z.array(z.strictObject({ seq: count, type: z.string(), occurred_at: time, data: anyObject })),
    nextCursor,
  })
  .meta({ id: 'RunEvents' });

const stream = z.string().meta({
  description: 'Frames `id: <seq>`, `event: <type>`, `data: <JSON>`. `step.progress` is live only and has no id.',
});

/** A stream unless JSON is asked for and streams are not. */
function wantsJson(request: Request, format: 'json' | 'sse' | undefined): boolean {
  if (format) return format === 'json';
  return request.accepts(['text/event-stream', 'application/json']) === 'application/json';
}

const events = operation({
  id: 'streamRunEvents',
  method: 'get',
  path: '/api/runs/{id}/events',
  tag: 'Runs',
  summary: 'Events of a run: live, or as a list',
  description:
    'Server-sent events that end after `run.finished`, resumable by `Last-Event-ID`. With `?format=json` or ' +
    '`Accept: application/json` the stored events, in order, paged. `limit` and `cursor` concern the list only. Events of ' +
    'runs that ended long ago are pruned (30 days unless configured): the list is then empty, the stream tells the end alone.',
  scope: 'read',
  params: byId,
  query: z.strictObject({
    ...pageByNumber,
    format: z.enum(['json', 'sse']).optional(),
    lastEventId: z.string().max(20).optional().meta({ description: 'For readers that cannot send the header.' }),
  }),
  answers: {
    200: {
      description: 'A stream, or a list.',
      schema: stream,
      mediaType: 'text/event-stream',
      also: { 'application/json': eventList },
    },
    204: { description: 'The run has ended and `Last-Event-ID` is its last event.', schema: null },
  },
  async handle({ params, query, request }, deps) {
    const run = await existingRun(deps.records, params.id);
    if (!wantsJson(request, query.format)) {
      const given = request.get('last-event-id') ?? query.lastEventId;
      const after = resumePoint(given, await lastEventOf(deps.records, run));
      contextOf(request).streaming = true;
      return (incoming, response) => streamRunEvents(incoming, response, run, after, deps);
    }
    const rows = await eventsAfter(deps.records, run.id, Number(query.cursor ?? 0), rowsToRead(query.limit));
    const page = pageOf(rows, query.limit, (row) => String(row.seq));
    const body: z.infer<typeof eventList> = {
      success: true,
      events: page.rows.map(({ seq, type, occurred_at, data }) => ({ seq, type, occurred_at, data })),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

export const runEventOperations: readonly Operation[] = [events];
