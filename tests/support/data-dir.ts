import { openDatabase } from '../../database/open.ts';
import { silentLogger } from '../../shared/logger.ts';
import { fillFolder } from './made-once.ts';

/** Fills an empty folder with an embedded database that was opened and closed before; making one takes seconds. */
export function fillDataDir(folder: string): Promise<void> {
  return fillFolder(folder, 'database', async (dataDir) => {
    await (await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger })).close();
  });
}
