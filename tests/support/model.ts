import type { Embedded, Generated, GenerateRequest, Model, ModelCall } from '../../generation/model.ts';
import { ModelError } from '../../generation/model.ts';
import type { RulesTemplates } from '../../generation/providers/rules.ts';
import { templates } from '../../generation/rules/templates.ts';

/** What a scripted model does with a task: an answer, a failure, or nothing until it is told to stop. */
export type Act = 'write' | 'hang' | Error | ((request: GenerateRequest<unknown>) => unknown);

/** The judge finds nothing to object to. */
const writers: RulesTemplates = {
  ...templates,
  'audit.judge': () => ({ answer: false, quote: '', reason: 'Nothing of the kind.' }),
};

/**
 * A hosted model without a network: writes what the offline templates write, as `model-1`, at a cent an answer, unless a task is
 * scripted otherwise. Acts of a list are used up one by one; the last one stays.
 */
export class ScriptedModel implements Model {
  readonly provider = 'genai';
  readonly requests: GenerateRequest<unknown>[] = [];
  readonly script: Record<string, Act[]> = {};
  /** Micro-dollars. */
  cost = 10_000;

  /** How often a task was asked for. */
  asked(task: string): number {
    return this.requests.filter((request) => request.task === task).length;
  }

  async generate<T>(request: GenerateRequest<T>, { signal, onSent }: ModelCall): Promise<Generated<T>> {
    signal.throwIfAborted();
    this.requests.push(request);
    onSent?.();
    const acts = this.script[request.task] ?? ['write'];
    const act = acts.length > 1 ? acts.shift() : acts[0];
    if (act === 'hang')
      return new Promise((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
    if (act instanceof Error) throw act;
    const written: unknown = typeof act === 'function' ? act(request) : writers[request.task]?.(request.input);
    return {
      value: request.schema.parse(written),
      provider: this.provider,
      model: 'model-1',
      usage: { prompt: 100, cached: 0, thoughts: 0, tool: 0, output: 50 },
      costMicros: this.cost,
      fromCache: false,
      repairs: 0,
      durationMs: 1,
    };
  }

  estimate(): number {
    return 2 * this.cost;
  }

  embed(): Promise<Embedded> {
    return Promise.reject(new ModelError('MODEL_UNSUPPORTED', 'no vectors here'));
  }
}
