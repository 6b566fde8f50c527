import { openAsBlob } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { vector } from '@electric-sql/pglite-pgvector';
import type pg from 'pg';
import type { ConstructorOptions } from 'pg-boss';
import { COLUMNS } from '../../database/columns.ts';
import { embeddedPool } from '../../database/embedded.ts';
import { migrate } from '../../database/migrate.ts';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import { silentLogger } from '../../shared/logger.ts';
import { madeFolder } from './made-once.ts';
import { quietPool, startPostgres } from './postgres.ts';

/** The tables that hold anything; emptying one that holds nothing takes as long as another. */
const FILLED = Object.keys(COLUMNS)
  .map((table) => `select '${table}' as name where exists (select from ${table})`)
  .join(' union all ');

/** Records in a migrated database of their own. */
export class TestRecords extends SqlRecords {
  readonly pool: pg.Pool;

  constructor(pool: pg.Pool, close: () => Promise<unknown>) {
    super(pool, async () => void (await close()));
    this.pool = pool;
  }

  /** Empties every table, which is much faster than a new database. */
  async truncate(): Promise<void> {
    for (;;) {
      const { rows } = await this.pool.query<{ name: string }>(FILLED);
      if (rows.length === 0) return;
      await this.pool.query(`truncate ${rows.map(({ name }) => name).join(', ')} cascade`);
    }
  }
}

/**
 * Records on one connection to Postgres, so that statements are served in the order in which they are sent. Make them for a test file
 * (`beforeAll`) and `truncate` for each test; `close` them in the end.
 */
export async function freshRecords(): Promise<TestRecords> {
  const server = await startPostgres();
  const { url } = await server.createDatabase();
  const pool = quietPool({ connectionString: url, max: 1, types: recordTypes });
  return new TestRecords(pool, async () => {
    await pool.end();
    await server.stop();
  });
}

/** Records in an embedded database, in the memory of this thread. */
export class EmbeddedRecords extends TestRecords {
  readonly pglite: PGlite;
  /** What pg-boss is made with, on this database. */
  readonly queue: ConstructorOptions;

  constructor(pglite: PGlite) {
    const { pool, queue } = embeddedPool(pglite);
    super(pool, async () => {
      await pool.end();
      await pglite.close();
    });
    this.pglite = pglite;
    this.queue = queue;
  }
}

export interface EmbeddedOptions {
  /** With pgvector, as the service itself has it; without, as many a Postgres is. */
  vectors?: boolean;
}

/** Like `freshRecords`, on the one session that an embedded database has. */
export async function embeddedRecords({ vectors = false }: EmbeddedOptions = {}): Promise<EmbeddedRecords> {
  const extensions = vectors ? { vector } : {};
  const folder = await madeFolder(vectors ? 'embedded-with-vectors' : 'embedded', async (path) => {
    const pglite = await PGlite.create({ extensions });
    const { pool } = embeddedPool(pglite);
    await migrate(pool, silentLogger);
    await pool.end();
    const dump = await pglite.dumpDataDir('none');
    await pglite.close();
    await writeFile(join(path, DUMP), new Uint8Array(await dump.arrayBuffer()));
  });
  return new EmbeddedRecords(await PGlite.create({ extensions, loadDataDir: await openAsBlob(join(folder, DUMP)) }));
}

const DUMP = 'database.tar';
