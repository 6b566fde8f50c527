import type { JsonObject } from '../../database/tables.ts';
import type { Manner } from './engines.ts';

/** A campaign of the fault tests, and what the harness knows of it beside its definition. */
export interface ChaosCampaign {
  kind: Kind;
  definition: JsonObject & { name: string };
  /** Seconds between two nominal times, counted from the full minute; null: started by hand only. */
  everySeconds: number | null;
  /** Dollars a day. */
  daily: number | null;
  complete: string;
  trouble: string;
}

const KINDS = ['plain', 'parallel', 'budget', 'falters', 'broken', 'partial', 'queue', 'manual', 'catch-up'] as const;
export type Kind = (typeof KINDS)[number];

export interface CampaignSize {
  /** How many campaigns of each kind. */
  each: number;
  /** Nominal times come at these distances, in seconds; each divides a minute. */
  everySeconds: readonly number[];
  /** Milliseconds for an item of an engine's work. */
  paceMs: number;
}

const COSTS = { find: 0.01, look: 0.02, write: 0.01, send: 0 } as const;
const COST_OF_RUN = 0.04;

interface StepOptions {
  manner?: Manner;
  paceMs: number;
  more?: JsonObject;
}

function params(dollars: number, { manner = 'works', paceMs }: StepOptions): JsonObject {
  return { campaignId: '{{ campaign.id }}', scheduledFor: '{{ run.scheduledFor }}', manner, dollars, paceMs };
}

const RETRY = { attempts: 6, delay: 200, backoff: 'fixed' };
const TIMEOUT = 30_000;

const find = (options: StepOptions, name = 'find'): JsonObject => ({
  name,
  engine: 'prospecting',
  params: params(COSTS.find, options),
  estimatedCost: COSTS.find,
  retry: RETRY,
  timeout: TIMEOUT,
  ...options.more,
});

const look = (options: StepOptions): JsonObject => ({
  name: 'look',
  engine: 'analysis',
  params: params(COSTS.look, options),
  estimatedCost: COSTS.look,
  pollInterval: 100,
  retry: RETRY,
  timeout: TIMEOUT,
  ...options.more,
});

const write = (options: StepOptions): JsonObject => ({
  name: 'write',
  engine: 'compose',
  params: params(COSTS.write, options),
  estimatedCost: COSTS.write,
  retry: RETRY,
  timeout: TIMEOUT,
});

const send = (options: StepOptions): JsonObject => ({
  name: 'send',
  engine: 'sender',
  params: params(COSTS.send, options),
  estimatedCost: COSTS.send,
  // A send that the engine refused outright is tried again; one of which nobody knows never is.
  retry: RETRY,
  timeout: TIMEOUT,
});

function stepsOf(kind: Kind, paceMs: number): JsonObject[] {
  const works = { paceMs };
  const broken = { paceMs, manner: 'broken' as const };
  switch (kind) {
    case 'parallel':
      return [{ parallel: [find(works), find(works, 'find more')] }, look(works), write(works), send(works)];
    case 'falters': {
      const falters = { paceMs, manner: 'falters' as const };
      return [find(falters), look(falters), write(falters), send(falters)];
    }
    case 'broken':
      return [find(works), look({ ...broken, more: { retry: { attempts: 2, delay: 100 } } }), send(works)];
    case 'partial':
      return [
        find(works),
        look({ ...broken, more: { retry: { attempts: 1 }, onFailure: 'continue' } }),
        write(works),
        send(works),
      ];
    case 'plain':
    case 'budget':
    case 'queue':
    case 'manual':
    case 'catch-up':
      return [find(works), look(works), write(works), send(works)];
    default:
      return kind satisfies never;
  }
}

const POLICIES: Partial<Record<Kind, JsonObject>> = {
  budget: { overlap: 'allow' },
  queue: { overlap: 'queue' },
  manual: { overlap: 'allow' },
  'catch-up': { overlap: 'allow', catchUp: 'all' },
};

/** A time zone in which it is about noon: no day of a budget ends while the test runs. */
export function noonZone(nowMs: number): string {
  const ahead = 12 - new Date(nowMs).getUTCHours();
  // The names of these zones have their signs the other way round.
  return ahead === 0 ? 'Etc/GMT' : `Etc/GMT${ahead > 0 ? '-' : '+'}${Math.abs(ahead)}`;
}

/** The campaigns of one test: some of each kind, with different distances and limits. */
export function chaosCampaigns(size: CampaignSize, nowMs: number): ChaosCampaign[] {
  return Array.from({ length: size.each }, (_, round) => round).flatMap((round) =>
    KINDS.map((kind, place) => {
      const every = size.everySeconds[(round + place) % size.everySeconds.length] ?? 60;
      const daily = kind === 'budget' ? Number(((4 + round * 8) * COST_OF_RUN).toFixed(2)) : null;
      return chaosCampaign(kind, round, kind === 'manual' ? null : every, daily, size.paceMs, nowMs);
    }),
  );
}

/** One campaign by itself. */
export function chaosCampaign(
  kind: Kind,
  round: number,
  everySeconds: number | null,
  daily: number | null,
  paceMs: number,
  nowMs: number,
): ChaosCampaign {
  const name = `${kind} ${round + 1}`;
  const address = `${kind}-${round + 1}@chaos.test`;
  const [complete, trouble] = [`done-${address}`, `trouble-${address}`];
  const cron = everySeconds === 60 ? '* * * * *' : `*/${everySeconds} * * * * *`;
  const definition = {
    name,
    ...(everySeconds === null ? {} : { schedule: { cron, timezone: noonZone(nowMs), enabled: true } }),
    ...POLICIES[kind],
    ...(daily === null ? {} : { budget: { daily } }),
    steps: stepsOf(kind, paceMs),
    notifications: { onComplete: { email: [complete] }, onFailure: { email: [trouble] } },
  };
  return { kind, definition, everySeconds, daily, complete, trouble };
}
