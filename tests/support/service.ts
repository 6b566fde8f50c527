import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fetch } from 'undici';
import type { Json, JsonObject } from '../../database/tables.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { compileCache, fillFolder } from './made-once.ts';
import { freePort } from './postgres.ts';

export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: JsonObject;
}

/** The service as an operator runs it: a process of its own, spoken to over HTTP. */
export class Service {
  readonly url: string;
  readonly process: ChildProcess;
  #log = '';

  private constructor(url: string, child: ChildProcess) {
    this.url = url;
    this.process = child;
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#log += text));
  }

  /** Starts `node server.ts` with these variables alone and waits until it is ready. */
  static async start(env: Record<string, string>): Promise<Service> {
    const service = await Service.launch(env);
    await service.untilReady();
    return service;
  }

  /** Starts the process and does not wait for it. */
  static async launch(env: Record<string, string>): Promise<Service> {
    await Service.#prepareDataDir(env);
    return Service.#spawn(env);
  }

  static async #spawn(env: Record<string, string>): Promise<Service> {
    const port = env['PORT'] ?? String(await freePort());
    const child = spawn(process.execPath, [join(PROJECT_ROOT, 'server.ts')], {
      cwd: PROJECT_ROOT,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', PORT: port, ...compileCache(), ...env },
    });
    return new Service(`http://127.0.0.1:${port}`, child);
  }

  /** Gives a service that would make its embedded database anew, which takes seconds, a copy of what a first start leaves. */
  static async #prepareDataDir({
    DATA_DIR: folder,
    DATABASE_URL,
    SUPABASE_URL,
  }: Record<string, string>): Promise<void> {
    if (folder === undefined || DATABASE_URL !== undefined || SUPABASE_URL !== undefined) return;
    if (existsSync(join(folder, 'postgres'))) return;
    await mkdir(folder, { recursive: true });
    await fillFolder(folder, 'service', async (path) => {
      const service = await Service.#spawn({ DATA_DIR: path, CAMPAIGNS_DIR: join(path, 'none') });
      try {
        await service.untilReady();
      } finally {
        await service.end();
      }
    });
  }

  /** Resolves when it takes work; throws with the log when it ends before that. */
  untilReady(): Promise<void> {
    return this.until(async () => (await this.get('/api/ready')).status === 200);
  }

  /** Everything that the process has written. */
  get log(): string {
    return this.#log;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('GET', path, undefined, headers);
  }

  post(path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('POST', path, body, headers);
  }

  async call(method: string, path: string, body?: Json, headers: Record<string, string> = {}): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: (text.startsWith('{') ? JSON.parse(text) : { text }) as JsonObject,
    };
  }

  /** Asks again and again, as a client would, until the condition holds; throws with the log after a minute. */
  async until(condition: () => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (this.process.exitCode !== null || this.process.signalCode !== null)
        throw new Error(`the service ended with ${this.process.exitCode ?? this.process.signalCode}:\n${this.#log}`);
      if (await condition().catch(() => false)) return;
      if (Date.now() > deadline) throw new Error(`not within a minute; the log:\n${this.#log}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Polls a run until it is in one of these states. */
  async untilRun(runId: string, states: readonly string[]): Promise<JsonObject> {
    let run: JsonObject = {};
    await this.until(async () => {
      run = (await this.get(`/api/runs/${runId}`)).body['run'] as JsonObject;
      return states.includes(String(run['status']));
    });
    return run;
  }

  /** Sends a signal and waits for the end; resolves with the exit code, null after a kill. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return this.process.exitCode;
    const ended = once(this.process, 'exit');
    this.process.kill(signal);
    const [code] = (await ended) as [number | null];
    return code;
  }
}

/** A folder for one test, removed by the returned function. */
export async function temporaryFolder(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}
