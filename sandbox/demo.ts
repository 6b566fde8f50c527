import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { DemoClient } from './demo-client.ts';
import { bold, dim, green, line, red, showEvent, showMail, showRun } from './demo-screen.ts';
import { startSandboxEngines } from './engines.ts';
import { startMailCatcher } from './mail-catcher.ts';

const PROJECT = join(import.meta.dirname, '..');
/** The demo's campaign is due this many seconds after it has been scheduled. */
const FIRES_IN_SECONDS = 5;

const { values: options } = parseArgs({
  options: {
    port: { type: 'string', default: '3020' },
    /** Share of engine calls that fail, 0 to 1; the retries can then be watched. */
    faults: { type: 'string', default: '0.2' },
    /** Stop after the run instead of going on serving. */
    once: { type: 'boolean', default: false },
  },
});

/** The wanted port if it is free, otherwise any free one. */
async function freePort(wanted: number): Promise<number> {
  const attempt = (port: number) =>
    new Promise<number | null>((resolve) => {
      const probe = createServer();
      probe.once('error', () => resolve(null));
      probe.listen(port, '127.0.0.1', () => {
        const address = probe.address();
        probe.close(() => resolve(typeof address === 'object' && address ? address.port : null));
      });
    });
  return (await attempt(wanted)) ?? (await attempt(0)) ?? wanted;
}

function startService(port: number, dataDir: string, urls: Record<string, string>, smtpUrl: string): ChildProcess {
  return spawn(process.execPath, [join(PROJECT, 'server.ts')], {
    cwd: PROJECT,
    stdio: ['ignore', 'ignore', 'inherit'],
    env: {
      PATH: process.env['PATH'] ?? '',
      PORT: String(port),
      DATA_DIR: dataDir,
      ENGINE_PROSPECTING_URL: urls['prospecting'] ?? '',
      ENGINE_ANALYSIS_URL: urls['analysis'] ?? '',
      ENGINE_OUTREACH_URL: urls['outreach'] ?? '',
      SMTP_URL: smtpUrl,
      NOTIFY_FROM: 'Pipeline Orchestrator <orchestrator@example.com>',
      LOG_LEVEL: 'warn',
    },
  });
}

async function main(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const interrupted = new Promise<void>((resolve) => {
    process.once('SIGINT', resolve);
    process.once('SIGTERM', resolve);
  });
  line(bold('pipeline-orchestrator, the main job from schedule to sent mail'));
  const dataDir = await mkdtemp(join(tmpdir(), 'pipeline-demo-'));
  stack.defer(() => rm(dataDir, { recursive: true, force: true }));
  const engines = await startSandboxEngines({ paceMs: 120, faultShare: Number(options.faults), seed: 7 });
  stack.defer(() => engines.close());
  const mail = await startMailCatcher();
  stack.defer(() => mail.close());
  const port = await freePort(Number(options.port));
  const service = startService(port, dataDir, engines.urls, mail.url);
  const exited = new Promise<void>((resolve) => service.once('exit', () => resolve()));
  stack.defer(async () => {
    service.kill('SIGTERM');
    await exited;
  });
  line(dim(`  stand-in engines ${Object.values(engines.urls).join(' ')} · mail catcher ${mail.url}`));

  const api = new DemoClient(`http://127.0.0.1:${port}`);
  await api.untilReady(exited);
  line(`${green('✔')} service ready at ${api.base} ${dim('(embedded database, nothing else set up)')}`);

  const campaign = await api.campaignNamed('Test Campaign');
  const due = new Date(Date.now() + FIRES_IN_SECONDS * 1_000);
  const cron = `${due.getUTCSeconds()} ${due.getUTCMinutes()} ${due.getUTCHours()} * * *`;
  await api.schedule(campaign.id, cron);
  line(`${green('✔')} "${campaign.name}" scheduled: ${cron} UTC ${dim(`(in ${FIRES_IN_SECONDS} s)`)}`);

  const runId = await api.untilRun(campaign.id);
  line(`${green('✔')} fired by the schedule, run ${dim(runId)}`);
  await api.follow(runId, showEvent);
  const run = await api.run(runId);
  showRun(run);
  const received = await mail.waitForMail((message) => message.subject?.includes(campaign.name) ?? false);
  showMail(received);

  line(bold('\nTry next'));
  line(`  curl -s ${api.base}/api/campaigns/${campaign.id}/runs`);
  line(`  curl -s ${api.base}/api/runs/${runId}`);
  line(`  curl -s ${api.base}/api/campaigns/${campaign.id}/budget`);
  line(`  curl -s ${api.base}/api/campaigns/${campaign.id}/fires`);
  line(`  curl -s -X POST ${api.base}/api/campaigns/${campaign.id}/run`);
  line(`  ${api.base}/docs in a browser`);
  if (options.once) return;
  line(dim('\nServing until Ctrl-C.'));
  await Promise.race([interrupted, exited]);
}

try {
  await main();
} catch (error) {
  line(red(`✘ ${error instanceof Error ? error.message : String(error)}`));
  process.exitCode = 1;
}
