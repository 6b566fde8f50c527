import { z } from 'zod';
import {
  countPending,
  findIngest,
  ingestEventsAfter,
  listIngests,
  listProblems,
} from '../../database/queries/knowledge.ts';
import type { Records } from '../../database/records.ts';
import type { IngestRow } from '../../database/tables-knowledge.ts';
import { LARGEST_FILE } from '../../knowledge/limits.ts';
import { isKnownCharset } from '../../knowledge/lines.ts';
import { MEDIA_TYPES } from '../../knowledge/reader.ts';
import { tooLarge } from '../../knowledge/receive.ts';
import { NotFoundError } from '../../shared/errors.ts';
import { contextOf } from '../context.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById, pageByNumber } from '../paging.ts';
import { byId, count, shortText, success } from '../shapes/common.ts';
import { collection, ingest, ingestState, lineProblem, presentIngest } from '../shapes/knowledge.ts';
import { resumePoint, streamHistory } from '../sse.ts';
import { unsupported, uploadOf } from '../upload.ts';

/** @throws {NotFoundError} */
async function existingIngest(records: Records, id: string): Promise<IngestRow> {
  const row = await findIngest(records, id);
  if (!row) throw new NotFoundError('knowledge file', id);
  return row;
}

const UPLOADS = Object.keys(MEDIA_TYPES);
const oneIngest = z.strictObject({ success, ingest });

const receive = operation({
  id: 'ingestKnowledge',
  method: 'post',
  path: '/api/knowledge',
  tag: 'Knowledge',
  summary: 'Take in a file of business context',
  description:
    'The body is the file itself: up to 30,000 lines and 50 MiB, in UTF-8, UTF-16 with a byte order mark, or the `charset` of its ' +
    'Content-Type. It is kept as a whole or not at all. Facts are made of it in the background.',
  scope: 'operate',
  upload: UPLOADS,
  query: z.strictObject({
    name: shortText(200).default('untitled').meta({ description: 'Of the file, as sources name it.' }),
    collection: collection.default('default'),
  }),
  answers: {
    202: {
      description: 'Every line is stored.',
      schema: oneIngest,
      headers: z.object({ Location: z.string().meta({ description: 'Path of the ingest.' }) }),
    },
  },
  failures: { 409: ['KNOWLEDGE_CANCELLED'], 413: ['KNOWLEDGE_TOO_LARGE'] },
  async handle({ query, request }, { knowledge }) {
    const { type, charset, bytes } = uploadOf(request, UPLOADS);
    if (charset !== undefined && !isKnownCharset(charset))
      throw unsupported('content-type', `charset ${charset}`, 'send UTF-8, which needs no charset');
    const compressed = request.headers['content-encoding'] !== undefined;
    if (!compressed && Number(request.headers['content-length'] ?? 0) > LARGEST_FILE)
      throw tooLarge(`more than ${LARGEST_FILE} bytes`);
    const row = await knowledge.receive({ ...query, format: MEDIA_TYPES[type] ?? 'text', charset }, bytes);
    return {
      status: 202,
      headers: { Location: `/api/knowledge/ingests/${row.id}` },
      body: { success: true, ingest: presentIngest(row) } satisfies z.infer<typeof oneIngest>,
    };
  },
});

const ingestList = z.strictObject({ success, ingests: z.array(ingest), nextCursor });

const list = operation({
  id: 'listKnowledgeIngests',
  method: 'get',
  path: '/api/knowledge/ingests',
  tag: 'Knowledge',
  summary: 'Files that were taken in, newest first',
  scope: 'read',
  query: z.strictObject({ ...pageById, state: ingestState.optional(), collection: collection.optional() }),
  answers: { 200: { description: 'One page.', schema: ingestList } },
  async handle({ query }, { records }) {
    const { cursor, ...listing } = query;
    const page = await listIngests(records, { ...listing, after: cursor });
    const body: z.infer<typeof ingestList> = {
      success: true,
      ingests: page.rows.map(presentIngest),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const ingestDetail = z.strictObject({
  success,
  ingest: z
    .strictObject({ ...ingest.shape, pending: count.meta({ description: 'Facts that wait for their vector.' }) })
    .meta({ id: 'KnowledgeIngestDetail' }),
});

const get = operation({
  id: 'getKnowledgeIngest',
  method: 'get',
  path: '/api/knowledge/ingests/{id}',
  tag: 'Knowledge',
  summary: 'How far a file is',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The file.', schema: ingestDetail } },
  async handle({ params }, { records }) {
    const row = await existingIngest(records, params.id);
    const pending = row.state === 'embedding' || row.state === 'refining' ? await countPending(records, row.id) : 0;
    const body: z.infer<typeof ingestDetail> = { success: true, ingest: { ...presentIngest(row), pending } };
    return { status: 200, body };
  },
});

const problemList = z.strictObject({ success, problems: z.array(lineProblem), total: count, nextCursor });

const problems = operation({
  id: 'listKnowledgeProblems',
  method: 'get',
  path: '/api/knowledge/ingests/{id}/problems',
  tag: 'Knowledge',
  summary: 'Lines of a file that were left out, or hold something hidden',
  scope: 'read',
  params: byId,
  query: z.strictObject(pageByNumber),
  answers: { 200: { description: 'One page, in the order in which they were found.', schema: problemList } },
  async handle({ params, query }, { records }) {
    const row = await existingIngest(records, params.id);
    const page = await listProblems(records, row.id, Number(query.cursor ?? 0), query.limit);
    const body: z.infer<typeof problemList> = {
      success: true,
      problems: page.rows.map(({ line, code, message, mend }) => ({ line, code, message, mend })),
      total: row.problems,
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const ENDED: readonly string[] = ['completed', 'cancelled', 'failed'];

const events = operation({
  id: 'streamKnowledgeEvents',
  method: 'get',
  path: '/api/knowledge/ingests/{id}/events',
  tag: 'Knowledge',
  summary: 'Events of a file, live',
  description:
    'Server-sent events that end after `ingest.finished`, resumable by `Last-Event-ID`: `ingest.received`, `ingest.started`, ' +
    '`ingest.progress`, `ingest.resumed`, `ingest.refined`, `ingest.embedding`, `ingest.finished`.',
  scope: 'read',
  params: byId,
  query: z.strictObject({
    lastEventId: z.string().max(20).optional().meta({ description: 'For readers that cannot send the header.' }),
  }),
  answers: {
    200: { description: 'A stream.', schema: z.string(), mediaType: 'text/event-stream' },
    204: { description: 'The file is finished and `Last-Event-ID` is its last event.', schema: null },
  },
  async handle({ params, query, request }, deps) {
    const row = await existingIngest(deps.records, params.id);
    const after = resumePoint(request.get('last-event-id') ?? query.lastEventId, row.event_seq);
    contextOf(request).streaming = true;
    return (incoming, response) =>
      streamHistory(
        incoming,
        response,
        {
          idName: 'ingestId',
          id: row.id,
          lastSeq: row.event_seq,
          ended: ENDED.includes(row.state),
          read: (afterSeq, limit) => ingestEventsAfter(deps.records, row.id, afterSeq, limit),
          endType: 'ingest.finished',
          end: () => ({
            seq: row.event_seq,
            type: 'ingest.finished',
            occurred_at: row.completed_at ?? row.created_at,
            data: { state: row.state, reason: row.state_reason },
          }),
        },
        after,
        deps,
      );
  },
});

const cancel = operation({
  id: 'cancelKnowledgeIngest',
  method: 'post',
  path: '/api/knowledge/ingests/{id}/cancel',
  tag: 'Knowledge',
  summary: 'Stop the work on a file',
  description: 'The facts that were made of it stay; DELETE takes them away too.',
  scope: 'operate',
  params: byId,
  body: z.strictObject({ reason: shortText(500).optional() }),
  bodyOptional: true,
  answers: { 200: { description: 'Cancelled.', schema: oneIngest } },
  failures: { 409: ['KNOWLEDGE_FINISHED'] },
  async handle({ params, body }, { knowledge, records }) {
    await knowledge.cancel(params.id, body.reason ?? null);
    const row = await existingIngest(records, params.id);
    return { status: 200, body: { success: true, ingest: presentIngest(row) } satisfies z.infer<typeof oneIngest> };
  },
});

const forgotten = z.strictObject({ success, message: z.literal('File forgotten') });

const forget = operation({
  id: 'forgetKnowledgeIngest',
  method: 'delete',
  path: '/api/knowledge/ingests/{id}',
  tag: 'Knowledge',
  summary: 'Take a file away, with its lines and the facts that only it says',
  description: 'Work on it is stopped first.',
  scope: 'operate',
  params: byId,
  answers: { 200: { description: 'Nothing of it is left.', schema: forgotten } },
  async handle({ params }, { knowledge }) {
    await knowledge.forget(params.id);
    return { status: 200, body: { success: true, message: 'File forgotten' } satisfies z.infer<typeof forgotten> };
  },
});

export const knowledgeIngestOperations: readonly Operation[] = [receive, list, get, problems, events, cancel, forget];
