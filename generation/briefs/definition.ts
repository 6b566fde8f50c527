import type { CampaignDefinition, StepDefinition } from '../../campaigns/definition.ts';
import type { Iso, JsonObject } from '../../database/tables.ts';
import { type ArtifactKind, type Channel } from '../artifacts.ts';
import type { PriorWork } from '../agents/agent.ts';
import type { FoundFacts } from './known-facts.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';

export const WRITERS: readonly ArtifactKind[] = ['copy', 'social', 'poster'];
export const AUDIT = 'audit';

export type BriefMode = 'parallel' | 'sequential';

/** What a brief's run carries in the metadata of its definition. */
export interface BriefMetadata {
  brief: NormalizedBrief;
  channels: Channel[];
  /** `reason`: why another mode is used than was asked for. */
  mode: { asked: BriefMode; used: BriefMode; reason?: string };
  submittedAt: Iso;
  prior?: PriorWork;
  /** What the knowledge base gave to it, when that was asked for. */
  knowledge?: FoundFacts;
}

/** A writer that has not answered by then is asked again, with the quick model: the whole run is to take less than a minute. */
const WRITER_TIMEOUT_MS = 20_000;
const AUDIT_TIMEOUT_MS = 45_000;

/** A judge that has been away for so long is not waited for any more; the brief can still be repaired by hand. */
export const AUDIT_GIVEN_UP_MS = 86_400_000;

/** The campaign that all briefs are runs of: it holds their budget. Made when the first brief comes. */
export const BRIEFS_CAMPAIGN_ID = '00000000-0000-7000-8000-000000b41ef5';

function step(name: string, over: Partial<StepDefinition>): StepDefinition {
  return {
    name,
    engine: name,
    kind: name,
    method: 'POST',
    params: {},
    timeout: WRITER_TIMEOUT_MS,
    retry: { attempts: 3, delay: 1_000, backoff: 'exponential' },
    onSuccess: 'continue',
    // The other agents go on, and what there is is audited.
    onFailure: 'continue',
    effect: 'repeatable',
    protocol: 'auto',
    pollInterval: 2_000,
    ...over,
  };
}

function stepsOf(mode: BriefMode, revises: boolean): CampaignDefinition['steps'] {
  const brief = '{{ campaign.metadata.brief }}';
  const assignment = {
    brief,
    channels: '{{ campaign.metadata.channels }}',
    ...(revises ? { prior: '{{ campaign.metadata.prior }}' } : {}),
  };
  const writers = WRITERS.map((name) => step(name, { params: assignment }));
  const audit = step(AUDIT, {
    // Its verdict is what a brief is asked for; a bad one is no failure of the run.
    params: { brief, failOn: 'never' },
    timeout: AUDIT_TIMEOUT_MS,
    // A judge that is away is asked again by the catch-up, after the run.
    retry: { attempts: 1, delay: 1_000, backoff: 'exponential' },
  });
  return [...(mode === 'parallel' ? [{ parallel: writers }] : writers), audit];
}

/** The definition that the run of a brief does. @param notifications whom the campaign of all briefs tells */
export function briefDefinition(
  metadata: BriefMetadata,
  notifications: CampaignDefinition['notifications'],
): CampaignDefinition {
  return {
    name: 'Briefs',
    overlap: 'allow',
    budget: {},
    steps: stepsOf(metadata.mode.used, metadata.prior !== undefined),
    notifications,
    metadata: metadata as unknown as JsonObject,
  };
}

/** The campaign that holds the budget of all briefs. A run of it that somebody starts by hand has nothing to do. */
export function briefsCampaign(): CampaignDefinition {
  return {
    name: 'Briefs',
    description: 'Runs of briefs (POST /api/briefs). Its budget holds for all of them together.',
    overlap: 'allow',
    budget: {},
    steps: stepsOf('parallel', false),
    notifications: { onComplete: { email: [], slack: false }, onFailure: { email: [], slack: null } },
    metadata: {},
  };
}
