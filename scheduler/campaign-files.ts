import { type LoadedCampaign, loadCampaigns, type RejectedCampaign } from '../campaigns/load.ts';
import type { DefinitionEnvironment } from '../campaigns/schema.ts';
import type { Records } from '../database/records.ts';
import type { CampaignRow } from '../database/tables.ts';
import type { Clock } from '../shared/clock.ts';
import { DatabaseUnavailableError, messageOf } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import type { CampaignControl } from './campaign-control.ts';

export interface CampaignFilesDependencies {
  records: Records;
  clock: Clock;
  events: EventBus;
  logger: Logger;
  campaigns: CampaignControl;
  environment: DefinitionEnvironment;
  /** The folder that holds the definitions. */
  folder: string;
}

/** How many campaigns one pass changed. */
export interface SyncReport {
  created: number;
  replaced: number;
  resumed: number;
  paused: number;
  /** Files with problems, whether told of before or not. */
  rejected: number;
}

const SCAN_EVERY_MS = 10_000;

/**
 * Keeps the campaigns of a folder as their files say, by file name: a new file makes a campaign, a changed one replaces its
 * definition, a removed one pauses it, and one that comes back resumes it. A file with problems is told of once and leaves its
 * campaign as it was. A campaign that was removed over the API stays removed until its file changes.
 */
export class CampaignFiles {
  readonly #deps: CampaignFilesDependencies;
  readonly #scans: Repeater;
  /** The content that was told of last, by file. */
  readonly #rejected = new Map<string, string>();
  /** What the last scan failed with; the same again is not worth another warning. */
  #failure: string | null = null;

  constructor(dependencies: CampaignFilesDependencies) {
    this.#deps = dependencies;
    this.#scans = new Repeater(() => this.runOnce(), {
      clock: dependencies.clock,
      everyMs: SCAN_EVERY_MS,
      firstAfterMs: SCAN_EVERY_MS,
      onFailure: (error) => this.#tell(error),
    });
  }

  /** Scans now, and from then on every ten seconds. */
  async start(): Promise<void> {
    await this.runOnce();
    this.#scans.start();
  }

  stop(): Promise<void> {
    return this.#scans.stop();
  }

  /** One scan that never rejects; what fails is logged and comes again with the next one. Returns how many changed. */
  async runOnce(): Promise<number> {
    try {
      const { created, replaced, resumed, paused } = await this.sync();
      this.#failure = null;
      return created + replaced + resumed + paused;
    } catch (error) {
      this.#tell(error);
      return 0;
    }
  }

  #tell(error: unknown): void {
    const { folder, logger } = this.#deps;
    const level = this.#failure === messageOf(error) ? 'debug' : 'warn';
    this.#failure = messageOf(error);
    logger[level]('The campaign files could not be read in; the next scan tries again', { folder, error });
  }

  /**
   * Reads the folder and brings the campaigns in line with it.
   * @throws {DatabaseUnavailableError} when the database is away; a folder that cannot be read counts as one rejected file
   */
  async sync(): Promise<SyncReport> {
    const { records, environment, folder, logger } = this.#deps;
    const { loaded, rejected, readable } = await loadCampaigns(folder, environment);
    for (const file of rejected) this.#reject(file);
    const report: SyncReport = { created: 0, replaced: 0, resumed: 0, paused: 0, rejected: rejected.length };
    // A folder that is gone is a mistake of mounting rather than the wish to pause every campaign.
    if (!readable) return report;
    const rows = await records.select('campaigns', {
      where: [{ column: 'source_file', op: 'is_not', value: null }],
      order: [{ column: 'id' }],
    });
    for (const file of loaded) {
      this.#rejected.delete(file.file);
      const own = rows.filter((row) => row.source_file === file.file);
      await this.#guarded(file.file, () => this.#apply(file, own, report));
    }
    const present = new Set([...loaded, ...rejected].map((file) => file.file));
    for (const row of rows) {
      const name = row.source_file ?? '';
      if (row.deleted_at !== null || row.source_hash === null || present.has(name)) continue;
      await this.#guarded(name, async () => {
        await this.#deps.campaigns.pauseForFile(row.id, `its file ${name} is gone`);
        report.paused += 1;
      });
    }
    for (const name of this.#rejected.keys()) if (!present.has(name)) this.#rejected.delete(name);
    logger.debug('Campaign files read in', { folder, files: present.size, ...report });
    return report;
  }

  #reject({ file, hash, problems }: RejectedCampaign): void {
    if (this.#rejected.get(file) === hash) return;
    this.#rejected.set(file, hash);
    this.#deps.events.emit('campaign.file_rejected', { file, problems });
  }

  /** `own`: the campaigns that this file ever had, oldest first; at most one of them is not removed. */
  async #apply(file: LoadedCampaign, own: CampaignRow[], report: SyncReport): Promise<void> {
    const { campaigns } = this.#deps;
    const source = { file: file.file, hash: file.hash };
    const row = own.find((candidate) => candidate.deleted_at === null);
    if (!row) {
      if (own.at(-1)?.source_hash === file.hash) return;
      if (await campaigns.createFromFile(file.definition, source)) report.created += 1;
      return;
    }
    if (row.source_hash !== file.hash) {
      await campaigns.replaceDefinition(row.id, file.definition, source);
      report.replaced += 1;
    }
    if (row.paused_by !== 'file') return;
    await campaigns.resume(row.id, 'file');
    report.resumed += 1;
  }

  /** One file's fault is its own; only a database that is away ends the scan. */
  async #guarded(file: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      this.#deps.logger.warn('A campaign file could not be applied; the next scan tries again', { file, error });
    }
  }
}
