import { isDeepStrictEqual } from 'node:util';
import type { CampaignDefinition } from '../campaigns/definition.ts';
import { type DefinitionEnvironment, parseDefinition } from '../campaigns/schema.ts';
import { type Records, RecordsError } from '../database/records.ts';
import type { CampaignRow } from '../database/tables.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, ValidationError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { newId } from '../shared/ids.ts';
import { changeCampaign, columnsOf, dropPast, type Patch, readCampaign, sameSchedule } from './campaign-rows.ts';
import { definitionOf, nextColumns } from './fire-ledger.ts';
import { NEVER, type NextFire, nextOf } from './fire-plan.ts';

export interface CampaignControlDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  environment: DefinitionEnvironment;
}

/** The file that a campaign comes from, and the hash of what it said. */
export interface CampaignSource {
  file: string;
  hash: string;
}

/** A campaign that a file asks for. */
export interface FileCampaign extends CampaignSource {
  definition: CampaignDefinition;
}

const UNIQUE_VIOLATION = '23505';
/** How often files that were taken by another replica meanwhile are left out. */
const TRIES = 3;
const AWAKE: Patch = { status: 'active', status_reason: null, paused_by: null, resume_at: null };

/** Whether an edit gives a campaign that sleeps for its budget other limits: it wakes, and the next step is judged by them. */
function hasNewBudget(row: CampaignRow, definition: CampaignDefinition): boolean {
  return row.paused_by === 'budget' && !isDeepStrictEqual(definitionOf(row).budget, definition.budget);
}

/** Makes, changes, pauses, resumes and removes campaigns. Every change takes effect at once and on the next fire. */
export class CampaignControl {
  readonly #deps: CampaignControlDependencies;

  constructor(dependencies: CampaignControlDependencies) {
    this.#deps = dependencies;
  }

  /** @throws {NotFoundError} for an unknown or removed campaign */
  get(id: string): Promise<CampaignRow> {
    return readCampaign(this.#deps.records, id);
  }

  /** @throws {ValidationError} with every problem of the definition */
  async create(input: unknown): Promise<CampaignRow> {
    const [row] = await this.#insert([{ definition: this.#parse(input) }]);
    if (!row) throw new ConflictError('CAMPAIGN_BUSY', 'The campaign could not be stored; try again.');
    return row;
  }

  /**
   * Makes the campaigns of files, in one statement. Returns how many; a file that has one already, because another replica was
   * first, is left out.
   * @throws {RecordsError} when the database refuses one of them; none is then made
   */
  async createFromFiles(files: readonly FileCampaign[]): Promise<number> {
    let left = files;
    for (let tries = TRIES; left.length > 0; tries -= 1) {
      try {
        return (await this.#insert(left.map(({ definition, file, hash }) => ({ definition, source: { file, hash } }))))
          .length;
      } catch (error) {
        // "Ignore" covers the primary key only; that a file has its campaign is said by the other unique index.
        if (!(error instanceof RecordsError) || error.sqlState !== UNIQUE_VIOLATION || tries === 0) throw error;
      }
      const taken = await this.#deps.records.select('campaigns', {
        columns: ['source_file'],
        where: [
          { column: 'source_file', op: 'in', value: left.map(({ file }) => file) },
          { column: 'deleted_at', op: 'is', value: null },
        ],
      });
      const names = new Set(taken.map((row) => row.source_file));
      left = left.filter(({ file }) => !names.has(file));
    }
    return 0;
  }

  /**
   * Puts another definition in the place of a campaign's. Id, totals and status stay; so does the next fire while the schedule is
   * the same, and with another schedule it is the first one after now.
   * @throws {ValidationError} with every problem of the definition
   * @throws {NotFoundError} for an unknown or removed campaign
   */
  async replace(id: string, input: unknown): Promise<CampaignRow> {
    return this.replaceDefinition(id, this.#parse(input));
  }

  /** Like {@link replace} with a definition that is validated; `source` records which content of its file it is. */
  replaceDefinition(id: string, definition: CampaignDefinition, source?: CampaignSource): Promise<CampaignRow> {
    return changeCampaign(
      this.#deps,
      id,
      async (row) => {
        const wakes = hasNewBudget(row, definition);
        const same = row.next_run_at !== null && sameSchedule(definitionOf(row).schedule, definition.schedule);
        const stays = same && !wakes;
        if (!stays) await dropPast(this.#deps, row, 'superseded', 'the schedule was edited');
        return {
          ...columnsOf(definition),
          ...nextColumns(stays ? this.#sameNext(row, definition) : this.#next(row.id, definition)),
          ...(source ? { source_hash: source.hash } : {}),
          ...(row.status === 'error' || wakes ? AWAKE : {}),
        };
      },
      (row) => this.#deps.events.emit('campaign.changed', { campaignId: id, campaign: row.name, change: 'replaced' }),
    );
  }

  /**
   * Removes a campaign: it fires no more, runs that have not begun are cancelled, a running one goes on to its end, and its
   * history stays.
   * @throws {NotFoundError} for an unknown or removed campaign
   */
  async remove(id: string): Promise<CampaignRow> {
    const { clock, events } = this.#deps;
    const removed = await changeCampaign(
      this.#deps,
      id,
      () => ({ deleted_at: iso(clock.now()), ...nextColumns(NEVER), resume_at: null }),
      (row) => events.emit('campaign.changed', { campaignId: id, campaign: row.name, change: 'removed' }),
    );
    await this.#cancelRuns(id, ['queued', 'waiting'], 'the campaign was removed');
    return removed;
  }

  /**
   * Pauses by an operator's hand, until an operator resumes it. Runs that stand in line are cancelled, a running one goes on to
   * its end. Pausing a paused campaign changes nothing, except that a pause that would end by itself no longer does.
   * @throws {NotFoundError} for an unknown or removed campaign
   */
  async pause(id: string, reason = 'paused by an operator'): Promise<CampaignRow> {
    const paused = await this.#pause(id, 'operator', reason);
    await this.#cancelRuns(id, ['queued'], 'the campaign was paused');
    return paused;
  }

  async #cancelRuns(id: string, statuses: ('queued' | 'waiting')[], reason: string): Promise<void> {
    const { records, clock, events } = this.#deps;
    const runs = await records.select('campaign_runs', {
      where: [
        { column: 'campaign_id', op: 'eq', value: id },
        { column: 'status', op: 'in', value: statuses },
      ],
      order: [{ column: 'id' }],
    });
    for (const run of runs) {
      // A queued run that was begun before was handed over by a stop; pausing does not break it off.
      if (statuses.length === 1 && run.epoch > 0) continue;
      const { status } = await records.call<{ status?: string }>('cancel_run', {
        p_run_id: run.id,
        p_reason: reason,
        p_at: iso(clock.now()),
      });
      if (status === 'cancelled') events.emit('run.finished', { campaignId: id, runId: run.id, status, reason });
    }
  }

  /** Pauses because the campaign's file has gone; an operator's own pause stays. Forgets which content the file had. */
  pauseForFile(id: string, reason: string): Promise<CampaignRow> {
    return this.#pause(id, 'file', reason, { source_hash: null });
  }

  /**
   * Ends a pause of any kind. The next fire is strictly after now: times that passed in the pause leave rows that say so, and
   * are never fired. Resuming an active campaign changes nothing.
   * @throws {NotFoundError} for an unknown or removed campaign
   */
  resume(id: string, by: 'operator' | 'file' = 'operator'): Promise<CampaignRow> {
    return changeCampaign(
      this.#deps,
      id,
      async (row) => {
        if (row.status === 'active') return null;
        await dropPast(this.#deps, row, 'paused', 'the campaign was paused');
        return {
          status: 'active',
          status_reason: null,
          paused_by: null,
          resume_at: null,
          ...nextColumns(this.#next(row.id, definitionOf(row))),
        };
      },
      (row) =>
        this.#deps.events.emit('campaign.resumed', {
          campaignId: id,
          campaign: row.name,
          by,
          nextRunAt: row.next_run_at,
        }),
    );
  }

  #pause(id: string, by: 'operator' | 'file', reason: string, more: Patch = {}): Promise<CampaignRow> {
    return changeCampaign(
      this.#deps,
      id,
      (row) => {
        const standing = row.status === 'paused' && row.paused_by === 'operator';
        if (standing) return Object.keys(more).length > 0 ? more : null;
        return { status: 'paused', paused_by: by, status_reason: reason, resume_at: null, ...more };
      },
      (row) => {
        if (row.paused_by === by)
          this.#deps.events.emit('campaign.paused', {
            campaignId: id,
            campaign: row.name,
            by,
            reason,
            until: null,
          });
      },
    );
  }

  #parse(input: unknown): CampaignDefinition {
    const parsed = parseDefinition(input, this.#deps.environment);
    if ('problems' in parsed) throw new ValidationError('The campaign has problems.', parsed.problems);
    return parsed.definition;
  }

  async #insert(news: readonly { definition: CampaignDefinition; source?: CampaignSource }[]): Promise<CampaignRow[]> {
    const { records, clock, events } = this.#deps;
    const nowMs = clock.now();
    const made = news.map(({ definition, source }) => {
      const id = newId(nowMs);
      return {
        id,
        ...columnsOf(definition),
        ...nextColumns(this.#next(id, definition)),
        source_file: source?.file ?? null,
        source_hash: source?.hash ?? null,
        created_at: iso(nowMs),
        updated_at: iso(nowMs),
      };
    });
    const rows = await records.insert('campaigns', made, { conflict: 'ignore' });
    for (const { id, name } of rows)
      events.emit('campaign.changed', { campaignId: id, campaign: name, change: 'created' });
    return rows;
  }

  #next(id: string, { schedule }: CampaignDefinition): NextFire {
    return schedule ? nextOf(id, schedule, this.#deps.clock.now()) : NEVER;
  }

  /** The same nominal time with the jitter of the new definition. */
  #sameNext(row: CampaignRow, { schedule }: CampaignDefinition): NextFire {
    return schedule && row.next_run_at !== null ? nextOf(row.id, schedule, Date.parse(row.next_run_at) - 1) : NEVER;
  }
}
