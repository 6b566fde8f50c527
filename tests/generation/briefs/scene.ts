import request from 'supertest';
import type { JsonObject } from '../../../database/tables.ts';
import { BriefControl } from '../../../generation/briefs/brief-control.ts';
import type { Bundle } from '../../../generation/briefs/bundle.ts';
import type { KnownFacts } from '../../../generation/briefs/known-facts.ts';
import { makeApi } from '../../support/api.ts';
import { TestClock } from '../../support/clock.ts';
import { Harness } from '../../support/harness.ts';
import { ScriptedModel } from '../../support/model.ts';
import type { TestRecords } from '../../support/records.ts';

export const BRIEF: JsonObject = {
  objective: 'Fill the tables on weekday lunches',
  audience: 'People who work within ten minutes of the restaurant',
  product: 'Trattoria Sole, a family restaurant with a two-course lunch menu',
  tone: 'warm, down-to-earth',
  constraints: { prohibitedTerms: ['cheap'] },
  brandGuidelines: { adjectives: ['honest'], palette: ['terracotta #c2410c'] },
  facts: [{ id: 'price', text: 'The lunch menu costs 14 euros.' }],
};

type Known = Awaited<ReturnType<KnownFacts['search']>>['hits'][number]['fact'];

/** The API over a worker of its own: what is asked for is done at once, in this process, by a scripted model. */
export class Scene {
  readonly clock = new TestClock('2026-03-02T09:00:00.000Z');
  readonly model = new ScriptedModel();
  readonly records: TestRecords;
  /** What the knowledge base finds, whatever it is asked. */
  known: Known[] = [];
  readonly searches: Parameters<KnownFacts['search']>[0][] = [];
  readonly harness: Harness;
  readonly api: ReturnType<typeof makeApi>;

  constructor(records: TestRecords, worker = 'one') {
    const url = 'http://127.0.0.1:9';
    this.records = records;
    this.harness = new Harness({
      records,
      clock: this.clock,
      worker,
      model: this.model,
      engines: { prospecting: url, analysis: url, outreach: url },
    });
    const { runs, events } = this.harness;
    const knowledge: KnownFacts = {
      search: async (search) => {
        this.searches.push(search);
        return { note: null, hits: this.known.map((fact) => ({ fact })) };
      },
    };
    const briefs = new BriefControl({ records, runs, knowledge, clock: this.clock });
    this.api = makeApi(records, { briefs, runs, events, clock: this.clock });
  }

  post(path: string, body: JsonObject = {}) {
    return request(this.api.app).post(path).send(body);
  }

  /** Sends a brief and waits until nothing is being done any more. */
  async write(changes: JsonObject = {}): Promise<Bundle> {
    const runId = await this.submit(changes);
    await this.harness.idle();
    return this.bundle(runId);
  }

  async submit(changes: JsonObject = {}): Promise<string> {
    const answer = await this.post('/api/briefs', { ...BRIEF, ...changes });
    if (answer.status !== 202) throw new Error(JSON.stringify(answer.body));
    return answer.body.runId as string;
  }

  async bundle(runId: string): Promise<Bundle> {
    const answer = await request(this.api.app).get(`/api/briefs/${runId}`);
    if (answer.status !== 200) throw new Error(JSON.stringify(answer.body));
    return answer.body.brief as Bundle;
  }

  async close(): Promise<void> {
    await this.harness.close();
  }
}

/** The ids of the artifacts of a bundle, by their kind. */
export const idsOf = (bundle: Bundle): Record<string, string> =>
  Object.fromEntries(bundle.artifacts.map(({ kind, id }) => [kind, id]));
