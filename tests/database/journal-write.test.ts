import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { COLUMNS } from '../../database/columns.ts';
import { FencedError, Journal, type JournalCharge, type JournalEntry } from '../../database/journal.ts';
import {
  type JournalAnswer,
  journalAnswers,
  journalArguments,
  type JournalException,
} from '../../database/journal-lists.ts';
import { RecordsError, type TableName } from '../../database/records.ts';
import type { JsonObject, StepRow } from '../../database/tables.ts';
import { newId } from '../../shared/ids.ts';
import { embeddedRecords, type EmbeddedRecords } from '../support/records.ts';
import { AT, later, LEASE_MS, message, RunCalls } from '../support/run-calls.ts';

let records: EmbeddedRecords;
let on: RunCalls;
beforeAll(async () => {
  records = await embeddedRecords();
  on = new RunCalls({ url: '', pool: records.pool, records });
}, 60_000);
afterAll(() => records.close());
beforeEach(() => records.truncate());

type Held = Awaited<ReturnType<RunCalls['heldRun']>>;

function stepRow(run: Held, name: string, more: Partial<StepRow> = {}): StepRow {
  return {
    run_id: run.runId,
    name,
    position: 0,
    kind: 'prospecting',
    effect: 'repeatable',
    status: 'running',
    attempts: 1,
    started_at: AT,
    completed_at: null,
    cost_micros: 0,
    cost_unknown: false,
    counts: {},
    output: null,
    error: null,
    attempt_log: [],
    carried_from: null,
    ...more,
  };
}

/** The counter of a campaign's day. */
const day = (run: Held, limit: number | null): JsonObject => ({
  scope: `campaign:${run.campaignId}`,
  period: 'day',
  starts_on: '2026-01-05',
  limit,
  campaign_id: run.campaignId,
});
const request = (run: Held, name: string, amount: number, limit: number | null): JsonObject => ({
  key: `${run.runId}/${name}/1`,
  campaign_id: run.campaignId,
  run_id: run.runId,
  step_name: name,
  amount,
  at: AT,
  periods: [day(run, limit)],
});
/** A charge that settles what is held, or with a limit one for which nothing was held. */
const charge = (run: Held, name: string, amount: number | null, limit?: number): JournalCharge => ({
  key: `${run.runId}/${name}/1`,
  amount,
  at: AT,
  campaign_id: run.campaignId,
  run_id: run.runId,
  step_name: name,
  ...(limit === undefined ? {} : { periods: [day(run, limit)] }),
});
const begin = (run: Held, name: string, more: Partial<JournalEntry['begin'] & object> = {}) => ({
  step: stepRow(run, name),
  event: { type: 'step.started', data: { step: name } },
  version: 1,
  ...more,
});
const entry = (run: Held, more: Partial<JournalEntry> = {}): JournalEntry => ({
  run_id: run.runId,
  campaign_id: run.campaignId,
  epoch: run.epoch,
  at: AT,
  after_seq: run.seq,
  events: [],
  ...more,
});
const told = (...types: string[]) => types.map((type) => ({ type, data: {} }));

async function write(...entries: JournalEntry[]): Promise<JournalAnswer[]> {
  const exceptions = await on.call<JournalException[]>('journal_write', journalArguments(entries));
  return journalAnswers(entries, exceptions);
}
const writeOne = async (written: JournalEntry) => (await write(written))[0] as JournalAnswer;

/** Every row of every table. */
async function everything(): Promise<Record<string, string[]>> {
  const tables = await Promise.all(
    Object.keys(COLUMNS).map(async (table) => {
      const rows = await records.select(table as TableName);
      return [table, rows.map((row) => JSON.stringify(row)).toSorted()] as const;
    }),
  );
  return Object.fromEntries(tables);
}
const counter = async () =>
  (await records.select('budget_periods')).map(({ spent_micros, held_micros }) => [spent_micros, held_micros]);
const stepsOf = async (run: Held) =>
  (await records.select('run_steps', { where: [{ column: 'run_id', op: 'eq', value: run.runId }] })).map(
    ({ name, status }) => `${name} ${status}`,
  );

/** An entry that says something of every kind. */
function full(run: Held): JournalEntry {
  return entry(run, {
    run: { status: 'failed', total_cost_micros: 5 },
    steps: [stepRow(run, 'one', { status: 'completed' })],
    events: told('step.completed', 'run.finished'),
    charges: [charge(run, 'one', 3), charge(run, 'never held', 4, 10)],
    begin: begin(run, 'two', { hold: request(run, 'two', 1, 10) }),
    outbox: [message(run.campaignId, { episode_key: 'trouble', repeat_after_ms: 1 })],
    decisions: [
      { id: newId(), agent: 'budget', action: 'pause', reasoning: '-', confidence: 1, predicted: {}, evidence: {} },
    ],
    pause: { reason: 'budget', resume_at: later(1) },
  });
}

describe('a writer that does not have the run', () => {
  const cases: [string, (run: Held) => Promise<unknown>][] = [
    ['because another has claimed it', (run) => on.claim(run.runId, 'two', later(LEASE_MS))],
    ['because it has ended', (run) => writeOne(entry(run, { run: { status: 'completed' } }))],
    ['because it waits for a person', (run) => writeOne(entry(run, { run: { status: 'waiting' } }))],
    ['because it went back to the queue', (run) => writeOne(entry(run, { run: { status: 'queued' } }))],
    ['because it is pruned', (run) => records.remove('campaign_runs', [{ column: 'id', op: 'eq', value: run.runId }])],
  ];
  test.each(cases)('%s, writes nothing at all, and others do not notice', async (_, lose) => {
    const [run, other] = [await on.heldRun('one', 'allow'), await on.heldRun('one')];
    await on.call('budget_reserve', { p_requests: [request(run, 'one', 3, 10)] });
    await lose(run);
    const before = await everything();
    for (const again of [false, true]) {
      expect(await writeOne({ ...full(run), again })).toMatchObject({ accepted: false });
      expect(await everything()).toEqual(before);
    }
    const answers = await write(full(run), entry(other, { events: told('step.started') }));
    expect(answers.map(({ accepted }) => accepted)).toEqual([false, true]);
    expect(await on.eventsOf(other.runId)).toEqual(['1 run.queued', '2 step.started']);
    expect((await everything())['budget_entries']).toEqual(before['budget_entries']);
  });
});

describe('an entry that is repeated because its answer was lost', () => {
  /** Writes it, repeats it, and checks that the repetition changes nothing. */
  async function twice(first: JournalEntry): Promise<{ first: JournalAnswer; second: JournalAnswer }> {
    const answer = await writeOne(first);
    const before = await everything();
    const second = await writeOne({ ...first, again: true });
    expect(await everything()).toEqual(before);
    return { first: answer, second };
  }
  /** That the writer may go on after the number it was told. */
  async function goesOn(run: Held, seq: number | undefined): Promise<string[]> {
    const next = entry(run, { at: later(1), after_seq: seq ?? -1, events: told('step.progress') });
    expect(await writeOne(next)).toMatchObject({ accepted: true });
    return on.eventsOf(run.runId);
  }

  test('and that began an attempt, is accepted and not written again', async () => {
    const run = await on.heldRun();
    const began = entry(run, { begin: begin(run, 'one', { hold: request(run, 'one', 3, 10) }) });
    const { second } = await twice(began);
    expect(second).toEqual({ accepted: true, begin: 'made', alerts: [], seq: 2 });
    expect(await goesOn(run, second.seq)).toEqual(['1 run.queued', '2 step.started', '3 step.progress']);
    expect(await counter()).toEqual([[0, 3]]);
  });

  test('and whose attempt was refused, tells that it was not made, so that it is asked for anew', async () => {
    const run = await on.heldRun();
    const refused = entry(run, {
      events: told('step.completed'),
      begin: begin(run, 'two', { hold: request(run, 'two', 11, 10) }),
    });
    const { first, second } = await twice(refused);
    expect(first.begin).toMatchObject({ refused: [{ limit: 10 }] });
    expect(second).toEqual({ accepted: true, begin: 'stale', alerts: [], seq: 2 });
    expect(await goesOn(run, second.seq)).toEqual(['1 run.queued', '2 step.completed', '3 step.progress']);
  });

  test('and that said nothing but a refused attempt, is judged anew', async () => {
    const run = await on.heldRun();
    const { second } = await twice(entry(run, { begin: begin(run, 'two', { version: 9 }) }));
    expect(second).toEqual({ accepted: true, begin: 'stale', alerts: [] });
    expect(await goesOn(run, run.seq)).toEqual(['1 run.queued', '2 step.progress']);
  });

  test('and that crossed thresholds, tells the number of the last of their events', async () => {
    const run = await on.heldRun();
    const crossing = entry(run, {
      events: told('step.completed'),
      charges: [charge(run, 'one', 9, 10)],
      begin: begin(run, 'two'),
    });
    const { first, second } = await twice(crossing);
    expect(first.alerts.map(({ percent }) => percent)).toEqual([50, 80]);
    expect(second).toEqual({ accepted: true, begin: 'made', alerts: [], seq: 5 });
    expect(await goesOn(run, second.seq)).toEqual([
      '1 run.queued',
      '2 step.completed',
      '3 step.started',
      '4 budget.threshold',
      '5 budget.threshold',
      '6 step.progress',
    ]);
  });

  test('and that ended the run, counts once', async () => {
    const run = await on.heldRun();
    const { second } = await twice({ ...full(run), run: { status: 'failed', total_cost_micros: 7 } });
    expect(second.accepted).toBe(true);
    expect(await on.campaignRow(run.campaignId)).toMatchObject({ total_runs: 1, total_cost_micros: 7 });
    expect(await records.select('alert_episodes')).toMatchObject([{ occurrences: 1 }]);
  });

  test('is written when the first try never came through', async () => {
    const run = await on.heldRun();
    const again = entry(run, { again: true, events: told('step.completed'), charges: [charge(run, 'one', 1, 10)] });
    expect(await writeOne(again)).toEqual({ accepted: true, begin: 'made', alerts: [] });
    expect(await on.eventsOf(run.runId)).toEqual(['1 run.queued', '2 step.completed']);
    expect(await counter()).toEqual([[1, 0]]);
  });

  test('is refused when the run has gone to another worker, also after the first try was written', async () => {
    const run = await on.heldRun();
    const written = entry(run, { events: told('step.completed') });
    await writeOne(written);
    await on.claim(run.runId, 'two', later(LEASE_MS));
    expect(await writeOne({ ...written, again: true })).toMatchObject({ accepted: false });
  });

  test('does not keep the others of its statement from being written', async () => {
    const [run, other] = [await on.heldRun(), await on.heldRun()];
    const first = entry(run, { events: told('step.completed') });
    await writeOne(first);
    const answers = await write({ ...first, again: true }, entry(other, { events: told('step.completed') }));
    expect(answers).toMatchObject([{ accepted: true, seq: 2 }, { accepted: true }]);
    for (const { runId } of [run, other]) expect(await on.eventsOf(runId)).toHaveLength(2);
  });
});

describe('an attempt that may not begin', () => {
  const rest = (run: Held) => ({
    steps: [stepRow(run, 'one', { status: 'completed' })],
    events: told('step.completed'),
    run: { total_cost_micros: 2 },
    charges: [charge(run, 'one', 2, 10)],
  });

  test('because the budget refuses it, leaves the rest of its entry written, and nothing held', async () => {
    const run = await on.heldRun();
    const hold = request(run, 'two', 9, 10);
    const answer = await writeOne(entry(run, { ...rest(run), begin: begin(run, 'two', { hold }) }));
    // Judged after what the entry itself charges.
    expect(answer).toMatchObject({ accepted: true, begin: { refused: [{ limit: 10, spent: 2, held: 0 }] } });
    expect(await stepsOf(run)).toEqual(['one completed']);
    expect(await on.eventsOf(run.runId)).toEqual(['1 run.queued', '2 step.completed']);
    expect(await on.run(run.runId)).toMatchObject({ total_cost_micros: 2, status: 'running' });
    expect(await counter()).toEqual([[2, 0]]);
  });

  test('because the campaign was edited meanwhile, leaves the rest written, and holds nothing', async () => {
    const run = await on.heldRun();
    await records.update('campaigns', { version: 2 }, [{ column: 'id', op: 'eq', value: run.campaignId }]);
    const attempt = begin(run, 'two', { hold: request(run, 'two', 1, 10) });
    expect(await writeOne(entry(run, { ...rest(run), begin: attempt }))).toMatchObject({ begin: 'stale' });
    expect(await stepsOf(run)).toEqual(['one completed']);
    expect(await counter()).toEqual([[2, 0]]);
    const anew = entry(run, { after_seq: run.seq + 1, begin: { ...attempt, version: 2 } });
    expect(await writeOne(anew)).toMatchObject({ begin: 'made' });
    expect(await on.eventsOf(run.runId)).toEqual(['1 run.queued', '2 step.completed', '3 step.started']);
    expect(await counter()).toEqual([[2, 1]]);
  });

  test('keeps no other from beginning that still fits', async () => {
    const [dear, cheap] = [await on.heldRun(), await on.heldRun()];
    const global = { scope: 'global', period: 'day', starts_on: '2026-01-05', limit: 10 };
    const asks = (run: Held, amount: number) =>
      entry(run, { begin: begin(run, 'one', { hold: { ...request(run, 'one', amount, null), periods: [global] } }) });
    const [first, second] = await write(asks(dear, 11), asks(cheap, 10));
    expect(first?.begin).toMatchObject({ refused: [{ scope: 'global', limit: 10, held: 0 }] });
    expect(second?.begin).toBe('made');
    expect(await counter()).toEqual([[0, 10]]);
  });
});

describe('the end of a run', () => {
  test('adds to the totals of its campaign once, two runs of one campaign together', async () => {
    const first = await on.heldRun('one', 'allow');
    const runId = await on.started(first.campaignId);
    const claimed = await on.claim(runId, 'one');
    const second = { ...first, runId, epoch: claimed?.epoch ?? 0, seq: claimed?.event_seq ?? 0 };
    const ends = (run: Held, micros: number) =>
      entry(run, { run: { status: 'completed', total_cost_micros: micros }, events: told('run.finished') });
    await write(ends(first, 5), ends(second, 7));
    expect(await write(ends(first, 5), ends(second, 7))).toMatchObject([{ accepted: false }, { accepted: false }]);
    expect(await on.campaignRow(first.campaignId)).toMatchObject({
      total_runs: 2,
      total_cost_micros: 12,
      last_run_at: AT,
    });
    expect(await on.run(runId)).toMatchObject({
      status: 'completed',
      completed_at: AT,
      claimed_by: null,
      lease_until_at: null,
    });
  });

  test('charges what attempts that had begun still hold, and gives back the rest', async () => {
    const run = await on.heldRun();
    await on.call('budget_reserve', {
      p_requests: [request(run, 'begun', 3, 20), request(run, 'never begun', 4, 20), request(run, 'ended', 5, 20)],
    });
    await writeOne(
      entry(run, { steps: [stepRow(run, 'begun'), stepRow(run, 'ended', { position: 1 })], events: told('x') }),
    );
    const end = entry(run, {
      after_seq: run.seq + 1,
      run: { status: 'cancelled' },
      charges: [charge(run, 'ended', 1)],
      events: told('run.finished'),
    });
    await writeOne(end);
    const entries = await records.select('budget_entries', { order: [{ column: 'step_name' }] });
    expect(entries.map((each) => [each.step_name, each.state, each.spent_micros, each.cost_unknown])).toEqual([
      ['begun', 'settled', 3, true],
      ['ended', 'settled', 1, false],
      ['never begun', 'settled', 0, false],
    ]);
    expect(await counter()).toEqual([[4, 0]]);
  });
});

test('a run that would wait for a person though its cancel was asked for meanwhile is queued, for the next claim to end it', async () => {
  const run = await on.heldRun();
  await on.cancel(run.runId, 'no longer wanted');
  const whose = { run_id: run.runId, campaign_id: run.campaignId, epoch: run.epoch, at: AT, after_seq: run.seq };
  const waits = { ...whose, run: { status: 'waiting' as const }, events: [{ type: 'run.waiting', data: {} }] };
  await new Journal(records).commit(waits);
  expect(await on.run(run.runId)).toMatchObject({
    status: 'queued',
    claimed_by: null,
    cancel_reason: 'no longer wanted',
  });
});

describe('budget thresholds', () => {
  const thresholds = async (run: Held) =>
    (
      await records.select('run_events', {
        where: [
          { column: 'run_id', op: 'eq', value: run.runId },
          { column: 'type', op: 'eq', value: 'budget.threshold' },
        ],
        order: [{ column: 'seq' }],
      })
    ).map(({ seq, data }) => ({ seq, ...data }));

  test('are events of the run that crossed them first, each once, with their numbers in dollars', async () => {
    const [run, other] = [await on.heldRun(), await on.heldRun()];
    const limit = 10_000_000;
    const global = { scope: 'global', period: 'day', starts_on: '2026-01-05', limit };
    const spends = (by: Held, name: string, amount: number, after: number): JournalEntry =>
      entry(by, {
        after_seq: after,
        events: told('step.completed'),
        charges: [{ ...charge(by, name, amount), periods: [global] }],
      });
    await write(spends(run, 'one', 4_000_000, 1), spends(other, 'one', 2_500_000, 1));
    expect([await thresholds(run), await thresholds(other)]).toEqual([
      [],
      [{ seq: 3, scope: 'global', period: 'day', startsOn: '2026-01-05', percent: 50, limit: 10, spent: 6.5 }],
    ]);
    await write(spends(run, 'two', 1_750_000, 2), spends(other, 'two', 1_750_000, 3));
    expect(await thresholds(run)).toMatchObject([{ seq: 4, percent: 80, spent: 8.25 }]);
    expect(await thresholds(other)).toMatchObject([{ percent: 50 }, { seq: 5, percent: 100, spent: 10 }]);
    expect(await records.count('budget_alerts')).toBe(3);
  });

  test('crossed by the last entry of a run come after its end, and the run counts them', async () => {
    const run = await on.heldRun();
    const end = entry(run, {
      run: { status: 'completed' },
      events: told('step.completed', 'run.finished'),
      charges: [charge(run, 'one', 10, 10)],
    });
    expect((await writeOne(end)).alerts.map(({ percent }) => percent)).toEqual([50, 80, 100]);
    expect(await on.eventsOf(run.runId)).toEqual([
      '1 run.queued',
      '2 step.completed',
      '3 run.finished',
      '4 budget.threshold',
      '5 budget.threshold',
      '6 budget.threshold',
    ]);
    expect((await on.run(run.runId)).event_seq).toBe(6);
  });
});

describe('what does not belong into one statement', () => {
  test('two entries of one run are refused', async () => {
    const [run, other] = [await on.heldRun(), await on.heldRun()];
    const both = [entry(run, { events: told('x') }), entry(other), entry(run, { events: told('y') })];
    expect(() => journalArguments(both)).toThrow(RecordsError);
  });

  test('an entry that the database refuses takes no other along', async () => {
    const runs = [await on.heldRun(), await on.heldRun(), await on.heldRun()] as const;
    const journal = new Journal(records);
    const bad = stepRow(runs[1], 'one', { status: 'nonsense' as StepRow['status'] });
    const outcomes = await Promise.allSettled([
      journal.commit(entry(runs[0], { events: told('step.started') })),
      journal.commit(entry(runs[1], { events: told('step.started'), steps: [bad] })),
      journal.commit(entry(runs[2], { events: told('step.started'), epoch: 7 })),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled', value: { accepted: true } },
      { status: 'rejected', reason: { sqlState: '23514' } },
      { status: 'rejected', reason: expect.any(FencedError) },
    ]);
    expect(await on.eventsOf(runs[0].runId)).toHaveLength(2);
    expect(await on.eventsOf(runs[1].runId)).toHaveLength(1);
  });
});
