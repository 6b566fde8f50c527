import { describe, expect, test } from '@jest/globals';
import { chaosCampaign } from './campaigns.ts';
import type { EngineCall } from './engine-records.ts';
import type { Evidence } from './evidence.ts';
import { invariants } from './invariants.ts';
import type { Letter } from './post.ts';

const NINE = Date.parse('2026-01-05T09:00:00.000Z');
const NOMINAL = new Date(NINE).toISOString();
const RUN = '01a1fd2c-535b-7020-a083-bef96d1b6e75';
const STEPS = ['find', 'look', 'write', 'send'];

function call(step: string, beganAt: number): EngineCall {
  return {
    replica: 'r1',
    work: step === 'send' ? 'send' : 'compose',
    path: '/api/work',
    key: `${RUN}/${step}`,
    runId: RUN,
    step,
    campaignId: 'c1',
    scheduledFor: NOMINAL,
    beganAt,
    endedAt: beganAt + 50,
    dollars: 0.01,
    sent: step === 'send',
    answered: 'success',
  };
}

const letter: Letter = {
  at: NINE + 2_000,
  messageId: '<n1@localhost>',
  to: 'done-budget-1@chaos.test',
  subject: 'Campaign "budget 1" completed',
  kind: 'completed',
  runId: RUN,
  step: null,
};

/** One campaign that was due once, ran once and told of it. */
function goodEvidence(): Evidence {
  const at = (place: number) => NINE + place * 100;
  return {
    campaigns: [
      {
        id: 'c1',
        campaign: chaosCampaign('budget', 0, 60, 0.04, 10, NINE),
        firstFire: NINE,
        stoppedAt: NINE + 60_000,
      },
    ],
    runs: [
      {
        id: RUN,
        campaignId: 'c1',
        trigger: 'schedule',
        scheduledFor: NOMINAL,
        status: 'completed',
        reason: null,
        epoch: 1,
        startLagMs: 100,
      },
    ],
    fires: [{ campaignId: 'c1', scheduledFor: NINE, outcome: 'ran', reason: null, missedCount: 1, runId: RUN }],
    steps: STEPS.map((name) => ({
      runId: RUN,
      name,
      effect: name === 'send' ? 'once' : 'repeatable',
      status: 'completed',
    })),
    history: new Map(
      STEPS.map((name, place) => [
        `${RUN}/${name}` as const,
        [
          { status: 'running', attempts: 1, at: at(place) },
          { status: 'completed', attempts: 1, at: at(place) + 70 },
        ],
      ]),
    ),
    openHolds: [],
    notifications: [{ id: 'n1', kind: 'run.completed', status: 'sent', runId: RUN }],
    calls: STEPS.map((name, place) => call(name, at(place) + 5)),
    letters: [letter],
    promised: [],
    decisions: new Map(),
    faults: [],
    pauses: new Map(),
    accidents: [],
    badStops: [],
    unsettled: [],
  };
}

function brokenBy(change: (evidence: Evidence) => Partial<Evidence>): string[] {
  const good = goodEvidence();
  const evidence = { ...good, ...change(good) };
  return invariants.filter(({ violations }) => violations(evidence).length > 0).map(({ name }) => name);
}

describe('the invariants of the fault tests', () => {
  test('hold for a run that went well', () => {
    expect(brokenBy(() => ({}))).toEqual([]);
  });

  test.each<[string, (good: Evidence) => Partial<Evidence>]>([
    ['every due time has one fire', () => ({ fires: [], runs: [], calls: [] })],
    [
      'every fire that ran has one run',
      ({ runs }) => ({ runs: [...runs, { ...runs[0]!, id: RUN.replace('01', '02') }] }),
    ],
    ['no run is lost', ({ runs }) => ({ runs: runs.map((run) => ({ ...run, status: 'queued' })) })],
    ['no run is lost', ({ calls }) => ({ calls: calls.filter(({ step }) => step !== 'find') })],
    ['no run is lost', () => ({ promised: [{ campaignId: 'c1', runId: 'gone' }] })],
    ['no finished step ran again', ({ calls }) => ({ calls: [...calls, { ...call('look', NINE + 900), dollars: 0 }] })],
    [
      'no settled step was called',
      ({ history }) => ({
        history: new Map([...history, [`${RUN}/send`, [{ status: 'unknown', attempts: 1, at: NINE }]]]),
      }),
    ],
    [
      'no engine was called before the record',
      ({ history }) => ({ history: new Map([...history].filter(([key]) => !key.endsWith('look'))) }),
    ],
    ['nothing was sent twice', ({ calls }) => ({ calls: [...calls, { ...call('send', NINE + 306), dollars: 0 }] })],
    [
      'nothing is on record that was not sent',
      ({ calls }) => ({ calls: calls.map((each) => ({ ...each, sent: false })) }),
    ],
    ['no budget was passed', ({ calls }) => ({ calls: calls.map((each) => ({ ...each, dollars: 0.02 })) })],
    ['every notification arrived', () => ({ letters: [] })],
    ['every end that must be told was told', () => ({ letters: [] })],
    [
      'no event was told under two ids',
      ({ letters }) => ({ letters: [...letters, { ...letter, messageId: '<n2@x>' }] }),
    ],
    ['no mail came from nowhere', ({ letters }) => ({ letters: [...letters, { ...letter, messageId: '<n2@x>' }] })],
    ['no mail came twice without a fault', ({ letters }) => ({ letters: [...letters, letter] })],
    [
      'every unknown send asked a person',
      ({ history }) => ({
        history: new Map([...history, [`${RUN}/send`, [{ status: 'unknown', attempts: 1, at: NINE }]]]),
      }),
    ],
    ['nothing is stuck', () => ({ unsettled: ['run 1 is still running'] })],
    [
      'no money of an ended run is held',
      () => ({ openHolds: [{ key: 'k', status: 'completed', heldAt: NOMINAL, endedAt: NOMINAL }] }),
    ],
    ['no replica ended by itself', () => ({ accidents: [{ replica: 'r1', code: '1', log: '' }] })],
  ])('%s: is broken by what goes against it', (name, change) => {
    expect(brokenBy(change)).toContain(name);
  });

  test('let one send be made again when a person said so', () => {
    const again = { ...call('send', NINE + 306), dollars: 0 };
    expect(
      brokenBy(({ calls }) => ({
        calls: [...calls, again],
        decisions: new Map([[`${RUN}/send` as const, [{ at: NINE + 300, outcome: 'retry' as const }]]]),
      })),
    ).toEqual([]);
  });

  test('let a late call pass only when its caller was paused right after the beginning was committed', () => {
    const late = { ...call('look', NINE + 9_000), dollars: 0 };
    const pausedAt = (at: number) =>
      brokenBy(({ calls }) => ({ calls: [...calls, late], pauses: new Map([['r1', [at]]]) }));
    expect(pausedAt(NINE + 103)).toEqual([]);
    expect(pausedAt(NINE + 150)).toEqual(['no finished step ran again']);
  });
});
