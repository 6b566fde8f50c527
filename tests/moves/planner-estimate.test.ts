import { expect, test } from '@jest/globals';
import type { Model } from '../../generation/model.ts';
import { makeModel } from '../../generation/model-layer.ts';
import { loadConfig } from '../../shared/config.ts';
import { newId } from '../../shared/ids.ts';
import type { JsonObject } from '../../shared/json.ts';
import { silentLogger } from '../../shared/logger.ts';
import { stepKinds } from '../../steps/registry.ts';
import { TestClock } from '../support/clock.ts';

const model = (env: Record<string, string>) =>
  makeModel(loadConfig(env).model, { clock: new TestClock(), logger: silentLogger, templates: {} });
const hosted = model({ MODEL_PROVIDER: 'genai', GOOGLE_CLOUD_PROJECT: 'project' });
const plan = newId();

/** In dollars. */
function estimate(kind: string, params: JsonObject, by: Model = hosted, waiting?: JsonObject): number {
  const found = stepKinds[kind];
  if (found?.engine !== null) throw new Error(`${kind} works with no model`);
  return found.estimate(params, by, [], waiting) / 1_000_000;
}

test.each([
  ['arc', { plan }, 0.1, 2],
  ['moves', { plan }, 0.1, 4],
  ['pivot', { plan }, 0.1, 2],
  ['move-assets', { plan, most: 1 }, 0.02, 1],
])('holds for a step of the kind %s what it may cost with a hosted model', (kind, params, least, most) => {
  expect(estimate(kind, params)).toBeGreaterThan(least);
  expect(estimate(kind, params)).toBeLessThan(most);
});

test('holds for assets as much as there may be, the judge included', () => {
  const [one, six] = [estimate('move-assets', { plan, most: 1 }), estimate('move-assets', { plan, most: 6 })];
  expect(six).toBeCloseTo(6 * one, 6);
});

test('holds nothing for the offline planner, nor for what people have been asked about', () => {
  const offline = model({});
  for (const kind of ['arc', 'moves', 'pivot', 'move-assets']) {
    expect(estimate(kind, { plan }, offline)).toBe(0);
    expect(estimate(kind, { plan }, hosted, { approvals: [newId()] })).toBe(0);
  }
});
