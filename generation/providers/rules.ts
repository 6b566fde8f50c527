import type { Clock } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Micros } from '../../shared/money.ts';
import { NO_USAGE } from '../model-costs.ts';
import { checkJson, inWords } from '../model-prompt.ts';
import {
  type Embedded,
  type Generated,
  type GenerateRequest,
  type Model,
  type ModelCall,
  ModelError,
} from '../model.ts';

/** Writes the answer to a task from its input: the same every time, without asking anybody. */
export type RulesTemplate = (input: JsonObject) => unknown;

/** By the name of the task. */
export type RulesTemplates = Readonly<Record<string, RulesTemplate>>;

/** Stamped on everything it writes; another number when what the templates write changes in kind. */
export const RULES_MODEL = 'rules-v1';

/** The offline writer: templates instead of a model, at no cost. It is never taken in a model's place unless it was chosen. */
export class RulesModel implements Model {
  readonly provider = 'rules';
  readonly #templates: RulesTemplates;
  readonly #clock: Clock;

  constructor(options: { templates: RulesTemplates; clock: Clock }) {
    this.#templates = options.templates;
    this.#clock = options.clock;
  }

  /** @throws {ModelError} MODEL_UNSUPPORTED for a task without a template, MODEL_OUTPUT_INVALID when one writes what does not fit */
  async generate<T>(request: GenerateRequest<T>, { signal }: ModelCall): Promise<Generated<T>> {
    signal.throwIfAborted();
    const began = this.#clock.now();
    const { task } = request;
    const template = Object.hasOwn(this.#templates, task) ? this.#templates[task] : undefined;
    if (!template)
      throw new ModelError(
        'MODEL_UNSUPPORTED',
        `The offline writer has no template for the task ${task}. Mend: set MODEL_PROVIDER to genai or vertexai.`,
      );
    // As an answer that came over the wire, and so that nobody shares an object with a template.
    const written: unknown = JSON.parse(JSON.stringify(template(structuredClone(request.input)) ?? null));
    const reading = await checkJson(written, request.schema);
    signal.throwIfAborted();
    if ('problems' in reading) {
      const said = reading.problems.slice(0, 3).map(inWords).join('; ');
      throw new ModelError('MODEL_OUTPUT_INVALID', `The template of the task ${task} does not fit: ${said}`);
    }
    return {
      value: reading.value,
      provider: this.provider,
      model: RULES_MODEL,
      usage: NO_USAGE,
      costMicros: 0,
      fromCache: false,
      repairs: 0,
      durationMs: this.#clock.now() - began,
    };
  }

  estimate(): Micros {
    return 0;
  }

  embed(_texts: readonly string[], { signal }: ModelCall): Promise<Embedded> {
    const mend = 'take the embedded embeddings of knowledge/, or set MODEL_PROVIDER to genai or vertexai';
    const error = new ModelError('MODEL_UNSUPPORTED', `The offline writer makes no vectors. Mend: ${mend}.`);
    return Promise.reject(signal.aborted ? (signal.reason as Error) : error);
  }
}
