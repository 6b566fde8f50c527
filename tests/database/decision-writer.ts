// A process that records decisions of one run, one after the other, and prints the number of each once it is committed.
import pg from 'pg';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import { DecisionLog } from '../../moves/decisions/decision-log.ts';
import { systemClock } from '../../shared/clock.ts';

const [, , connectionString = '', runId = '', many = '0'] = process.argv;
const pool = new pg.Pool({ connectionString, max: 1, types: recordTypes });
const log = new DecisionLog({ records: new SqlRecords(pool), clock: systemClock });
for (let index = 0; index < Number(many); index += 1) {
  const entry = {
    agent: 'planner',
    action: 'choose',
    reasoning: `${index}`,
    confidence: 1,
    predicted: {},
    evidence: {},
  };
  await log.record('processes', [{ key: `${index}`, runId, ...entry }]);
  process.stdout.write(`${index}\n`);
}
await pool.end();
