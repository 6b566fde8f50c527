import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { Pool } from 'pg';
import { recordTypes, SqlRecords } from '../../database/sql.ts';
import type { AppError } from '../../shared/errors.ts';
import type { Harness } from '../support/harness.ts';
import { quietPool, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { asks, HOUR_MS, Scene, works } from './approvals-support.ts';

// The embedded database has one connection and can show no race; a server has. Each worker has a pool of its own, as a process has.

let postgres: TestPostgres;
let scene: Scene;
let other: Harness;
let otherPool: Pool;
beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);
afterAll(() => postgres.stop(), 60_000);
beforeEach(async () => {
  const { url, records } = await postgres.createDatabase();
  otherPool = quietPool({ connectionString: url, max: 4, types: recordTypes });
  scene = await Scene.open(records);
  other = scene.worker('two', { records: new SqlRecords(otherPool, () => otherPool.end()) });
});
afterEach(async () => {
  await scene.close();
  await otherPool.end();
});

const idle = () => Promise.all([scene.harness.idle(), other.idle()]);
const RUNS = 15;

async function waitingRuns(): Promise<string[]> {
  const runs = [];
  for (let run = 0; run < RUNS; run += 1) runs.push((await scene.run([asks({ expiresIn: '2h' }), works()])).run.id);
  return runs;
}

async function statuses(): Promise<Record<string, number>> {
  const runs = await scene.records.select('campaign_runs');
  const counts: Record<string, number> = {};
  for (const { status } of runs) counts[status] = (counts[status] ?? 0) + 1;
  return counts;
}

describe('on a Postgres server', () => {
  test('of those who decide at the same moment exactly one does, and the others are told who', async () => {
    await waitingRuns();
    for (const { id, run_id: runId } of await scene.approvals()) {
      const answers = await Promise.all(
        ['Ann', 'Bea', 'Carl', 'Dora'].map(async (by, index) => {
          const { approvals } = index % 2 === 0 ? scene.harness : other;
          const decision = index < 2 ? 'approve' : 'reject';
          try {
            return { by, row: await approvals.decide(id, { decision, by, reason: null }) };
          } catch (error) {
            return { by, error: error as AppError };
          }
        }),
      );
      await idle();
      const [winner, ...more] = answers.filter(({ row }) => row !== undefined);
      expect(more).toEqual([]);
      const state = winner?.row?.state ?? '';
      for (const { error } of answers.filter(({ by }) => by !== winner?.by))
        expect(error).toMatchObject({
          code: 'APPROVAL_DECIDED',
          message: `Approval ${id} has been decided: ${state} by ${winner?.by}.`,
        });
      const { run } = await scene.harness.read(runId);
      expect([state, run.status]).toEqual([state, state === 'approved' ? 'completed' : 'failed']);
    }
    const approved = (await scene.approvals()).filter(({ state }) => state === 'approved').length;
    expect(scene.calls()).toHaveLength(approved);
  }, 60_000);

  test('expiry, answers, cancels and several that look at once end every run once, and none waits in a ring', async () => {
    const runs = await waitingRuns();
    const approvals = await scene.approvals();
    scene.clock.set(scene.clock.now() + 2 * HOUR_MS - 1);
    const late = approvals.slice(0, 5).map(({ id }) =>
      other.approvals.decide(id, { decision: 'approve', by: 'Bea', reason: null }).catch((error: AppError) => {
        expect(error.code).toBe('APPROVAL_EXPIRED');
      }),
    );
    scene.clock.set(scene.clock.now() + 1);
    const cancels = runs.slice(10).map((run) =>
      other.runs.cancel(run).catch((error: AppError) => {
        expect(error.code).toBe('RUN_FINISHED');
      }),
    );
    const looks = Array.from({ length: 12 }, (_, index) => (index % 2 === 0 ? scene.harness : other).keeper.runOnce());
    await Promise.all([...late, ...cancels, ...looks]);
    await idle();
    const { failed = 0, completed = 0, cancelled = 0, ...rest } = await statuses();
    expect(rest).toEqual({});
    expect(failed + completed + cancelled).toBe(RUNS);
    expect(scene.calls()).toHaveLength(completed);
    const finished = await scene.records.count('run_events', [{ column: 'type', op: 'eq', value: 'run.finished' }]);
    expect(finished).toBe(RUNS);
  }, 60_000);
});
