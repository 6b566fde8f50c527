import { groupBy, stepKey } from './engine-records.ts';
import type { CampaignFacts, Evidence, RunFacts } from './evidence.ts';

/** States in which nobody has to do anything for a run any more, or only a person has. */
const AT_REST: ReadonlySet<string> = new Set(['completed', 'partial', 'failed', 'aborted', 'cancelled', 'waiting']);

/** Every due nominal time has one row, from the first one to the one at which the schedule was stopped. */
export function missedFires({ campaigns, fires }: Evidence): string[] {
  const rows = groupBy(fires, ({ campaignId }) => campaignId);
  return campaigns.flatMap((facts) => {
    const expected = nominalTimes(facts);
    const found = (rows.get(facts.id) ?? []).map(({ scheduledFor }) => scheduledFor);
    const { name } = facts.campaign.definition;
    return [
      ...expected.filter((time) => !found.includes(time)).map((time) => `${name}: nothing became of ${timeOf(time)}`),
      ...found.filter((time) => !expected.includes(time)).map((time) => `${name}: ${timeOf(time)} was never due`),
      ...found.filter((time, at) => found.indexOf(time) !== at).map((time) => `${name}: ${timeOf(time)} fired twice`),
    ];
  });
}

/** The harness' own reckoning: every so many seconds of the full minute. */
function nominalTimes({ campaign, firstFire, stoppedAt }: CampaignFacts): number[] {
  if (campaign.everySeconds === null || firstFire === null || stoppedAt === null) return [];
  const step = campaign.everySeconds * 1_000;
  const first = Math.ceil(firstFire / step) * step;
  return Array.from({ length: Math.max(0, (stoppedAt - first) / step) }, (_, index) => first + index * step);
}

/** Each fire that ran has one run; each nominal time is known to the engines by one run at most. */
export function firesRunTwice({ fires, runs, calls }: Evidence): string[] {
  const place = ({ campaignId, scheduledFor }: { campaignId: string; scheduledFor: string | null }) =>
    `${campaignId} ${scheduledFor ?? ''}`;
  const started = groupBy(
    runs.filter(({ trigger }) => trigger === 'schedule' || trigger === 'catch_up'),
    place,
  );
  const atEngines = groupBy(
    calls.filter(({ scheduledFor }) => scheduledFor !== null),
    place,
  );
  const runsOfFires = new Set(fires.map(({ runId }) => runId));
  return [
    ...fires.flatMap((fire) => {
      const ran = fire.outcome === 'ran' || fire.outcome === 'caught_up';
      const of = started.get(place({ ...fire, scheduledFor: timeOf(fire.scheduledFor) })) ?? [];
      const right = ran ? of.length === 1 && of[0]?.id === fire.runId : of.length === 0 && fire.reason !== null;
      return right ? [] : [`fire ${timeOf(fire.scheduledFor)} ${fire.outcome} has ${of.length} runs`];
    }),
    ...[...started.values()].flat().flatMap(({ id }) => (runsOfFires.has(id) ? [] : [`run ${id} has no fire`])),
    ...[...atEngines].flatMap(([nominal, of]) => {
      const ids = new Set(of.map(({ runId }) => runId));
      return ids.size > 1 ? [`engines saw ${ids.size} runs for ${nominal}: ${[...ids].join(', ')}`] : [];
    }),
  ];
}

/** Every run came to rest, and the engines saw its first step unless the run says why not. */
export function lostRuns(evidence: Evidence): string[] {
  const { campaigns, runs, promised, calls } = evidence;
  const known = new Map(runs.map((run) => [run.id, run]));
  const asked = new Set(calls.map(({ runId, step }) => stepKey(runId, step)));
  const names = new Map(campaigns.map(({ id, campaign }) => [id, campaign.definition.name]));
  const inLine = new Set(
    campaigns.filter(({ campaign }) => campaign.definition['overlap'] === 'queue').map(({ id }) => id),
  );
  const standsBehindAPerson = (run: RunFacts) =>
    run.status === 'queued' &&
    inLine.has(run.campaignId) &&
    runs.some(({ campaignId, status, id }) => campaignId === run.campaignId && status === 'waiting' && id < run.id);
  const explains = ({ status, reason }: RunFacts) =>
    (status === 'aborted' || status === 'cancelled') && reason !== null;
  return [
    ...runs.flatMap((run) => {
      const name = `run ${run.id} of ${names.get(run.campaignId)}`;
      if (standsBehindAPerson(run)) return [];
      if (!AT_REST.has(run.status)) return [`${name} is ${run.status}`];
      return asked.has(stepKey(run.id, 'find')) || explains(run)
        ? []
        : [`${name} is ${run.status}, and no engine saw its first step`];
    }),
    ...promised.flatMap(({ runId }) => (known.has(runId) ? [] : [`run ${runId} was promised and does not exist`])),
  ];
}

export function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
