import { isDeepStrictEqual } from 'node:util';
import type { CampaignDefinition } from '../../campaigns/definition.ts';
import type { Records } from '../../database/records.ts';
import type { JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../shared/errors.ts';
import type { PriorWork } from '../agents/agent.ts';
import type { WrittenArtifact } from '../agents/write.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import {
  AUDIT,
  type BriefMetadata,
  type BriefMode,
  briefDefinition,
  BRIEFS_CAMPAIGN_ID,
  briefsCampaign,
} from './definition.ts';
import type { BriefRequest } from './request.ts';

/** What briefs need of the runs; implemented by runs/run-control.ts. */
export interface BriefRuns {
  start(campaignId: string, options: { force: boolean; definition: CampaignDefinition }): Promise<{ runId: string }>;
  cancel(runId: string, reason?: string): Promise<{ status: string }>;
  retry(
    runId: string,
    options: { from: 'failed'; definition: 'pinned'; again: readonly string[]; runId?: string },
  ): Promise<{ runId: string }>;
}

/** All runs of one brief: the first, and every one that repairs the one before. */
export interface BriefRunsRead {
  first: string;
  newest: RunRow;
  /** Ids, oldest first. */
  chain: string[];
}

/** When half of the last briefs had a slower agent than this, agents work one after the other: fewer calls at a time. */
const SLOW_MS = 20_000;
const RUNS_LOOKED_AT = 20;
/** Fewer say nothing about how the model is doing. */
const FEWEST_RUNS = 5;

/** Takes briefs in and starts their runs; a brief is a run of the campaign "Briefs", with a definition of its own. */
export class BriefControl {
  readonly #deps: { records: Records; runs: BriefRuns; clock: Clock };

  constructor(dependencies: { records: Records; runs: BriefRuns; clock: Clock }) {
    this.#deps = dependencies;
  }

  /**
   * Starts a run for a brief.
   * @throws {ValidationError} when `priorRunId` is no run of a brief, or one that has not ended
   * @throws {ConflictError} CAMPAIGN_PAUSED
   */
  async submit(request: BriefRequest): Promise<{ runId: string; mode: BriefMetadata['mode'] }> {
    const { mode: asked, channels, priorRunId, ...brief } = request;
    const prior = priorRunId === undefined ? undefined : await this.#priorWork(priorRunId, request, brief);
    await this.#makeCampaign();
    const mode = await this.#modeFor(asked);
    const metadata: BriefMetadata = {
      brief,
      channels,
      mode,
      submittedAt: iso(this.#deps.clock.now()),
      ...(prior ? { prior } : {}),
    };
    const definition = briefDefinition(metadata);
    const { runId } = await this.#deps.runs.start(BRIEFS_CAMPAIGN_ID, { force: false, definition });
    return { runId, mode };
  }

  /**
   * Cancels the newest run of a brief; what is finished stays.
   * @throws {NotFoundError} @throws {ConflictError} RUN_FINISHED
   */
  async cancel(runId: string, reason?: string): Promise<{ runId: string; status: string }> {
    const { newest } = await this.find(runId);
    return { runId: newest.id, ...(await this.#deps.runs.cancel(newest.id, reason)) };
  }

  /**
   * Repairs a brief: a new run writes what is missing and audits again; everything else is carried over with its ids.
   * @throws {NotFoundError} @throws {ConflictError} RUN_NOT_FINISHED, NOTHING_TO_RETRY, CAMPAIGN_PAUSED
   */
  async retry(runId: string): Promise<{ runId: string }> {
    const { newest } = await this.find(runId);
    return this.#deps.runs.retry(newest.id, { from: 'failed', definition: 'pinned', again: [AUDIT] });
  }

  /**
   * The runs of the brief that a run belongs to.
   * @throws {NotFoundError} for a run that is not of a brief
   */
  async find(runId: string): Promise<BriefRunsRead> {
    const { records } = this.#deps;
    const chain = await records.call<string[]>('run_chain', { p_run_id: runId, p_campaign_id: BRIEFS_CAMPAIGN_ID });
    const [first] = chain;
    const last = chain.at(-1);
    const [newest] =
      last === undefined
        ? []
        : await records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: last }] });
    if (first === undefined || !newest || metadataOf(newest) === null) throw new NotFoundError('brief', runId);
    return { first, newest, chain };
  }

  async #makeCampaign(): Promise<void> {
    const { records } = this.#deps;
    const config = briefsCampaign() as unknown as JsonObject;
    const [row] = await records.select('campaigns', {
      columns: ['id', 'deleted_at'],
      where: [{ column: 'id', op: 'eq', value: BRIEFS_CAMPAIGN_ID }],
    });
    if (!row)
      await records.insert('campaigns', [{ id: BRIEFS_CAMPAIGN_ID, name: 'Briefs', config }], { conflict: 'ignore' });
    // Removed by somebody: a new brief brings it back, with the budget that it had.
    else if (row.deleted_at !== null)
      await records.update('campaigns', { deleted_at: null, status: 'active' }, [
        { column: 'id', op: 'eq', value: BRIEFS_CAMPAIGN_ID },
      ]);
  }

  async #modeFor(asked: BriefMode): Promise<BriefMetadata['mode']> {
    if (asked === 'sequential') return { asked, used: 'sequential' };
    const times = await this.#deps.records.call<number[]>('brief_agent_times', {
      p_campaign_id: BRIEFS_CAMPAIGN_ID,
      p_limit: RUNS_LOOKED_AT,
    });
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
    if (times.length < FEWEST_RUNS || median <= SLOW_MS) return { asked, used: 'parallel' };
    return {
      asked,
      used: 'sequential',
      reason: `half of the last ${times.length} briefs had an agent that took more than ${SLOW_MS / 1_000} s`,
    };
  }

  async #priorWork(priorRunId: string, request: BriefRequest, brief: NormalizedBrief): Promise<PriorWork> {
    const { records } = this.#deps;
    const { newest } = await this.find(priorRunId).catch((error: unknown) => {
      if (!(error instanceof NotFoundError)) throw error;
      throw new ValidationError('The request has problems.', [
        { path: 'priorRunId', message: 'belongs to no brief', mend: 'list briefs with GET /api/briefs' },
      ]);
    });
    const metadata = metadataOf(newest);
    if (newest.completed_at === null || !metadata)
      throw new ConflictError(
        'RUN_NOT_FINISHED',
        `Run ${newest.id} is ${newest.status}; go on from it when it has ended.`,
      );
    const steps = await records.select('run_steps', { where: [{ column: 'run_id', op: 'eq', value: newest.id }] });
    return {
      runId: newest.id,
      changes: changesBetween(
        { ...metadata.brief, channels: metadata.channels },
        { ...brief, channels: request.channels },
      ),
      artifacts: artifactsOf(steps).map(({ id, kind, version, content }) => ({ id, kind, version, content })),
    };
  }
}

/** What the run of a brief carries; null for a run that somebody started by hand, without a brief. */
export function metadataOf(run: RunRow): BriefMetadata | null {
  const { metadata } = run.definition as unknown as CampaignDefinition;
  return Object.hasOwn(metadata, 'brief') ? (metadata as unknown as BriefMetadata) : null;
}

/** The artifacts among the outputs of steps, in the order of the steps. */
export function artifactsOf(steps: readonly StepRow[]): WrittenArtifact[] {
  return steps
    .toSorted((a, b) => a.position - b.position)
    .flatMap(({ output }) =>
      output && Object.hasOwn(output, 'artifact') ? [output['artifact'] as unknown as WrittenArtifact] : [],
    );
}

/** Which fields of a brief are not what they were, one level into constraints and guidelines. */
function changesBetween(before: object, after: object, prefix = ''): PriorWork['changes'] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].toSorted().flatMap((name) => {
    const one = (before as Record<string, unknown>)[name];
    const other = (after as Record<string, unknown>)[name];
    if (isDeepStrictEqual(one, other)) return [];
    const isGroup = [one, other].every((value) => typeof value === 'object' && value !== null && !Array.isArray(value));
    if (isGroup && prefix === '') return changesBetween(one as object, other as object, `${name}.`);
    return [{ field: prefix + name, before: one ?? null, after: other ?? null }];
  });
}
