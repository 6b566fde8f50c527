import type { LoadedCampaign } from '../campaigns/load.ts';
import { DatabaseUnavailableError } from '../shared/errors.ts';
import type { Logger } from '../shared/logger.ts';
import type { CampaignControl } from './campaign-control.ts';
import { type FileRows, needOf } from './campaign-file-rows.ts';

export interface FileChangesDependencies {
  campaigns: CampaignControl;
  logger: Logger;
}

/** How many campaigns one scan changed. */
export interface SyncReport {
  created: number;
  replaced: number;
  resumed: number;
  paused: number;
  /** Files with problems, whether told of before or not. */
  rejected: number;
}

/** New campaigns a statement. */
const CREATES = 50;

/** One scan's changes of campaigns. One file's fault is its own; only a database that is away ends the scan. */
export class FileChanges {
  /** Something failed and is to be tried again. */
  failed = false;
  readonly #deps: FileChangesDependencies;
  readonly #rows: ReadonlyMap<string, FileRows>;
  readonly #report: SyncReport;
  #news: LoadedCampaign[] = [];

  constructor(dependencies: FileChangesDependencies, rows: ReadonlyMap<string, FileRows>, report: SyncReport) {
    this.#deps = dependencies;
    this.#rows = rows;
    this.#report = report;
  }

  /** Whether there is anything to be done about the campaign of a file that says this. */
  needs(file: string, hash: string): boolean {
    return needOf(this.#rows.get(file), hash) !== null;
  }

  async apply(loaded: LoadedCampaign): Promise<void> {
    const { campaigns } = this.#deps;
    const { file, hash, definition } = loaded;
    const rows = this.#rows.get(file);
    const need = needOf(rows, hash);
    if (need === 'create') {
      this.#news.push(loaded);
      if (this.#news.length >= CREATES) await this.flush();
      return;
    }
    const live = rows?.live;
    if (!live || need === null) return;
    await this.#guarded(file, async () => {
      if (need === 'replace') {
        await campaigns.replaceDefinition(live.id, definition, { file, hash });
        this.#report.replaced += 1;
      }
      if (live.paused_by !== 'file') return;
      await campaigns.resume(live.id, 'file');
      this.#report.resumed += 1;
    });
  }

  pause(file: string, id: string): Promise<void> {
    return this.#guarded(file, async () => {
      await this.#deps.campaigns.pauseForFile(id, `its file ${file} is gone`);
      this.#report.paused += 1;
    });
  }

  /** Makes the campaigns of the new files that have come together. */
  async flush(): Promise<void> {
    const news = this.#news;
    this.#news = [];
    await this.#create(news);
  }

  /** All at once; a database that refuses them is asked for each half, until the one that it refuses stands alone. */
  async #create(news: readonly LoadedCampaign[]): Promise<void> {
    const [first] = news;
    if (!first) return;
    try {
      this.#report.created += await this.#deps.campaigns.createFromFiles(news);
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      if (news.length === 1) return this.#fail(first.file, error);
      const half = Math.ceil(news.length / 2);
      await this.#create(news.slice(0, half));
      await this.#create(news.slice(half));
    }
  }

  async #guarded(file: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (error instanceof DatabaseUnavailableError) throw error;
      this.#fail(file, error);
    }
  }

  #fail(file: string, error: unknown): void {
    this.failed = true;
    this.#deps.logger.warn('A campaign file could not be applied; the next scan tries again', { file, error });
  }
}
