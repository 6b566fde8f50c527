import { describe, expect, test } from '@jest/globals';
import { Batch } from '../../database/batch.ts';
import { FencedError, Journal, type JournalEntry } from '../../database/journal.ts';
import type { JournalException } from '../../database/journal-lists.ts';
import { RecordsError, type Records } from '../../database/records.ts';
import { sqlError } from '../../database/sql.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';

const refusal = (code: string) => sqlError(Object.assign(new Error('refused'), { code }));
const entry = (runId: string): JournalEntry => ({
  run_id: runId,
  campaign_id: 'campaign',
  epoch: 1,
  at: '2026-03-29T01:30:00.000Z',
  after_seq: 0,
  events: [],
});

/** Records whose one function takes the run ids of its entries and gives its answer. */
function journalOver(write: (runIds: string[]) => Promise<JournalException[]>): {
  journal: Journal;
  sent: string[][];
} {
  const sent: string[][] = [];
  const call = (_: string, { p_entries }: { p_entries: JournalEntry[] }) => {
    const runIds = p_entries.map((each) => each.run_id);
    sent.push(runIds);
    return write(runIds);
  };
  return { journal: new Journal({ call } as unknown as Records), sent };
}

/** Nothing out of the usual. */
const accepted = () => Promise.resolve([]);

describe('the journal', () => {
  test('puts what comes while a statement is on its way into the next one, in the order of the runs', async () => {
    const first = Promise.withResolvers<void>();
    const { journal, sent } = journalOver(async () => {
      if (sent.length === 1) await first.promise;
      return [];
    });
    const one = journal.commit(entry('first'));
    await Promise.resolve();
    const others = ['b', 'c', 'a'].map((runId) => journal.commit(entry(runId)));
    first.resolve();
    await Promise.all([one, ...others]);
    expect(sent).toEqual([['first'], ['a', 'b', 'c']]);
  });

  test('tells the fenced writer alone', async () => {
    const { journal } = journalOver((runIds) =>
      Promise.resolve(runIds.includes('stale') ? [{ i: runIds.indexOf('stale') + 1, accepted: false }] : []),
    );
    const outcomes = await Promise.allSettled(['b', 'stale', 'a'].map((runId) => journal.commit(entry(runId))));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: expect.any(FencedError) });
  });

  test('writes entry by entry what was refused as a whole, so that one bad entry fails alone', async () => {
    const { journal, sent } = journalOver((runIds) =>
      runIds.includes('bad') ? Promise.reject(refusal('23514')) : accepted(),
    );
    const outcomes = await Promise.allSettled(['a', 'bad', 'c'].map((runId) => journal.commit(entry(runId))));
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(outcomes[1]).toMatchObject({ reason: expect.any(RecordsError) });
    expect(sent).toEqual([['a', 'bad', 'c'], ['a'], ['bad'], ['c']]);
  });

  test('never puts two entries of one run into one statement', async () => {
    const { journal, sent } = journalOver(accepted);
    await Promise.all(['a', 'b', 'a'].map((runId) => journal.commit(entry(runId))));
    expect(sent.every((runIds) => new Set(runIds).size === runIds.length)).toBe(true);
    expect(sent.flat().toSorted()).toEqual(['a', 'a', 'b']);
  });

  test('leaves the retry to its callers when the database is away or out of time', async () => {
    const { journal, sent } = journalOver(() => Promise.reject(refusal('57014')));
    const outcomes = await Promise.allSettled(['a', 'b'].map((runId) => journal.commit(entry(runId))));
    for (const outcome of outcomes) expect(outcome).toMatchObject({ reason: { retryable: true } });
    expect(sent).toHaveLength(1);
  });
});

describe('a statement that lost to another transaction', () => {
  test.each(['40P01', '40001', '55P03'])('is sent again, and nobody hears of it: %s', async (code) => {
    let sends = 0;
    const batch = new Batch<number, number>((items) =>
      ++sends < 3 ? Promise.reject(refusal(code)) : Promise.resolve(items.map((item) => item * 2)),
    );
    expect(await Promise.all([batch.add(1), batch.add(2)])).toEqual([2, 4]);
    expect(sends).toBe(3);
  });

  test('time and again is for the callers to retry', async () => {
    let sends = 0;
    const batch = new Batch<number, number>(() => Promise.reject(++sends && refusal('40P01')));
    await expect(batch.add(1)).rejects.toBeInstanceOf(DatabaseUnavailableError);
    expect(sends).toBe(3);
  });
});
