import { setTimeout as delay } from 'node:timers/promises';
import { chaosCampaign } from './campaigns.ts';
import { errorLines, gatherEvidence } from './ending.ts';
import { groupBy } from './engine-records.ts';
import type { CampaignFacts, Evidence } from './evidence.ts';
import { invariants } from './invariants.ts';
import { type ChaosReport, judge } from './report.ts';
import { World } from './world.ts';

export interface ScheduleOptions {
  replicas: number;
  campaigns: number;
  /** Seconds from one nominal time, at which all campaigns are due, to the next; divides a minute. */
  everySeconds: number;
  /** How many nominal times. */
  rounds: number;
  paceMs: number;
  /** How long runs and mails are given to settle, in milliseconds, each. */
  settleMs: number;
  say?: (line: string) => void;
}

/** All campaigns due at the same moments on several replicas, and nothing at fault: each runs once each time. */
export async function runSchedule(options: ScheduleOptions): Promise<ChaosReport> {
  const { replicas, campaigns: number, everySeconds, rounds, say = () => undefined } = options;
  await using world = await World.make({ seed: 1, replicas, guests: 0, leaseMs: 30_000 });
  const made = Array.from({ length: number }, (_, place) => onSchedule(place, everySeconds, options.paceMs));
  const campaigns = await world.create(made);
  world.people.come([]);
  const first = await switchOn(world, everySeconds);
  for (const each of campaigns) each.firstFire = first;
  say(`${number} campaigns are due every ${everySeconds} s, ${rounds} times, on ${replicas} replicas`);
  await roundsDone(world, first + (rounds - 1) * everySeconds * 1_000);
  say('waiting until all has settled');
  const evidence = await gatherEvidence(world, campaigns, [], options.settleMs);
  const exactly = {
    name: 'every step of every due time was called once',
    violations: (found: Evidence) => notOnce(found),
  };
  const report = judge(
    evidence,
    { mode: 'schedule', seed: 1, seconds: rounds * everySeconds, replicas, notes: errorLines(world) },
    [...invariants, exactly],
  );
  Object.assign(report.counts, lags(evidence));
  return report;
}

/** Made switched off, so that all are switched on at once. */
function onSchedule(place: number, everySeconds: number, paceMs: number) {
  const campaign = chaosCampaign('queue', place, everySeconds, null, paceMs, Date.now());
  const { schedule, ...rest } = campaign.definition;
  return { ...campaign, definition: { ...rest, schedule: { ...(schedule as object), enabled: false } } };
}

/** Makes all campaigns due from the next nominal time that is two seconds away or more; returns it. */
async function switchOn(world: World, everySeconds: number): Promise<number> {
  const step = everySeconds * 1_000;
  const first = Math.ceil((Date.now() + 2_000) / step) * step;
  await world.database.ask(
    `update campaigns set config = jsonb_set(config, '{schedule,enabled}', 'true'), next_run_at = $1, due_at = $1,
       version = version + 1`,
    [new Date(first).toISOString()],
  );
  return first;
}

/** Resolves when nothing is due up to this nominal time any more. */
async function roundsDone(world: World, last: number): Promise<void> {
  for (;;) {
    const [row] = await world.database.ask<{ left: number }>(
      'select count(*)::int as left from campaigns where next_run_at <= $1',
      [new Date(last).toISOString()],
    );
    if (row?.left === 0) return;
    await delay(100);
  }
}

/** What the engines saw other than one call for each step of each nominal time. */
function notOnce({ campaigns, calls }: Evidence): string[] {
  const seen = groupBy(calls, ({ campaignId, scheduledFor, step }) => `${campaignId} ${scheduledFor} ${step}`);
  const expected = campaigns.flatMap((facts) =>
    nominal(facts).flatMap((time) => ['find', 'look', 'write', 'send'].map((step) => `${facts.id} ${time} ${step}`)),
  );
  const wrong = expected.filter((name) => seen.get(name)?.length !== 1);
  return [
    ...wrong.map((name) => `${name} was called ${seen.get(name)?.length ?? 0} times`),
    ...(seen.size > expected.length ? [`${seen.size - expected.length} calls were for nothing that was due`] : []),
  ];
}

function nominal({ firstFire, stoppedAt, campaign }: CampaignFacts): string[] {
  const step = (campaign.everySeconds ?? 60) * 1_000;
  const rounds = ((stoppedAt ?? 0) - (firstFire ?? 0)) / step;
  return Array.from({ length: rounds }, (_, round) => new Date((firstFire ?? 0) + round * step).toISOString());
}

/** How long after their nominal time runs started, and reached their first engine, in milliseconds. */
function lags({ calls, runs }: Evidence): Record<string, number> {
  const started = runs.flatMap(({ startLagMs }) => (startLagMs === null ? [] : [startLagMs]));
  const called = calls
    .filter(({ step, scheduledFor }) => step === 'find' && scheduledFor !== null)
    .map(({ beganAt, scheduledFor }) => beganAt - Date.parse(scheduledFor ?? ''));
  return { ...spread('lag of starts', started), ...spread('lag of first calls', called) };
}

function spread(name: string, values: readonly number[]): Record<string, number> {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { [`${name}, p50 (ms)`]: at(0.5), [`${name}, p99 (ms)`]: at(0.99), [`${name}, last (ms)`]: at(1) };
}
