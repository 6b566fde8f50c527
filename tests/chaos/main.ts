import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { runChaos } from './chaos.ts';
import { type ChaosReport, render } from './report.ts';
import { runSchedule } from './schedule.ts';

const USAGE = `npm run chaos -- [--minutes N] [--seed S] [--replicas R] [--json FILE] [--logs FOLDER]
npm run chaos -- --schedule [--minutes N] [--campaigns C] [--replicas R] [--json FILE]

Runs the service as real processes on a real Postgres, with faults at random instants, and checks from the records of the
engines and of the mail server that nothing was lost and nothing was done twice. With --schedule
there are no faults: C campaigns are due each minute, and each runs once each time. Ends with 0 when every invariant held.`;

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string' },
    replicas: { type: 'string', default: '3' },
    schedule: { type: 'boolean', default: false },
    campaigns: { type: 'string', default: '200' },
    json: { type: 'string' },
    logs: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

async function main(): Promise<void> {
  if (values.help) return console.log(USAGE);
  const report = await (values.schedule ? schedule() : faults());
  console.log(`\n${render(report)}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  // By itself: the package that brings Postgres hooks into the end of the process and would end it with 0.
  process.exit(report.held ? 0 : 1);
}

const begun = Date.now();
const say = (line: string) => console.log(`${((Date.now() - begun) / 1_000).toFixed(0).padStart(4)} s  ${line}`);

function faults(): Promise<ChaosReport> {
  return runChaos({
    seed: values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : Number(values.seed),
    seconds: Number(values.minutes) * 60,
    replicas: Number(values.replicas),
    guests: 2,
    size: { each: 4, everySeconds: [5, 10, 15, 60], paceMs: 100 },
    everyMs: [300, 3_000],
    atOnce: 3,
    settleMs: 180_000,
    ...(values.logs === undefined ? {} : { logs: values.logs }),
    say,
  });
}

function schedule(): Promise<ChaosReport> {
  return runSchedule({
    replicas: Number(values.replicas),
    campaigns: Number(values.campaigns),
    everySeconds: 60,
    rounds: Number(values.minutes),
    paceMs: 20,
    settleMs: 120_000,
    say,
  });
}

await main();
