import { writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { startPostgres } from '../support/postgres.ts';
import { measureMemory } from './memory.ts';
import { type BenchReport, renderBench } from './report.ts';
import { measureRestart, measureScale } from './scale.ts';
import { measureThroughput } from './throughput.ts';

const USAGE = `npm run bench -- [--quick] [--only throughput|scale|memory] [--campaigns N] [--json FILE]

Measures this service beside pg-boss and beside the bare group commit that the machine can do, in one run on a real Postgres,
and prints the ratios; then many campaigns in one process; then how fast a session has its state again. docs/performance.md says what bounds each figure.`;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string' },
    campaigns: { type: 'string', default: '10000' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

/** Runs in flight, runs a round, rounds. */
const LOADS: readonly [number, number, number][] = values.quick
  ? [
      [1, 100, 1],
      [50, 2_000, 1],
      [1_000, 4_000, 1],
    ]
  : [
      [1, 300, 3],
      [50, 5_000, 3],
      [1_000, 10_000, 3],
    ];

const isWanted = (part: string) => values.only === undefined || values.only === part;

async function bench(): Promise<BenchReport> {
  const report: BenchReport = { cores: availableParallelism(), node: process.version, throughput: [] };
  const postgres = await startPostgres({ durable: true });
  try {
    if (isWanted('throughput'))
      for (const [inFlight, runs, rounds] of LOADS)
        report.throughput.push(await measureThroughput(postgres, inFlight, runs, rounds));
    if (isWanted('scale')) {
      report.restart = await measureRestart(postgres, 90);
      report.scale = await measureScale(postgres, Number(values.campaigns), values.quick ? 15 : 60);
    }
    if (isWanted('memory')) report.memory = await measureMemory(postgres, values.quick ? 100 : 1_000);
    return report;
  } finally {
    await postgres.stop();
  }
}

if (values.help) console.log(USAGE);
else {
  const report = await bench();
  console.log(renderBench(report));
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  // By itself: the package that brings Postgres hooks into the end of the process.
  process.exit(0);
}
