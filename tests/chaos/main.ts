import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { render } from './report.ts';

const USAGE = `npm run chaos -- [--minutes N] [--seed S] [--replicas R] [--json FILE] [--logs FOLDER]

Runs the service as real processes on a real Postgres, with faults at random instants, and checks from the records of the
engines and of the mail server that nothing was lost and nothing was done twice. Ends with 0 when every invariant held.`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    replicas: { type: 'string', default: '3' },
    json: { type: 'string' },
    logs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  if (values.help) return console.log(USAGE);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed);
  const begun = Date.now();
  const report = await runChaos({
    seed,
    seconds: Number(values.minutes) * 60,
    replicas: Number(values.replicas),
    guests: 2,
    size: { each: 4, everySeconds: [5, 10, 15, 60], paceMs: 100 },
    everyMs: [300, 3_000],
    atOnce: 3,
    settleMs: 180_000,
    ...(values.logs === undefined ? {} : { logs: values.logs }),
    say: (line) => console.log(`${((Date.now() - begun) / 1_000).toFixed(0).padStart(4)} s  ${line}`),
  });
  console.log(`\n${render(report)}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  process.exitCode = report.held ? 0 : 1;
}

await main();
