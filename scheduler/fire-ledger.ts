import { type CampaignDefinition, flattenSteps } from '../campaigns/definition.ts';
import { Batch } from '../database/batch.ts';
import { type Records, RecordsError } from '../database/records.ts';
import type { CampaignRow, Iso, JsonObject, UnchainedDecision } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import type { EventBus } from '../shared/events.ts';
import { newId } from '../shared/ids.ts';
import type { CampaignFacts, NextFire, PlannedFire } from './fire-plan.ts';

/** A nominal time as it was written: what became of it in the end. */
export interface WrittenFire {
  id: string;
  scheduled_for: string;
  outcome: 'ran' | 'caught_up' | 'skipped';
  reason: string | null;
  detail: string | null;
  run_id: string | null;
  missedCount: number;
}

/**
 * `stale`: somebody else changed the campaign first and nothing was written. `held`: somebody else is just changing it, and nothing
 * was written.
 */
export type FireAnswer = { stale: true; held?: true } | { stale: false; fires: WrittenFire[] };

/** The reasons that are the service's own decision rather than a person's or the plan's. */
const DECIDED: ReadonlySet<string> = new Set(['overlap', 'queue_full', 'budget', 'expired']);

/** The definition as stored; it was validated when it was written. */
export function definitionOf(row: CampaignRow): CampaignDefinition {
  return row.config as unknown as CampaignDefinition;
}

/** What the plan needs of a row; null for a campaign without a next nominal time. */
export function factsOf(row: CampaignRow): CampaignFacts | null {
  const { schedule } = definitionOf(row);
  if (!schedule || row.next_run_at === null) return null;
  return {
    id: row.id,
    schedule,
    pausedBy: row.status === 'paused' ? (row.paused_by ?? 'operator') : null,
    resumeAt: row.resume_at === null ? null : Date.parse(row.resume_at),
    nextRunAt: Date.parse(row.next_run_at),
  };
}

/** The columns that hold the next fire. */
export function nextColumns(next: NextFire): Pick<CampaignRow, 'next_run_at' | 'due_at'> {
  return {
    next_run_at: next.nextRunAt === null ? null : iso(next.nextRunAt),
    due_at: next.dueAt === null ? null : iso(next.dueAt),
  };
}

/** What the SQL functions `fire_campaigns` and `fire_due` take for one campaign. */
interface FireItem {
  campaign_id: string;
  version: number;
  fires: JsonObject[];
  next: Iso | null;
  due: Iso | null;
}

interface RawAnswer {
  stale?: boolean;
  held?: boolean;
  fires?: Omit<WrittenFire, 'missedCount'>[];
  /** The database refused this campaign alone. */
  error?: string;
  state?: string;
}

/** Campaigns of one statement: it holds their locks to its end, which operators' edits wait for. */
const MOST_CAMPAIGNS = 100;

/**
 * Writes what becomes of nominal times, starts the runs and moves campaigns to their next fires: for each campaign all or
 * nothing, and once among any number of replicas. Campaigns that are due together share statements.
 */
export class FireLedger {
  readonly #clock: Clock;
  readonly #firing: Batch<FireItem, RawAnswer>;

  /**
   * @param options.leaveHeld whether a campaign that somebody else is just changing is left alone, and answered as held, instead of
   *   being waited for
   */
  constructor({ records, clock }: { records: Records; clock: Clock }, { leaveHeld }: { leaveHeld: boolean }) {
    this.#clock = clock;
    const name = leaveHeld ? 'fire_due' : 'fire_campaigns';
    this.#firing = new Batch((items) => records.call(name, { p_items: items, p_at: iso(clock.now()) }), {
      most: MOST_CAMPAIGNS,
    });
  }

  /**
   * On success the campaign's version is one higher.
   * @throws {DatabaseUnavailableError} when nothing is known; the same may be written again
   * @throws {RecordsError} when the database refuses it
   */
  async write(row: CampaignRow, fires: readonly PlannedFire[], next: NextFire): Promise<FireAnswer> {
    const rows = fireRows(row, fires, this.#clock.now());
    const { next_run_at, due_at } = nextColumns(next);
    const item = {
      campaign_id: row.id,
      version: row.version,
      fires: rows as JsonObject[],
      next: next_run_at,
      due: due_at,
    };
    const answer = await this.#firing.add(item);
    if (answer.error !== undefined) throw new RecordsError(answer.state ?? 'XX000', answer.error);
    if (answer.held) return { stale: true, held: true };
    if (answer.stale) return { stale: true };
    const counts = new Map(rows.map((fire) => [fire.id, fire.missed_count]));
    const written = (answer.fires ?? []).map((fire) => ({ ...fire, missedCount: counts.get(fire.id) ?? 1 }));
    return { stale: false, fires: written };
  }
}

function fireRows(row: CampaignRow, fires: readonly PlannedFire[], nowMs: number) {
  const stepsTotal = flattenSteps(definitionOf(row).steps).length;
  return fires.map((fire) => ({
    id: newId(nowMs),
    scheduled_for: iso(fire.scheduledFor),
    effective_for: iso(fire.effectiveFor),
    outcome: fire.outcome,
    reason: fire.reason,
    detail: fire.detail,
    missed_count: fire.missedCount,
    ...(fire.outcome === 'skipped'
      ? {}
      : {
          run: {
            id: newId(nowMs),
            trigger: fire.outcome === 'ran' ? 'schedule' : 'catch_up',
            scheduled_for: iso(fire.scheduledFor),
            steps_total: stepsTotal,
          },
        }),
  }));
}

/** One event for each run that was started, and one for each reason for which times were skipped. */
export function announceFires(events: EventBus, row: CampaignRow, fires: readonly WrittenFire[]): void {
  const about = { campaignId: row.id, campaign: row.name };
  for (const fire of fires) {
    if (fire.outcome === 'skipped' || fire.run_id === null) continue;
    const type = fire.outcome === 'ran' ? 'fire.ran' : 'fire.caught_up';
    events.emit(type, { ...about, runId: fire.run_id, scheduledFor: fire.scheduled_for });
    const trigger = fire.outcome === 'ran' ? 'schedule' : 'catch_up';
    events.emit('run.queued', { campaignId: row.id, runId: fire.run_id, trigger });
  }
  for (const [reason, skipped] of skippedByReason(fires)) {
    const { scheduled_for: scheduledFor, detail } = skipped.newest;
    events.emit('fire.skipped', {
      ...about,
      reason,
      detail,
      scheduledFor,
      since: skipped.oldest,
      count: skipped.count,
    });
  }
}

/** Why the service let nominal times go by, for the record of its decisions; a person's own pauses are not among them. */
export function skipDecisions(row: CampaignRow, fires: readonly WrittenFire[], nowMs: number): UnchainedDecision[] {
  return [...skippedByReason(fires)]
    .filter(([reason]) => DECIDED.has(reason))
    .map(([reason, { newest, oldest, count }]) => ({
      id: newId(nowMs),
      agent: 'scheduler',
      action: 'skip_fire',
      campaign_id: row.id,
      run_id: null,
      decided_at: iso(nowMs),
      reasoning:
        `Did not start the run of ${newest.scheduled_for}${count > 1 ? ` and ${count - 1} before it` : ''}: ` +
        `${reason}${newest.detail === null ? '' : `, ${newest.detail}`}.`,
      confidence: 1,
      predicted: {},
      evidence: { reason, scheduledFor: newest.scheduled_for, since: oldest, count },
    }));
}

function skippedByReason(fires: readonly WrittenFire[]) {
  const groups = new Map<string, { newest: WrittenFire; oldest: string; count: number }>();
  for (const fire of fires) {
    if (fire.outcome !== 'skipped') continue;
    const group = groups.get(fire.reason ?? '');
    groups.set(fire.reason ?? '', {
      newest: fire,
      oldest: group?.oldest ?? fire.scheduled_for,
      count: (group?.count ?? 0) + fire.missedCount,
    });
  }
  return groups;
}
