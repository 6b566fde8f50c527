import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '../../database/tables.ts';
import type { Answer } from '../support/service.ts';
import type { Dice } from './dice.ts';
import { type StepKey, stepKey } from './engine-records.ts';
import type { CountingEngines } from './engines.ts';
import type { Letter, Post } from './post.ts';
import type { Replica } from './replica.ts';

/** A run that the service has promised to do: its answer was 202. */
export interface Promised {
  campaignId: string;
  runId: string;
}

export interface Decision {
  at: number;
  outcome: 'done' | 'failed' | 'retry';
}

/** A request that is given up: nobody answers for so long, in milliseconds. */
const PATIENCE_MS = 120_000;
const ANSWER_MS = 20_000;

/** The people around the service: they start runs by hand, and decide about sends of which nobody knows. */
export class People {
  readonly promised: Promised[] = [];
  readonly decisions = new Map<StepKey, Decision[]>();
  /** Requests that got no proper answer, for the report. */
  readonly complaints: string[] = [];
  readonly #replicas: readonly Replica[];
  readonly #engines: CountingEngines;
  readonly #post: Post;
  readonly #dice: Dice;
  readonly #errands = new Set<Promise<void>>();
  readonly #stop = new AbortController();
  #decides = true;
  #working: Promise<void> = Promise.resolve();

  constructor(parts: { replicas: readonly Replica[]; engines: CountingEngines; post: Post; dice: Dice }) {
    this.#replicas = parts.replicas;
    this.#engines = parts.engines;
    this.#post = parts.post;
    this.#dice = parts.dice;
  }

  /** From now on they read their mail ten times a second, and start one of these campaigns every one or two seconds. */
  come(campaignIds: readonly string[]): void {
    this.#working = this.#work(campaignIds);
  }

  async #work(campaignIds: readonly string[]): Promise<void> {
    let nextStart = Date.now();
    while (!this.#stop.signal.aborted) {
      for (const letter of this.#post.collect())
        if (letter.kind === 'unknown') this.#errand(() => this.#decide(letter));
      const campaignId = this.#dice.pick(campaignIds);
      if (this.#decides && campaignId !== undefined && Date.now() >= nextStart) {
        nextStart = Date.now() + this.#dice.between(1_000, 2_000);
        this.#errand(() => this.#start(campaignId));
      }
      await delay(100, undefined, { signal: this.#stop.signal }).catch(() => undefined);
    }
    await Promise.all(this.#errands);
    this.#post.collect();
  }

  /** From now on only reads the mail; resolves when what was begun is done. */
  async rest(): Promise<void> {
    this.#decides = false;
    await Promise.all(this.#errands);
  }

  /** Resolves when the last mail has been read. */
  async leave(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }

  #errand(work: () => Promise<void>): void {
    const errand = work()
      .catch((error: unknown) => void this.complaints.push(String(error)))
      .finally(() => this.#errands.delete(errand));
    this.#errands.add(errand);
  }

  async #start(campaignId: string): Promise<void> {
    const { status, body } = await this.#ask(`/api/campaigns/${campaignId}/run`, {});
    if (status === 202) this.promised.push({ campaignId, runId: String(body['runId']) });
    else this.complaints.push(`start by hand answered ${status} ${JSON.stringify(body)}`);
  }

  /** Looks at the engine, as the mail asks for, and says what it finds there. */
  async #decide({ runId, step }: Letter): Promise<void> {
    if (runId === null || step === null || !this.#decides) return;
    await delay(this.#dice.between(500, 3_000));
    while (this.#engines.isWorking(runId, step)) await delay(50);
    const wasSent = this.#engines.calls.some((call) => call.runId === runId && call.step === step && call.sent);
    const outcome = wasSent ? 'done' : this.#dice.chance(0.7) ? 'retry' : 'failed';
    const key = stepKey(runId, step);
    this.decisions.set(key, [...(this.decisions.get(key) ?? []), { at: Date.now(), outcome }]);
    const path = `/api/runs/${runId}/steps/${encodeURIComponent(step)}/resolve`;
    const { status, body } = await this.#ask(path, { outcome, note: 'seen at the engine', by: 'harness' });
    if (status >= 300) this.complaints.push(`resolve answered ${status} ${JSON.stringify(body)}`);
  }

  /** Asks one replica after another until one answers; the key makes the repetitions one request. */
  async #ask(path: string, body: JsonObject): Promise<Answer> {
    const headers = { 'idempotency-key': randomUUID() };
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      const replica = this.#dice.pick(this.#replicas.filter((each) => each.isUp));
      try {
        if (!replica) throw new Error('no replica is up');
        const late = delay(ANSWER_MS, undefined, { ref: false }).then(() => Promise.reject(new Error('no answer')));
        const answer = await Promise.race([replica.service.post(path, body, headers), late]);
        if (answer.status < 500 && answer.body['retryable'] !== true && !isBusy(answer)) return answer;
        throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await delay(300);
      }
    }
  }
}

/** The first try with this key is still under way in a replica that does not answer. */
function isBusy({ status, body }: Answer): boolean {
  const error = body['error'] as JsonObject | undefined;
  return status === 409 && String(error?.['code']).startsWith('IDEMPOTENCY');
}
