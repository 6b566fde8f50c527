import { Counter, Gauge, type Registry } from 'prom-client';
import type { ModelStats } from '../generation/model-layer.ts';
import { microsToDollars } from '../shared/money.ts';

/** Shows what the model layer has counted; asked at each scrape. */
export function showModel(registry: Registry, stats: () => ModelStats): void {
  const counter = <L extends string>(
    name: string,
    help: string,
    labelNames: L[],
    read: (now: ModelStats) => [labels: Partial<Record<L, string>>, value: number][],
  ) =>
    new Counter<L>({
      name: `orchestrator_model_${name}`,
      help,
      labelNames,
      registers: [registry],
      collect() {
        this.reset();
        for (const [labels, value] of read(stats())) this.inc(labels, value);
      },
    });
  counter('answers_total', 'Answers of the model, those from the cache included.', [], ({ answers }) => [
    [{}, answers],
  ]);
  counter('repairs_total', 'Times that a model was told what was wrong with its answer.', [], ({ repairs }) => [
    [{}, repairs],
  ]);
  counter('cost_dollars_total', 'What answers and failures cost, as far as it is known.', [], ({ costMicros }) => [
    [{}, microsToDollars(costMicros)],
  ]);
  counter('failures_total', 'Calls that failed, by code.', ['code'], ({ failures }) =>
    Object.entries(failures).map(([code, count]) => [{ code }, count]),
  );
  counter('cache_total', 'Questions by where their answer came from; miss: from the model.', ['from'], ({ cache }) => [
    [{ from: 'memory' }, cache.memoryHits],
    [{ from: 'store' }, cache.storeHits],
    [{ from: 'shared' }, cache.sharedHits],
    [{ from: 'miss' }, cache.misses],
  ]);
  counter('saved_dollars_total', 'What answers from the cache would have cost.', [], ({ cache }) => [
    [{}, microsToDollars(cache.savedMicros)],
  ]);
  registry.registerMetric(
    new Gauge({
      name: 'orchestrator_model_cache_bytes',
      help: 'Answers kept in memory.',
      registers: [],
      collect() {
        this.set(stats().cache.bytes);
      },
    }),
  );
}
