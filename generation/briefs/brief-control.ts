import type { CampaignDefinition } from '../../campaigns/definition.ts';
import type { Records } from '../../database/records.ts';
import type { JsonObject, RunRow, StepRow } from '../../database/tables.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { ConflictError, NotFoundError, ValidationError } from '../../shared/errors.ts';
import { firstIdAt } from '../../shared/ids.ts';
import type { PriorWork } from '../agents/agent.ts';
import type { NormalizedBrief } from '../normalized-brief.ts';
import { changesBetween } from './changes.ts';
import {
  AUDIT,
  type BriefMetadata,
  type BriefMode,
  briefDefinition,
  BRIEFS_CAMPAIGN_ID,
  briefsCampaign,
} from './definition.ts';
import { type KnownFacts, withKnownFacts } from './known-facts.ts';
import { artifactsOf, metadataOf } from './metadata.ts';
import { inTermsOfBriefs } from './refusals.ts';
import type { BriefRequest } from './request.ts';

/** What briefs need of the runs; implemented by runs/run-control.ts. */
export interface BriefRuns {
  start(campaignId: string, options: { force: boolean; definition: CampaignDefinition }): Promise<{ runId: string }>;
  cancel(runId: string, reason?: string): Promise<{ status: string }>;
  retry(
    runId: string,
    options: {
      from: 'failed' | 'unsettled';
      definition: 'pinned';
      again: readonly string[];
      force: boolean;
      once: boolean;
    },
  ): Promise<{ runId: string }>;
}

/** A run of a brief, as far as the whole brief needs to know of it. */
type ChainedRun = Pick<RunRow, 'id' | 'created_at' | 'total_cost_micros' | 'cost_unknown'>;

/** All runs of one brief: the first, and every one that repairs the one before. */
export interface BriefRunsRead {
  newest: RunRow;
  /** Oldest first; never empty. */
  chain: ChainedRun[];
}

/** When half of the last briefs had a slower agent than this, agents work one after the other: fewer calls at a time. */
const SLOW_MS = 10_000;
const RUNS_LOOKED_AT = 20;
/** Fewer say nothing about how the model is doing. */
const FEWEST_RUNS = 5;
/** How the model was doing longer ago says nothing about now. */
const LATELY_MS = 3_600_000;

export interface BriefDependencies {
  records: Records;
  runs: BriefRuns;
  knowledge: KnownFacts;
  clock: Clock;
}

/** Takes briefs in and starts their runs; a brief is a run of the campaign "Briefs", with a definition of its own. */
export class BriefControl {
  readonly #deps: BriefDependencies;

  constructor(dependencies: BriefDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Starts a run for a brief.
   * @throws {ValidationError} when `priorRunId` is no run of a brief
   * @throws {ConflictError} RUN_NOT_FINISHED for a prior run, CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async submit(request: BriefRequest): Promise<{ runId: string; mode: BriefMetadata['mode'] }> {
    const { mode: asked, channels, priorRunId, knowledge, ...given } = request;
    const known = knowledge && (await withKnownFacts(given, knowledge, this.#deps.knowledge));
    const brief = known?.brief ?? given;
    const prior = priorRunId === undefined ? undefined : await this.#priorWork(priorRunId, request, brief);
    const { notifications } = await this.#campaign();
    const mode = await this.#modeFor(asked);
    const metadata: BriefMetadata = {
      brief,
      channels,
      mode,
      submittedAt: iso(this.#deps.clock.now()),
      ...(prior ? { prior } : {}),
      ...(known ? { knowledge: known.found } : {}),
    };
    const definition = briefDefinition(metadata, notifications);
    const { runId } = await this.#deps.runs
      .start(BRIEFS_CAMPAIGN_ID, { force: false, definition })
      .catch((error) => this.#refuse(error));
    return { runId, mode };
  }

  /**
   * Cancels the newest run of a brief, or, when that has ended, the audit that is to be made up for; what is finished stays.
   * @throws {NotFoundError} @throws {ConflictError} RUN_FINISHED
   */
  async cancel(runId: string, reason = 'cancelled by an operator'): Promise<{ runId: string; status: string }> {
    const { records, runs } = this.#deps;
    const { newest } = await this.find(runId);
    if (newest.completed_at !== null) {
      const cancelled = await records.call<boolean>('cancel_pending_audit', {
        p_run_id: newest.id,
        p_reason: reason,
      });
      if (cancelled) return { runId: newest.id, status: newest.status };
    }
    return { runId: newest.id, ...(await runs.cancel(newest.id, reason).catch(inTermsOfBriefs)) };
  }

  /**
   * Repairs a brief: a new run writes what is missing and audits again; everything else is carried over with its ids.
   * @throws {NotFoundError}
   * @throws {ConflictError} RUN_NOT_FINISHED, NOTHING_TO_RETRY, RETRY_EXISTS, CAMPAIGN_PAUSED, RUN_ACTIVE, RUN_QUEUE_FULL
   */
  async retry(runId: string): Promise<{ runId: string }> {
    const { newest } = await this.find(runId);
    await this.#campaign();
    return this.#deps.runs
      .retry(newest.id, { from: 'failed', definition: 'pinned', again: [AUDIT], force: false, once: true })
      .catch((error) => this.#refuse(error));
  }

  /**
   * The runs of the brief that a run belongs to.
   * @throws {NotFoundError} for a run that is not of a brief
   */
  async find(runId: string): Promise<BriefRunsRead> {
    const { records } = this.#deps;
    const ids = await records.call<string[]>('run_chain', { p_run_id: runId, p_campaign_id: BRIEFS_CAMPAIGN_ID });
    const last = ids.at(-1);
    if (last === undefined) throw new NotFoundError('brief', runId);
    const [[newest], rows] = await Promise.all([
      records.select('campaign_runs', { where: [{ column: 'id', op: 'eq', value: last }] }),
      records.select('campaign_runs', {
        columns: ['id', 'created_at', 'total_cost_micros', 'cost_unknown'],
        where: [{ column: 'id', op: 'in', value: ids }],
      }),
    ]);
    if (!newest || metadataOf(newest) === null) throw new NotFoundError('brief', runId);
    const byId = new Map(rows.map((row) => [row.id, row]));
    return { newest, chain: ids.flatMap((id) => byId.get(id) ?? []) };
  }

  /** The last audit that said anything, in the runs of a brief before its newest. */
  async auditBefore({ chain }: BriefRunsRead): Promise<StepRow | undefined> {
    const earlier = chain.slice(0, -1).map(({ id }) => id);
    if (earlier.length === 0) return undefined;
    const rows = await this.#deps.records.select('run_steps', {
      where: [
        { column: 'run_id', op: 'in', value: earlier },
        { column: 'name', op: 'eq', value: AUDIT },
      ],
    });
    return rows
      .filter(({ output }) => output !== null)
      .toSorted((a, b) => earlier.indexOf(b.run_id) - earlier.indexOf(a.run_id))[0];
  }

  /** The campaign of all briefs, made when there is none; removed by somebody, it comes back as it was. */
  async #campaign(): Promise<CampaignDefinition> {
    const { records } = this.#deps;
    const where = [{ column: 'id', op: 'eq', value: BRIEFS_CAMPAIGN_ID }] as const;
    const [row] = await records.select('campaigns', { columns: ['id', 'deleted_at', 'config'], where });
    if (row && row.deleted_at !== null) await records.update('campaigns', { deleted_at: null }, where);
    if (row) return row.config as unknown as CampaignDefinition;
    const fresh = briefsCampaign();
    const config = fresh as unknown as JsonObject;
    await records.insert('campaigns', [{ id: BRIEFS_CAMPAIGN_ID, name: 'Briefs', config }], { conflict: 'ignore' });
    return fresh;
  }

  /** @throws always, for a pause with its reason */
  async #refuse(error: unknown): Promise<never> {
    const [campaign] = await this.#deps.records.select('campaigns', {
      columns: ['status_reason'],
      where: [{ column: 'id', op: 'eq', value: BRIEFS_CAMPAIGN_ID }],
    });
    return inTermsOfBriefs(error, campaign?.status_reason);
  }

  async #modeFor(asked: BriefMode): Promise<BriefMetadata['mode']> {
    if (asked === 'sequential') return { asked, used: 'sequential' };
    const times = await this.#deps.records.call<number[]>('brief_agent_times', {
      p_campaign_id: BRIEFS_CAMPAIGN_ID,
      p_from_id: firstIdAt(this.#deps.clock.now() - LATELY_MS),
      p_limit: RUNS_LOOKED_AT,
    });
    const median = times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
    if (times.length < FEWEST_RUNS || median <= SLOW_MS) return { asked, used: 'parallel' };
    return {
      asked,
      used: 'sequential',
      reason: `half of the last ${times.length} briefs of this hour had an agent that took more than ${SLOW_MS / 1_000} s`,
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
