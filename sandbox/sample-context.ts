import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** The files of the sample context. */
export const SAMPLE_CONTEXT = join(import.meta.dirname, 'sample-context');
const KPI_FILES = ['subscriptions.csv', 'ads.csv'];

const DAY_MS = 86_400_000;
const DAY = /\b\d{4}-\d\d-\d\d\b/g;
const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10);

/**
 * Brings the sample's KPI files to a day: they are written into the folder with their days moved by whole weeks, so that the last of them is one
 * to seven days back.
 * @param now milliseconds since the epoch; the service knows days of UTC, and so does this
 * @returns what POST /api/plans takes, for a plan that begins on the first day of these files
 */
export async function sampleContext(kpiFolder: string, now: number): Promise<Record<string, unknown>> {
  const files = await Promise.all(
    KPI_FILES.map(async (name) => ({ name, text: await readFile(join(SAMPLE_CONTEXT, name), 'utf8') })),
  );
  const days = files.flatMap(({ text }) => text.match(DAY) ?? []).toSorted();
  const [first = '', last = ''] = [days[0], days.at(-1)];
  const yesterday = Date.parse(dayOf(now)) - DAY_MS;
  const moved = Math.floor((yesterday - Date.parse(last)) / (7 * DAY_MS)) * 7 * DAY_MS;
  const later = (day: string) => dayOf(Date.parse(day) + moved);
  await mkdir(kpiFolder, { recursive: true });
  for (const { name, text } of files) await writeFile(join(kpiFolder, name), text.replaceAll(DAY, later));
  const plan = JSON.parse(await readFile(join(SAMPLE_CONTEXT, 'plan.json'), 'utf8')) as Record<string, unknown>;
  return { ...plan, startsOn: later(first) };
}

if (import.meta.main) {
  const [folder] = process.argv.slice(2);
  if (folder === undefined) {
    process.stderr.write('usage: npm run -s sample-plan -- <folder of KPI_DIR>\n');
    process.exitCode = 1;
  } else process.stdout.write(`${JSON.stringify(await sampleContext(folder, Date.now()), null, 2)}\n`);
}
