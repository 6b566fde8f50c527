import { describe, expect, test } from '@jest/globals';
import { runChaos } from './chaos.ts';
import { faultKinds } from './faults.ts';
import { type ChaosReport, render } from './report.ts';
import { runSchedule } from './schedule.ts';

/** What `npm run chaos` has more of: these last too long, or need a machine of their own. */
const AT_LENGTH_ONLY = /fast|within its lease|one replica cut|left for good/;

function broken({ verdicts }: ChaosReport): string[] {
  return verdicts.filter(({ held }) => !held).map(({ invariant }) => invariant);
}

describe('several replicas on one Postgres', () => {
  test('lose nothing and do nothing twice while processes, connections, clocks and servers fail', async () => {
    const kinds = faultKinds.filter(({ name }) => !AT_LENGTH_ONLY.test(name));
    const report = await runChaos({
      seed: 20_261_121,
      seconds: 12,
      replicas: 2,
      guests: 1,
      size: { each: 1, everySeconds: [3, 4, 5], paceMs: 40 },
      everyMs: [300, 900],
      atOnce: 4,
      kinds,
      settleMs: 90_000,
    });
    expect(broken(report).length === 0 ? '' : render(report)).toBe('');
    expect(Object.keys(report.faults).length).toBeGreaterThanOrEqual(5);
    expect(report.counts['sends at the engine']).toBeGreaterThan(0);
    expect(report.counts['mails']).toBeGreaterThan(0);
  }, 240_000);

  test('run each campaign once for each time at which all of them are due', async () => {
    const report = await runSchedule({
      replicas: 2,
      campaigns: 50,
      everySeconds: 5,
      rounds: 2,
      paceMs: 5,
      settleMs: 90_000,
    });
    expect(broken(report).length === 0 ? '' : render(report)).toBe('');
    expect(report.counts['runs']).toBeGreaterThanOrEqual(100);
    expect(report.counts['runs']).toBe(report.counts['fires']);
    expect(report.counts['engine calls']).toBe(4 * (report.counts['runs'] ?? 0));
  }, 240_000);
});
