import { z } from 'zod';
import { LONGEST_QUERY } from '../../knowledge/limits.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { byId, shortText, success } from '../shapes/common.ts';
import {
  collection,
  fact,
  factType,
  hit,
  overview,
  presentFact,
  presentHit,
  presentOverview,
  searchedSpace,
} from '../shapes/knowledge.ts';
import { knowledgeIngestOperations } from './knowledge-ingests.ts';

const flag = z
  .enum(['true', 'false'])
  .transform((text) => text === 'true')
  .optional()
  .meta({ description: 'Only facts that do, or do not, read like instructions to a model.' });
const filter = { type: factType.optional(), collection: collection.optional(), suspicious: flag };

const whole = z.strictObject({ success, knowledge: overview });

const show = operation({
  id: 'getKnowledge',
  method: 'get',
  path: '/api/knowledge',
  tag: 'Knowledge',
  summary: 'How many facts there are of what, and how far their vectors are',
  scope: 'read',
  answers: { 200: { description: 'All collections and spaces.', schema: whole } },
  async handle(_input, { knowledge }) {
    const body: z.infer<typeof whole> = { success: true, knowledge: presentOverview(await knowledge.overview()) };
    return { status: 200, body };
  },
});

const factList = z.strictObject({ success, facts: z.array(fact), nextCursor });

const list = operation({
  id: 'listFacts',
  method: 'get',
  path: '/api/knowledge/facts',
  tag: 'Knowledge',
  summary: 'Facts, in an order that stays',
  scope: 'read',
  query: z.strictObject({
    ...pageById,
    ...filter,
    source: shortText(200).optional().meta({ description: 'Name of a file, or id of its ingest.' }),
  }),
  answers: { 200: { description: 'One page.', schema: factList } },
  async handle({ query }, { knowledge }) {
    const { cursor, ...listing } = query;
    const page = await knowledge.facts({ ...listing, after: cursor });
    const body: z.infer<typeof factList> = {
      success: true,
      facts: page.rows.map(presentFact),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

const oneFact = z.strictObject({ success, fact });

const get = operation({
  id: 'getFact',
  method: 'get',
  path: '/api/knowledge/facts/{id}',
  tag: 'Knowledge',
  summary: 'One fact with its sources and what contradicts it',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The fact.', schema: oneFact } },
  async handle({ params }, { knowledge }) {
    const body: z.infer<typeof oneFact> = { success: true, fact: presentFact(await knowledge.fact(params.id)) };
    return { status: 200, body };
  },
});

const mode = z.enum(['hybrid', 'words', 'meaning']);
const found = z.strictObject({
  success,
  query: z.string(),
  mode: mode.meta({ description: 'How it was searched: `words` for `hybrid` where meaning cannot be.' }),
  note: z
    .string()
    .nullable()
    .meta({ description: 'Why it was searched otherwise than asked, or that there is no such collection.' }),
  space: searchedSpace.nullable().meta({ description: 'The model whose vectors were compared.' }),
  hits: z.array(hit),
});

const search = operation({
  id: 'searchKnowledge',
  method: 'get',
  path: '/api/knowledge/search',
  tag: 'Knowledge',
  summary: 'Find facts by words, by meaning, or both',
  description:
    'Words match in any form; the last one also as a beginning. `"a phrase"`, `-without` and `OR` are understood. Any text is a query.',
  scope: 'read',
  query: z.strictObject({
    q: z.string().min(1).max(LONGEST_QUERY),
    mode: mode.default('hybrid'),
    limit: z.coerce.number().int().min(1).max(50).default(10).meta({ description: 'Hits at most.' }),
    ...filter,
  }),
  answers: { 200: { description: 'Best first.', schema: found } },
  failures: { 409: ['KNOWLEDGE_NO_SPACE'], 501: ['KNOWLEDGE_NO_VECTORS'], 503: ['KNOWLEDGE_MODEL_AWAY'] },
  async handle({ query: { q, ...asked }, request }, { knowledge }) {
    const left = new AbortController();
    request.res?.once('close', () => left.abort());
    const { hits, ...how } = await knowledge.search({ query: q, ...asked }, left.signal);
    const body: z.infer<typeof found> = { success: true, query: q, ...how, hits: hits.map(presentHit) };
    return { status: 200, body };
  },
});

export const knowledgeOperations: readonly Operation[] = [show, ...knowledgeIngestOperations, list, get, search];
