import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { findIngest } from '../../database/queries/knowledge.ts';
import type { Embedder } from '../../knowledge/embedder.ts';
import { TestClock } from '../support/clock.ts';
import { wordEmbedder } from '../support/embedder.ts';
import { intercepted } from '../support/intercept.ts';
import { type EmbeddedRecords, embeddedRecords } from '../support/records.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { allFacts, baseOn, ingest, inOrder } from './base-support.ts';

const LINES = [
  'The travel mug weighs 300 grams.',
  'Our automobile insurance covers hail.',
  'Returns are free for all guests.',
];

describe('with pgvector', () => {
  let records: EmbeddedRecords;
  beforeAll(async () => {
    records = await embeddedRecords({ vectors: true });
  });
  beforeEach(() => records.truncate());
  afterAll(() => records.close());

  const vectors = async () =>
    (
      await records.pool.query<{ model: string; n: string }>(
        'select s.model, count(*) as n from knowledge_vectors v join knowledge_spaces s on s.id = v.space_id group by 1 order by 1',
      )
    ).rows.map(({ model, n }) => [model, Number(n)]);
  const spaces = async (base: ReturnType<typeof baseOn>) =>
    (await base.overview()).spaces.map(({ model, dimensions, state, pending }) => [model, dimensions, state, pending]);

  test('a text is embedded once, whatever files and collections hold it', async () => {
    const embedder = wordEmbedder();
    const base = baseOn(records, { embedder });
    for (const collection of ['one', 'two', 'one']) await ingest(base, 'text', LINES.join('\n'), { collection });
    expect(embedder.asked.toSorted()).toEqual(LINES.toSorted());
    expect((await allFacts(base)).map(({ embedding }) => embedding)).toEqual(
      Array.from({ length: 6 }, () => ({ model: 'words-of-test', dimensions: 64 })),
    );
  });

  test('another model embeds all anew beside the old one, which answers until the new one is complete', async () => {
    const old = wordEmbedder('old', 64);
    await ingest(baseOn(records, { embedder: old }), 'text', LINES.join('\n'));
    const fresh = wordEmbedder('new', 32);
    const seen: unknown[] = [];
    const watched = intercepted(records, async (name, args, next) => {
      if (name === 'knowledge_put_vectors') {
        const { space, hits, mode } = await base.search({ query: 'cars', limit: 1, mode: 'meaning' });
        seen.push([mode, space, hits[0]?.fact.text, await spaces(base)]);
      }
      return next();
    });
    const base = baseOn(watched, { embedder: fresh, formerEmbedders: [old] });
    await base.embed();
    expect(seen).toEqual([
      [
        'meaning',
        { model: 'old', dimensions: 64 },
        LINES[1],
        [
          ['old', 64, 'active', 0],
          ['new', 32, 'building', 3],
        ],
      ],
    ]);
    expect(await spaces(base)).toEqual([['new', 32, 'active', 0]]);
    expect(await vectors()).toEqual([['new', 3]]);
    expect((await base.search({ query: 'cars', limit: 1 })).space).toEqual({ model: 'new', dimensions: 32 });
    // The query was put to the model of the space that was searched.
    expect(old.asked.filter((text) => text === 'cars')).toHaveLength(1);
    expect(fresh.asked.filter((text) => text === 'cars')).toHaveLength(1);
  });

  test('without the old model words answer meanwhile, and say so', async () => {
    await ingest(baseOn(records, { embedder: wordEmbedder('old', 64) }), 'text', LINES.join('\n'));
    const fresh = wordEmbedder('new', 64);
    const base = baseOn(records, { embedder: fresh });
    fresh.fail = new Error('not yet');
    await base.embed();
    const answer = await base.search({ query: 'hail' });
    expect(answer).toMatchObject({ mode: 'words', space: null, note: expect.stringContaining('no vectors yet') });
    expect(answer.hits.map(({ fact, meaning }) => [fact.text, meaning])).toEqual([[LINES[1], null]]);
    await expect(base.search({ query: 'hail', mode: 'meaning' })).rejects.toMatchObject({
      code: 'KNOWLEDGE_NO_SPACE',
      status: 409,
    });
  });

  test('what comes in during a change gets vectors in both spaces', async () => {
    const old = wordEmbedder('old', 64);
    await ingest(baseOn(records, { embedder: old }), 'text', LINES.join('\n'));
    const fresh = wordEmbedder('new', 64);
    fresh.fail = new Error('not yet');
    const clock = new TestClock();
    const base = baseOn(records, { embedder: fresh, formerEmbedders: [old], clock });
    await base.embed();
    const id = (
      await base.receive({ name: 'b', collection: 'default', format: 'text' }, lines('The desk lamp is vegan.'))
    ).id;
    await base.refine();
    await clock.advance(600_000);
    await base.embed();
    expect((await base.search({ query: 'lamp', mode: 'meaning', limit: 1 })).hits[0]?.fact.text).toBe(
      'The desk lamp is vegan.',
    );
    expect((await findIngest(records, id))?.state).toBe('embedding');
    fresh.fail = null;
    await clock.advance(600_000);
    await base.embed();
    expect((await findIngest(records, id))?.state).toBe('completed');
    expect(await vectors()).toEqual([['new', 4]]);
  });

  test('vectors of other dimensions than the space has are not stored', async () => {
    const other = wordEmbedder('a', 32);
    const liar: Embedder = { model: 'a', dimensions: 64, embed: (texts, signal) => other.embed(texts, signal) };
    const base = baseOn(records, { embedder: liar });
    await base.embed();
    await base.receive({ name: 'b', collection: 'default', format: 'text' }, lines('The desk lamp is vegan.'));
    await base.refine();
    await base.embed();
    expect(await vectors()).toEqual([]);
    expect((await base.overview()).spaces).toMatchObject([{ pending: 1, refused: 0 }]);
  });

  test('a model that hangs over some texts is left after a minute, rested, and asked again', async () => {
    const working = wordEmbedder();
    let isHanging = true;
    const clock = new TestClock();
    const base = baseOn(records, {
      clock,
      embedder: {
        ...working,
        embed: (texts, signal) => (isHanging ? new Promise(() => undefined) : working.embed(texts, signal)),
      },
    });
    await base.receive({ name: 'b', collection: 'default', format: 'text' }, lines(LINES.join('\n')));
    await base.refine();
    const filling = base.embed();
    await clock.untilSleeping();
    await clock.advance(60_000);
    await filling;
    expect((await base.overview()).spaces).toMatchObject([{ pending: 3, refused: 0 }]);
    isHanging = false;
    await base.embed();
    expect(working.asked).toEqual([]);
    await clock.advance(1_000);
    await base.embed();
    expect(await vectors()).toEqual([['words-of-test', 3]]);
  });

  test('a text that the model refuses is found by words alone, and holds up no other', async () => {
    const picky = wordEmbedder();
    const base = baseOn(records, {
      embedder: {
        ...picky,
        embed: (texts, signal) =>
          texts.some((text) => text.includes('hail'))
            ? Promise.reject(Object.assign(new Error('refused'), { retryable: false }))
            : picky.embed(texts, signal),
      },
    });
    await base.embed();
    const id = await ingest(base, 'text', LINES.join('\n'));
    expect((await findIngest(records, id))?.state).toBe('completed');
    expect(await vectors()).toEqual([['words-of-test', 2]]);
    expect((await base.overview()).spaces).toMatchObject([{ pending: 0, refused: 1 }]);
    expect((await base.search({ query: 'hail', mode: 'words' })).hits).toHaveLength(1);
  });

  test('what is taken away leaves no vector behind', async () => {
    const base = baseOn(records);
    await base.forget(await ingest(base, 'text', LINES.join('\n')));
    await base.embed();
    expect(await vectors()).toEqual([]);
  });
});

describe('on a Postgres without pgvector', () => {
  let postgres: TestPostgres;
  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);
  afterAll(() => postgres.stop());

  test('files become facts, words find them, and meaning is refused with what to do', async () => {
    const { records } = await postgres.createDatabase();
    const base = baseOn(records);
    const id = await ingest(base, 'text', LINES.join('\n'));
    expect((await findIngest(records, id))?.state).toBe('completed');
    const answer = await base.search({ query: 'hail insurance' });
    expect(answer).toMatchObject({ mode: 'words', space: null, note: expect.stringContaining('no pgvector') });
    expect(answer.hits[0]?.fact).toMatchObject({ text: LINES[1], embedding: null });
    await expect(base.search({ query: 'cars', mode: 'meaning' })).rejects.toMatchObject({
      code: 'KNOWLEDGE_NO_VECTORS',
      status: 501,
      details: [expect.objectContaining({ mend: expect.stringContaining('pgvector') })],
    });
    expect(await base.overview()).toMatchObject({ hasVectors: false, spaces: [] });
  });

  test('two workers at once take each file once', async () => {
    const { records } = await postgres.createDatabase();
    const [one, two] = [baseOn(records, { worker: 'one' }), baseOn(records, { worker: 'two' })];
    const ids: string[] = [];
    for (const collection of ['a', 'b', 'a', 'b'])
      ids.push((await one.receive({ name: 'f', collection, format: 'text' }, lines(LINES.join('\n')))).id);
    await Promise.all([one.refine(), two.refine()]);
    await one.refine();
    await one.embed();
    for (const id of ids) expect(await findIngest(records, id)).toMatchObject({ state: 'completed', epoch: 1 });
    expect(inOrder((await allFacts(one)).map(({ collection, source_count }) => [collection, source_count]))).toEqual(
      ['a', 'b'].flatMap((collection) => LINES.map(() => [collection, 2])),
    );
  });
});

async function* lines(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
}
