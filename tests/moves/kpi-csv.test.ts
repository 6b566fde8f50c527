import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtempDisposable, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { csvConnector } from '../../moves/kpi/connectors/csv.ts';
import { decimalSignOf, numberIn } from '../../moves/kpi/connectors/numbers.ts';
import { timeIn } from '../../moves/kpi/connectors/times.ts';
import { type CsvSource, kpiSourceSchema } from '../../moves/kpi/source.ts';
import { WorkError } from '../../moves/work.ts';
import { TestClock } from '../support/clock.ts';

let folder: Awaited<ReturnType<typeof mkdtempDisposable>>;
let root: string;
beforeAll(async () => {
  folder = await mkdtempDisposable(join(tmpdir(), 'pipeline-orchestrator-kpis-'));
  root = join(folder.path, 'kpis');
  await mkdir(join(root, 'sales'), { recursive: true });
  await writeFile(join(folder.path, 'secret.csv'), 'date,value\n2026-01-05,1\n');
});
afterAll(() => folder.remove());

let files = 0;

async function read(content: string | Buffer, change: Partial<CsvSource> = {}) {
  const file = `file-${++files}.csv`;
  await writeFile(join(root, file), content);
  return readFrom(file, change);
}

function readFrom(file: string, change: Partial<CsvSource> = {}, signal = new AbortController().signal) {
  const given = { type: 'csv', file, ...change };
  // A path that the schema refuses: the connector does so by itself, too.
  const source = (kpiSourceSchema.safeParse(given).data ?? { value: 'value', date: 'date', ...given }) as CsvSource;
  return csvConnector(root).read(source, { kpi: 'leads', signal, clock: new TestClock() });
}

const refusal = (reading: Promise<unknown>) =>
  reading.then(
    () => {
      throw new Error('it was read');
    },
    (error: unknown) => {
      if (!(error instanceof WorkError)) throw error;
      return { code: error.code, retryable: error.retryable, message: error.message };
    },
  );

const on = (day: string, value: number) => ({ observedAt: `${day}T00:00:00.000Z`, value });

describe('a CSV file', () => {
  test.each([
    ['commas', 'date,value\n2026-01-05,10\n2026-01-06,11.5\n'],
    ['semicolons and decimal commas', 'date;value\n2026-01-05;10\n2026-01-06;11,5\n'],
    ['tabs', 'date\tvalue\n2026-01-05\t10\n2026-01-06\t11.5\n'],
    ['a byte order mark', '\ufeffdate,value\n2026-01-05,10\n2026-01-06,11.5\n'],
    ['line ends of Windows', 'date,value\r\n2026-01-05,10\r\n2026-01-06,11.5\r\n'],
    ['quotes', '"date","value"\n"2026-01-05","10"\n"2026-01-06","11,5"\n'],
    ['another order, more columns and capitals', 'note,VALUE,Date\nx,10,2026-01-05\n"a, b",11.5,2026-01-06\n'],
    ['days with dots', 'date;value\n05.01.2026;10\n6.1.2026;11,5\n'],
    ['empty lines and no end of the last', '\n\ndate,value\n\n2026-01-05,10\n\n2026-01-06,11.5'],
    ['newest first', 'date,value\n2026-01-06,11.5\n2026-01-05,10\n'],
  ])('with %s is read', async (_, content) => {
    expect(await read(content)).toEqual({ readings: [on('2026-01-05', 10), on('2026-01-06', 11.5)], problems: [] });
  });

  test('as Excel saves it in UTF-16 is read', async () => {
    const content = Buffer.from('\ufeffdate\tvalue\r\n2026-01-05\t10\r\n', 'utf16le');
    expect((await read(content)).readings).toEqual([on('2026-01-05', 10)]);
    expect((await read(content.swap16())).readings).toEqual([on('2026-01-05', 10)]);
  });

  test('of several KPIs gives the rows that are asked for', async () => {
    const content = 'day,kpi,amount\n2026-01-05,leads,10\n2026-01-05,cost,99\n2026-01-06, leads ,11\n';
    const columns = { date: 'day', value: 'amount', where: { column: 'kpi', equals: 'leads' } };
    expect(await read(content, columns)).toEqual({
      readings: [on('2026-01-05', 10), on('2026-01-06', 11)],
      problems: [],
    });
  });

  test('keeps its good rows and tells of the bad ones by line', async () => {
    const content = [
      'date,value',
      '2026-01-05,10',
      '2026-01-06',
      '2026-01-07,twelve',
      '01/08/2026,13',
      '2026-02-30,14',
      '2026-01-10,"15',
      '2026-01-11,16,17',
      '2026-01-12,1e400',
      '2026-01-13,12 %',
      '2026-01-14,',
      '2026-01-15,20',
    ].join('\n');
    const { readings, problems } = await read(content);
    expect(readings).toEqual([on('2026-01-05', 10), on('2026-01-15', 20)]);
    expect(problems.map(({ line }) => line)).toEqual(
      [7, 3, 8, 4, 5, 6, 9, 10].toSorted((a, b) => lineOrder(a) - lineOrder(b)),
    );
    expect(problems.find(({ line }) => line === 5)?.message).toContain('no day or time such as 2026-03-02');
  });

  test('of which one time has two values: the later row counts, which is told', async () => {
    const { readings, problems } = await read('date,value\n2026-01-05,10\n2026-01-05T00:00:00Z,11\n2026-01-05,11\n');
    expect(readings).toEqual([on('2026-01-05', 11)]);
    expect(problems).toEqual([{ line: 3, message: expect.stringContaining('another value already of line 2') }]);
  });

  test('with very many rows gives the newest, and says so', async () => {
    const rows = Array.from({ length: 6_000 }, (_, n) => `${new Date(Date.UTC(2020, 0, 1, n)).toISOString()},${n}`);
    const { readings, problems } = await read(`date,value\n${rows.join('\n')}`);
    expect(readings).toHaveLength(5_000);
    expect(readings.at(-1)?.value).toBe(5_999);
    expect(problems).toEqual([{ message: expect.stringContaining('only the newest') }]);
  });

  test('that is nothing but broken rows is told of in a bounded way', async () => {
    const { readings, problems } = await read(`date,value\n${'x,y\n'.repeat(5_000)}`);
    expect(readings).toEqual([]);
    expect(problems).toHaveLength(51);
    expect(problems.at(-1)?.message).toBe('4950 more rows have problems');
  });

  test('whose rows hold controls brings none into a message', async () => {
    const { problems } = await read('date,value\n2026-01-05,"\u0000\u001b[31m\u202e,bad"\n');
    expect(JSON.stringify(problems)).not.toMatch(/\\u0000|\\u001b|\u202e/);
  });
});

/** Rows that are none, and rows with wrong columns, are told of while the rows are read; values and days afterwards. */
const lineOrder = (line: number) => [3, 7, 8, 4, 5, 6, 9, 10].indexOf(line);

describe('a CSV file is refused', () => {
  test('when its values leave open what their commas and points mean, unless the source says it', async () => {
    const content = 'date;value\n2026-01-05;1.234\n2026-01-06;15\n';
    expect(await refusal(read(content))).toEqual({
      code: 'KPI_SOURCE_INVALID',
      retryable: false,
      message: expect.stringContaining('"1.234" in line 2'),
    });
    expect((await read(content, { decimal: '.' })).readings).toEqual([on('2026-01-05', 1.234), on('2026-01-06', 15)]);
    expect((await read(content, { decimal: ',' })).readings).toEqual([on('2026-01-05', 1_234), on('2026-01-06', 15)]);
  });

  test('when it mixes decimal commas and points', async () => {
    const content = 'date;value\n2026-01-05;1,5\n2026-01-06;2.5\n';
    expect((await refusal(read(content))).message).toMatch(/"1,5" in line 2.*"2\.5" in line 3/);
    const { readings, problems } = await read(content, { decimal: ',' });
    expect(readings).toEqual([on('2026-01-05', 1.5)]);
    expect(problems).toEqual([{ line: 3, message: expect.stringContaining('no number with the decimal sign ,') }]);
  });

  test('without the columns, naming those that it has', async () => {
    const { code, message } = await refusal(read('day;leads\n2026-01-05;1\n'));
    expect(code).toBe('KPI_SOURCE_INVALID');
    expect(message).toContain('no column "value" and no column "date"; its header has "day", "leads"');
    expect((await refusal(read(''))).message).toContain('its header has nothing');
  });

  test('with a column twice', async () => {
    expect((await refusal(read('date,value,Value\n2026-01-05,1,2\n'))).message).toContain('"value" twice');
  });

  test('when it is no UTF-8, such as a spreadsheet or old Windows text', async () => {
    for (const bytes of [Buffer.from([0x50, 0x4b, 3, 4, 0xff, 0xfe]), Buffer.from('date,value,Umsätze', 'latin1')])
      expect((await refusal(read(bytes))).message).toContain('no text in UTF-8');
  });

  test('when it is too large', async () => {
    expect(await refusal(read(Buffer.alloc(4 * 1_024 * 1_024 + 1, 'x')))).toMatchObject({
      code: 'KPI_SOURCE_TOO_LARGE',
      retryable: false,
    });
  });

  test.each([
    '../secret.csv',
    'sales/../../secret.csv',
    'sales\\..\\..\\secret.csv',
    '/etc/passwd',
    './../kpis/../secret.csv',
  ])('when its path is %j', async (file) => {
    expect(kpiSourceSchema.safeParse({ type: 'csv', file }).success).toBe(false);
    expect(await refusal(readFrom(file))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN', retryable: false });
  });

  test('when a symbolic link leads out of the folder, but not when it stays within', async () => {
    await symlink(join(folder.path, 'secret.csv'), join(root, 'out.csv'));
    await symlink(folder.path, join(root, 'up'));
    await symlink(join(folder.path, 'kpis-elsewhere'), join(root, 'sibling'));
    await mkdir(join(folder.path, 'kpis-elsewhere'));
    await writeFile(join(folder.path, 'kpis-elsewhere', 'a.csv'), 'date,value\n2026-01-05,1\n');
    for (const file of ['out.csv', 'up/secret.csv', 'sibling/a.csv'])
      expect(await refusal(readFrom(file))).toMatchObject({ code: 'KPI_SOURCE_FORBIDDEN' });
    await writeFile(join(root, 'sales', 'a.csv'), 'date,value\n2026-01-05,1\n');
    await symlink(join(root, 'sales', 'a.csv'), join(root, 'within.csv'));
    expect((await readFrom('within.csv')).readings).toEqual([on('2026-01-05', 1)]);
    expect((await readFrom('sales/a.csv')).readings).toEqual([on('2026-01-05', 1)]);
  });

  test('when it is not there, or is no file, or a pipe that nobody writes', async () => {
    expect(await refusal(readFrom('none.csv'))).toMatchObject({ code: 'KPI_SOURCE_MISSING', retryable: false });
    expect(await refusal(readFrom('sales/a.csv/b.csv'))).toMatchObject({ code: 'KPI_SOURCE_MISSING' });
    expect(await refusal(readFrom('sales'))).toMatchObject({ code: 'KPI_SOURCE_INVALID' });
    execFileSync('mkfifo', [join(root, 'pipe.csv')]);
    expect(await refusal(readFrom('pipe.csv'))).toMatchObject({ code: 'KPI_SOURCE_INVALID' });
  });

  test('when there is no folder at all', async () => {
    const source = kpiSourceSchema.parse({ type: 'csv', file: 'a.csv' }) as CsvSource;
    const request = { kpi: 'leads', signal: new AbortController().signal, clock: new TestClock() };
    const reading = csvConnector(join(folder.path, 'none')).read(source, request);
    expect(await refusal(reading)).toMatchObject({ code: 'KPI_SOURCE_MISSING' });
  });

  test('as soon as the work is broken off', async () => {
    await writeFile(join(root, 'any.csv'), 'date,value\n2026-01-05,1\n');
    await expect(readFrom('any.csv', {}, AbortSignal.abort(new Error('stop')))).rejects.toThrow('stop');
  });
});

describe('numbers', () => {
  test.each([
    ['1234', 1234, 1234],
    ['-5', -5, -5],
    ['+5', 5, 5],
    ['\u22125', -5, -5],
    ['1,5', 1.5, null],
    ['1.5', null, 1.5],
    ['1.234', 1234, 1.234],
    ['0.123', null, 0.123],
    ['1.234,56', 1234.56, null],
    ['1,234,567.8', null, 1_234_567.8],
    ['1 234 567,8', 1_234_567.8, null],
    ['1\u00a0234', 1234, 1234],
    ["1'234.5", null, 1234.5],
    ['1e3', null, 1000],
    ['1.23.456', null, null],
    ['12,34,567', null, null],
    ['1 23', null, null],
    ['1,', null, null],
    ['.5', null, null],
    ['', null, null],
    ['€5', null, null],
    ['5 %', null, null],
    ['NaN', null, null],
    ['Infinity', null, null],
    ['0x10', null, null],
    ['١٢', null, null],
  ])('%j is %j with a decimal comma and %j with a point', (text, comma, point) => {
    expect([numberIn(text, ','), numberIn(text, '.')]).toEqual([comma, point]);
  });

  test('written with either sign come back as they were, wherever there is no doubt', () => {
    const amount = fc.double({ min: -1e9, max: 1e9, noNaN: true }).map((value) => Math.round(value * 100) / 100);
    fc.assert(
      fc.property(
        fc.array(amount, { minLength: 1 }),
        fc.constantFrom('de-DE', 'en-US'),
        fc.boolean(),
        (all, locale, useGrouping) => {
          const format = new Intl.NumberFormat(locale, {
            minimumFractionDigits: 2,
            maximumFractionDigits: 2,
            useGrouping,
          });
          const texts = all.map((value, at) => ({ text: format.format(value), line: at + 2 }));
          const sign = decimalSignOf(texts);
          expect(sign).toBe(locale === 'de-DE' ? ',' : '.');
          expect(texts.map(({ text }) => numberIn(text, sign))).toEqual(
            all.map((value) => (value === 0 ? expect.closeTo(0) : value)),
          );
        },
      ),
    );
  });
});

describe('days and times', () => {
  test.each([
    ['2026-03-02', '2026-03-02T00:00:00.000Z'],
    [' 2.3.2026 ', '2026-03-02T00:00:00.000Z'],
    ['2026-03-02T10:00', '2026-03-02T10:00:00.000Z'],
    ['2026-03-02 10:00:30', '2026-03-02T10:00:30.000Z'],
    ['2026-03-02T10:00:30.5Z', '2026-03-02T10:00:30.500Z'],
    ['2026-03-02T10:00:30,123456+02:00', '2026-03-02T08:00:30.123Z'],
    ['2026-03-02 10:00:30 -0530', '2026-03-02T15:30:30.000Z'],
  ])('%j is %s', (text, expected) => {
    expect(new Date(timeIn(text) ?? Number.NaN).toISOString()).toBe(expected);
  });

  test.each([
    '',
    '02/03/2026',
    '2026-02-30',
    '2026-02-30T10:00Z',
    '31.2.2026',
    '2026-03-02T25:00',
    '2 March 2026',
    '1767225600',
    'now',
  ])('%j is none', (text) => {
    expect(timeIn(text)).toBeNull();
  });
});
