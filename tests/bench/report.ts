import type { Drain } from './measure.ts';
import type { MemoryReport, Recovery } from './memory.ts';
import type { HerdReport, IdleReport, OrdinaryReport, RestartReport } from './scale.ts';
import type { ThroughputReport } from './throughput.ts';

export interface BenchReport {
  cores: number;
  node: string;
  throughput: ThroughputReport[];
  restart?: RestartReport;
  scale?: { idle: IdleReport | null; ordinary: OrdinaryReport; herd: HerdReport };
  memory?: MemoryReport;
}

const times = (a: Drain, b: Drain) => `${(a.perSecond / b.perSecond).toFixed(2)}×`;
const ms = (value: number) => `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
const seconds = (value: number) => `${value.toFixed(1)} s`;

/** For people: the ratios first, then what they are made of. */
export function renderBench(report: BenchReport): string {
  const lines = [`${report.cores} cores, Node ${report.node}, Postgres on the same machine, fsync on.`, ''];
  for (const each of report.throughput) lines.push(...throughputLines(each), '');
  if (report.restart) lines.push(...restartLines(report.restart), '');
  if (report.scale) lines.push(...scaleLines(report.scale), '');
  if (report.memory) lines.push(...memoryLines(report.memory));
  return lines.join('\n').trimEnd();
}

function throughputLines(report: ThroughputReport): string[] {
  const { inFlight, ours, oursWithMoney, pgBoss, pgBossFullRecord, floor } = report;
  const row = (name: string, drain: Drain) =>
    `  ${name.padEnd(38)} ${drain.perSecond.toFixed(0).padStart(7)}  ${ms(drain.p50Ms).padStart(8)}  ${ms(drain.p99Ms).padStart(8)}`;
  return [
    `Durable runs of 4 steps, ${inFlight} in flight            runs/s       p50       p99`,
    row('this service', ours),
    row('this service, with budgets', oursWithMoney),
    row('pg-boss in batches, a row a step', pgBoss),
    row('pg-boss in batches, the same record', pgBossFullRecord),
    row('group commit of bare rows (the floor)', floor),
    `  ratios: ${times(ours, pgBoss)} pg-boss, ${times(ours, pgBossFullRecord)} pg-boss with the same record, ${times(ours, floor)} the floor` +
      (inFlight === 1 ? `; overhead a step ${ms(ours.p50Ms / 4)}` : ''),
  ];
}

function restartLines({ runs, firstSeconds, lastSeconds }: RestartReport): string[] {
  return [
    `After kill -9 with ${runs} runs in the middle of a step, from ready until they go on: first ${seconds(firstSeconds)}, last ${seconds(lastSeconds)}.`,
  ];
}

function scaleLines({ idle, ordinary, herd }: NonNullable<BenchReport['scale']>): string[] {
  return [
    ...(idle
      ? [
          `With ${idle.campaigns} campaigns: ready after ${seconds(idle.startUpSeconds)}; at rest ${idle.corePercent.toFixed(1)} % of a core and ${idle.residentMb.toFixed(0)} MB.`,
        ]
      : []),
    `${ordinary.campaigns} of them due: started ${ms(ordinary.lagP50Ms)} (p50) and ${ms(ordinary.lagP99Ms)} (p99) after their time.`,
    `All ${herd.campaigns} due at once: the last run started after ${seconds(herd.lastStartedSeconds)}, the last ended after ${seconds(herd.lastEndedSeconds)};`,
    `  lag p50 ${ms(herd.lagP50Ms)}, p99 ${ms(herd.lagP99Ms)}; event loop late by at most ${ms(herd.stalls.stallMs)}, its own work in one turn at most ${ms(herd.stalls.workedMs)} (collector ${ms(herd.stalls.collectedMs)}); memory at most ${herd.peakMb.toFixed(0)} MB.`,
  ];
}

function memoryLines({ stateBytes, recoveries, process, redis, postgres }: MemoryReport): string[] {
  const shown = (recovery: Recovery | null) =>
    recovery ? `${ms(recovery.p50Ms)} / ${ms(recovery.p95Ms)}` : 'not measured: no redis-server';
  return [
    `Cached state recovery, ${(stateBytes / 1_000).toFixed(0)} KB (p50 / p95 of ${recoveries}): in process ${shown(process)}, with Redis ${shown(redis)}, from Postgres ${shown(postgres)}.`,
  ];
}
