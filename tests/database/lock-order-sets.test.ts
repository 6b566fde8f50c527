import { afterAll, beforeAll, expect, test } from '@jest/globals';
import type { ClaimedRun } from '../../database/claims.ts';
import type { JournalEntry } from '../../database/journal.ts';
import { journalArguments } from '../../database/journal-lists.ts';
import type { JsonObject, StepRow } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { AT, later, LEASE_MS, message, RunCalls, times } from '../support/run-calls.ts';

let server: TestPostgres;
beforeAll(async () => {
  server = await startPostgres();
}, 60_000);
afterAll(() => server.stop());

const LANES = 6;
const ROUNDS = 15;

/** Several connections on the same runs and campaigns, each doing everything that workers, schedulers and people do. */
class Crowd {
  readonly on: RunCalls;
  readonly campaigns: string[] = [];
  readonly runs: string[] = [];
  written = 0;
  #now = 0;

  constructor(on: RunCalls) {
    this.on = on;
  }

  async gather(campaigns: number, runs: number): Promise<void> {
    this.campaigns.push(
      ...(await Promise.all(times(campaigns, (nth) => this.on.campaign(nth % 2 === 0 ? 'allow' : 'cancel_previous')))),
    );
    for (const id of this.campaigns) this.runs.push(...(await Promise.all(times(runs, () => this.on.started(id)))));
    // With what it knows of these tables the planner may come upon other ways through them.
    await this.on.database.pool.query('analyze');
  }

  /** Every claim comes when all leases have lapsed, so that workers take the runs from each other. */
  at(): string {
    return later((this.#now += 2 * LEASE_MS));
  }

  async lane(worker: string): Promise<void> {
    for (const round of times(ROUNDS, (index) => index)) {
      const shuffled = this.runs.toSorted(() => Math.random() - 0.5);
      const some = shuffled.slice(0, Math.ceil(shuffled.length / 2));
      const claimed = await this.on.call<ClaimedRun[]>('claim_runs', {
        p_run_ids: some,
        p_worker: worker,
        p_now: this.at(),
        p_lease_ms: LEASE_MS,
      });
      const ends = round === ROUNDS - 1;
      const says = () => (ends && Math.random() < 0.3 ? 'ends' : Math.random() < 0.5 ? 'pays' : 'goes on');
      const entries = claimed.map(({ run }) => entryOf(run, `${worker}-${round}`, says()));
      const steps = [
        () => this.#write(entries),
        () => this.on.renew(worker, some, this.at()),
        () => this.on.call('release_workers', { p_workers: [worker, 'lane-0'] }),
        () => this.#fire(),
        () => Promise.all(shuffled.slice(0, 3).map((id) => this.on.cancel(id))),
        () => this.on.start(this.campaigns[round % this.campaigns.length] as string, true),
      ].toSorted(() => Math.random() - 0.5);
      for (const step of steps) await step();
    }
  }

  async #write(entries: JournalEntry[]): Promise<void> {
    const refused = await this.on.call<{ accepted?: false }[]>('journal_write', journalArguments(entries));
    this.written += entries.length - refused.filter(({ accepted }) => accepted === false).length;
  }

  async #fire(): Promise<unknown> {
    const rows = await this.on.database.records.select('campaigns', { columns: ['id', 'version'] });
    const items = rows
      .toSorted(() => Math.random() - 0.5)
      .map(({ id, version }) => ({ campaign_id: id, version, fires: [fire()], next: AT, due: AT }));
    return this.on.call(Math.random() < 0.5 ? 'fire_campaigns' : 'fire_due', { p_items: items, p_at: AT });
  }
}

function fire(): JsonObject {
  const at = later(Math.floor(Math.random() * 1e9));
  const run = { id: newId(), trigger: 'schedule', scheduled_for: at, steps_total: 1 };
  return { id: newId(), scheduled_for: at, effective_for: at, outcome: 'ran', run };
}

/** What an entry says: the end of one attempt with its cost, the beginning of the next with its hold, or the run's end. */
type Saying = 'pays' | 'begins' | 'goes on' | 'ends';

function entryOf(run: ClaimedRun['run'], name: string, says: Saying): JournalEntry {
  const { id, campaign_id, epoch, event_seq } = run;
  const key = (step: string) => `${id}/${step}/1`;
  const about = { at: AT, campaign_id, run_id: id, step_name: name };
  const periods = ['day', 'month'].map((period) => ({
    scope: `campaign:${campaign_id}`,
    period,
    starts_on: '2026-01-05',
    limit: 1_000_000,
    campaign_id,
  }));
  const step = { name, position: 0, kind: 'prospecting', effect: 'repeatable', status: 'running', attempts: 1 };
  const hold = { ...about, key: key(name), amount: Math.floor(Math.random() * 3), periods };
  const begin = { step: step as StepRow, event: { type: 'step.started', data: {} }, version: 1, hold };
  const outbox = [message(campaign_id, { episode_key: 'a', repeat_after_ms: 0 })];
  return {
    run_id: id,
    campaign_id,
    epoch,
    at: AT,
    after_seq: event_seq,
    events: [{ type: 'step.completed', data: {} }],
    ...(says === 'begins' ? {} : { charges: [{ ...about, key: key(`${name}-paid`), amount: 2, periods }] }),
    ...(says === 'begins' || says === 'goes on' ? { begin } : {}),
    ...(says === 'ends' ? { run: { status: 'completed' as const }, outbox } : {}),
  };
}

// Of a few rows and of many, the planner goes other ways.
test.each([
  [2, 4],
  [5, 30],
])(
  'everything that writes in sets, on %i campaigns with %i runs each, never waits in a ring',
  async (campaigns, runs) => {
    const crowd = new Crowd(new RunCalls(await server.createDatabase()));
    await crowd.gather(campaigns, runs);
    await Promise.all(times(LANES, (lane) => crowd.lane(`lane-${lane}`)));

    expect(await crowd.on.deadlocks()).toBe(0);
    // And they did meet: each had runs taken from it, and each got something written.
    expect(crowd.written).toBeGreaterThan(ROUNDS);
  },
  120_000,
);

test('what is charged to one campaign and held for another is never waited for in a ring by those that do it the other way round', async () => {
  const on = new RunCalls(await server.createDatabase());
  const campaigns = [await on.campaign('allow'), await on.campaign('allow')];
  const lanes = await Promise.all(
    times(4, async (lane) => {
      const runIds: string[] = [];
      for (const id of lane % 2 === 0 ? campaigns : campaigns.toReversed()) runIds.push(await on.started(id));
      const claimed: ClaimedRun[] = [];
      for (const runId of runIds)
        claimed.push(
          ...(await on.call<ClaimedRun[]>('claim_runs', {
            p_run_ids: [runId],
            p_worker: `lane-${lane}`,
            p_now: AT,
            p_lease_ms: LEASE_MS,
          })),
        );
      return claimed.map(({ run }) => run);
    }),
  );
  await Promise.all(
    lanes.map(async ([charged, begun]) => {
      if (!charged || !begun) throw new Error('the runs were not to be had');
      for (const round of times(40, (index) => index)) {
        const [paying, starting] = [entryOf(charged, `${round}`, 'pays'), entryOf(begun, `${round}`, 'begins')];
        await on.call('journal_write', journalArguments([paying, starting]));
        charged.event_seq += 1;
        begun.event_seq += 2;
      }
    }),
  );
  expect(await on.deadlocks()).toBe(0);
}, 120_000);
