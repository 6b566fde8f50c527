import { type CampaignSize, chaosCampaigns } from './campaigns.ts';
import { Dice } from './dice.ts';
import { errorLines, gatherEvidence } from './ending.ts';
import { type FaultKind, faultKinds } from './faults.ts';
import { type ChaosReport, judge } from './report.ts';
import { storm } from './storm.ts';
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
  const { seed, seconds, replicas, guests, kinds = faultKinds, say = () => undefined } = options;
  say(`seed ${seed}: starting Postgres and ${replicas} replicas`);
  await using world = await World.make({ seed, replicas, guests, leaseMs: LEASE_MS });
  const campaigns = await world.create(chaosCampaigns(options.size, Date.now()));
  const byHand = campaigns.filter(({ campaign }) => campaign.kind === 'manual' || campaign.kind === 'queue');
  world.people.come(byHand.map(({ id }) => id));
  say(`${campaigns.length} campaigns; ${kinds.length} kinds of fault for ${seconds} s`);
  const ground = { ...world.parts, dice: Dice.from(seed, 'faults'), usual: replicas, leaseMs: LEASE_MS };
  const { everyMs, atOnce } = options;
  const faults = await storm(ground, { kinds, forMs: seconds * 1_000, everyMs, atOnce });
  say(`${faults.length} faults; mending, then waiting until all has settled`);
  await world.heal();
  const evidence = await gatherEvidence(world, campaigns, faults, options.settleMs);
  say('judging');
  if (options.logs !== undefined) await world.keepLogs(options.logs);
  const notes = [...world.people.complaints, ...evidence.badStops, ...errorLines(world)];
  return judge(evidence, { mode: 'faults', seed, seconds, replicas, notes });
}
