import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { listCampaignFiles } from '../../campaigns/folder.ts';
import {
  type LoadedCampaign,
  parseCampaignText,
  readCampaignFile,
  type RejectedCampaign,
  rejectFolder,
} from '../../campaigns/load.ts';
import { campaign, CAMPAIGNS, environment } from './support.ts';

let folder: string;
beforeEach(async () => (folder = await mkdtemp(join(tmpdir(), 'campaigns-'))));
afterEach(async () => rm(folder, { recursive: true }));

const put = (file: string, content: string | Uint8Array) => writeFile(join(folder, file), content);
/** Reads all of a folder. */
async function load(from = folder) {
  const loaded: LoadedCampaign[] = [];
  const rejected: RejectedCampaign[] = [];
  for (const { file } of await listCampaignFiles(from)) {
    const text = await readCampaignFile(from, file);
    const result = 'problems' in text ? text : parseCampaignText(text, environment);
    if ('problems' in result) rejected.push(result);
    else loaded.push(result);
  }
  return { loaded, rejected };
}
async function reasonFor(content: string | Uint8Array): Promise<string> {
  await put('x.json', content);
  const { loaded, rejected } = await load();
  expect(loaded).toEqual([]);
  expect(rejected.map(({ file }) => file)).toEqual(['x.json']);
  return rejected[0]?.problems[0]?.message ?? '';
}

describe('a folder of campaigns', () => {
  test('that ships gives five campaigns', async () => {
    const { loaded, rejected } = await load(CAMPAIGNS);
    expect(rejected).toEqual([]);
    expect(loaded.map(({ file }) => file)).toEqual([
      'monthly-retail.json',
      'plan-monitoring.json',
      'test-campaign.json',
      'weekly-moves.json',
      'weekly-restaurant.json',
    ]);
  });

  test('gives each file with the hash of its bytes, in order of name', async () => {
    const text = JSON.stringify(campaign());
    await put('b.json', text);
    await put('a.json', JSON.stringify(campaign({ name: 'A' })));
    const { loaded } = await load();
    expect(loaded.map(({ file, definition }) => [file, definition.name])).toEqual([
      ['a.json', 'A'],
      ['b.json', 'Test'],
    ]);
    expect(loaded[1]?.hash).toBe(createHash('sha256').update(text).digest('hex'));
  });

  test('goes on past files that are no campaigns', async () => {
    await put('a-broken.json', '{"name": ');
    await put('b-good.json', JSON.stringify(campaign()));
    await put('c-wrong.json', JSON.stringify({ name: 'x', steps: [{ engine: 'nope' }], zzz: 1 }));
    await mkdir(join(folder, 'd-folder.json'));
    await symlink(join(folder, 'nowhere'), join(folder, 'e-dangling.json'));
    await put('f-good.json', JSON.stringify(campaign()));
    const { loaded, rejected } = await load();
    expect(loaded.map(({ file }) => file)).toEqual(['b-good.json', 'f-good.json']);
    expect(rejected.map(({ file, problems }) => [file, problems.length])).toEqual([
      ['a-broken.json', 1],
      ['c-wrong.json', 2],
      ['d-folder.json', 1],
      ['e-dangling.json', 1],
    ]);
    expect(rejected[1]?.problems[0]).toMatchObject({ path: 'steps[0].engine' });
  });

  test('leaves out the schema, hidden files and everything that is not .json', async () => {
    for (const file of ['campaign.schema.json', '.draft.json', 'notes.md', 'a.json.bak']) await put(file, '{');
    expect(await load()).toEqual({ loaded: [], rejected: [] });
  });

  test('may have files with a byte order mark', async () => {
    await put('bom.json', `\uFEFF${JSON.stringify(campaign())}`);
    expect((await load()).loaded).toHaveLength(1);
  });

  test('that is missing is itself what is rejected', async () => {
    const missing = join(folder, 'missing');
    const error: unknown = await listCampaignFiles(missing).catch((thrown: unknown) => thrown);
    expect(rejectFolder(missing, error)).toMatchObject({
      file: missing,
      problems: [
        { message: expect.stringContaining('cannot be read'), mend: expect.stringContaining('CAMPAIGNS_DIR') },
      ],
    });
  });

  test('a rejected file that changes has another hash', async () => {
    await put('x.json', '{');
    const before = (await load()).rejected[0]?.hash;
    await put('x.json', '{}');
    expect((await load()).rejected[0]?.hash).not.toBe(before);
  });

  test.each([
    ['', 'is empty'],
    [' \n', 'is empty'],
    [
      '{\n  "name": "x",\n  "steps": [],\n}',
      'is not JSON: at line 4, column 1, "}" stands where a name in double quotes belongs',
    ],
    ['{\r\n  "name" "x"\r\n}', 'is not JSON: at line 2, column 10, "\\"" stands where : belongs'],
    ['{"a": 1,\n "a": 2}', 'has the name "a" twice in one object, the second time at line 2, column 2'],
    ['{"a": 1 "b": 2}', 'is not JSON: at line 1, column 9, "\\"" stands where , or } belongs'],
    ["{'a': 1}", 'is not JSON: at line 1, column 2, "\'" stands where a name in double quotes or } belongs'],
    ['{"a": [1, 2', 'is not JSON: at line 1, column 12, the file ends where , or ] belongs'],
    ['// hello\n{}', 'is not JSON: at line 1, column 1, "/" stands where a value belongs'],
    ['{"a": tru}', 'is not JSON: at line 1, column 7, "t" stands where a value belongs'],
    ['{"a": 01}', 'is not JSON: at line 1, column 7, "0" stands where a value belongs'],
    ['{"a": "line\nbreak"}', 'is not JSON: at line 1, column 7, "\\"" stands where a value belongs'],
    ['{"a": "C:\\x"}', 'is not JSON: at line 1, column 7, "\\"" stands where a value belongs'],
    ['{} {}', 'is not JSON: at line 1, column 4, "{" stands where the end of the file belongs'],
    ['{"a": 1]', 'is not JSON: at line 1, column 8, "]" stands where , or } belongs'],
    ['[1,]', 'is not JSON: at line 1, column 4, "]" stands where a value belongs'],
    ['{"a":\u00a01}', 'is not JSON: at line 1, column 6, "\u00a0" stands where a value belongs'],
    ['{"a": NaN}', 'is not JSON: at line 1, column 7, "N" stands where a value belongs'],
    ['{"a": 🍝}', 'is not JSON: at line 1, column 7, "🍝" stands where a value belongs'],
  ])('tells where JSON breaks: %j', async (text, message) => {
    expect(await reasonFor(text)).toBe(message);
  });

  test.each([
    ['{"a": 1,}', 'remove the comma before }'],
    ['[1,]', 'remove the comma before ]'],
    ['{"a": 1 "b": 2}', 'put a comma before this'],
    ['{} // end', 'JSON has no comments; remove this one'],
    ["{'a': 1}", 'write double quotes instead of single ones'],
    ['{a: 1}', 'put it in double quotes'],
    ['{"a": "C:\\x"}', 'a text ends on its own line, and \\ in it is written \\\\'],
    ['{', 'the file ends too early; is the end of it missing, or a closing bracket?'],
  ])('tells how to mend %j', async (text, mend) => {
    await put('x.json', text);
    expect((await load()).rejected[0]?.problems[0]?.mend).toBe(mend);
  });

  test('bytes that are no text, and texts of megabytes, are told of', async () => {
    expect(await reasonFor(new Uint8Array([0x7b, 0xff, 0xfe]))).toBe('is not UTF-8 text');
    expect(await reasonFor(`{"a": "${'\\n'.repeat(3_000_000)}" x}`)).toContain('column 6000010, "x" stands');
    expect(await reasonFor('['.repeat(200_000))).toContain('column 200001, the file ends');
    expect(await reasonFor(`"${'x'.repeat(9_000_000)}"`)).toBe('is larger than 8 MiB');
  });
});
