import { z } from 'zod';
import { artifactSchemas, CHANNELS } from '../../generation/artifacts.ts';
import { anyObject, count, dollars, time } from './common.ts';

const millis = z.number().int().min(0).nullable();
const failure = z.strictObject({ code: z.string(), message: z.string(), retryable: z.boolean() });

export const briefState = z.enum([
  'queued',
  'generating',
  'generated',
  'auditing',
  'completed',
  'partial',
  'failed',
  'aborted',
  'cancelled',
]);

const agent = z
  .strictObject({
    agent: z.enum(['copy', 'social', 'poster', 'audit']),
    state: z.enum(['queued', 'generating', 'generated', 'auditing', 'audited', 'failed', 'cancelled']),
    attempts: count,
    startedAt: time.nullable(),
    completedAt: time.nullable(),
    durationMs: millis,
    cost: dollars,
    costUnknown: z.boolean(),
    carriedFrom: z.guid().nullable().meta({ description: 'The earlier run that did this part.' }),
    artifactId: z.guid().nullable(),
    error: failure.nullable().meta({ description: 'Why there is no artifact.' }),
  })
  .meta({ id: 'BriefAgent' });

const artifact = z
  .strictObject({
    id: z.guid().meta({ description: 'Stays the same for life, in every run that carries the artifact over.' }),
    kind: z.enum(['copy', 'social', 'poster']),
    version: count,
    revises: z.guid().nullable().meta({ description: 'The artifact of an earlier brief that this one revises.' }),
    content: z.union([artifactSchemas.copy, artifactSchemas.social, artifactSchemas.poster]),
    tags: z.array(z.string()).meta({ description: '`key:value` in lower case, sorted.' }),
    provider: z.enum(['genai', 'vertexai', 'rules']),
    model: z.string().meta({ description: 'As the provider names it; `rules-v1` for the offline writer.' }),
    cost: dollars,
    usage: z.strictObject({ prompt: count, cached: count, thoughts: count, tool: count, output: count }),
    createdAt: time,
    provenance: z.strictObject({
      runId: z.guid(),
      task: z.string(),
      tier: z.enum(['fast', 'best']),
      attempt: count,
      fromCache: z.boolean(),
      repairs: count,
      briefHash: z.string(),
      facts: z.array(z.string()),
    }),
  })
  .meta({ id: 'BriefArtifact' });

export const bundle = z
  .strictObject({
    briefId: z.guid().meta({ description: 'The first run of the brief.' }),
    runId: z.guid().meta({ description: 'The newest run of the brief, which is shown.' }),
    runs: z
      .array(z.guid())
      .meta({ description: 'All runs of the brief, oldest first; each but the first repairs one.' }),
    state: briefState,
    statusReason: z.string().nullable(),
    mode: z.strictObject({
      asked: z.enum(['parallel', 'sequential']),
      used: z.enum(['parallel', 'sequential']),
      reason: z.string().optional(),
    }),
    brief: anyObject.meta({ description: 'As every agent was given it, with defaults filled in.' }),
    channels: z.array(z.enum(CHANNELS)),
    priorRunId: z.guid().nullable(),
    knowledge: z
      .strictObject({ collection: z.string().nullable(), facts: z.array(z.string()), note: z.string().nullable() })
      .nullable()
      .meta({ description: 'Which facts the knowledge base gave; their texts stand in `brief.facts`.' }),
    changes: z
      .array(anyObject)
      .meta({ description: 'What is different from the earlier brief, as the agents were told.' }),
    agents: z.array(agent),
    artifacts: z.array(artifact),
    missing: z.array(z.strictObject({ agent: z.string(), reason: z.string() })),
    audit: z.strictObject({
      state: z.enum(['waiting', 'auditing', 'completed', 'pending', 'failed', 'cancelled', 'skipped']).meta({
        description: '`pending`: the judge was away; it is asked again by itself, for a day.',
      }),
      result: anyObject.nullable(),
      fromRun: z.guid().nullable().meta({
        description: 'The run whose audit the result is, when the newest has none of its own.',
      }),
      error: z.strictObject({ code: z.string(), message: z.string() }).nullable(),
    }),
    cost: dollars.meta({ description: 'Of all runs of the brief, in dollars.' }),
    costUnknown: z.boolean(),
    createdAt: time,
    completedAt: time.nullable(),
    durationMs: millis,
    firstArtifactMs: millis,
  })
  .meta({ id: 'BriefBundle' });

export const briefSummary = z
  .strictObject({
    runId: z.guid(),
    repairs: z.guid().nullable().meta({ description: 'The run of the same brief that this one repairs.' }),
    status: z.string(),
    objective: z.string(),
    product: z.string(),
    createdAt: time,
    completedAt: time.nullable(),
    cost: dollars,
  })
  .meta({ id: 'BriefSummary' });

const rate = z.number().min(0).max(1).nullable();

export const briefMetricsShape = z
  .strictObject({
    days: count,
    runs: count.meta({ description: 'Briefs that have ended, each counted once, as its newest run ended.' }),
    repairs: count.meta({ description: 'Runs that repaired one of them.' }),
    completed: count,
    partial: count,
    failed: count,
    cancelled: count,
    successRate: rate.meta({ description: 'Completed, of those that were not cancelled.' }),
    successTarget: z.number(),
    cancellationRate: rate,
    meanDurationMs: millis,
    p95DurationMs: millis,
    meanFirstArtifactMs: millis,
    p95FirstArtifactMs: millis,
    meanAuditMs: millis.meta({ description: 'How much longer a brief takes for its audit.' }),
    agents: z.array(
      z.strictObject({
        agent: z.string(),
        ended: count,
        failed: count,
        retries: count,
        failureRate: rate,
        meanMs: millis,
        p95Ms: millis,
        cost: dollars,
      }),
    ),
  })
  .meta({ id: 'BriefMetrics' });
