import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fetch } from 'undici';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { freePort } from '../support/postgres.ts';
import type { Stalls } from './stall-watch.ts';

/** The service as a process of its own, with a watch on its event loop. */
export interface MeasuredService {
  pid: number;
  url: string;
  /** From the start of the process until it answered that it is ready. */
  readyMs: number;
  /** The longest delays of its event loop since the last asking. */
  stalls(): Promise<Stalls>;
  end(signal: NodeJS.Signals): Promise<void>;
}

export async function startMeasured(env: Record<string, string>): Promise<MeasuredService> {
  const port = await freePort();
  const begun = performance.now();
  const child = fork(join(PROJECT_ROOT, 'server.ts'), {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--import', join(import.meta.dirname, 'stall-watch.ts')],
    env: { PATH: process.env['PATH'] ?? '', PORT: String(port), LOG_LEVEL: 'error', ...env },
  });
  const url = `http://127.0.0.1:${port}`;
  while (!(await isReady(url))) {
    if (child.exitCode !== null) throw new Error(`the service ended with ${child.exitCode}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return {
    pid: child.pid ?? 0,
    url,
    readyMs: performance.now() - begun,
    async stalls() {
      const answer = once(child, 'message');
      child.send('stalls');
      return ((await answer) as [Stalls])[0];
    },
    async end(signal) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
    },
  };
}

async function isReady(url: string): Promise<boolean> {
  try {
    const answer = await fetch(`${url}/api/ready`);
    await answer.body?.cancel();
    return answer.status === 200;
  } catch {
    return false;
  }
}

export interface BenchEngine {
  url: string;
  /** The runs whose calls hang, with the time of the call, oldest first. */
  hanging: { run: string; at: number }[];
  close(): void;
}

export async function startEngine(): Promise<BenchEngine> {
  const child: ChildProcess = fork(join(import.meta.dirname, 'engine.ts'), { execArgv: [] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const hanging: BenchEngine['hanging'] = [];
  child.on('message', (call) => hanging.push(call as BenchEngine['hanging'][number]));
  return { url: `http://127.0.0.1:${port}`, hanging, close: () => child.disconnect() };
}
