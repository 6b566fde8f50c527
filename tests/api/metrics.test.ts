import { expect, test } from '@jest/globals';
import request from 'supertest';
import { createMetrics } from '../../api/metrics.ts';
import { newId } from '../../shared/ids.ts';
import { EventBus } from '../../shared/events.ts';
import { makeApi } from '../support/api.ts';

const records = { select: async () => [], count: async () => 2 } as never;

test('business events become metrics', async () => {
  const events = new EventBus();
  const metrics = createMetrics(events, { process: false, queueDepth: async () => 7 });
  const { app } = makeApi(records, { events, metrics });
  events.emit('run.queued', { trigger: 'schedule' });
  events.emit('run.started', {});
  events.emit('step.completed', { kind: 'prospecting', status: 'empty', cost: 0.25, durationMs: 2_000 });
  events.emit('step.failed', { kind: 'prospecting', status: 'failed', cost: 0.5 });
  events.emit('step.attempt_failed', { code: 'ENGINE_TIMEOUT' });
  events.emit('run.finished', { status: 'partial' });
  events.emit('fire.skipped', {});
  events.emit('notification.sent', {});
  const { text, headers } = await request(app).get('/metrics');
  expect(headers['content-type']).toContain('text/plain');
  for (const line of [
    'orchestrator_runs_queued_total{trigger="schedule"} 1',
    'orchestrator_runs_started_total 1',
    'orchestrator_runs_total{status="partial"} 1',
    'orchestrator_steps_total{kind="prospecting",outcome="empty"} 1',
    'orchestrator_steps_total{kind="prospecting",outcome="failed"} 1',
    'orchestrator_cost_dollars_total{kind="prospecting"} 0.75',
    'orchestrator_step_duration_seconds_sum{kind="prospecting"} 2',
    'orchestrator_step_attempts_failed_total{code="ENGINE_TIMEOUT"} 1',
    'orchestrator_fires_total{outcome="skipped"} 1',
    'orchestrator_notifications_total{outcome="sent"} 1',
    'orchestrator_queue_depth 7',
  ])
    expect(text.split('\n')).toContain(line);
});

test('requests are counted by the template of their path, so that ids make no series', async () => {
  const { app, deps } = makeApi(records);
  await request(app).get(`/api/runs/${newId()}`);
  await request(app).get(`/api/runs/${newId()}`);
  await request(app).get('/no/such/path');
  const text = await deps.metrics.metrics();
  expect(text).toContain('http_request_duration_seconds_count{method="GET",route="/api/runs/{id}",status="404"} 2');
  expect(text).toContain('http_request_duration_seconds_count{method="GET",route="unknown",status="404"} 1');
});

test('the metrics of the process are there too', async () => {
  const { app } = makeApi(records, { metrics: createMetrics(new EventBus()) });
  expect((await request(app).get('/metrics')).text).toContain('process_resident_memory_bytes');
});
