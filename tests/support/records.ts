import { createHash } from 'node:crypto';
import { openAsBlob } from 'node:fs';
import { access, link, readFile, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import type pg from 'pg';
import type { ConstructorOptions } from 'pg-boss';
import { COLUMNS } from '../../database/columns.ts';
import { embeddedPool } from '../../database/embedded.ts';
import { migrate, readMigrations } from '../../database/migrate.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { silentLogger } from '../../shared/logger.ts';
import { SqlRecords } from '../../database/sql.ts';

/** Records in a database of their own, in memory. */
export class MemoryRecords extends SqlRecords {
  readonly pool: pg.Pool;
  readonly pglite: PGlite;
  /** What pg-boss is made with, on this database. */
  readonly queue: ConstructorOptions;

  constructor(pglite: PGlite) {
    const { pool, queue } = embeddedPool(pglite);
    super(pool, async () => {
      await pool.end();
      await pglite.close();
    });
    this.pool = pool;
    this.pglite = pglite;
    this.queue = queue;
  }

  /** Empties every table, which is much faster than a new database. */
  async truncate(): Promise<void> {
    await this.pool.query(`truncate ${Object.keys(COLUMNS).join(', ')} cascade`);
  }
}

export interface MemoryOptions {
  /** With pgvector, as the service itself has it; without, as many a Postgres is. */
  vectors?: boolean;
}

/** A migrated database in memory. Make one for a test file (`beforeAll`) and `truncate` it for each test; `close` it in the end. */
export async function memoryRecords({ vectors = false }: MemoryOptions = {}): Promise<MemoryRecords> {
  const extensions = vectors ? { vector } : {};
  const pglite = await PGlite.create({ extensions, loadDataDir: await openAsBlob(await migratedTemplate(vectors)) });
  return new MemoryRecords(pglite);
}

/** Making a database takes seconds; its migrated files are kept for later test files and runs, named by what made them. */
async function migratedTemplate(vectors: boolean): Promise<string> {
  const hash = createHash('sha256').update(await readFile(join(PROJECT_ROOT, 'package-lock.json')));
  for (const { sql } of await readMigrations()) hash.update(sql);
  const name = `pipeline-orchestrator-template-${hash.digest('hex').slice(0, 16)}${vectors ? '-vectors' : ''}.tar`;
  const file = join(tmpdir(), name);
  try {
    await access(file);
    return file;
  } catch {
    const pglite = await PGlite.create({ extensions: vectors ? { vector } : {} });
    const { pool } = embeddedPool(pglite);
    await migrate(pool, silentLogger);
    await pool.end();
    const dump = await pglite.dumpDataDir('none');
    await pglite.close();
    // Under another name first: a file of that name is always whole. It is never replaced: another test file may be reading it.
    const unfinished = `${file}.${process.pid}`;
    await writeFile(unfinished, new Uint8Array(await dump.arrayBuffer()));
    await link(unfinished, file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
    await unlink(unfinished);
    return file;
  }
}
