import type { Records } from '../../database/records.ts';
import type { Clock } from '../../shared/clock.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Micros } from '../../shared/money.ts';
import type { Evidence } from '../statement.ts';
import type { WorkContext } from '../work.ts';
import { CallLog } from './call-log.ts';
import { StepTools } from './step-tools.ts';
import { type OfferedTool, offersOf, type Tool } from './tool.ts';

export interface ToolboxDeps {
  records: Records;
  clock: Clock;
  tools: readonly Tool<unknown>[];
  /** Takes secrets out of text. */
  redact: (text: string) => string;
}

/** The part of a step's context that its tools need. */
export type StepWithTools = Pick<
  WorkContext,
  'runId' | 'stepName' | 'attempt' | 'signal' | 'deadline' | 'model' | 'onSent' | 'log'
>;

export interface BindOptions {
  /** What the step knows: content is written from it alone. */
  evidence?: readonly Evidence[];
  /** Micro-dollars that the uses of the step may cost together; a use that could cost more than is left is refused. */
  mostMicros?: Micros;
}

/** What agents may use, and the one way to it. */
export class Toolbox {
  readonly #deps: ToolboxDeps;
  readonly #log: CallLog;

  constructor(deps: ToolboxDeps) {
    this.#deps = deps;
    this.#log = new CallLog(deps);
  }

  /** The tools for one try of a step. */
  bind(step: StepWithTools, options: BindOptions = {}): StepTools {
    const { tools, clock } = this.#deps;
    return new StepTools({ step, tools, clock, log: this.#log, evidence: [], ...options });
  }

  /** What a model may choose among. @param names of tools; all of them when left out */
  offers(names?: readonly string[]): OfferedTool[] {
    return offersOf(this.#deps.tools, names);
  }

  /** At most what a use costs, in micro-dollars; 0 for one that would be refused. */
  estimate(name: string, args: JsonObject, context: Pick<StepWithTools, 'model'> & BindOptions): Micros {
    const tool = this.#deps.tools.find((one) => one.name === name);
    const parsed = tool?.schema.safeParse(args);
    if (!tool || !parsed?.success) return 0;
    return tool.estimate(parsed.data, { model: context.model, evidence: context.evidence ?? [] });
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    await Promise.all(this.#deps.tools.map(async (tool) => tool.close?.()));
  }
}
