import type { ScheduleDefinition } from '../campaigns/definition.ts';
import { iso } from '../shared/clock.ts';
import { nextFire } from './calendar.ts';
import { dueTimes } from './due-times.ts';
import { jitterOf } from './jitter.ts';

/** What the plan needs to know of a campaign. Times are epoch milliseconds. */
export interface CampaignFacts {
  id: string;
  schedule: ScheduleDefinition;
  /** null: not paused. */
  pausedBy: 'operator' | 'budget' | 'file' | null;
  /** When the pause ends by itself. */
  resumeAt: number | null;
  /** The first nominal time of which nothing has become yet. */
  nextRunAt: number;
}

export type SkipReason = 'paused' | 'budget' | 'expired' | 'superseded';

export interface PlannedFire {
  scheduledFor: number;
  effectiveFor: number;
  outcome: 'ran' | 'caught_up' | 'skipped';
  reason: SkipReason | null;
  detail: string | null;
  missedCount: number;
}

export interface NextFire {
  /** The next nominal time; null when there is none. */
  nextRunAt: number | null;
  /** That time plus the campaign's jitter. */
  dueAt: number | null;
}

/** Without a schedule, or with one that is switched off. */
export const NEVER: NextFire = { nextRunAt: null, dueAt: null };

export interface FirePlan extends NextFire {
  /** One for each nominal time that has come, oldest first. */
  fires: PlannedFire[];
}

/** A fire later than its time by less than this, in milliseconds, is an ordinary one and not a missed one. */
export const ORDINARY_DELAY_MS = 60_000;
/** The most that `catchUp: "all"` makes up for at once. */
export const MOST_CAUGHT_UP = 100;

type Fate = Pick<PlannedFire, 'outcome' | 'reason' | 'detail'>;

/** The first nominal time after `afterMs`, and when it is due. */
export function nextOf(campaignId: string, schedule: ScheduleDefinition, afterMs: number): NextFire {
  const nextRunAt = schedule.enabled ? nextFire(schedule.cron, schedule.timezone, afterMs) : null;
  return { nextRunAt, dueAt: nextRunAt === null ? null : nextRunAt + jitterOf(campaignId, schedule.jitter) };
}

/**
 * Decides for every nominal time that is due what becomes of it. A nominal time is due its jitter later.
 *
 * - While the campaign was paused: skipped (`paused`, or `budget` for times before the end of a budget pause).
 * - Late by less than {@link ORDINARY_DELAY_MS}: ran.
 * - Missed longer ago than `catchUpWindow`, or with `catchUp: "none"`: skipped as `expired`.
 * - `catchUp: "last"`: the newest missed one is caught up, the older ones are `superseded`; all of them are when an
 *   ordinary one runs at the same moment anyway.
 * - `catchUp: "all"`: the newest {@link MOST_CAUGHT_UP} are caught up, the older ones are `expired`.
 *
 * At most 1,000 fires come back; a longer absence folds the oldest into one with a `missedCount`.
 */
export function planFires(campaign: CampaignFacts, nowMs: number): FirePlan {
  const { schedule } = campaign;
  const offset = jitterOf(campaign.id, schedule.jitter);
  const { times, folded } = dueTimes(schedule.cron, schedule.timezone, campaign.nextRunAt, nowMs - offset);
  const all = folded ? [folded.first, ...times] : times;
  if (all.length === 0) return { fires: [], nextRunAt: campaign.nextRunAt, dueAt: campaign.nextRunAt + offset };
  const fates = decide(campaign, all, offset, nowMs);
  const planned = all.map((time, index) => fire(time, offset, fates[index] ?? EXPIRED));
  if (folded) foldInto(planned[0], folded);
  return { fires: planned, ...nextOf(campaign.id, schedule, nowMs - offset) };
}

/**
 * Lets every nominal time up to now go by, jitter or not, for the end of a pause and for an edited schedule: what is past is
 * never fired.
 */
export function planSkips(campaign: CampaignFacts, nowMs: number, reason: SkipReason, detail: string): PlannedFire[] {
  const { schedule } = campaign;
  const offset = jitterOf(campaign.id, schedule.jitter);
  const { times, folded } = dueTimes(schedule.cron, schedule.timezone, campaign.nextRunAt, nowMs);
  const all = folded ? [folded.first, ...times] : times;
  const planned = all.map((time) => fire(time, offset, { outcome: 'skipped', reason, detail }));
  if (folded) foldInto(planned[0], folded);
  return planned;
}

const EXPIRED: Fate = { outcome: 'skipped', reason: 'expired', detail: null };

function fire(time: number, offset: number, fate: Fate): PlannedFire {
  return { scheduledFor: time, effectiveFor: time + offset, ...fate, missedCount: 1 };
}

function foldInto(oldest: PlannedFire | undefined, folded: { count: number; exact: boolean }): void {
  if (!oldest) return;
  oldest.missedCount = folded.count;
  const note = `stands for ${folded.exact ? '' : 'about '}${folded.count} times in a row`;
  oldest.detail = oldest.detail === null ? note : `${oldest.detail}; ${note}`;
}

function decide(campaign: CampaignFacts, times: number[], offset: number, nowMs: number): Fate[] {
  const fates = times.map((time) => pausedFate(campaign, time + offset));
  const ordinary = times.findLast((time, index) => !fates[index] && nowMs - time - offset < ORDINARY_DELAY_MS);
  let caughtUp = 0;
  // From the newest to the oldest, because the newest missed ones are the ones that are made up for.
  for (let index = times.length - 1; index >= 0; index -= 1) {
    const time = times[index] ?? 0;
    if (fates[index]) continue;
    if (nowMs - time - offset < ORDINARY_DELAY_MS) {
      fates[index] = { outcome: 'ran', reason: null, detail: null };
      continue;
    }
    fates[index] = missedFate(campaign.schedule, nowMs - time - offset, caughtUp, ordinary);
    if (fates[index]?.outcome === 'caught_up') caughtUp += 1;
  }
  return fates.map((fate) => fate ?? EXPIRED);
}

function pausedFate({ pausedBy, resumeAt }: CampaignFacts, effective: number): Fate | null {
  if (pausedBy === null || (resumeAt !== null && effective >= resumeAt)) return null;
  const reason = pausedBy === 'budget' ? 'budget' : 'paused';
  return {
    outcome: 'skipped',
    reason,
    detail: resumeAt === null ? null : `the pause ends at ${iso(resumeAt)}`,
  };
}

function missedFate(schedule: ScheduleDefinition, late: number, caughtUp: number, ordinary: number | undefined): Fate {
  if (schedule.catchUp === 'none') return { ...EXPIRED, detail: 'missed, and catchUp is "none"' };
  if (late > schedule.catchUpWindow)
    return { ...EXPIRED, detail: `missed by more than the catch-up window of ${schedule.catchUpWindow / 1_000} s` };
  const limit = schedule.catchUp === 'all' ? MOST_CAUGHT_UP : ordinary === undefined ? 1 : 0;
  if (caughtUp < limit) return { outcome: 'caught_up', reason: null, detail: `late by ${Math.round(late / 1_000)} s` };
  if (schedule.catchUp === 'all') return { ...EXPIRED, detail: `more than ${MOST_CAUGHT_UP} were missed` };
  return { outcome: 'skipped', reason: 'superseded', detail: 'a newer fire of the schedule stands for it' };
}
