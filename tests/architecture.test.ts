import { describe, expect, test } from '@jest/globals';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const ROOT = join(import.meta.dirname, '..');

/** Which folders and files the files of a folder may import from, beside their own. Type imports are free. */
const ALLOWED: Record<string, readonly string[]> = {
  'orchestrator.ts': ['runs', 'budget', 'campaigns', 'database', 'shared'],
  api: ['campaigns', 'database', 'generation', 'knowledge', 'moves', 'runs', 'scheduler', 'shared'],
  budget: ['database', 'shared'],
  campaigns: ['steps/registry.ts', 'scheduler/calendar.ts', 'shared'],
  database: ['shared'],
  generation: ['shared'],
  knowledge: ['database', 'shared'],
  moves: ['database', 'generation', 'knowledge', 'shared'],
  notifications: ['campaigns/definition.ts', 'database', 'shared'],
  runs: ['budget', 'campaigns', 'database', 'notifications', 'shared', 'steps'],
  sandbox: ['shared'],
  scheduler: ['campaigns', 'database', 'shared'],
  shared: [],
  steps: ['generation', 'moves', 'shared'],
};

interface Import {
  from: string;
  to: string;
  typeOnly: boolean;
}

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((file) => file !== '' && !file.startsWith('tests/'));

const imports: Import[] = files.flatMap((file) => {
  const source = readFileSync(join(ROOT, file), 'utf8');
  return [...source.matchAll(/^(?:import|export)\s+(type\s+)?[^;'"]*?from\s+'(\.[^']+)';/gms)].map((found) => ({
    from: file,
    to: normalize(join(dirname(file), found[2] ?? '')),
    typeOnly: found[1] !== undefined,
  }));
});

const place = (file: string) => (file.includes('/') ? (file.split('/')[0] as string) : file);

describe('architecture', () => {
  test('every folder with code stands in the table', () => {
    const places = new Set(files.map(place).filter((name) => name !== 'server.ts'));
    expect(places).toEqual(new Set(Object.keys(ALLOWED)));
  });

  test('imports stay within the table', () => {
    const strays = imports
      .filter(({ from, to, typeOnly }) => {
        if (typeOnly || from === 'server.ts' || place(from) === place(to)) return false;
        const allowed = ALLOWED[place(from)] ?? [];
        return !allowed.includes(place(to)) && !allowed.includes(to);
      })
      .map(({ from, to }) => `${from} -> ${to}`);
    expect(strays).toEqual([]);
  });

  test('nobody imports the composition root', () => {
    expect(imports.filter(({ to }) => to === 'server.ts')).toEqual([]);
  });

  test('no import cycle between files', () => {
    const edges = new Map<string, string[]>();
    for (const { from, to, typeOnly } of imports) if (!typeOnly) edges.set(from, [...(edges.get(from) ?? []), to]);
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, path: readonly string[]) => {
      if (path.includes(file)) cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      if (done.has(file) || path.includes(file)) return;
      for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
      done.add(file);
    };
    for (const file of files) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test('only the configuration reads the environment', () => {
    const readers = files.filter((file) => /process\.env\b/.test(readFileSync(join(ROOT, file), 'utf8')));
    expect(readers.filter((file) => file !== 'sandbox/demo.ts')).toEqual(['shared/config.ts']);
  });

  test('every error code of the code stands in docs/errors.md, and no other', () => {
    const sources = execFileSync('git', ['ls-files', 'database/supabase'], { cwd: ROOT, encoding: 'utf8' }).split('\n');
    const codes = new Set<string>();
    for (const file of [...files, ...sources].filter(
      (name) => /\.(ts|sql)$/.test(name) && !name.startsWith('sandbox/'),
    ))
      for (const found of readFileSync(join(ROOT, file), 'utf8').matchAll(
        /'([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|INTERNAL|UNAUTHENTICATED)'/g,
      ))
        if (!isForeign(found[1] as string)) codes.add(found[1] as string);
    const documented = [...readFileSync(join(ROOT, 'docs/errors.md'), 'utf8').matchAll(/^\| `([A-Z0-9_]+)` /gm)].map(
      (row) => row[1],
    );
    expect(new Set(documented)).toEqual(codes);
    expect(documented).toHaveLength(codes.size);
  });
});

/** Constants in capitals that are no error codes of ours: environment variables, and codes of Node, undici and TLS. */
function isForeign(name: string): boolean {
  if (/^(UND_ERR_|ERR_|HPE_|CERT_|EAI_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_)/.test(name)) return true;
  return (
    new RegExp(`^#?${name}=`, 'm').test(readFileSync(join(ROOT, '.env.template'), 'utf8')) || name === 'SLACK_WEBHOOK'
  );
}
