import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fetch } from 'undici';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { type CuttableProxy, cuttableProxy } from '../support/cuttable-proxy.ts';
import { freePort, startPostgres, type TestPostgres } from '../support/postgres.ts';
import { startPostgrest } from '../support/postgrest.ts';
import { Service, temporaryFolder } from '../support/service.ts';

let folder: Awaited<ReturnType<typeof temporaryFolder>>;
let postgres: TestPostgres;
let proxy: CuttableProxy;
const cleanups: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  folder = await temporaryFolder();
  postgres = await startPostgres();
  proxy = await cuttableProxy(postgres.port);
}, 60_000);

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

afterAll(async () => {
  await proxy?.close();
  await postgres?.stop();
  await folder.remove();
}, 60_000);

const environment = (name: string) => ({
  DATA_DIR: join(folder.path, name),
  CAMPAIGNS_DIR: join(folder.path, 'none'),
});

const throughProxy = (url: string): string => {
  const database = new URL(url);
  database.port = String(proxy.port);
  return database.href;
};

async function start(env: Record<string, string>): Promise<Service> {
  const service = await Service.start(env);
  cleanups.push(() => service.end());
  return service;
}

/** A service that may never become ready. */
function launch(env: Record<string, string>): { child: ChildProcess; log(): string; ended: Promise<number | null> } {
  let log = '';
  const child = spawn(process.execPath, [join(PROJECT_ROOT, 'server.ts')], {
    cwd: PROJECT_ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'] ?? '', ...env },
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => (log += text));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, log: () => log, ended };
}

describe('a port that is taken', () => {
  test('ends the second service with one clear line, before it touches the database', async () => {
    const first = await start(environment('taken'));
    const { port } = new URL(first.url);
    const second = launch({ ...environment('second'), DATABASE_URL: 'postgres://u:p@127.0.0.1:1/none', PORT: port });
    expect(await second.ended).toBe(1);
    expect(second.log()).toBe('The port is in use by another process; set PORT to a free one. [EADDRINUSE]\n');
    expect((await first.get('/api/ready')).status).toBe(200);
  }, 60_000);
});

describe('while it is being started', () => {
  test('the service lives, is not ready, and answers so; a signal ends it', async () => {
    const port = String(await freePort());
    const url = `http://127.0.0.1:${port}`;
    const absent = `postgres://u:p@127.0.0.1:${await freePort()}/none`;
    const service = launch({ ...environment('starting'), DATABASE_URL: absent, PORT: port });
    cleanups.push(async () => service.child.kill('SIGKILL'));
    let health = null;
    while (health === null && service.child.exitCode === null)
      health = await fetch(`${url}/api/health`).catch(() => null);
    expect(health?.status).toBe(200);
    expect(await health?.json()).toMatchObject({ status: 'healthy', activeCampaigns: null, scheduledRuns: null });
    for (const path of ['/api/ready', '/api/campaigns', '/']) {
      const answer = await fetch(`${url}${path}`);
      expect(answer.status).toBe(503);
      expect(await answer.json()).toMatchObject({ success: false, error: { code: 'NOT_READY' } });
    }
    service.child.kill('SIGTERM');
    await service.ended;
    expect(service.child.signalCode).toBe('SIGTERM');
  }, 60_000);
});

describe('whoever reads the log', () => {
  test('may go away: the service goes on without, and ends as it should', async () => {
    const service = await start(environment('unread'));
    service.process.stdout?.destroy();
    service.process.stderr?.destroy();
    const made = await service.post('/api/briefs', {
      objective: 'Fill the tables',
      audience: 'Neighbours',
      product: 'Trattoria Sole, a restaurant',
      tone: 'warm',
    });
    await service.until(async () => {
      const { body } = await service.get(`/api/briefs/${String(made.body['runId'])}`);
      return (body['brief'] as { state: string }).state === 'completed';
    });
    const ended = once(service.process, 'exit');
    service.process.kill('SIGTERM');
    expect(await ended).toEqual([0, null]);
  }, 60_000);
});

describe('a database that hangs', () => {
  test('leaves the ready check answering, with no, until it goes on', async () => {
    const url = throughProxy(await postgres.createEmptyDatabase());
    const service = await start({ ...environment('hangs'), DATABASE_URL: url });
    proxy.freeze();
    const frozenAtMs = Date.now();
    const answers = await Promise.all(Array.from({ length: 20 }, () => service.get('/api/ready')));
    // Far below the time after which a statement is given up.
    expect(Date.now() - frozenAtMs).toBeLessThan(15_000);
    for (const { status, body } of answers) {
      expect(status).toBe(503);
      expect(body).toMatchObject({
        error: { code: 'NOT_READY', details: [{ path: 'database' }, { path: 'queue' }] },
      });
    }
    expect((await service.get('/api/health')).status).toBe(200);
    proxy.thaw();
    await service.until(async () => (await service.get('/api/ready')).status === 200);
    expect(await service.end()).toBe(0);
  }, 90_000);

  test('that holds the queue alone is told of the queue alone', async () => {
    const { pool } = await postgres.createDatabase();
    const api = await startPostgrest(pool);
    const service = await start({
      ...environment('queue'),
      SUPABASE_URL: api.url,
      SUPABASE_SERVICE_ROLE_KEY: api.key,
      DATABASE_URL: throughProxy(await postgres.createEmptyDatabase()),
    });
    cleanups.unshift(() => api.close());
    await proxy.cut();
    await service.until(async () => (await service.get('/api/ready')).status === 503);
    expect((await service.get('/api/ready')).body).toMatchObject({ error: { details: [{ path: 'queue' }] } });
    await proxy.restore();
    await service.until(async () => (await service.get('/api/ready')).status === 200);
    expect(service.log.match(/The queue's database cannot be reached/g)).toHaveLength(1);
  }, 90_000);
});

describe('links', () => {
  test.each([
    ['every address', '0.0.0.0', hostname()],
    ['every address of both kinds', '::', hostname()],
    ['one address', '127.0.0.1', '127.0.0.1'],
  ])(
    'of a service that listens on %s name a host that can be reached',
    async (_, host, named) => {
      const key = 'k'.repeat(40);
      const service = await start({ ...environment('links'), HOST: host, API_KEYS: `admin:${key}` });
      expect(service.log).toContain(`http://${named}:${new URL(service.url).port}`);
    },
    60_000,
  );
});
