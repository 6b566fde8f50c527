import { type CampaignFacts, type Evidence, readRecords } from './evidence.ts';
import type { Injected } from './storm.ts';
import type { World } from './world.ts';

/**
 * Ends schedules, waits until everything has settled, and gathers what all who took part have written down.
 * @param settleMs how long runs, and then mails, are given, in milliseconds
 */
export async function gatherEvidence(
  world: World,
  campaigns: CampaignFacts[],
  faults: readonly Injected[],
  settleMs: number,
): Promise<Evidence> {
  const { database, engines, post, people, replicas } = world;
  await people.rest();
  const unsettled = await world.stopSchedules(campaigns);
  unsettled.push(...(await world.settleRuns(settleMs)));
  unsettled.push(...(await world.settleMail(settleMs)));
  await people.leave();
  return {
    campaigns,
    ...(await readRecords(database)),
    calls: engines.calls,
    letters: post.letters,
    promised: people.promised,
    decisions: people.decisions,
    faults,
    pauses: new Map(replicas.map(({ name, pausedAt }) => [name, pausedAt])),
    accidents: replicas.flatMap((replica) => replica.accidents),
    badStops: replicas.flatMap((replica) => replica.badStops),
    unsettled,
  };
}

/** Messages of level error in the logs of the service, each once with its number. */
export function errorLines(world: World): string[] {
  const counts = new Map<string, number>();
  for (const { log } of world.replicas)
    for (const line of log.split('\n')) {
      const message = /"level":"error"/.test(line) ? /"message":"([^"]*)"/.exec(line)?.[1] : undefined;
      if (message !== undefined) counts.set(message, (counts.get(message) ?? 0) + 1);
    }
  return [...counts].map(([message, count]) => `logged as error ${count} times: ${message}`);
}
