import type { Records } from '../database/records.ts';
import type { CampaignRow } from '../database/tables.ts';

/** What became of the campaigns that one file ever had. */
export interface FileRows {
  /** The one that is not removed. */
  live: Pick<CampaignRow, 'id' | 'source_hash' | 'paused_by'> | null;
  /** What the file said when the last one was removed. */
  removedHash: string | null;
}

/** What is to be done about a file's campaign. */
export type FileNeed = 'create' | 'replace' | 'resume' | null;

const PAGE = 1_000;

/** Changes when anything changes that {@link readFileRows} tells. */
export function digestOfFileRows(records: Records): Promise<string> {
  return records.call<string>('campaign_files_digest', {});
}

/** The campaigns of all files, by file. */
export async function readFileRows(records: Records): Promise<Map<string, FileRows>> {
  const rows = new Map<string, FileRows>();
  for (let after: string | null = null; ;) {
    const page: Pick<CampaignRow, 'id' | 'source_file' | 'source_hash' | 'paused_by' | 'deleted_at'>[] =
      await records.select('campaigns', {
        columns: ['id', 'source_file', 'source_hash', 'paused_by', 'deleted_at'],
        where: [
          { column: 'source_file', op: 'is_not', value: null },
          ...(after === null ? [] : [{ column: 'id' as const, op: 'gt' as const, value: after }]),
        ],
        order: [{ column: 'id' }],
        limit: PAGE,
      });
    for (const { id, source_file: file, source_hash, paused_by, deleted_at } of page) {
      const before = rows.get(file ?? '') ?? { live: null, removedHash: null };
      if (deleted_at === null) rows.set(file ?? '', { ...before, live: { id, source_hash, paused_by } });
      else rows.set(file ?? '', { ...before, removedHash: source_hash });
    }
    if (page.length < PAGE) return rows;
    after = page.at(-1)?.id ?? null;
  }
}

/** `hash`: of what the file says now. A campaign that was removed by hand stays removed until its file says something else. */
export function needOf(rows: FileRows | undefined, hash: string): FileNeed {
  if (!rows?.live) return rows?.removedHash === hash ? null : 'create';
  if (rows.live.source_hash !== hash) return 'replace';
  return rows.live.paused_by === 'file' ? 'resume' : null;
}
