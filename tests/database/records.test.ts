import { SupabaseRecords } from '../../database/supabase.ts';
import { embeddedRecords } from '../support/records.ts';
import { startPostgres } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { COLUMNS } from '../../database/columns.ts';
import { recordsContract } from './records.contract.ts';

recordsContract('the embedded database', async () => {
  const records = await embeddedRecords();
  return { records, pool: records.pool, truncate: () => records.truncate(), close: () => records.close() };
});

recordsContract('Postgres', async () => {
  const server = await startPostgres();
  const { records, pool } = await server.createDatabase();
  return {
    records,
    pool,
    truncate: async () => void (await pool.query(`truncate ${Object.keys(COLUMNS).join(', ')} cascade`)),
    close: () => server.stop(),
  };
});

recordsContract("Supabase's API", async () => {
  const database = await embeddedRecords();
  const server = await startPostgrest(database.pool);
  const records = new SupabaseRecords({ url: server.url, serviceRoleKey: server.key });
  return {
    records,
    pool: database.pool,
    truncate: () => database.truncate(),
    close: async () => {
      await records.close();
      await server.close();
      await database.close();
    },
  };
});
