import type { JsonObject } from '../../shared/json.ts';
import type { Problem } from '../../shared/errors.ts';
import type { Micros } from '../../shared/money.ts';
import type { Evidence } from '../statement.ts';
import { callId, type CallLog, LARGEST_RESULT, type LoggedCall } from './call-log.ts';
import { type OfferedTool, offersOf, ToolError, type ToolRun } from './tool.ts';
import { failureOf, mostOf, prepare, runInTime, type Use, type UseSurroundings } from './tool-use.ts';

/** Uses of tools by one try of a step, those that the log answers included. */
export const MOST_CALLS = 20;
const LONGEST_MESSAGE = 1_000;

export interface ToolFailure {
  code: string;
  message: string;
  /** Places in the arguments. */
  problems: Problem[];
}

/** What became of one use of a tool. */
export interface ToolOutcome {
  callId: string;
  tool: string;
  outcome: 'completed' | 'refused' | 'failed';
  /** Text and data by others. What a model is shown of it is `evidence`, as data. */
  untrusted: true;
  /** Empty unless completed. */
  result: JsonObject;
  /** What statements may cite. */
  evidence: Evidence[];
  error: ToolFailure | null;
  costMicros: Micros;
  costUnknown: boolean;
  /** Whether it was done by an earlier try of the step, which also paid for it. */
  fromLog: boolean;
}

interface Deps extends UseSurroundings {
  log: CallLog;
  mostMicros?: Micros;
}

/** The tools in the hands of one try of a step. */
export class StepTools {
  readonly #deps: Deps;
  #calls = 0;
  #spent = 0;
  /** What uses under way may cost. */
  #held = 0;
  #costUnknown = false;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** What the uses of this try have cost, in micro-dollars. */
  get spentMicros(): Micros {
    return this.#spent;
  }

  /** Whether that is only the most that it can be. */
  get costUnknown(): boolean {
    return this.#costUnknown;
  }

  /** What a model may choose among. @param names of tools; all of them when left out */
  offers(names?: readonly string[]): OfferedTool[] {
    return offersOf(this.#deps.tools, names);
  }

  /**
   * Uses a tool. What the step has completed before under the same key, with the same arguments, is answered from its row. A use that
   * gave nothing is an outcome, not an error. A use beyond {@link MOST_CALLS} is not made and has no row.
   * @param callKey tells uses of one step apart that have the same arguments
   * @throws the signal's reason on abort, and what the records throw
   */
  async use(tool: string, args: JsonObject, callKey: string): Promise<ToolOutcome> {
    const { step, clock, log } = this.#deps;
    step.signal.throwIfAborted();
    const site = { runId: step.runId, stepName: step.stepName, callKey };
    const use: Use = {
      id: callId(site, tool, args),
      site,
      tool,
      args,
      beganAt: clock.now(),
      estimate: 0,
      sent: false,
    };
    this.#calls += 1;
    if (this.#calls > MOST_CALLS) return exhausted(use);
    const before = await log.completed(use.id);
    if (before) return this.#completed(use, before.result, { costMicros: before.cost_micros, fromLog: true });
    const run = await this.#attempt(use);
    this.#spent += run.costMicros;
    this.#costUnknown ||= run.costUnknown ?? false;
    if (run instanceof ToolError) return this.#failed(use, run);
    const { result, costMicros, costUnknown = false } = run;
    await log.write(this.#row(use, { outcome: 'completed', result, costMicros }));
    return this.#completed(use, result, { costMicros, costUnknown });
  }

  async #attempt(use: Use): Promise<ToolRun | ToolError> {
    const { step } = this.#deps;
    try {
      const prepared = prepare(use, this.#deps);
      this.#hold(use);
      try {
        return this.#bounded(use, await runInTime(prepared, use, this.#deps));
      } finally {
        this.#held -= use.estimate;
      }
    } catch (error) {
      if (!step.signal.aborted) return failureOf(error, use, step);
      await this.#interrupted(use);
      throw step.signal.reason;
    }
  }

  /** @throws {ToolError} TOOL_BUDGET_EXHAUSTED */
  #hold(use: Use): void {
    const { mostMicros } = this.#deps;
    if (mostMicros !== undefined && this.#spent + this.#held + use.estimate > mostMicros)
      throw new ToolError('TOOL_BUDGET_EXHAUSTED', `${use.tool} may cost more than is left to the step.`, {
        refused: true,
      });
    this.#held += use.estimate;
  }

  /** What may be kept and shown of a result. @throws {ToolError} TOOL_RESULT_TOO_LARGE */
  #bounded({ tool }: Use, run: ToolRun): ToolRun {
    const result = this.#deps.log.clean(run.result);
    const bytes = Buffer.byteLength(JSON.stringify(result));
    if (bytes <= LARGEST_RESULT) return { ...run, result };
    const { costMicros, costUnknown = false } = run;
    const message = `${tool} gave ${bytes} bytes; ${LARGEST_RESULT} at most.`;
    throw new ToolError('TOOL_RESULT_TOO_LARGE', message, { costMicros, costUnknown });
  }

  async #failed(use: Use, failure: ToolError): Promise<ToolOutcome> {
    const { log } = this.#deps;
    const { code, refused, costMicros, costUnknown } = failure;
    const outcome = refused ? 'refused' : 'failed';
    const message = failure.message.slice(0, LONGEST_MESSAGE);
    const error = log.clean({ code, message, problems: failure.problems as never });
    await log.write(this.#row(use, { outcome, result: { error }, costMicros }));
    return { ...nothing(use), outcome, error: error as unknown as ToolFailure, costMicros, costUnknown };
  }

  /** The row of a use that the end of the step broke off. That the step ends matters more than the row. */
  async #interrupted(use: Use): Promise<void> {
    const error = { code: 'TOOL_INTERRUPTED', message: 'The step ended before the tool did.', problems: [] };
    const row = this.#row(use, { outcome: 'failed', result: { error }, costMicros: mostOf(use).costMicros });
    await this.#deps.log.writeInterrupted(row).catch(() => undefined);
  }

  #completed(use: Use, result: JsonObject, cost: Partial<ToolOutcome>): ToolOutcome {
    const tool = this.#deps.tools.find(({ name }) => name === use.tool);
    return { ...nothing(use), ...cost, outcome: 'completed', result, evidence: tool?.evidence?.(result) ?? [] };
  }

  #row(use: Use, end: Pick<LoggedCall, 'outcome' | 'result' | 'costMicros'>): LoggedCall {
    const { id, site, tool, args, beganAt } = use;
    return { ...end, id, site, tool, arguments: args, beganAt, endedAt: this.#deps.clock.now() };
  }
}

const nothing = ({ id, tool }: Use): ToolOutcome => ({
  callId: id,
  tool,
  outcome: 'refused',
  untrusted: true,
  result: {},
  evidence: [],
  error: null,
  costMicros: 0,
  costUnknown: false,
  fromLog: false,
});

function exhausted(use: Use): ToolOutcome {
  const message = `A step may use tools ${MOST_CALLS} times.`;
  return { ...nothing(use), error: { code: 'TOOL_CALLS_EXHAUSTED', message, problems: [] } };
}
