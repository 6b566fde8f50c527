import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { DefinitionEnvironment } from '../../campaigns/schema.ts';
import { type Records, RecordsError } from '../../database/records.ts';
import type { CampaignRow, JsonObject } from '../../database/tables.ts';
import { CampaignControl } from '../../scheduler/campaign-control.ts';
import { CampaignFiles, type CampaignFilesDependencies } from '../../scheduler/campaign-files.ts';
import { silentLogger } from '../../shared/logger.ts';
import { type TestRecords, freshRecords } from '../support/records.ts';
import { SchedulerBench } from './bench.ts';
import { testEnvironment } from './environment.ts';

let records: TestRecords;
let bench: SchedulerBench;
let folder: string;
let control: CampaignControl;
let files: CampaignFiles;
beforeAll(async () => {
  records = await freshRecords();
});
beforeEach(async () => {
  await records.truncate();
  bench = new SchedulerBench(records, '2026-01-05T08:30:00.000Z');
  folder = await mkdtemp(join(tmpdir(), 'campaigns-'));
  const shared = { records, clock: bench.clock, events: bench.events, environment: testEnvironment() };
  control = new CampaignControl(shared);
  files = makeFiles();
});
afterEach(() => rm(folder, { recursive: true, force: true }));
afterAll(() => records.close());

function makeFiles(more: Partial<CampaignFilesDependencies> = {}): CampaignFiles {
  const { clock, events } = bench;
  return new CampaignFiles({
    records,
    clock,
    events,
    logger: silentLogger,
    campaigns: control,
    environment: testEnvironment(),
    folder,
    ...more,
  });
}

async function write(name: string, more: JsonObject = {}): Promise<void> {
  const definition = {
    name: `Campaign of ${name}`,
    schedule: '0 * * * *',
    steps: [{ name: 'find', engine: 'prospecting', params: {} }],
    ...more,
  };
  await writeFile(join(folder, name), JSON.stringify(definition));
}

async function stored(): Promise<CampaignRow[]> {
  return records.select('campaigns', { order: [{ column: 'name' }] });
}

test('a new file makes a campaign, and scanning again changes nothing', async () => {
  await write('a.json');
  await write('b.json');
  expect(await files.sync()).toMatchObject({ created: 2 });
  const rows = await stored();
  expect(rows).toMatchObject([
    { name: 'Campaign of a.json', source_file: 'a.json', status: 'active', next_run_at: '2026-01-05T09:00:00.000Z' },
    { name: 'Campaign of b.json', source_file: 'b.json' },
  ]);
  expect(await files.sync()).toEqual({ created: 0, replaced: 0, resumed: 0, paused: 0, rejected: 0 });
  expect(await makeFiles().sync()).toMatchObject({ created: 0, replaced: 0 });
  expect(await stored()).toEqual(rows);
});

test('a changed file replaces the definition of its campaign', async () => {
  await write('a.json');
  await files.sync();
  const [before] = await stored();
  await write('a.json', { name: 'Renamed', schedule: '*/5 * * * *' });
  expect(await files.sync()).toMatchObject({ created: 0, replaced: 1 });
  expect(await stored()).toMatchObject([{ id: before?.id, name: 'Renamed', next_run_at: '2026-01-05T08:35:00.000Z' }]);
});

test('a removed file pauses its campaign, and the file that comes back resumes it', async () => {
  await write('a.json');
  await files.sync();
  await rm(join(folder, 'a.json'));
  expect(await files.sync()).toMatchObject({ paused: 1 });
  expect(await files.sync()).toMatchObject({ paused: 0 });
  expect(await stored()).toMatchObject([
    { status: 'paused', paused_by: 'file', status_reason: 'its file a.json is gone' },
  ]);
  bench.clock.set('2026-01-05T09:00:00.000Z');
  await bench.scheduler.runOnce();
  await write('a.json');
  expect(await files.sync()).toMatchObject({ created: 0, replaced: 1, resumed: 1 });
  const [row] = await stored();
  expect(row).toMatchObject({ status: 'active', paused_by: null, next_run_at: '2026-01-05T10:00:00.000Z' });
  expect(await bench.told(row?.id ?? '')).toEqual(['09:00 skipped paused']);
});

test("an operator's pause outlives the coming and going of the file", async () => {
  await write('a.json');
  await files.sync();
  const [row] = await stored();
  await control.pause(row?.id ?? '', 'holidays');
  await rm(join(folder, 'a.json'));
  await files.sync();
  await write('a.json');
  await files.sync();
  expect(await stored()).toMatchObject([{ status: 'paused', paused_by: 'operator', status_reason: 'holidays' }]);
});

test('an operator may resume a campaign whose file is gone', async () => {
  await write('a.json');
  await files.sync();
  await rm(join(folder, 'a.json'));
  await files.sync();
  const [row] = await stored();
  await control.resume(row?.id ?? '');
  await files.sync();
  expect(await stored()).toMatchObject([{ status: 'active' }]);
});

test('a file with problems is told of once for each content, and its campaign keeps its last good definition', async () => {
  await write('a.json');
  await write('b.json');
  await files.sync();
  await write('a.json', { schedule: '61 * * * *' });
  await writeFile(join(folder, 'b.json'), '{ "name": ');
  await write('c.json');
  expect(await files.sync()).toMatchObject({ rejected: 2, created: 1, paused: 0 });
  expect(await files.sync()).toMatchObject({ rejected: 2 });
  const said = bench.said('campaign.file_rejected');
  expect(said.map((facts) => facts['file'])).toEqual(['a.json', 'b.json']);
  expect(JSON.stringify(said[0]?.['problems'])).toContain('minute 61 is above 59');
  expect(await stored()).toMatchObject([{ status: 'active', schedule_cron: '0 * * * *' }, { status: 'active' }, {}]);
  await write('a.json', { schedule: '62 * * * *' });
  await files.sync();
  expect(bench.said('campaign.file_rejected')).toHaveLength(3);
});

test('two replicas that scan at the same moment make each campaign once', async () => {
  for (const name of ['a.json', 'b.json', 'c.json']) await write(name);
  await Promise.all([files.sync(), makeFiles().sync(), makeFiles().sync()]);
  expect((await stored()).map((row) => row.source_file)).toEqual(['a.json', 'b.json', 'c.json']);
});

test('a campaign that was removed over the API stays removed until its file changes', async () => {
  await write('a.json');
  await files.sync();
  const [row] = await stored();
  await control.remove(row?.id ?? '');
  expect(await files.sync()).toMatchObject({ created: 0 });
  await write('a.json', { description: 'wanted again' });
  expect(await files.sync()).toMatchObject({ created: 1 });
  expect((await stored()).filter((other) => other.deleted_at === null)).toMatchObject([
    { description: 'wanted again' },
  ]);
});

test('a folder that cannot be read pauses nothing and does not stop the service', async () => {
  await write('a.json');
  await files.sync();
  await rm(folder, { recursive: true });
  expect(await files.runOnce()).toBe(0);
  expect(await files.runOnce()).toBe(0);
  expect(await stored()).toMatchObject([{ status: 'active' }]);
  expect(bench.said('campaign.file_rejected')).toMatchObject([{ file: folder }]);
});

test('scans again every ten seconds until it is stopped', async () => {
  await files.start();
  await write('a.json');
  const created = new Promise((resolve) => bench.events.subscribe((event) => resolve(event)));
  await bench.clock.untilSleeping();
  await bench.clock.advance(10_000);
  await created;
  expect(await stored()).toHaveLength(1);
  await files.stop();
});

describe('of many files', () => {
  /** What a scan asked the database, and how often parsing asked for its environment. */
  let asked: string[];
  let parsed: number;
  let watching: CampaignFiles;
  beforeEach(() => {
    // Later than any machine's clock: what was written a moment ago counts as settled.
    bench.clock.set('2090-01-02T08:30:00.000Z');
    asked = [];
    parsed = 0;
    const watched = new Proxy<Records>(records, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (first: string, ...others: unknown[]): unknown => {
          asked.push(`${String(name)} ${first}`);
          return (value as (...given: unknown[]) => unknown).call(target, first, ...others);
        };
      },
    });
    const environment = new Proxy<DefinitionEnvironment>(testEnvironment(), {
      get(target, name) {
        parsed += 1;
        return Reflect.get(target, name) as unknown;
      },
    });
    watching = makeFiles({ records: watched, environment });
  });
  const scan = async () => {
    asked = [];
    parsed = 0;
    return watching.sync();
  };
  const LOOK = 'call campaign_files_digest';
  const ROWS = 'select campaigns';

  test('a scan that finds nothing changed reads no file and no row', async () => {
    const steps = [{ name: 'find', engine: 'prospecting', endpoint: 'http://localhost:3010/api/find', params: {} }];
    await write('a.json', { steps });
    await write('b.json', { schedule: 'never' });
    await scan();
    expect(parsed).toBeGreaterThan(0);
    await scan();
    expect(await scan()).toEqual({ created: 0, replaced: 0, resumed: 0, paused: 0, rejected: 1 });
    expect([asked, parsed]).toEqual([[LOOK], 0]);
    await write('a.json', { steps, name: 'Renamed' });
    expect(await scan()).toMatchObject({ replaced: 1, rejected: 1 });
    expect(asked).toEqual([LOOK, ROWS]);
    expect(await stored()).toMatchObject([{ name: 'Renamed' }]);
  });

  test('the same content written anew is read and changes nothing', async () => {
    await write('a.json');
    await scan();
    await scan();
    // Its mark is another one.
    await write('a.json');
    expect(await scan()).toMatchObject({ replaced: 0 });
    expect([asked, parsed]).toEqual([[LOOK, ROWS], 0]);
  });

  test('what another replica did to a campaign is seen without a change of its file', async () => {
    await write('a.json');
    await scan();
    await scan();
    const [row] = await stored();
    // As a replica does whose folder lacks the file.
    await control.pauseForFile(row?.id ?? '', 'gone elsewhere');
    expect(await scan()).toMatchObject({ replaced: 1, resumed: 1 });
    await scan();
    await control.replace(row?.id ?? '', { ...row?.config, description: 'edited by hand' });
    expect(await scan()).toMatchObject({ replaced: 0 });
    expect(asked).toEqual([LOOK]);
    expect(await stored()).toMatchObject([{ status: 'active', description: 'edited by hand' }]);
  });

  test('files that are known already are not parsed at a start, but checked bit by bit afterwards', async () => {
    const steps = [{ name: 'find', engine: 'prospecting', params: { region: '{{ env.REGION }}' } }];
    for (let index = 0; index < 70; index += 1) await write(`${index}.json`, { steps });
    const allowed = makeFiles({ environment: { ...testEnvironment(), referenceNames: ['REGION'] } });
    expect(await allowed.sync()).toMatchObject({ created: 70, rejected: 0 });
    expect(await stored()).toHaveLength(70);
    expect(await watching.sync()).toMatchObject({ created: 0, replaced: 0, paused: 0, rejected: 50 });
    expect(await watching.sync()).toMatchObject({ rejected: 70, paused: 0 });
    expect(await watching.sync()).toMatchObject({ rejected: 70 });
    expect(bench.said('campaign.file_rejected')).toHaveLength(70);
  });

  test('one that the database refuses hinders no other of its batch', async () => {
    for (let index = 0; index < 10; index += 1) await write(`${index}.json`);
    const picky = new Proxy<Records>(records, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (name !== 'insert') return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        return (table: 'campaigns', rows: CampaignRow[], options: object) => {
          if (rows.some((row) => row.source_file === '7.json')) throw new RecordsError('22P05', 'refused');
          return target.insert(table, rows, options);
        };
      },
    });
    const { clock, events } = bench;
    const campaigns = new CampaignControl({ records: picky, clock, events, environment: testEnvironment() });
    const files9 = makeFiles({ campaigns });
    expect(await files9.sync()).toMatchObject({ created: 9 });
    expect(await files9.sync()).toMatchObject({ created: 0 });
    expect(await files.sync()).toMatchObject({ created: 1 });
    expect(bench.said('campaign.changed')).toHaveLength(10);
  });
});
