// A process that opens the embedded database in the folder given, and writes row after row until it is killed. It prints the
// number of each row once the row is committed.
import { openDatabase } from '../../database/open.ts';
import { silentLogger } from '../../shared/logger.ts';

const [, , dataDir = '', from = '0'] = process.argv;
try {
  const { records } = await openDatabase({ dataDir, databaseUrl: null, supabase: null }, { logger: silentLogger });
  process.stdout.write('open\n');
  for (let index = Number(from); ; index++) {
    await records.insert('idempotency_keys', [{ key: `k${index}`, request_hash: 'x'.repeat(2_000) }]);
    process.stdout.write(`${index}\n`);
  }
} catch (error) {
  process.stdout.write(
    `${error instanceof Error && 'code' in error ? String(error.code) : 'failed'}\n${String(error)}\n`,
  );
  process.exitCode = 1;
}
