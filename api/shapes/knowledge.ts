import { z } from 'zod';
import type { PresentedFact } from '../../database/queries/knowledge.ts';
import { FACT_TYPES, INGEST_STATES, type IngestRow } from '../../database/tables-knowledge.ts';
import type { Overview } from '../../knowledge/knowledge-base.ts';
import type { SearchHit } from '../../knowledge/search.ts';
import { microsToDollars } from '../../shared/money.ts';
import { anyObject, count, dollars, time } from './common.ts';

export const factType = z.enum(FACT_TYPES);
export const ingestState = z.enum(INGEST_STATES);
export const collection = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, {
    error: 'must be 1 to 64 small letters, digits, dots, hyphens or underscores, a letter or digit first',
  })
  .meta({ description: 'Facts of different collections are never merged or compared.' });

export const ingest = z
  .strictObject({
    id: z.guid(),
    collection: z.string(),
    name: z.string(),
    format: z.enum(['text', 'markdown', 'csv', 'jsonl', 'html']),
    state: ingestState,
    stateReason: z.string().nullable(),
    bytes: count,
    lines: count,
    linesRead: count.meta({ description: 'How far the lines have become facts.' }),
    facts: z.strictObject({
      new: count.meta({ description: 'That nothing in the collection said before.' }),
      repeated: count.meta({ description: 'Said word for word elsewhere.' }),
      merged: count.meta({ description: 'Said elsewhere in almost the same words.' }),
      suspicious: count.meta({
        description: 'Of the texts that are new, those that read like instructions to a model.',
      }),
    }),
    problems: count.meta({ description: 'Of lines; listed at …/problems, the first thousand.' }),
    createdAt: time,
    receivedAt: time.nullable(),
    completedAt: time.nullable(),
  })
  .meta({ id: 'KnowledgeIngest' });

export function presentIngest(row: IngestRow): z.infer<typeof ingest> {
  return {
    id: row.id,
    collection: row.collection,
    name: row.name,
    format: row.format,
    state: row.state,
    stateReason: row.state_reason,
    bytes: row.bytes,
    lines: row.lines,
    linesRead: row.lines_read,
    facts: { new: row.facts_new, repeated: row.facts_repeated, merged: row.facts_merged, suspicious: row.suspicious },
    problems: row.problems,
    createdAt: row.created_at,
    receivedAt: row.received_at,
    completedAt: row.completed_at,
  };
}

export const lineProblem = z
  .strictObject({ line: count, code: z.string(), message: z.string(), mend: z.string() })
  .meta({ id: 'KnowledgeProblem' });

const space = z.strictObject({ model: z.string(), dimensions: count });

export const fact = z
  .strictObject({
    id: z.guid().meta({
      description: 'Follows from collection, heading, text and the columns beside it: the same for the same words.',
    }),
    collection: z.string(),
    context: z.string().meta({ description: 'The heading over it, or the title of its row; empty without one.' }),
    text: z.string(),
    type: factType,
    suspicious: z.boolean().meta({ description: 'Reads like an instruction to a model: leave it out of prompts.' }),
    attributes: anyObject.meta({ description: 'The columns of the row that it was made of.' }),
    mergedInto: z
      .guid()
      .nullable()
      .meta({ description: 'The fact that says the same, when this is not one by itself.' }),
    sources: z.array(z.strictObject({ ingestId: z.guid(), name: z.string(), line: count, lastLine: count })).meta({
      description: 'Where it stands, the first twenty.',
    }),
    sourceCount: count,
    wordings: z.array(z.string()).meta({ description: 'Other texts that were merged into it, the first five.' }),
    contradictions: z
      .array(
        z.strictObject({ id: z.guid(), text: z.string(), attribute: z.string(), here: z.string(), there: z.string() }),
      )
      .meta({ description: 'Facts that give the same thing another value, the first twenty.' }),
    embedding: space.nullable().meta({ description: 'The space of its vector; null while it has none.' }),
    createdAt: time,
  })
  .meta({ id: 'KnowledgeFact' });

export function presentFact(row: PresentedFact): z.infer<typeof fact> {
  const { id, context, text, type, suspicious, attributes, wordings, contradictions, embedding } = row;
  return {
    id,
    collection: row.collection,
    context,
    text,
    type,
    suspicious,
    attributes,
    mergedInto: row.merged_into,
    sources: row.sources.map(({ ingest_id, name, line, last_line }) => ({
      ingestId: ingest_id,
      name,
      line,
      lastLine: last_line,
    })),
    sourceCount: row.source_count,
    wordings,
    contradictions,
    embedding,
    createdAt: row.created_at,
  };
}

const rank = z.number().int().min(1);

export const hit = z
  .strictObject({
    fact,
    score: z.number().meta({
      description:
        'Sum of weight / (60 + rank) over the ways that found it; meaning weighs 1, words 3 by the square of the share of the query that the fact holds.',
    }),
    words: z
      .strictObject({
        rank,
        score: z.number(),
        matched: z.array(z.string()).meta({ description: 'Words of the query.' }),
        highlights: z
          .array(z.strictObject({ from: count, to: count }))
          .meta({ description: 'Where they stand in the text, in UTF-16 units.' }),
      })
      .nullable()
      .meta({ description: 'null: not found by words.' }),
    meaning: z
      .strictObject({ rank, distance: z.number().meta({ description: 'Cosine distance, 0 to 2.' }) })
      .nullable()
      .meta({ description: 'null: not found by meaning.' }),
  })
  .meta({ id: 'KnowledgeHit' });

export function presentHit({ fact: found, ...why }: SearchHit): z.infer<typeof hit> {
  return { fact: presentFact(found), ...why };
}

export const searchedSpace = space;

export const overview = z
  .strictObject({
    collections: z.array(
      z.strictObject({ collection: z.string(), facts: count, types: z.partialRecord(factType, count) }),
    ),
    meaning: z.strictObject({
      possible: z.boolean().meta({ description: 'Whether the database has pgvector.' }),
      spaces: z.array(
        z.strictObject({
          model: z.string(),
          dimensions: count,
          state: z.enum(['building', 'active']).meta({ description: 'Searches use the active one.' }),
          activeAt: time.nullable(),
          pending: count.meta({ description: 'Facts that have no vector in it yet.' }),
          refused: count.meta({ description: 'Facts whose text the model does not take.' }),
          cost: dollars,
        }),
      ),
    }),
  })
  .meta({ id: 'KnowledgeOverview' });

export function presentOverview({ collections, spaces, hasVectors }: Overview): z.infer<typeof overview> {
  return {
    collections,
    meaning: {
      possible: hasVectors,
      spaces: spaces.map(({ model, dimensions, state, active_at, pending, refused, cost_micros }) => ({
        model,
        dimensions,
        state,
        activeAt: active_at,
        pending,
        refused,
        cost: microsToDollars(cost_micros),
      })),
    },
  };
}
