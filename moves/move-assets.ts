import { movesOfPlan } from '../database/queries/moves.ts';
import type { MoveRow, PlanRow } from '../database/tables-moves.ts';
import type { WrittenArtifact } from '../generation/agents/write.ts';
import type { Artifact, Channel } from '../generation/artifacts.ts';
import { type AuditResult, auditArtifacts } from '../generation/audit/audit.ts';
import { type NormalizedBrief, normalizedBriefSchema } from '../generation/normalized-brief.ts';
import { iso } from '../shared/clock.ts';
import type { JsonObject } from '../shared/json.ts';
import type { PlanContext } from './context.ts';
import { requestEvidence, withoutRepeats } from './evidence.ts';
import type { DecisionRecord } from './graph/subject.ts';
import { changeMove } from './move-writes.ts';
import { nothingToDo, type PlanOutcome } from './plan-outcome.ts';
import { weeksOf } from './plan-times.ts';
import type { Planner } from './planner.ts';
import { clipped, type Evidence } from './statement.ts';
import { contextOf, type SubjectDeps } from './subjects/subject-deps.ts';
import type { StepTools, ToolFailure } from './tools/step-tools.ts';
import type { Toolbox } from './tools/toolbox.ts';
import { type Work, type WorkContext, WorkError } from './work.ts';

export interface MoveAssetsDependencies extends Pick<SubjectDeps, 'records' | 'clock'> {
  planner: Planner;
  toolbox: Toolbox;
  decisions: DecisionRecord;
}

interface AssetsParams {
  plan?: string;
  workspace: string;
  weeks: readonly number[] | 'current' | 'next' | 'first';
  most: number;
}

/** What was written for a move, as it was audited. */
interface Asset extends JsonObject {
  artifactId: string;
  kind: string;
  verdict: string;
  judged: string;
}

interface Made {
  move: MoveRow;
  asset: Asset;
}

/** Kept of an audit with the asset; all of it can be had by auditing again. */
const MOST_FINDINGS = 20;
/** Why nothing was written now, and may be later. */
const PASSING: ReadonlySet<string> = new Set(['MODEL_RATE_LIMITED', 'MODEL_UNAVAILABLE', 'TOOL_TIMEOUT']);
/** What is left of the step's time when the judge is waited for no more. */
const SPARE_MS = 5_000;

/** Has what moves need written, by the agents of briefs, and audited. */
export class MoveAssets {
  readonly #deps: MoveAssetsDependencies;

  constructor(dependencies: MoveAssetsDependencies) {
    this.#deps = dependencies;
  }

  /** The work of the step kind `move-assets`. @throws {WorkError} ASSETS_FAILED when none could be written */
  readonly make: Work = (params, work) => {
    const { weeks, most, ...which } = params as unknown as AssetsParams;
    return this.#deps.planner.forPlans(which, work, (plan) => this.#forPlan(plan, { weeks, most }, work));
  };

  async #forPlan(plan: PlanRow, wanted: Pick<AssetsParams, 'weeks' | 'most'>, work: WorkContext): Promise<PlanOutcome> {
    const { planner, toolbox, records } = this.#deps;
    const weeks = await weeksOf(plan, wanted.weeks, { ...this.#deps, work });
    const moves = chosen(await movesOfPlan(records, plan.id), weeks, wanted, work);
    if (moves.length === 0) return nothingToDo(plan.id, 'no move of these weeks is without assets');
    const { evidence: cited } = await planner.arcOf(plan);
    const evidence = withoutRepeats([...requestEvidence(contextOf(plan)), ...cited]);
    const tools = toolbox.bind(work, { evidence });
    const made: Made[] = [];
    const failed: ToolFailure[] = [];
    const failures: string[] = [];
    let costMicros = 0;
    for (const move of moves) {
      work.progress({ message: `writes for "${move.title}"` });
      const outcome = await this.#write(move, { plan, evidence, tools }, work);
      costMicros += outcome.costMicros;
      if ('asset' in outcome) made.push({ move, asset: outcome.asset });
      else {
        failed.push(outcome.failure);
        failures.push(`${move.title}: ${outcome.failure.message}`);
      }
    }
    if (made.length === 0) {
      const retryable = failed.every(({ code }) => PASSING.has(code));
      const output = { planId: plan.id, failures };
      throw new WorkError('ASSETS_FAILED', `No asset could be written. ${failures.join('; ')}`, {
        costMicros,
        output,
        retryable,
      });
    }
    const result = { planId: plan.id, assets: made.map(shown), failures };
    return { planId: plan.id, state: 'applied', result, costMicros };
  }

  async #write(
    move: MoveRow,
    { plan, evidence, tools }: { plan: PlanRow; evidence: readonly Evidence[]; tools: StepTools },
    work: WorkContext,
  ): Promise<{ costMicros: number } & ({ asset: Asset } | { failure: ToolFailure })> {
    const kept = madeBy(move, work);
    if (kept) return { asset: kept, costMicros: 0 };
    const args = assignmentOf(move, contextOf(plan), evidence);
    const outcome = await tools.use('content', args, move.id);
    if (outcome.error !== null) return { failure: outcome.error, costMicros: outcome.costMicros };
    const artifact = outcome.result['artifact'] as unknown as WrittenArtifact;
    const audit = await this.#audit(briefOf(args, evidence), artifact, work);
    const asset = assetOf(artifact, audit, work);
    await this.#keep(move, asset, plan, work);
    const charged = outcome.fromLog ? 0 : outcome.costMicros;
    return { asset, costMicros: charged + audit.costMicros };
  }

  #audit(brief: NormalizedBrief, { id, kind, content }: WrittenArtifact, work: WorkContext): Promise<AuditResult> {
    const { model, signal, clock, deadline } = work;
    const patience = { clock, untilMs: deadline - SPARE_MS };
    return auditArtifacts(brief, [{ id, kind, content } as Artifact], {
      model,
      signal,
      patience,
      onSent: () => work.onSent(),
    });
  }

  async #keep(move: MoveRow, asset: Asset, { workspace }: PlanRow, work: WorkContext): Promise<void> {
    const { records, clock, decisions } = this.#deps;
    // First, since a move that has its asset is not come back to.
    await decisions.record(workspace, [
      {
        key: `${work.stepName}/assets/${move.id}`,
        agent: 'planner',
        action: 'move.write_asset',
        reasoning: `Written for "${move.title}"; the audit's verdict is ${asset.verdict}.`,
        confidence: 1,
        predicted: { kpi: move.kpi, ...move.expected },
        evidence: { move: move.id, artifact: asset.artifactId, facts: move.evidence },
        planId: move.plan_id,
        campaignId: work.campaignId,
        runId: work.runId,
      },
    ]);
    const at = iso(clock.now());
    await changeMove(records, move.id, (now) =>
      now.assets.some((one) => one['artifactId'] === asset.artifactId)
        ? null
        : {
            assets: [...now.assets, asset],
            history: [...now.history, { at, by: 'planner', changed: { assets: asset.artifactId } }],
            updated_at: at,
          },
    );
  }
}

/** Of an asset, what the step tells; all of it stands with its move. */
function shown({ move, asset }: Made): JsonObject {
  const { artifactId, kind, verdict, judged } = asset;
  return { move: move.id, artifactId, kind, verdict, judged };
}

/** What an earlier try of the same run has written for a move. */
function madeBy({ assets }: MoveRow, { runId }: Pick<WorkContext, 'runId'>): Asset | undefined {
  return assets.find((asset) => asset['runId'] === runId) as Asset | undefined;
}

/** The moves without assets, and those whose assets are this run's own: a step that is run again after a crash has the same ones before it. */
function chosen(
  moves: readonly MoveRow[],
  weeks: readonly number[],
  { weeks: asked, most }: Pick<AssetsParams, 'weeks' | 'most'>,
  work: Pick<WorkContext, 'runId'>,
): MoveRow[] {
  const open = moves.filter(
    ({ week, state }) => weeks.includes(week) && (state === 'planned' || state === 'in_progress'),
  );
  const first = Math.min(...open.map(({ week }) => week));
  return open
    .filter((move) => move.assets.length === 0 || madeBy(move, work) !== undefined)
    .filter(({ week }) => asked !== 'first' || week === first)
    .toSorted((a, b) => a.priority - b.priority || (a.id < b.id ? -1 : 1))
    .slice(0, most);
}

/** What of the request may be said outside: what a business aims at, spends and knows of its customers is not. */
const SAID_OUTSIDE = /^(facts\[|foundation\.(promise|products|proof))/;

const isPublic = ({ source: { kind, location } }: Evidence) =>
  kind === 'request' ? SAID_OUTSIDE.test(location) : kind !== 'plan';

/** Whom a move is for: the cohorts that it cites, else those that its channel reaches, else all. */
function audienceOf({ evidence, channel }: MoveRow, { cohorts }: PlanContext): string {
  const cited = cohorts.filter((_, at) => evidence.includes(`cohort-${at + 1}`));
  const reached = cohorts.filter(({ channels }) => channels.includes(channel as Channel));
  const meant = [cited, reached, cohorts].find((some) => some.length > 0) ?? cohorts;
  return meant.map(({ name, description }) => `${name}: ${description}`).join('; ');
}

/** What the content tool is asked for: a mail is copy, everything else a post of the channel. */
function assignmentOf(move: MoveRow, context: PlanContext, evidence: readonly Evidence[]): JsonObject {
  const { foundation } = context;
  const usable = new Set(evidence.filter(isPublic).map(({ id }) => id));
  const products = foundation.products.join('; ');
  return {
    kind: move.channel === 'email' ? 'copy' : 'social',
    channels: [move.channel],
    brief: {
      objective: clipped(`${move.title}. ${move.hypothesis}`, 2_000),
      audience: clipped(audienceOf(move, context), 2_000),
      product: clipped(`${foundation.brand}: ${foundation.promise} ${products}`, 4_000),
      tone: foundation.tone,
    },
    facts: move.evidence.filter((id) => usable.has(id)).slice(0, 30),
  };
}

/** The brief that the content tool makes of its arguments, for the audit. */
function briefOf(args: JsonObject, evidence: readonly Evidence[]): NormalizedBrief {
  const ids = new Set(args['facts'] as string[]);
  const facts = evidence
    .filter(({ id }) => ids.has(id))
    .map(({ id, text }) => ({ id: id.slice(0, 100), text: text.slice(0, 2_000).toWellFormed() }));
  return normalizedBriefSchema.parse({ ...(args['brief'] as JsonObject), facts });
}

function assetOf(artifact: WrittenArtifact, audit: AuditResult, work: WorkContext): Asset {
  const { id, kind, version, content, provider, model, createdAt } = artifact;
  return {
    artifactId: id,
    kind,
    version,
    content: content as unknown as JsonObject,
    provider,
    model,
    runId: work.runId,
    createdAt,
    verdict: audit.verdict,
    judged: audit.judged,
    findings: audit.findings.slice(0, MOST_FINDINGS) as unknown as JsonObject[],
  };
}
