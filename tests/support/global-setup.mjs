// Gives the workers of a test run one Postgres server, and one folder for what each of them would else make anew.
import { MADE_ONCE_FOLDER, newMadeOnceFolder } from './made-once.ts';
import { SHARED_POSTGRES, startPostgres } from './postgres.ts';

export default async function setup() {
  process.env[MADE_ONCE_FOLDER] = await newMadeOnceFolder();
  globalThis.sharedPostgres = await startPostgres({ settings: ['max_connections=500'] });
  process.env[SHARED_POSTGRES] = String(globalThis.sharedPostgres.port);
}
