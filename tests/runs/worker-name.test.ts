import { describe, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { isGone, workerName } from '../../runs/worker-name.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';

const self = workerName();

/** A process of this machine that gives itself a name as the service does, and lives until it is killed. */
async function otherProcess() {
  const source = `
    import { workerName } from ${JSON.stringify(join(PROJECT_ROOT, 'runs/worker-name.ts'))};
    process.stdout.write(workerName());
    setInterval(() => undefined, 60_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  const [name] = (await once(child.stdout, 'data')) as [Buffer];
  return { name: String(name), kill: () => child.kill('SIGKILL') && ended };
}

describe("a worker's name", () => {
  test('is of this process alone, also when it is started again', () => {
    expect(workerName()).not.toBe(self);
    expect(self).toContain(`/${process.pid}/`);
  });
});

describe('whether a worker is gone', () => {
  test('is known of a process of this machine: not while it lives, and as soon as it is killed', async () => {
    const { name, kill } = await otherProcess();
    expect(isGone(name, self)).toBe(false);
    await kill();
    expect(isGone(name, self)).toBe(true);
  }, 30_000);

  test('is not so of itself, but of an earlier process that had its id', () => {
    expect(isGone(self, self)).toBe(false);
    expect(isGone(workerName(), self)).toBe(true);
  });

  test('is not known of workers elsewhere, of another boot of this machine, and of names of other kinds', async () => {
    const { name, kill } = await otherProcess();
    await kill();
    const parts = name.split('/');
    const elsewhere = ['another-host', ...parts.slice(1)].join('/');
    const rest = parts.slice(-2).join('/');
    for (const unknown of [elsewhere, `host/00000000/4026531836/${rest}`, `elsewhere-${rest}`, 'worker-1', '', '1/2/3'])
      expect({ unknown, gone: isGone(unknown, self) }).toEqual({ unknown, gone: false });
    if (parts.length > 3) {
      const rebooted = [parts[0], '00000000', ...parts.slice(2)].join('/');
      expect(isGone(rebooted, self)).toBe(false);
    }
  }, 30_000);
});
