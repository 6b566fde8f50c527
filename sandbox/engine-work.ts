import type { SandboxOptions, Work } from './engine-options.ts';

/** How one call goes: how many items succeed and fail, and what they cost together. */
export interface Plan {
  done: number;
  failed: number;
  skipped: number;
  /** Dollars; null: the engine does not say. */
  dollars: number | null;
  dryRun: boolean;
}

const DOLLARS_AN_ITEM: Record<Work, number | null> = {
  prospecting: 0.004,
  analysis: 0.012,
  compose: 0.006,
  send: null,
};
const DEFAULT_PROSPECTS = 20;
/** Runs whose results are remembered. */
const MOST_RUNS = 10_000;

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined;
}

function numberIn(value: unknown, fallback: number): number {
  return typeof value === 'number' && value >= 0 ? Math.floor(value) : fallback;
}

type Items = Partial<Record<Work, number>>;

/** Of twenty prospects eighteen can be analysed, twelve are good enough to write to, and those are sent. */
const ITEMS: Record<Work, (before: Items, params: unknown) => number> = {
  prospecting: (_before, params) => numberIn(field(params, 'count'), DEFAULT_PROSPECTS),
  analysis: (before, params) => {
    const leads = before.prospecting ?? DEFAULT_PROSPECTS;
    return Math.min(Math.ceil(leads * 0.9), numberIn(field(field(params, 'filters'), 'limit'), leads));
  },
  compose: (before) => Math.ceil(((before.analysis ?? DEFAULT_PROSPECTS) * 2) / 3),
  send: (before) => before.compose ?? DEFAULT_PROSPECTS / 2,
};

/** What the engines know of each run, so that one step's numbers follow from the step before. */
export class WorkBook {
  readonly #options: SandboxOptions;
  readonly #runs = new Map<string, Items>();

  constructor(options: SandboxOptions) {
    this.#options = options;
  }

  plan(work: Work, runId: string, params: unknown): Plan {
    const done = this.#options.counts?.[work] ?? ITEMS[work](this.#runs.get(runId) ?? {}, params);
    const perItem = this.#options.costs?.[work] === undefined ? DOLLARS_AN_ITEM[work] : this.#options.costs[work];
    return {
      done,
      failed: work === 'analysis' && done > 5 ? 1 : 0,
      skipped: work === 'send' && done > 5 ? 1 : 0,
      dollars: perItem === null ? null : Number((perItem * done).toFixed(6)),
      dryRun: field(params, 'dry_run') === true || field(params, 'actualSend') === false,
    };
  }

  /** Remembers how many items a run's work had, for the steps that follow. */
  record(work: Work, runId: string, items: number): void {
    if (this.#runs.size >= MOST_RUNS) this.#runs.clear();
    this.#runs.set(runId, { ...this.#runs.get(runId), [work]: items });
  }
}
