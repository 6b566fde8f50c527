import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { freePort } from '../support/postgres.ts';
import { Service } from '../support/service.ts';

/** What every replica is started with, beside what is its own. */
export interface ReplicaGround {
  folder: string;
  postgresPort: number;
  databaseUrl: string;
  env: Record<string, string>;
}

/** A replica that ended though nobody had ended it. */
export interface Accident {
  replica: string;
  code: string;
  log: string;
}

/** How long a stop by SIGTERM may take, in milliseconds. */
const LONGEST_STOP_MS = 30_000;
const PRELOAD = join(import.meta.dirname, 'shifted-clock.ts');

/**
 * One place for a replica of the service: a port, a way to the database and a clock of its own, and at most one process,
 * which may be killed and started any number of times.
 */
export class Replica {
  readonly name: string;
  readonly proxy: CuttableProxy;
  readonly accidents: Accident[] = [];
  /** Logs of the processes that have ended here. */
  readonly logs: string[] = [];
  /** SIGTERMs that were not answered by a clean end. */
  readonly badStops: string[] = [];
  /** A fault is at work here; no other one chooses this replica meanwhile. */
  isHeld = false;
  readonly #env: Record<string, string>;
  readonly #clockFile: string;
  /** When its process was paused; epoch milliseconds. */
  readonly pausedAt: number[] = [];
  #service: Service | null = null;
  #wanted = false;
  #starting: Promise<void> = Promise.resolve();

  private constructor(name: string, proxy: CuttableProxy, env: Record<string, string>, clockFile: string) {
    this.name = name;
    this.proxy = proxy;
    this.#env = env;
    this.#clockFile = clockFile;
  }

  static async make(name: string, engineUrl: string, ground: ReplicaGround): Promise<Replica> {
    const proxy = await cuttableProxy(ground.postgresPort);
    const database = new URL(ground.databaseUrl);
    database.port = String(proxy.port);
    const clockFile = join(ground.folder, `${name}.clock`);
    const env = {
      ...ground.env,
      PORT: String(await freePort()),
      DATABASE_URL: database.href,
      DATA_DIR: join(ground.folder, `${name}-data`),
      CAMPAIGNS_DIR: join(ground.folder, 'no-campaigns'),
      ENGINE_PROSPECTING_URL: engineUrl,
      ENGINE_ANALYSIS_URL: engineUrl,
      ENGINE_OUTREACH_URL: engineUrl,
      CHAOS_CLOCK_FILE: clockFile,
      NODE_OPTIONS: `--import=${PRELOAD} --disable-warning=ExperimentalWarning`,
    };
    return new Replica(name, proxy, env, clockFile);
  }

  get isUp(): boolean {
    return this.#service !== null;
  }

  get service(): Service {
    if (!this.#service) throw new Error(`${this.name} is down`);
    return this.#service;
  }

  /** Starts a process, again and again as a supervisor would, until one is ready. */
  start(): Promise<void> {
    this.#wanted = true;
    this.#starting = this.#starting.then(() => this.#launch());
    return this.#starting;
  }

  async #launch(): Promise<void> {
    while (this.#wanted && !this.#service) {
      const service = await Service.launch(this.#env);
      endWithHarness(service);
      try {
        await service.untilReady();
      } catch {
        await service.end('SIGKILL');
        this.logs.push(service.log);
        await delay(200);
        continue;
      }
      this.#service = service;
      service.process.once('exit', (code, signal) => this.#ended(service, code ?? signal));
    }
  }

  async kill(): Promise<void> {
    await this.#leave().end('SIGKILL');
  }

  /** Ends it as a rolling update does. */
  async terminate(): Promise<void> {
    const service = this.#leave();
    const ended = service.end('SIGTERM');
    const late = new AbortController();
    const code = await Promise.race([
      ended,
      delay(LONGEST_STOP_MS, 'late' as const, { signal: late.signal }).catch(() => null),
    ]);
    late.abort();
    if (code !== 0) this.badStops.push(`${this.name}: ${code === 'late' ? 'did not end' : `ended with ${code}`}`);
    if (code === 'late') await service.end('SIGKILL');
  }

  pause(): void {
    this.pausedAt.push(Date.now());
    this.service.process.kill('SIGSTOP');
  }

  goOn(): void {
    this.#service?.process.kill('SIGCONT');
  }

  /** Moves its wall clock this far from the true time, in milliseconds. */
  async setClock(offsetMs: number): Promise<void> {
    await writeFile(this.#clockFile, String(offsetMs));
  }

  /** Everything its processes have written. */
  get log(): string {
    return [...this.logs, this.#service?.log ?? ''].join('');
  }

  async close(): Promise<void> {
    this.#wanted = false;
    await this.#starting;
    if (this.#service) {
      this.goOn();
      await this.kill();
    }
    await this.proxy.close();
  }

  /** From now on its end is expected. */
  #leave(): Service {
    const { service } = this;
    this.#wanted = false;
    this.#service = null;
    this.logs.push(service.log);
    return service;
  }

  #ended(service: Service, code: string | number | null): void {
    if (this.#service !== service) return;
    this.#leave();
    this.accidents.push({ replica: this.name, code: String(code), log: lastWords(service.log) });
    void this.start();
  }
}

/** The last thing that a process logged as an error. */
function lastWords(log: string): string {
  return (log.split('\n').findLast((line) => line.includes('"level":"error"')) ?? log).slice(-1_000);
}

/** A harness that is interrupted leaves no process behind, not even a paused one. */
function endWithHarness({ process: child }: Service): void {
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
}
