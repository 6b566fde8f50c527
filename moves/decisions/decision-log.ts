import { type NewDecision, recordDecisions } from '../../database/queries/decisions.ts';
import type { Records } from '../../database/records.ts';
import { storable } from '../../generation/artifacts.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import { derivedId, timeOfId } from '../../shared/ids.ts';
import type { Json, JsonObject } from '../../shared/json.ts';

/** A choice of an agent, or of a person, about the plans of a workspace. */
export interface DecisionEntry {
  /** Tells the decisions of one run apart: the same key is the same decision, however often the step that takes it runs. */
  key: string;
  /** Who decided, such as `planner` or `person:ana`. */
  agent: string;
  /** What was decided, such as `choose_evidence`. */
  action: string;
  reasoning: string;
  /** 0 to 1; what lies outside is drawn to the nearer end, and what is no number to 0. */
  confidence: number;
  /** What is expected to come of it. */
  predicted: JsonObject;
  evidence: JsonObject;
  planId?: string;
  campaignId?: string;
  runId?: string;
}

export interface DecisionLogDependencies {
  records: Records;
  clock: Clock;
}

/** The append-only record of the decisions about a workspace's plans, each of which holds the hash of the one before. */
export class DecisionLog {
  readonly #deps: DecisionLogDependencies;

  constructor(dependencies: DecisionLogDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Appends decisions in their order, all or none. A decision of the same workspace, run and key that is there already stays
   * as it is, so that a step may be run again. Text may hold anything; what the database cannot hold becomes U+FFFD.
   * Returns how many are new.
   * @throws {DatabaseUnavailableError} when nothing is known; the same entries may be recorded again
   */
  async record(workspace: string, entries: readonly DecisionEntry[]): Promise<number> {
    const decidedAt = iso(this.#deps.clock.now());
    const name = storable(workspace);
    return recordDecisions(
      this.#deps.records,
      entries.map((entry) => decisionRow(name, entry, decidedAt)),
    );
  }
}

function decisionRow(workspace: string, entry: DecisionEntry, decidedAt: string): NewDecision {
  const { runId, planId, campaignId } = entry;
  // Of a decision outside of a run, what it is about tells it apart.
  const scope = runId ?? planId ?? campaignId;
  return {
    // As JSON, so that no two triples have one text. The time is the same on every replay.
    id: derivedId(JSON.stringify([workspace, scope ?? '', entry.key]), scope === undefined ? 0 : timeOfId(scope)),
    agent: storable(entry.agent),
    action: storable(entry.action),
    campaign_id: campaignId ?? null,
    run_id: runId ?? null,
    plan_id: planId ?? null,
    decided_at: decidedAt,
    reasoning: storable(entry.reasoning),
    confidence: Math.min(1, Math.max(0, Number.isNaN(entry.confidence) ? 0 : entry.confidence)),
    predicted: storableObject(entry.predicted),
    evidence: storableObject(entry.evidence),
    workspace,
  };
}

const storableObject = (object: JsonObject): JsonObject =>
  Object.fromEntries(Object.entries(object).map(([key, value]) => [storable(key), storableJson(value)]));

function storableJson(value: Json): Json {
  if (typeof value === 'string') return storable(value);
  if (Array.isArray(value)) return value.map(storableJson);
  return typeof value === 'object' && value !== null ? storableObject(value) : value;
}
