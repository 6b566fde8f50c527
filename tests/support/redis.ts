import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './postgres.ts';

/** Where a program is, null where this machine has none. */
export function findProgram(name: string): string | null {
  const files = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name));
  return files.find((file) => existsSync(file)) ?? null;
}

/** Tests that need it are skipped without it, visibly. */
export const REDIS_SERVER = findProgram('redis-server');

export interface TestRedis {
  url: string;
  port: number;
  /** Lets the server hang: connections stay and new ones are taken, but nothing is answered. */
  pause(): void;
  /** Lets it go on, also with what came in the meantime. */
  resume(): void;
  /** Takes it away at once, with everything in it. */
  kill(): Promise<void>;
  /** Starts it again on the same port, empty. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export interface RedisOptions {
  password?: string;
  /** Speaks TLS and nothing else, with these files. */
  tls?: { certificate: string; key: string };
  /** Further settings of the server, as `--name value`. */
  settings?: readonly string[];
}

/** Starts a Redis on a free port of the loopback interface that keeps nothing on disk. Always `stop` it. */
export async function startRedis({ password, tls, settings = [] }: RedisOptions = {}): Promise<TestRedis> {
  const program = REDIS_SERVER;
  if (program === null) throw new Error('There is no redis-server on this machine.');
  const folder = await mkdtemp(join(tmpdir(), 'pipeline-orchestrator-redis-'));
  const port = await freePort();
  const args = tls ? ['--port', '0', '--tls-port', String(port)] : ['--port', String(port)];
  if (tls) args.push('--tls-cert-file', tls.certificate, '--tls-key-file', tls.key, '--tls-auth-clients', 'no');
  args.push('--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'no');
  if (password !== undefined) args.push('--requirepass', password);
  args.push(...settings);
  let server = await launch(program, args);
  return {
    url: `${tls ? 'rediss' : 'redis'}://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    port,
    pause: () => void server.kill('SIGSTOP'),
    resume: () => void server.kill('SIGCONT'),
    kill: () => end(server),
    async restart() {
      await end(server);
      server = await launch(program, args);
    },
    async stop() {
      await end(server);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Resolves when the server takes connections. */
async function launch(program: string, args: readonly string[]): Promise<ChildProcess> {
  const server = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  // A test that is broken off must not leave it behind.
  const kill = () => server.kill('SIGKILL');
  process.once('exit', kill);
  server.once('exit', () => process.off('exit', kill));
  const lines = createInterface({ input: server.stdout });
  const log: string[] = [];
  for await (const line of lines) {
    log.push(line);
    if (line.includes('Ready to accept connections')) {
      server.stdout.resume();
      return server;
    }
  }
  throw new Error(`redis-server did not start:\n${log.join('\n')}`);
}

async function end(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const ended = once(server, 'exit');
  server.kill('SIGKILL');
  await ended;
}
