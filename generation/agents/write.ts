import { createHash } from 'node:crypto';
import type { Iso } from '../../database/tables.ts';
import { derivedId, timeOfId } from '../../shared/ids.ts';
import { microsToDollars } from '../../shared/money.ts';
import type { ArtifactContent, ArtifactKind } from '../artifacts.ts';
import type { Model, ModelProvider, ModelTier, ModelUsage } from '../model.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { type Assignment, requestOf } from './agent.ts';
import { type AskedInTime, askBestThenFast, askFast } from './fallback.ts';
import { agents } from './registry.ts';

/** A finished artifact, with everything that says where it comes from. */
export interface WrittenArtifact<Kind extends ArtifactKind = ArtifactKind> {
  /** The same however often the step is tried, and in every run that carries it over. */
  id: string;
  kind: Kind;
  /** 1, or one more than the artifact that it revises. */
  version: number;
  revises: string | null;
  content: ArtifactContent[Kind];
  /** `key:value`, in lower case, sorted. */
  tags: string[];
  provider: ModelProvider;
  model: string;
  /** Dollars. */
  cost: number;
  usage: ModelUsage;
  createdAt: Iso;
  provenance: {
    runId: string;
    task: string;
    tier: ModelTier;
    attempt: number;
    /** Whether the answer came from the cache of model answers. */
    fromCache: boolean;
    repairs: number;
    /** SHA-256 of the brief as the agent was given it. */
    briefHash: string;
    /** Ids of the facts that it was given. */
    facts: string[];
  };
}

export interface Commission {
  runId: string;
  stepName: string;
  attempt: number;
  assignment: Assignment;
  at: Iso;
}

/** At most what writing this once costs, in micro-dollars: both models may be asked. */
export function estimateWriting(kind: ArtifactKind, assignment: Assignment, model: Model): number {
  const of = (tier: ModelTier) =>
    model.estimate(requestOf<ArtifactKind>(agents[kind] as (typeof agents)['copy'], assignment, tier));
  return of('best') + of('fast');
}

/**
 * Has one agent write its artifact: the first try begins with the best model, and each further one has the quick one alone.
 * @throws {ModelError} and the signal's reason, as the model does
 */
export async function write<Kind extends ArtifactKind>(
  kind: Kind,
  { runId, stepName, attempt, assignment, at }: Commission,
  model: Model,
  call: AskedInTime,
): Promise<{ artifact: WrittenArtifact<Kind>; costMicros: number; costUnknown: boolean }> {
  const request = (tier: ModelTier) => requestOf<Kind>(agents[kind], assignment, tier);
  const { answer, tier, costMicros, costUnknown } = await (attempt > 1 ? askFast : askBestThenFast)(
    model,
    request,
    call,
  );
  const before = assignment.prior?.artifacts.find((earlier) => earlier.kind === kind);
  const artifact: WrittenArtifact<Kind> = {
    id: derivedId(`${runId}/${stepName}`, timeOfId(runId)),
    kind,
    version: (before?.version ?? 0) + 1,
    revises: before?.id ?? null,
    content: answer.value,
    tags: tagsOf(kind, assignment, answer.value),
    provider: answer.provider,
    model: answer.model,
    cost: microsToDollars(costMicros),
    usage: answer.usage,
    createdAt: at,
    provenance: {
      runId,
      task: request(tier).task,
      tier,
      attempt,
      fromCache: answer.fromCache,
      repairs: answer.repairs,
      briefHash: hashOf(assignment.brief),
      facts: assignment.brief.facts.map(({ id }) => id),
    },
  };
  return { artifact, costMicros, costUnknown };
}

function hashOf(brief: NormalizedBrief): string {
  return createHash('sha256').update(JSON.stringify(brief)).digest('hex');
}

const LONGEST_TAG = 60;

/** Lower case, words joined by hyphens, nothing but letters and digits: the same words give the same tag. */
export function slugOf(text: string): string {
  const words =
    text
      .normalize('NFKC')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? [];
  let slug = '';
  for (const word of words) {
    const longer = slug === '' ? word : `${slug}-${word}`;
    if (longer.length > LONGEST_TAG) break;
    slug = longer;
  }
  return slug;
}

function tagsOf(kind: ArtifactKind, { brief }: Assignment, content: unknown): string[] {
  const channels = (content as Partial<ArtifactContent['social']>).posts?.map(({ channel }) => `channel:${channel}`);
  const tones = brief.tone.split(/[,;/]|\band\b/iu).map((tone) => `tone:${slugOf(tone)}`);
  const adjectives = brief.brandGuidelines.adjectives.map((adjective) => `brand:${slugOf(adjective)}`);
  const rest = [
    `kind:${kind}`,
    `language:${brief.language.toLowerCase()}`,
    `objective:${slugOf(brief.objective)}`,
    `audience:${slugOf(brief.audience)}`,
    `product:${slugOf(brief.product)}`,
  ];
  const all = [...rest, ...(channels ?? []), ...tones, ...adjectives].filter((tag) => !tag.endsWith(':'));
  return [...new Set(all)].toSorted();
}
