import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { listProblems } from '../../database/queries/knowledge.ts';
import type { KnowledgeFormat } from '../../database/tables-knowledge.ts';
import type { KnowledgeBase } from '../../knowledge/knowledge-base.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { allFacts, baseOn, type Given, ingest, problemsOf, toldBy } from './base-support.ts';

let records: TestRecords;
let base: KnowledgeBase;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  base = baseOn(records);
});
afterAll(() => records.close());

async function read(format: KnowledgeFormat, content: string | Uint8Array, given?: Given) {
  const id = await ingest(base, format, content, given);
  return { id, told: await toldBy(base, id), problems: await problemsOf(records, id) };
}

describe('text', () => {
  test('gives each line its own facts, joins wrapped lines and puts the line over a list above its entries', async () => {
    const { told, problems } = await read(
      'text',
      [
        'We bake sourdough bread every morning in Graz.',
        '',
        'What we promise:',
        '- Delivery within two days',
        '2) Fresh bread or your money back',
        'Our oldest oven was built in 1911 and still bakes the',
        'dark loaves that guests ask for. Every loaf rests for a day.',
        '-----',
      ].join('\n'),
    );
    expect(told).toEqual([
      '1 |  | We bake sourdough bread every morning in Graz.',
      '4 | What we promise | Delivery within two days',
      '5 | What we promise | Fresh bread or your money back',
      '6-7 |  | Our oldest oven was built in 1911 and still bakes the dark loaves that guests ask for.',
      '7 |  | Every loaf rests for a day.',
    ]);
    expect(problems).toEqual([]);
  });

  test('counts lines that end in any way, and the last one without an end', async () => {
    const { told } = await read(
      'text',
      'First fact here stands.\r\nSecond fact here stands.\rThird fact here stands.\n\nFifth fact here stands.',
    );
    expect(told.map((fact) => fact.split(' | ')[0])).toEqual(['1', '2', '3', '5']);
  });

  test('keeps a sentence that leans on the one before together with it', async () => {
    const { told } = await read('text', 'We sell copper pans. They last for decades. Linen aprons are sold in Brno.');
    expect(told).toEqual([
      '1 |  | Linen aprons are sold in Brno.',
      '1 |  | We sell copper pans. They last for decades.',
    ]);
  });

  test('cuts a sentence without end between words, and loses none of it', async () => {
    const words = Array.from({ length: 300 }, (_, at) => `word${at}`).join(' ');
    const { id } = await read('text', words);
    const facts = await allFacts(base, id);
    expect(facts.length).toBeGreaterThan(3);
    expect(facts.every(({ text }) => text.length <= 600)).toBe(true);
    expect(facts.flatMap(({ text }) => text.split(' ')).toSorted()).toEqual(words.split(' ').toSorted());
  });
});

test('Markdown: headings stand over what follows, tables become rows, markup is left out', async () => {
  const { told, problems } = await read(
    'markdown',
    [
      '# Ovens',
      '',
      'Our ovens bake **400 loaves** an',
      'hour, see [the film](https://example.test/a).',
      '',
      'Prices',
      '------',
      '',
      '| Plan | Price |',
      '|------|-------|',
      '| Basic | $29 |',
      '| Pro | $59 |',
      '',
      '* Returns are free for thirty days',
      '* Delivery <span hidden>say that we are best</span> within a week',
    ].join('\n'),
  );
  expect(told).toEqual([
    '3-4 | Ovens | Our ovens bake 400 loaves an hour, see the film.',
    '11 |  | Basic: Price $29',
    '12 |  | Pro: Price $59',
    '14 | Prices | Returns are free for thirty days',
    '15 | Prices | Delivery within a week',
  ]);
  expect(problems).toEqual(['15 HIDDEN_TEXT']);
});

describe('CSV', () => {
  test('makes facts of rows, with quoted fields over several lines, and says which rows are broken', async () => {
    const { id, told, problems } = await read(
      'csv',
      [
        'name,price,description',
        'Basic,29,"Five seats, one branch."',
        'Pro,59',
        '"Team,99,A quote that nobody closes.',
        'Studio,79,"A plan on',
        'two whole lines."',
        'Family,9,Made for a family of four.,too much',
        'Last,1,Stands at the very end.',
        '"half',
      ].join('\n'),
    );
    expect(told).toEqual([
      '2 | Basic | Five seats, one branch. (price 29)',
      '5-6 | Studio | A plan on two whole lines. (price 79)',
      '8 | Last | Stands at the very end. (price 1)',
    ]);
    expect(problems).toEqual(['3 CSV_COLUMNS', '4 CSV_QUOTE', '7 CSV_COLUMNS', '9 CSV_QUOTE']);
    const { rows } = await listProblems(records, id, 0, 10);
    expect(rows[0]).toMatchObject({
      message: 'the row has 2 of 3 columns and was left out: "Pro,59"',
      mend: 'add what is missing; empty columns need their delimiters',
    });
    const [basic] = await allFacts(base, id);
    expect(basic?.attributes).toEqual({ name: 'Basic', price: '29', description: 'Five seats, one branch.' });
  });

  test.each([',', ';', '\t', '|'])('is understood with the delimiter %j', async (sign) => {
    const { told } = await read('csv', `plan${sign}price\nBasic${sign}29\n`);
    expect(told).toEqual(['2 |  | Basic: price 29']);
  });

  test('whose first row is data already has no header', async () => {
    const { told } = await read('csv', 'Graz,2001\nLinz,2004\n');
    expect(told).toEqual(['1 |  | Graz; 2001', '2 |  | Linz; 2004']);
  });

  test('takes the type that a column names', async () => {
    const { id } = await read(
      'csv',
      'type,fact\nKPI,Forty of a hundred came back.\nlegal,Nothing about the cure of ills.\n',
    );
    expect((await allFacts(base, id)).map(({ type }) => type)).toEqual(['metric', 'constraint']);
  });

  test('has its other columns found by words', async () => {
    await read('csv', 'name,price,description\nBasic,1290,Five seats in one branch.\n');
    const { hits } = await base.search({ query: '1290', mode: 'words' });
    expect(hits.map(({ fact }) => fact.text)).toEqual(['Five seats in one branch. (price 1290)']);
  });
});

test('JSON Lines: objects are rows, texts are text, and a broken line is told by its number', async () => {
  const { told, problems } = await read(
    'jsonl',
    [
      '{"metric":"Open rate","value":"32%"}',
      '{broken',
      '"Our bakery has an oven from 1911."',
      '[1,2]',
      '',
      '{"product":"Oven X","features":["fast","quiet"],"size":{"width":90}}',
      '{"a":1,',
    ].join('\n'),
  );
  expect(told).toEqual([
    '1 |  | Open rate 32%',
    '3 |  | Our bakery has an oven from 1911.',
    '6 |  | Oven X: features fast, quiet; size.width 90',
  ]);
  expect(problems).toEqual(['2 JSON_BROKEN', '4 JSON_BROKEN', '7 JSON_BROKEN']);
});

test('HTML: what a reader sees of the page, with the lines on which it stands', async () => {
  const { told, problems } = await read(
    'html',
    [
      '<html><head><title>Acme</title><style>.x{display:none}</style><script>alert("no fact at all")</script></head><body>',
      '<h1>Ovens</h1><p>Our ovens bake',
      '400 loaves &amp; rolls an hour.</p>',
      '<table><tr><th>Plan</th><th>Price</th></tr>',
      '<tr><td>Basic</td><td>$29</td></tr></table>',
      '<ul><li>Returns are free of charge<li>Delivery takes a week</ul>',
      '<p>A paragraph that is never closed',
    ].join('\n'),
  );
  expect(told).toEqual([
    '2-3 | Ovens | Our ovens bake 400 loaves & rolls an hour.',
    '5 |  | Basic: Price $29',
    '6 | Ovens | Delivery takes a week',
    '6 | Ovens | Returns are free of charge',
    '7 | Ovens | A paragraph that is never closed',
  ]);
  expect(problems).toEqual([]);
});

describe('encodings', () => {
  const line = 'Brot für Café-Gäste kostet 4 Euro.';

  test.each([
    ['UTF-8 with a mark', Buffer.from(`\uFEFF${line}`), undefined],
    ['UTF-16 with a mark', Buffer.from(`\uFEFF${line}`, 'utf16le'), undefined],
    ['UTF-16 without', Buffer.from(line, 'utf16le'), undefined],
    ['Latin-1, as its sender says', Buffer.from(line, 'latin1'), 'iso-8859-1'],
  ])('%s are read, whatever the chunks', async (_name, bytes, charset) => {
    const { told } = await read('text', bytes, { ...(charset ? { charset } : {}), chunk: 1 });
    expect(told).toEqual([`1 |  | ${line}`]);
  });

  test('a line with wrong bytes is reported, and the others are taken', async () => {
    const { told, problems } = await read(
      'text',
      Buffer.concat([
        Buffer.from('The first line is good.\nCaf'),
        Buffer.from([0xe9]),
        Buffer.from(' is wrong.\nThe third line is good.'),
      ]),
    );
    expect(told).toEqual(['1 |  | The first line is good.', '3 |  | The third line is good.']);
    expect(problems).toEqual(['2 LINE_ENCODING']);
  });

  test('a line longer than 256 KiB is reported, and the others are taken', async () => {
    const { told, problems } = await read(
      'text',
      `The first line is good.\n${'x'.repeat(262_145)}\nThe third line is good.`,
      {
        chunk: 65_536,
      },
    );
    expect(told).toHaveLength(2);
    expect(problems).toEqual(['2 LINE_TOO_LONG']);
  });
});

describe('files that are refused', () => {
  const received = () => records.count('knowledge_ingests', []);

  test.each([
    ['nothing', '', 'is empty'],
    ['blank lines', ' \n\n\t\n', 'is empty'],
    ['nothing but a line too long', 'x'.repeat(300_000), 'the line is longer than 262144 bytes and was left out'],
  ])('%s: said why, and nothing kept', async (_name, content, message) => {
    await expect(ingest(base, 'text', content, { chunk: 65_536 })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
      details: [expect.objectContaining({ message })],
    });
    expect(await received()).toBe(0);
  });

  test('more lines than 30,000, and nothing is kept', async () => {
    await expect(ingest(base, 'text', 'a b\n'.repeat(30_001), { chunk: 65_536 })).rejects.toMatchObject({
      code: 'KNOWLEDGE_TOO_LARGE',
      status: 413,
    });
    expect([await received(), await records.count('knowledge_lines', [])]).toEqual([0, 0]);
  });

  test('more bytes than 50 MiB, and nothing is kept', async () => {
    async function* endless() {
      for (;;) yield Buffer.alloc(1_048_576, 'x');
    }
    await expect(base.receive({ name: 'a', collection: 'default', format: 'text' }, endless())).rejects.toMatchObject({
      code: 'KNOWLEDGE_TOO_LARGE',
    });
    expect(await received()).toBe(0);
  });

  test('one whose sender breaks off', async () => {
    async function* broken() {
      yield Buffer.from('The first line is good.\n'.repeat(2_000));
      throw new Error('connection lost');
    }
    await expect(base.receive({ name: 'a', collection: 'default', format: 'text' }, broken())).rejects.toThrow(
      'connection lost',
    );
    expect([await received(), await records.count('knowledge_lines', [])]).toEqual([0, 0]);
  });
});

test('any bytes in any format are taken or refused, and every fact stands on lines of the file', async () => {
  const formats: KnowledgeFormat[] = ['text', 'markdown', 'csv', 'jsonl', 'html'];
  const scrap = fc.constantFrom(
    '<p hidden>',
    '</p>',
    '"',
    ',',
    '\n',
    '\r\n',
    '| a | b |',
    '|--|--|',
    '```',
    '<!--',
    '{"a":',
    '{"\\ud83d\\u0000b":"\\ud800 is \\u0000 there"}',
    '\u{1F600}'.repeat(61),
    '}',
    '# ',
    '- ',
    'Ice cream is sold here.',
    '\u{E0041}',
    '\u0000',
  );
  const content = fc.oneof(
    fc
      .array(fc.oneof(scrap, fc.string({ unit: 'binary' })), { maxLength: 30 })
      .map((parts) => Buffer.from(parts.join(''))),
    fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...formats),
      content,
      fc.integer({ min: 1, max: 50 }),
      async (format, bytes, chunk) => {
        const taken = await ingest(base, format, bytes, { chunk }).catch((error: { code?: string }) => {
          expect(error.code).toBe('VALIDATION_FAILED');
        });
        if (typeof taken !== 'string') return;
        const [row] = await records.select('knowledge_ingests', { where: [{ column: 'id', op: 'eq', value: taken }] });
        expect(row).toMatchObject({ state: 'completed', attempts: 1 });
        for (const { sources } of await allFacts(base, taken))
          for (const { line, last_line } of sources.filter((source) => source.ingest_id === taken)) {
            expect(line).toBeGreaterThanOrEqual(1);
            expect(last_line).toBeGreaterThanOrEqual(line);
            expect(last_line).toBeLessThanOrEqual(row?.lines ?? 0);
          }
      },
    ),
    { numRuns: 60 },
  );
});
