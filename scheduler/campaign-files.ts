import { type FileMark, listCampaignFiles, type ListedFile, sameMark } from '../campaigns/folder.ts';
import {
  type CampaignText,
  parseCampaignText,
  readCampaignFile,
  type RejectedCampaign,
  rejectFolder,
} from '../campaigns/load.ts';
import type { DefinitionEnvironment } from '../campaigns/schema.ts';
import type { Records } from '../database/records.ts';
import type { Clock } from '../shared/clock.ts';
import { messageOf } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { Logger } from '../shared/logger.ts';
import { Repeater } from '../shared/repeater.ts';
import type { CampaignControl } from './campaign-control.ts';
import { FileChanges, type SyncReport } from './campaign-file-changes.ts';
import { digestOfFileRows, type FileRows, needOf, readFileRows } from './campaign-file-rows.ts';

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

/** A file as it was when it was last read. */
interface Known {
  /** null: it is to be read again. */
  mark: FileMark | null;
  hash: string;
  /** `unchecked`: it says what its campaign came from, so nothing hangs on whether it would still pass today. */
  state: 'good' | 'rejected' | 'unchecked';
}

const SCAN_EVERY_MS = 10_000;
/** A file changed again within the clock tick of its last change may keep its mark; so may one on a server with another clock. */
const MARK_SETTLES_MS = 2_000;
/** Files read at the same time: so many, and after the first no more than these bytes in all. */
const READS = 16;
const READ_BYTES = 1_048_576;
/** Unchecked files that one scan checks; a third of a millisecond each. */
const CHECKS = 50;

/**
 * Keeps the campaigns of a folder as their files say, by file name: a new file makes a campaign, a changed one replaces its
 * definition, a removed one pauses it, and one that comes back resumes it. A file with problems is told of once and leaves its
 * campaign as it was. A campaign that was removed over the API stays removed until its file changes.
 *
 * A scan reads only files that changed and, when neither files nor campaigns did, no rows: a folder of 10,000 costs a look at each.
 */
export class CampaignFiles {
  readonly #deps: CampaignFilesDependencies;
  readonly #scans: Repeater;
  readonly #known = new Map<string, Known>();
  /** The campaigns as the last scan found or left them; null when they are to be looked at again. */
  #digest: string | null = null;
  /** Why the folder could not be read, as told of last. */
  #folderFault: string | null = null;
  /** What the last scan failed with; the same again is not worth another warning. */
  #failure: string | null = null;

  constructor(dependencies: CampaignFilesDependencies) {
    this.#deps = dependencies;
    const { clock } = dependencies;
    const options = { clock, everyMs: SCAN_EVERY_MS, firstAfterMs: SCAN_EVERY_MS };
    this.#scans = new Repeater(() => this.sync(), { ...options, onFailure: (error) => this.#tell(error) });
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
      return created + replaced + resumed + paused;
    } catch (error) {
      this.#tell(error);
      return 0;
    }
  }

  /**
   * Reads the folder and brings the campaigns in line with it.
   * @throws {DatabaseUnavailableError} when the database is away; a folder that cannot be read counts as one rejected file
   */
  async sync(): Promise<SyncReport> {
    const { records, clock, folder, logger } = this.#deps;
    const report: SyncReport = { created: 0, replaced: 0, resumed: 0, paused: 0, rejected: 0 };
    const settledMs = clock.now() - MARK_SETTLES_MS;
    const listed = await this.#list();
    // A folder that is gone is a mistake of mounting rather than the wish to pause every campaign.
    if (!listed) return { ...report, rejected: 1 };
    // Before the rows: what changes after it shows in the next one.
    const digest = await digestOfFileRows(records);
    if (!this.#isIdle(listed, digest)) {
      this.#digest = null;
      const clean = await this.#align(listed, settledMs, report);
      if (clean) this.#digest = digest;
      logger.debug('Campaign files read in', { folder, files: listed.length, ...report });
    }
    await this.#checkSome();
    for (const { state } of this.#known.values()) if (state === 'rejected') report.rejected += 1;
    this.#failure = null;
    return report;
  }

  async #list(): Promise<ListedFile[] | null> {
    try {
      const listed = await listCampaignFiles(this.#deps.folder);
      this.#folderFault = null;
      return listed;
    } catch (error) {
      const rejected = rejectFolder(this.#deps.folder, error);
      if (this.#folderFault !== rejected.hash) this.#announce(rejected);
      this.#folderFault = rejected.hash;
      return null;
    }
  }

  #isIdle(listed: readonly ListedFile[], digest: string): boolean {
    if (digest !== this.#digest || this.#known.size !== listed.length) return false;
    return !listed.some((item) => this.#hasChanged(item));
  }

  #hasChanged({ file, mark }: ListedFile): boolean {
    return !sameMark(this.#known.get(file)?.mark ?? null, mark);
  }

  /** False when a file or a campaign failed and is to be tried again. */
  async #align(listed: readonly ListedFile[], settledMs: number, report: SyncReport): Promise<boolean> {
    const { records, folder } = this.#deps;
    const rows = await readFileRows(records);
    const present = new Set(listed.map(({ file }) => file));
    for (const file of this.#known.keys()) if (!present.has(file)) this.#known.delete(file);
    const changes = new FileChanges(this.#deps, rows, report);
    for (const group of inGroups(this.#toRead(listed, rows))) {
      const texts = await Promise.all(group.map(({ file }) => readCampaignFile(folder, file)));
      for (const [index, text] of texts.entries()) {
        const mark = group[index]?.mark ?? null;
        await this.#take(text, mark !== null && mark.changedMs < settledMs ? mark : null, changes);
      }
    }
    await changes.flush();
    for (const [file, { live }] of rows)
      if (live && live.source_hash !== null && !present.has(file)) await changes.pause(file, live.id);
    return !changes.failed;
  }

  /** The files to read: changed ones, and those whose campaign is not as they say. */
  #toRead(listed: readonly ListedFile[], rows: ReadonlyMap<string, FileRows>): ListedFile[] {
    return listed.filter((item) => {
      const known = this.#known.get(item.file);
      if (!known || this.#hasChanged(item)) return true;
      return known.state !== 'rejected' && needOf(rows.get(item.file), known.hash) !== null;
    });
  }

  /** @param mark null when the file may change without showing it */
  async #take(text: CampaignText | RejectedCampaign, mark: FileMark | null, changes: FileChanges): Promise<void> {
    const { file, hash } = text;
    const before = this.#known.get(file);
    if ('problems' in text) return this.#reject(text, before, null);
    if (!changes.needs(file, hash)) {
      this.#known.set(file, { mark, hash, state: before?.hash === hash ? before.state : 'unchecked' });
      return;
    }
    const parsed = parseCampaignText(text, this.#deps.environment);
    if ('problems' in parsed) return this.#reject(parsed, before, mark);
    this.#known.set(file, { mark, hash, state: 'good' });
    await changes.apply(parsed);
  }

  /** Tells of files that were good when their campaign was made and no longer are, because what may be called has changed. */
  async #checkSome(): Promise<void> {
    const { folder, environment } = this.#deps;
    let left = CHECKS;
    for (const [file, known] of this.#known) {
      if (known.state !== 'unchecked') continue;
      if (left-- === 0) return;
      const text = await readCampaignFile(folder, file);
      const parsed = 'problems' in text ? text : parseCampaignText(text, environment);
      if (parsed.hash !== known.hash) known.mark = null;
      else if ('problems' in parsed) this.#reject(parsed, known, known.mark);
      else known.state = 'good';
    }
  }

  #reject(rejected: RejectedCampaign, before: Known | undefined, mark: FileMark | null): void {
    const { file, hash } = rejected;
    if (before?.state !== 'rejected' || before.hash !== hash) this.#announce(rejected);
    this.#known.set(file, { mark, hash, state: 'rejected' });
  }

  #announce({ file, problems }: RejectedCampaign): void {
    this.#deps.events.emit('campaign.file_rejected', { file, problems });
  }

  #tell(error: unknown): void {
    const { folder, logger } = this.#deps;
    const level = this.#failure === messageOf(error) ? 'debug' : 'warn';
    this.#failure = messageOf(error);
    logger[level]('The campaign files could not be read in; the next scan tries again', { folder, error });
  }
}

/** Cuts files into groups that may be held in memory together. */
function* inGroups(files: readonly ListedFile[]): Generator<ListedFile[]> {
  let group: ListedFile[] = [];
  let bytes = 0;
  for (const item of files) {
    const size = item.mark?.bytes ?? 0;
    if (group.length === READS || (group.length > 0 && bytes + size > READ_BYTES)) {
      yield group;
      group = [];
      bytes = 0;
    }
    group.push(item);
    bytes += size;
  }
  if (group.length > 0) yield group;
}
