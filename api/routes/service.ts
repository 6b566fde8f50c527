import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { countActiveCampaigns, countScheduledCampaigns } from '../../database/queries/campaigns.ts';
import { countQueuedRuns } from '../../database/queries/runs.ts';
import type { Records } from '../../database/records.ts';
import type { Clock } from '../../shared/clock.ts';
import { PROJECT_ROOT } from '../../shared/config.ts';
import { AppError } from '../../shared/errors.ts';
import { type Operation, operation } from '../operation.ts';
import { count } from '../shapes/common.ts';

export const SERVICE = 'pipeline-orchestrator';
export const VERSION = (JSON.parse(readFileSync(join(PROJECT_ROOT, 'package.json'), 'utf8')) as { version: string })
  .version;

/** How long the health check waits for its counts. */
const COUNT_PATIENCE_MS = 1_000;

const links = z.strictObject({
  service: z.literal(SERVICE),
  version: z.string(),
  links: z.record(z.string(), z.string()),
});

const index = operation({
  id: 'index',
  method: 'get',
  path: '/',
  tag: 'Service',
  summary: 'Where things are',
  scope: 'open',
  answers: { 200: { description: 'Links.', schema: links } },
  async handle() {
    const body: z.infer<typeof links> = {
      service: SERVICE,
      version: VERSION,
      links: {
        campaigns: '/api/campaigns',
        runs: '/api/runs',
        notifications: '/api/notifications',
        health: '/api/health',
        ready: '/api/ready',
        metrics: '/metrics',
        openapi: '/openapi.json',
        docs: '/docs',
      },
    };
    return { status: 200, body };
  },
});

const health = z.strictObject({
  status: z.literal('healthy'),
  service: z.literal(SERVICE),
  activeCampaigns: count.nullable().meta({ description: 'Null while the database does not answer.' }),
  scheduledRuns: count.nullable().meta({
    description:
      'Runs to come: the next fire of each active campaign, and queued runs. Null while the database does not answer.',
  }),
  version: z.string(),
  uptime: z.number().meta({ description: 'Seconds since the start.' }),
});

const getHealth = operation({
  id: 'getHealth',
  method: 'get',
  path: '/api/health',
  tag: 'Service',
  summary: 'Whether the process lives',
  description: 'Stays 200 while the database is away; see /api/ready for that.',
  scope: 'open',
  answers: { 200: { description: 'It does.', schema: health } },
  async handle(_input, { records, clock }) {
    const counts = await countsWithin(records, clock);
    const body: z.infer<typeof health> = {
      status: 'healthy',
      service: SERVICE,
      ...counts,
      version: VERSION,
      uptime: Math.round(process.uptime() * 10) / 10,
    };
    return { status: 200, body };
  },
});

async function countsWithin(
  records: Records,
  clock: Clock,
): Promise<{ activeCampaigns: number | null; scheduledRuns: number | null }> {
  const unknown = { activeCampaigns: null, scheduledRuns: null };
  const patience = new AbortController();
  const counting = Promise.all([
    countActiveCampaigns(records),
    countScheduledCampaigns(records),
    countQueuedRuns(records),
  ]).then(
    ([activeCampaigns, scheduled, queued]) => ({ activeCampaigns, scheduledRuns: scheduled + queued }),
    () => unknown,
  );
  const waiting = clock.sleep(COUNT_PATIENCE_MS, patience.signal).then(
    () => unknown,
    () => unknown,
  );
  try {
    return await Promise.race([counting, waiting]);
  } finally {
    patience.abort();
  }
}

const ready = z.strictObject({
  status: z.literal('ready'),
  checks: z.array(z.strictObject({ name: z.string(), ok: z.boolean(), message: z.string().optional() })),
});

const getReady = operation({
  id: 'getReady',
  method: 'get',
  path: '/api/ready',
  tag: 'Service',
  summary: 'Whether the service can do its work',
  scope: 'open',
  answers: { 200: { description: 'It can.', schema: ready } },
  failures: { 503: ['NOT_READY'] },
  async handle(_input, deps) {
    const report = await deps.health.ready();
    const checks = report.checks.map(({ name, ok, message }) =>
      message === undefined ? { name, ok } : { name, ok, message },
    );
    if (report.ready) return { status: 200, body: { status: 'ready', checks } satisfies z.infer<typeof ready> };
    const missing = checks.filter((check) => !check.ok);
    throw new AppError('NOT_READY', 503, `Not ready: ${missing.map((check) => check.name).join(', ')}.`, {
      retryable: true,
      details: missing.map((check) => ({ path: check.name, message: check.message ?? 'is not available' })),
    });
  },
});

const getMetrics = operation({
  id: 'getMetrics',
  method: 'get',
  path: '/metrics',
  tag: 'Service',
  summary: 'Metrics in the Prometheus text format',
  scope: 'read',
  // Asked for at fixed times: a gap in the measurements at the busiest moment would hide what is to be seen.
  unlimited: true,
  answers: { 200: { description: 'All metrics.', schema: null, mediaType: 'text/plain' } },
  async handle(_input, { metrics }) {
    const text = await metrics.metrics();
    return (_request, response) => void response.status(200).type(metrics.contentType).send(text);
  },
});

export const serviceOperations: readonly Operation[] = [index, getHealth, getReady, getMetrics];
