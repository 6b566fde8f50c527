import type { CampaignDefinition } from '../campaigns/definition.ts';
import type { Records } from '../database/records.ts';
import type { CampaignRow, JsonObject } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, NotFoundError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { isUuid } from '../shared/ids.ts';
import { announceFires, factsOf, FireLedger } from './fire-ledger.ts';
import { nextOf, planSkips, type SkipReason } from './fire-plan.ts';

interface RowDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
}

export type Patch = Partial<CampaignRow>;

/** A change of one campaign: what to write on the row as read, or null when there is nothing to change. */
type Edit = (row: CampaignRow) => Promise<Patch | null> | Patch | null;

/** How often a change is tried anew when somebody else changed the campaign at the same moment. */
const TRIES = 8;

/** Somebody else changed the campaign between reading and writing. */
class StaleCampaign extends Error {}

/** @throws {NotFoundError} for an unknown or removed campaign */
export async function readCampaign(records: Records, id: string): Promise<CampaignRow> {
  const [row] = isUuid(id)
    ? await records.select('campaigns', {
        where: [
          { column: 'id', op: 'eq', value: id },
          { column: 'deleted_at', op: 'is', value: null },
        ],
      })
    : [];
  if (!row) throw new NotFoundError('campaign', id);
  return row;
}

/**
 * Reads, edits and writes a campaign with compare-and-set on its version, again when somebody else was first. `announce` is
 * called once, with the row as it then is, unless there was nothing to change.
 * @throws {NotFoundError} for an unknown or removed campaign
 * @throws {ConflictError} CAMPAIGN_BUSY when others are always first
 */
export async function changeCampaign(
  { records, clock }: RowDependencies,
  id: string,
  edit: Edit,
  announce: (row: CampaignRow) => void,
): Promise<CampaignRow> {
  for (let left = TRIES; left > 0; left -= 1) {
    const row = await readCampaign(records, id);
    try {
      const patch = await edit(row);
      if (patch === null) return row;
      const [changed] = await records.update(
        'campaigns',
        { ...patch, version: row.version + 1, updated_at: iso(clock.now()) },
        [
          { column: 'id', op: 'eq', value: id },
          { column: 'version', op: 'eq', value: row.version },
          { column: 'deleted_at', op: 'is', value: null },
        ],
      );
      if (!changed) continue;
      announce(changed);
      return changed;
    } catch (error) {
      if (!(error instanceof StaleCampaign)) throw error;
    }
  }
  throw new ConflictError('CAMPAIGN_BUSY', 'The campaign is being changed by others at this moment; try again.');
}

/**
 * Writes rows for the nominal times up to now that no tick has seen, so that they are told of and never fired. For use in an edit: it
 * raises the version of `row` as the database does.
 */
export async function dropPast(
  deps: RowDependencies,
  row: CampaignRow,
  reason: SkipReason,
  detail: string,
): Promise<void> {
  const { clock, events } = deps;
  const facts = factsOf(row);
  if (!facts) return;
  const why = facts.pausedBy === null ? reason : facts.pausedBy === 'budget' ? 'budget' : 'paused';
  const fires = planSkips(facts, clock.now(), why, detail);
  if (fires.length === 0) return;
  const answer = await new FireLedger(deps, { leaveHeld: false }).write(
    row,
    fires,
    nextOf(row.id, facts.schedule, clock.now()),
  );
  if (answer.stale) throw new StaleCampaign();
  announceFires(events, row, answer.fires);
  row.version += 1;
}

/** Whether two schedules have the same nominal times. */
export function sameSchedule(a: CampaignDefinition['schedule'], b: CampaignDefinition['schedule']): boolean {
  return a?.cron === b?.cron && a?.timezone === b?.timezone && a?.enabled === b?.enabled;
}

/** The columns of a row that say what its definition says. */
export function columnsOf(definition: CampaignDefinition): Patch {
  const projectId = definition.metadata['project_id'];
  return {
    name: definition.name,
    description: definition.description ?? null,
    config: definition as unknown as JsonObject,
    schedule_cron: definition.schedule?.cron ?? null,
    schedule_timezone: definition.schedule?.timezone ?? 'UTC',
    project_id: isUuid(projectId) ? projectId : null,
  };
}
