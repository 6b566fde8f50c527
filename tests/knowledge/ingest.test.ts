import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findIngest, ingestEventsAfter } from '../../database/queries/knowledge.ts';
import { DatabaseUnavailableError } from '../../shared/errors.ts';
import { TestClock } from '../support/clock.ts';
import { intercepted } from '../support/intercept.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { allFacts, baseOn, chunksOf, ingest, toldBy } from './base-support.ts';

let records: TestRecords;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(() => records.truncate());
afterAll(() => records.close());

const THINGS = 'lamp desk kite drum coat rope bell mask vase oven sofa fork gate'.split(' ');
const PLACES = 'hall cellar kitchen garden attic chapel library stable tower office museum workshop'.split(' ');
/** What is said of the same thing twice, with "The" and with "Our", is one fact. */
const LINES = Array.from({ length: 1_000 }, (_, at) => {
  const nth = at % 650;
  const what = `${THINGS[nth % THINGS.length]} number ${nth} of the ${PLACES[nth % PLACES.length]}`;
  return `${at % 4 === 0 ? 'The' : 'Our'} ${what} weighs ${nth} grams.`;
});
const FILE = { name: 'lamps.txt', collection: 'default', format: 'text' as const };
const stateOf = async (id: string) => (await findIngest(records, id))?.state;
const typesOf = async (id: string) => (await ingestEventsAfter(records, id, 0, 100)).map(({ type }) => type);

/** What has become of a file, without ids that depend on the moment. */
async function outcome(id: string) {
  // As the service does by itself from time to time.
  await records.pool.query('analyze knowledge_facts, knowledge_claims');
  const row = await findIngest(records, id);
  return {
    counts: [row?.state, row?.lines_read, row?.facts_new, row?.facts_repeated, row?.facts_merged, row?.problems],
    told: await toldBy(baseOn(records), id),
  };
}

describe('a file under way', () => {
  test('whose worker dies at any step is finished by another, with no fact twice and none lost', async () => {
    const whole = await outcome(await ingest(baseOn(records), 'text', LINES.join('\n'), { chunk: 65_536 }));
    expect(whole.counts).toEqual(['completed', 1_000, 650, 175, 175, 0]);
    for (const [deadly, before] of [
      [1, true],
      [3, false],
      [5, false],
    ] as const) {
      await records.truncate();
      let steps = 0;
      const dying = intercepted(records, async (name, _args, next) => {
        if (name !== 'knowledge_commit') return next();
        steps += 1;
        if (steps === deadly && before) throw new DatabaseUnavailableError('gone');
        const answer = await next();
        if (steps === deadly) throw new DatabaseUnavailableError('gone after it was written');
        return answer;
      });
      const first = baseOn(dying, { worker: 'first' });
      const { id } = await first.receive(FILE, chunksOf(LINES.join('\n'), 65_536));
      await expect(first.refine()).rejects.toThrow(DatabaseUnavailableError);
      const second = baseOn(records, { worker: 'second', gone: ['first'] });
      await second.refine();
      await second.embed();
      expect(await outcome(id)).toEqual(whole);
      if (deadly < 5) expect(await typesOf(id)).toContain('ingest.resumed');
    }
  });

  test('is left alone by others while its worker holds it, and taken over when the lease has lapsed', async () => {
    const clock = new TestClock();
    let stalled = false;
    const slow = intercepted(records, async (name, _args, next) => {
      if (name === 'knowledge_commit' && !stalled) {
        stalled = true;
        const other = baseOn(records, { worker: 'other', clock });
        await other.refine();
        expect(await records.count('knowledge_facts', [])).toBe(0);
        await clock.advance(31_000);
        await other.refine();
        expect(await stateOf(id)).toBe('embedding');
      }
      return next();
    });
    const base = baseOn(slow, { worker: 'slow', clock });
    const { id } = await base.receive(FILE, chunksOf(LINES.slice(0, 300).join('\n'), 65_536));
    await base.refine();
    expect(await records.count('knowledge_facts', [])).toBe(300);
    expect((await findIngest(records, id))?.epoch).toBe(2);
  });

  test('tells its progress in order, as stored events', async () => {
    const base = baseOn(records);
    const id = await ingest(base, 'text', [...LINES, ...LINES, ...LINES].join('\n'), { chunk: 65_536 });
    const events = await ingestEventsAfter(records, id, 0, 100);
    expect(events.map(({ type }) => type)).toEqual([
      'ingest.received',
      'ingest.started',
      'ingest.progress',
      'ingest.progress',
      'ingest.refined',
      'ingest.finished',
    ]);
    expect(events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(events[2]?.data).toMatchObject({ lines: 3_000, factsNew: expect.any(Number) });
    expect(events.at(-1)?.data).toMatchObject({ state: 'completed', factsNew: 650 });
  });

  test('that the database refuses again and again has failed, says why, and holds up no other', async () => {
    const clock = new TestClock();
    const refusing = intercepted(records, async (name, args, next) => {
      if (name === 'knowledge_commit' && JSON.stringify(args).includes('poison')) throw new Error('refused for good');
      return next();
    });
    const base = baseOn(refusing, { clock });
    const { id } = await base.receive(FILE, chunksOf('There is poison in this line.'));
    for (let tries = 0; tries < 3; tries += 1) {
      await base.refine();
      await clock.advance(5_001);
    }
    expect(await findIngest(records, id)).toMatchObject({ state: 'failed', state_reason: 'refused for good' });
    await ingest(base, 'text', 'A line that is good for all.');
    expect((await allFacts(base)).map(({ text }) => text)).toEqual(['A line that is good for all.']);
  });

  test('of which more than half is no text has failed, says why, and keeps its problems', async () => {
    const base = baseOn(records);
    const bad = Buffer.from([0xff, 0xfe ^ 0x10, 0xc0, 0x0a]);
    const good = Buffer.from('Our bakery opens at seven.\n');
    const id = await ingest(base, 'text', Buffer.concat([good, bad, Buffer.from('\u0001\u0002\n'), bad, good]));
    expect(await findIngest(records, id)).toMatchObject({
      state: 'failed',
      state_reason: expect.stringContaining('3 of 5 lines are no text'),
      problems: 3,
    });
    expect(await allFacts(base)).toEqual([]);
    const half = await ingest(base, 'text', Buffer.concat([good, bad]));
    expect([(await findIngest(records, half))?.state, (await allFacts(base)).length]).toEqual(['completed', 1]);
  });

  test('of control characters alone is refused with the line, and such lines are told of others', async () => {
    const base = baseOn(records);
    await expect(ingest(base, 'text', '\u0001\u0002\n\0\0\n')).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [{ path: 'lines[1]', message: expect.stringContaining('control characters') }],
    });
    const id = await ingest(base, 'text', 'Our bakery opens at seven.\n\f\n\u0001\n\nIt is in Graz.\n');
    expect((await findIngest(records, id))?.problems).toBe(1);
  });

  test('can be cancelled: what it told stays, and a second cancel is told that it has ended', async () => {
    const base = baseOn(records);
    const { id } = await base.receive(FILE, chunksOf('A line that waits for its turn.'));
    await base.cancel(id, 'sent by mistake');
    await base.refine();
    expect(await findIngest(records, id)).toMatchObject({ state: 'cancelled', state_reason: 'sent by mistake' });
    expect(await allFacts(base)).toEqual([]);
    await expect(base.cancel(id, null)).rejects.toMatchObject({ code: 'KNOWLEDGE_FINISHED', status: 409 });
    await expect(base.cancel('00000000-0000-4000-8000-000000000000', null)).rejects.toMatchObject({ status: 404 });
  });

  test('cancelled while it comes in is refused to its sender, and nothing of it is kept', async () => {
    const base = baseOn(records);
    async function* interrupted() {
      yield* chunksOf(`${LINES.join('\n')}\n`, 65_536);
      const [row] = await records.select('knowledge_ingests');
      await base.cancel(row?.id ?? '', null);
      yield* chunksOf(LINES.join('\n'), 65_536);
    }
    await expect(base.receive(FILE, interrupted())).rejects.toMatchObject({ code: 'KNOWLEDGE_CANCELLED' });
    expect(await records.count('knowledge_lines', [])).toBe(0);
  });
});

describe('a file that comes slowly', () => {
  test('is kept as long as its sender is there', async () => {
    const clock = new TestClock();
    const base = baseOn(records, { clock });
    const other = baseOn(records, { clock, worker: 'two' });
    async function* slow() {
      for (const line of LINES.slice(0, 5)) {
        yield Buffer.from(`${line}\n`.repeat(20));
        await clock.untilSleeping();
        await clock.advance(20_000);
        // The renewal is a statement of its own.
        await records.count('knowledge_ingests', []);
        await other.refine();
      }
    }
    const { id } = await base.receive(FILE, slow());
    expect(await stateOf(id)).toBe('queued');
  });

  test('whose process died on the way is removed when the lease has lapsed', async () => {
    const clock = new TestClock();
    const base = baseOn(records, { clock });
    const arrived = Promise.withResolvers<void>();
    async function* hanging() {
      yield* chunksOf(`${LINES.join('\n')}\n`.repeat(2), 65_536);
      arrived.resolve();
      await new Promise(() => undefined);
    }
    void base.receive(FILE, hanging()).catch(() => undefined);
    await arrived.promise;
    expect(await records.count('knowledge_lines', [])).toBeGreaterThan(0);
    await baseOn(records, { clock: new TestClock(clock.now() + 31_000), worker: 'two' }).refine();
    expect(await records.count('knowledge_ingests', [])).toBe(0);
    expect(await records.count('knowledge_lines', [])).toBe(0);
  });
});

describe('taking a file away', () => {
  test('takes what only it says, and leaves what others say, with their words', async () => {
    const base = baseOn(records);
    const first = await ingest(base, 'text', 'The Basic plan contains the five seats.\nOnly the first file says this.');
    const second = await ingest(base, 'text', 'Basic plan contains five seats\n');
    expect(await allFacts(base)).toHaveLength(2);
    await base.forget(first);
    expect(
      (await allFacts(base)).map(({ text, sources }) => [text, sources.map(({ ingest_id }) => ingest_id)]),
    ).toEqual([['Basic plan contains five seats', [second]]]);
    await base.forget(second);
    for (const table of ['knowledge_facts', 'knowledge_sources', 'knowledge_claims', 'knowledge_lines'] as const)
      expect(await records.count(table, [])).toBe(0);
    await expect(base.forget(second)).rejects.toMatchObject({ status: 404 });
  });
});

test('a file of 50 MB is taken in with little memory', async () => {
  const base = baseOn(records);
  const line = Buffer.from(`${'many words of a line that is the same '.repeat(44)}\n`);
  async function* large() {
    for (let at = 0; at < 29_000; at += 1) yield line;
  }
  let most = 0;
  const watched = intercepted(records, async (_name, args, next) => {
    most = Math.max(most, JSON.stringify(args).length);
    return next();
  });
  const row = await baseOn(watched).receive(FILE, large());
  expect(row.bytes).toBeGreaterThan(48_000_000);
  // What is held at a time is what goes to the database in one call.
  expect(most).toBeLessThan(1_000_000);
  await base.cancel(row.id, null);
}, 120_000);
