import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { silentLogger } from '../shared/logger.ts';
import { embeddedPool } from './embedded.ts';
import { migrate } from './migrate.ts';
import { describeSchema } from './schema-snapshot.ts';

// Run after a change of the migrations: node database/write-schema-snapshot.ts
const pglite = await PGlite.create();
const { pool } = embeddedPool(pglite);
await migrate(pool, silentLogger);
await writeFile(join(import.meta.dirname, 'schema.snapshot.txt'), await describeSchema(pool));
await pool.end();
await pglite.close();
