import type { ModelCacheStore } from '../../generation/model-cache.ts';
import { type Clock, iso } from '../../shared/clock.ts';
import type { Records } from '../records.ts';

/** Models change, and so do the words that ask them: an answer is not worth keeping for longer. */
export const ANSWERS_KEPT_MS = 30 * 86_400_000;

/** Answers of models in the records, for all replicas. */
export function modelAnswers(records: Records, clock: Clock): ModelCacheStore {
  return {
    async get(key) {
      const [row] = await records.select('model_answers', { where: [{ column: 'key', op: 'eq', value: key }] });
      return row ? { json: row.json, model: row.model, costMicros: row.cost_micros } : null;
    },
    async set(key, { json, model, costMicros }) {
      const row = { key, json, model, cost_micros: costMicros, created_at: iso(clock.now()) };
      await records.upsert('model_answers', [row], ['key']);
    },
  };
}
