import { setTimeout as delay } from 'node:timers/promises';
import { EventSourceParserStream } from 'eventsource-parser/stream';

export interface DemoRun {
  id: string;
  status: string;
  prospects_generated: number;
  leads_analyzed: number;
  emails_composed: number;
  emails_sent: number;
  total_cost: number;
  steps: { name: string; status: string; attempts: number; cost: number }[];
}

export interface DemoEvent {
  type: string;
  data: Record<string, unknown>;
}

type Body = Record<string, unknown> & { success?: boolean };

/** The few calls of the demo, made over HTTP as anybody would make them. */
export class DemoClient {
  readonly base: string;

  constructor(base: string) {
    this.base = base;
  }

  async untilReady(exited: Promise<void>): Promise<void> {
    let gone = false;
    void exited.then(() => (gone = true));
    for (;;) {
      if (gone) throw new Error('The service ended before it was ready; its last lines stand above.');
      const answer = await fetch(`${this.base}/api/ready`).catch(() => null);
      if (answer?.ok) return;
      await delay(100);
    }
  }

  async campaignNamed(name: string): Promise<{ id: string; name: string }> {
    const { campaigns } = (await this.#call('GET', '/api/campaigns?limit=200')) as unknown as {
      campaigns: { id: string; name: string }[];
    };
    const campaign = campaigns.find((candidate) => candidate.name === name);
    if (!campaign) throw new Error(`No campaign is called "${name}".`);
    return campaign;
  }

  /** Puts a schedule into the campaign's definition. */
  async schedule(id: string, cron: string): Promise<void> {
    const { campaign } = (await this.#call('GET', `/api/campaigns/${id}`)) as unknown as {
      campaign: { config: Record<string, unknown> };
    };
    await this.#call('PUT', `/api/campaigns/${id}`, {
      ...campaign.config,
      schedule: { cron, timezone: 'UTC', enabled: true },
    });
  }

  async untilRun(campaignId: string): Promise<string> {
    for (let tries = 0; tries < 300; tries += 1) {
      const { runs } = (await this.#call('GET', `/api/campaigns/${campaignId}/runs`)) as unknown as {
        runs: { id: string }[];
      };
      const id = runs[0]?.id;
      if (id) return id;
      await delay(100);
    }
    throw new Error('The schedule did not fire within 30 seconds.');
  }

  /** Follows a run's event stream to its end. */
  async follow(runId: string, onEvent: (event: DemoEvent) => void): Promise<void> {
    const answer = await fetch(`${this.base}/api/runs/${runId}/events`, { headers: { accept: 'text/event-stream' } });
    if (!answer.ok || !answer.body) throw new Error(`The event stream answered ${answer.status}.`);
    const events = answer.body.pipeThrough(new TextDecoderStream()).pipeThrough(new EventSourceParserStream());
    for await (const event of events) {
      const data = JSON.parse(event.data) as Record<string, unknown>;
      onEvent({ type: event.event ?? 'message', data });
      if (event.event === 'run.finished' || event.event === 'run.waiting') return;
    }
  }

  async run(runId: string): Promise<DemoRun> {
    const { run } = (await this.#call('GET', `/api/runs/${runId}`)) as unknown as { run: DemoRun };
    return run;
  }

  async #call(method: string, path: string, body?: unknown): Promise<Body> {
    const answer = await fetch(`${this.base}${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    });
    const json = (await answer.json()) as Body;
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${JSON.stringify(json['error'])}`);
    return json;
  }
}
