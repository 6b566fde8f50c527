import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { JsonObject } from '../../database/tables.ts';
import { temporaryFolder } from '../support/service.ts';
import type { ChaosCampaign } from './campaigns.ts';
import { ChaosDatabase } from './database.ts';
import { Dice } from './dice.ts';
import { CountingEngines } from './engines.ts';
import type { CampaignFacts } from './evidence.ts';
import { People } from './people.ts';
import { Post } from './post.ts';
import { Replica } from './replica.ts';

export interface WorldOptions {
  seed: number;
  /** How many replicas there are when nothing is wrong. */
  replicas: number;
  /** Places for replicas that come and go. */
  guests: number;
  leaseMs: number;
  env?: Record<string, string>;
}

interface OpenMail {
  id: string;
  status: string;
  attempts: number;
}

export interface WorldParts {
  database: ChaosDatabase;
  engines: CountingEngines;
  post: Post;
  people: People;
  replicas: readonly Replica[];
}

/** The service's surroundings, made for one test: database, engines, mail server, people, and replicas, three or more. */
export class World {
  readonly parts: WorldParts;
  readonly database: ChaosDatabase;
  readonly engines: CountingEngines;
  readonly post: Post;
  readonly people: People;
  readonly replicas: readonly Replica[];
  readonly options: WorldOptions;
  readonly #stack: AsyncDisposableStack;

  private constructor(parts: WorldParts, options: WorldOptions, stack: AsyncDisposableStack) {
    this.parts = parts;
    this.database = parts.database;
    this.engines = parts.engines;
    this.post = parts.post;
    this.people = parts.people;
    this.replicas = parts.replicas;
    this.options = options;
    this.#stack = stack;
  }

  /** Makes everything and starts the usual replicas, all at once on an empty database. */
  static async make(options: WorldOptions): Promise<World> {
    await using stack = new AsyncDisposableStack();
    const folder = await temporaryFolder();
    stack.defer(() => folder.remove());
    const database = await ChaosDatabase.start();
    stack.defer(() => database.stop());
    const engines = new CountingEngines(Dice.from(options.seed, 'engines'));
    stack.defer(() => engines.close());
    const post = await Post.open();
    stack.defer(() => post.server.close());
    const ground = {
      folder: folder.path,
      postgresPort: database.server.port,
      databaseUrl: database.url,
      env: {
        SMTP_URL: post.server.url,
        RUN_LEASE_MS: String(options.leaseMs),
        STOP_GRACE_MS: '500',
        RATE_LIMIT_PER_MINUTE: '1000000',
        LOG_LEVEL: 'warn',
        ...options.env,
      },
    };
    const replicas: Replica[] = [];
    for (let place = 1; place <= options.replicas + options.guests; place += 1) {
      const replica = await Replica.make(`r${place}`, await engines.listen(`r${place}`), ground);
      stack.defer(() => replica.close());
      replicas.push(replica);
    }
    const people = new People({ replicas, engines, post, dice: Dice.from(options.seed, 'people') });
    await Promise.all(replicas.slice(0, options.replicas).map((replica) => replica.start()));
    await database.keepHistory();
    return new World({ database, engines, post, people, replicas }, options, stack.move());
  }

  /** Makes the campaigns over the API. */
  async create(campaigns: readonly ChaosCampaign[]): Promise<CampaignFacts[]> {
    const { service } = this.replicas[0] as Replica;
    const facts: CampaignFacts[] = [];
    for (const campaign of campaigns) {
      const { status, body } = await service.post('/api/campaigns', campaign.definition);
      if (status !== 201) throw new Error(`a campaign was refused: ${JSON.stringify(body)}`);
      const made = body['campaign'] as JsonObject;
      const next = made['nextRun'];
      facts.push({
        id: String(made['id']),
        campaign,
        firstFire: typeof next === 'string' ? Date.parse(next) : null,
        stoppedAt: null,
      });
    }
    return facts;
  }

  /** Undoes what faults may have left, and brings the usual replicas back. */
  async heal(): Promise<void> {
    for (const replica of this.replicas) {
      replica.goOn();
      await replica.setClock(0);
    }
    await Promise.all(this.replicas.slice(0, this.options.replicas).map((replica) => replica.start()));
  }

  /**
   * Ends the schedules once nothing is due any more, and says at which nominal time each was stopped.
   * @returns campaigns that were still overdue after a minute
   */
  async stopSchedules(facts: readonly CampaignFacts[]): Promise<string[]> {
    const overdue = () =>
      this.database.ask<{ name: string }>(`select name from campaigns where due_at <= now() - interval '2 seconds'`);
    await until(60_000, async () => (await overdue()).length === 0);
    const left = await overdue();
    const rows = await this.database.ask<{ id: string; stoppedAt: number | null }>(
      `update campaigns set due_at = null, version = version + 1
       returning id, (extract(epoch from next_run_at) * 1000)::float8 as "stoppedAt"`,
    );
    const stops = new Map(rows.map((row) => [row.id, row.stoppedAt]));
    for (const each of facts) each.stoppedAt = stops.get(each.id) ?? null;
    return left.map(({ name }) => `${name} was due and did not fire`);
  }

  /** Waits until no run is queued or running; returns those that still are. */
  async settleRuns(forMs: number): Promise<string[]> {
    const active = () =>
      this.database.ask<{ id: string; status: string }>(
        // A run in line behind one that waits for a person is where it should be: nobody decides any more.
        `select r.id, r.status from campaign_runs r join campaigns c on c.id = r.campaign_id
         where r.status in ('queued', 'running') and not (r.status = 'queued' and c.config ->> 'overlap' = 'queue' and exists (
           select from campaign_runs w where w.campaign_id = r.campaign_id and w.status = 'waiting' and w.id < r.id))
         order by r.id`,
      );
    await until(forMs, async () => (await active()).length === 0);
    return (await active()).map(({ id, status }) => `run ${id} is still ${status}`);
  }

  /**
   * Waits until the outbox is empty; returns what is left. Deliveries that were put off wait for minutes, and so do those whose
   * sender died: their waiting is cut short in their rows.
   */
  async settleMail(forMs: number): Promise<string[]> {
    const deadline = Date.now() + forMs;
    let before: OpenMail[] = [];
    for (;;) {
      const open = await this.database.ask<OpenMail>(
        `select id, status, attempts from notifications where status in ('pending', 'sending') order by id`,
      );
      if (open.length === 0) return [];
      if (Date.now() > deadline) return open.map(({ id, status }) => `notification ${id} is still ${status}`);
      const abandoned = before.filter((old) => open.some((row) => row.id === old.id && row.attempts === old.attempts));
      await this.database.ask(
        `update notifications set next_attempt_at = next_attempt_at - interval '1 hour',
           lease_until_at = lease_until_at - interval '1 hour' where id = any ($1)`,
        [abandoned.map(({ id }) => id)],
      );
      before = open;
      // Longer than a delivery takes here, and than a sender waits before it looks again.
      await delay(6_000);
    }
  }

  /** Writes what the replicas have logged into this folder. */
  async keepLogs(folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    for (const { name, log } of this.replicas) await writeFile(join(folder, `${name}.log`), log);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.people.leave();
    await this.#stack.disposeAsync();
  }
}

/** Polls a condition; says whether it came to hold in time. */
async function until(forMs: number, holds: () => Promise<boolean>): Promise<boolean> {
  const deadline = Date.now() + forMs;
  while (!(await holds())) {
    if (Date.now() > deadline) return false;
    await delay(100);
  }
  return true;
}
