import { ModelError } from '../../generation/model.ts';
import type { Clock } from '../../shared/clock.ts';
import { messageOf } from '../../shared/errors.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Micros } from '../../shared/money.ts';
import { nearest } from '../../shared/nearest.ts';
import { problemsOf } from '../../shared/zod-problems.ts';
import type { Evidence } from '../statement.ts';
import { type CallSite, LARGEST_ARGUMENTS } from './call-log.ts';
import { invalidArguments, type Tool, type ToolContext, ToolError, type ToolRun } from './tool.ts';
import type { StepWithTools } from './toolbox.ts';

/** One use of a tool, from its arguments to its row. */
export interface Use {
  id: string;
  site: CallSite;
  tool: string;
  args: JsonObject;
  beganAt: number;
  /** At most what it costs, in micro-dollars; 0 until it is known. */
  estimate: Micros;
  /** Whether a request went out that can have cost something. */
  sent: boolean;
}

export interface UseSurroundings {
  step: StepWithTools;
  tools: readonly Tool<unknown>[];
  clock: Clock;
  evidence: readonly Evidence[];
}

/** Made once, because an error is dear to make; nobody sees them. */
const SLOW = new Error('The tool was too slow.');
const ENDED = new Error('The tool has ended.');

/** A tool with arguments that it takes. */
export interface Prepared {
  tool: Tool<unknown>;
  args: unknown;
}

/**
 * Checks a use and says what it may cost.
 * @throws {ToolError} TOOL_UNKNOWN, TOOL_ARGUMENTS_INVALID naming every field that does not fit, or the tool's own refusal
 */
export function prepare(use: Use, { tools, step, evidence }: UseSurroundings): Prepared {
  const tool = tools.find(({ name }) => name === use.tool);
  if (!tool) throw unknownTool(use.tool, tools);
  const { length } = JSON.stringify(use.args);
  if (length > LARGEST_ARGUMENTS)
    throw invalidArguments(tool.name, [
      { path: '', message: `have ${length} characters; ${LARGEST_ARGUMENTS} at most`, mend: 'give less' },
    ]);
  const parsed = tool.schema.safeParse(use.args);
  if (!parsed.success) throw invalidArguments(tool.name, problemsOf(parsed.error, use.args));
  use.estimate = tool.estimate(parsed.data, { model: step.model, evidence });
  return { tool, args: parsed.data };
}

function unknownTool(name: string, tools: readonly Tool<unknown>[]): ToolError {
  const names = tools.map((tool) => tool.name);
  const near = nearest(name, names);
  const hint = near === undefined ? `There are ${names.join(', ')}.` : `Did you mean ${near}?`;
  const message = `There is no tool ${JSON.stringify(name.slice(0, 60))}. ${hint}`;
  return new ToolError('TOOL_UNKNOWN', message, { refused: true });
}

/** Runs a tool within its own time and the step's. @throws {ToolError} TOOL_TIMEOUT, and whatever the tool throws */
export async function runInTime({ tool, args }: Prepared, use: Use, around: UseSurroundings): Promise<ToolRun> {
  const { step, clock, evidence } = around;
  const limitMs = Math.max(0, Math.min(tool.timeLimitMs, step.deadline - use.beganAt));
  const [slow, done] = [new AbortController(), new AbortController()];
  const timer = clock.sleep(limitMs, done.signal).then(
    () => slow.abort(SLOW),
    () => undefined,
  );
  const context: ToolContext = {
    runId: step.runId,
    stepName: step.stepName,
    attempt: step.attempt,
    callKey: use.site.callKey,
    signal: AbortSignal.any([step.signal, slow.signal]),
    deadline: use.beganAt + limitMs,
    clock,
    model: step.model,
    onSent: () => {
      use.sent = true;
      step.onSent();
    },
    evidence,
  };
  try {
    return await tool.run(args, context);
  } catch (error) {
    if (!slow.signal.aborted) throw error;
    throw new ToolError('TOOL_TIMEOUT', `${tool.name} gave nothing within ${Math.round(limitMs)} ms.`, {
      ...mostOf(use),
      cause: error,
    });
  } finally {
    done.abort(ENDED);
    await timer;
  }
}

/** What a use that broke off may have cost. */
export const mostOf = ({ sent, estimate }: Use) => ({
  costMicros: sent ? estimate : 0,
  costUnknown: sent && estimate > 0,
});

/** What became of a use that threw. */
export function failureOf(error: unknown, use: Use, { log }: Pick<StepWithTools, 'log'>): ToolError {
  if (error instanceof ToolError) return error;
  if (error instanceof ModelError) {
    const { code, message, costMicros, costUnknown } = error;
    return new ToolError(code, message, { costMicros: costMicros ?? use.estimate, costUnknown, cause: error });
  }
  log.warn('A tool broke down', { tool: use.tool, error });
  const message = `${use.tool} broke down: ${messageOf(error)}`;
  return new ToolError('TOOL_CRASHED', message, { ...mostOf(use), cause: error });
}
