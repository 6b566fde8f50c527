import { type CampaignSize, type ChaosCampaign, chaosCampaigns } from './campaigns.ts';
import { Dice } from './dice.ts';
import { type Evidence, readRecords } from './evidence.ts';
import { type FaultKind, faultKinds } from './faults.ts';
import { type ChaosReport, judge } from './report.ts';
import { type Injected, storm } from './storm.ts';
import { World } from './world.ts';

export interface ChaosOptions {
  seed: number;
  /** How long faults are injected, in seconds. */
  seconds: number;
  replicas: number;
  /** Places for replicas that come and go. */
  guests: number;
  size: CampaignSize;
  /** The shortest and the longest time from one fault to the next, in milliseconds. */
  everyMs: readonly [number, number];
  atOnce: number;
  kinds?: readonly FaultKind[];
  /** How long runs and mails are given to settle once all is mended, in milliseconds, each. */
  settleMs: number;
  /** Where the logs of the replicas are kept, a file each. */
  logs?: string;
  /** Told how it goes on. */
  say?: (line: string) => void;
}

const LEASE_MS = 5_000;

/** Runs the service under faults, mends everything, waits until all has settled, and judges what came out. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, replicas, guests, say = () => undefined } = options;
  say(`seed ${seed}: starting Postgres and ${replicas} replicas`);
  await using world = await World.make({ seed, replicas, guests, leaseMs: LEASE_MS });
  const campaigns = chaosCampaigns(options.size, Date.now());
  const evidence = await liveThrough(world, campaigns, options, say);
  if (options.logs !== undefined) await world.keepLogs(options.logs);
  const notes = [...world.people.complaints, ...evidence.badStops, ...errorLines(world)];
  return judge(evidence, { seed, seconds: options.seconds, replicas, notes });
}

async function liveThrough(
  world: World,
  campaigns: readonly ChaosCampaign[],
  options: ChaosOptions,
  say: (line: string) => void,
): Promise<Evidence> {
  const { database, engines, post, people, replicas } = world;
  const facts = await world.create(campaigns);
  const byHand = facts.filter(({ campaign }) => campaign.kind === 'manual' || campaign.kind === 'queue');
  const peopleAtWork = people.work(byHand.map(({ id }) => id));
  const kinds = options.kinds ?? faultKinds;
  say(`${campaigns.length} campaigns; ${kinds.length} kinds of fault for ${options.seconds} s`);
  const dice = Dice.from(options.seed, 'faults');
  const ground = { dice, replicas, usual: options.replicas, leaseMs: LEASE_MS, database, engines, post };
  const faults: Injected[] = await storm(ground, {
    kinds,
    forMs: options.seconds * 1_000,
    everyMs: options.everyMs,
    atOnce: options.atOnce,
  });
  say(`${faults.length} faults; mending, then waiting until all has settled`);
  await world.heal();
  await people.rest();
  const unsettled = await world.stopSchedules(facts);
  unsettled.push(...(await world.settleRuns(options.settleMs)));
  unsettled.push(...(await world.settleMail(options.settleMs)));
  people.stop();
  await peopleAtWork;
  say('judging');
  return {
    campaigns: facts,
    ...(await readRecords(database)),
    calls: engines.calls,
    letters: post.letters,
    promised: people.promised,
    decisions: people.decisions,
    faults,
    accidents: replicas.flatMap((replica) => replica.accidents),
    badStops: replicas.flatMap((replica) => replica.badStops),
    unsettled,
  };
}

/** Messages of level error in the logs of the service, each once with its number. */
function errorLines(world: World): string[] {
  const counts = new Map<string, number>();
  for (const { log } of world.replicas)
    for (const line of log.split('\n')) {
      const message = /"level":"error"/.test(line) ? /"message":"([^"]*)"/.exec(line)?.[1] : undefined;
      if (message !== undefined) counts.set(message, (counts.get(message) ?? 0) + 1);
    }
  return [...counts].map(([message, count]) => `logged as error ${count} times: ${message}`);
}
