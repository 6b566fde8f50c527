import { expect, test } from '@jest/globals';
import { Registry } from 'prom-client';
import { countBriefs } from '../../api/brief-metrics.ts';
import { BRIEFS_CAMPAIGN_ID } from '../../generation/briefs/definition.ts';
import { EventBus } from '../../shared/events.ts';
import { newId } from '../../shared/ids.ts';

const AT = Date.parse('2026-03-02T09:00:00.000Z');

test('a brief is counted once, when its first run ends; what repairs it is counted apart', async () => {
  const registry = new Registry();
  const events = new EventBus();
  let now = AT;
  countBriefs(registry, events, () => now);
  const run = (trigger: string, campaignId: string, status: string) => {
    const facts = { campaignId, runId: newId(AT) };
    events.emit('run.started', { ...facts, trigger });
    now = AT + 2_000;
    events.emit('step.completed', { ...facts, kind: 'copy', status: 'completed' });
    now = AT + 4_000;
    events.emit('step.completed', { ...facts, kind: 'poster', status: 'completed' });
    now = AT + 40_000;
    events.emit('run.finished', { ...facts, status });
  };
  run('manual', BRIEFS_CAMPAIGN_ID, 'partial');
  run('retry', BRIEFS_CAMPAIGN_ID, 'completed');
  run('manual', newId(AT), 'completed');
  const text = await registry.metrics();
  expect(text).toMatch(/^orchestrator_briefs_total\{status="partial"\} 1$/m);
  expect(text).not.toMatch(/orchestrator_briefs_total\{status="completed"\}/);
  expect(text).toMatch(/^orchestrator_brief_repairs_total\{status="completed"\} 1$/m);
  expect(text).toMatch(/^orchestrator_brief_duration_seconds_sum\{status="partial"\} 40$/m);
  expect(text).toMatch(/^orchestrator_brief_first_artifact_seconds_sum 2$/m);
});
