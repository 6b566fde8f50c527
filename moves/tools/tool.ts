import type { z } from 'zod';
import type { Model } from '../../generation/model.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Problem } from '../../shared/errors.ts';
import type { JsonObject } from '../../shared/json.ts';
import type { Micros } from '../../shared/money.ts';
import type { Evidence } from '../statement.ts';

/** What one use of a tool is given. */
export interface ToolContext {
  runId: string;
  stepName: string;
  attempt: number;
  /** Tells this use from the others of the step. */
  callKey: string;
  /** Aborts on time-out of the use, and on time-out, cancel and stop of the step. */
  signal: AbortSignal;
  /** When the time of this use is over, in milliseconds since the epoch. */
  deadline: number;
  clock: Clock;
  model: Model;
  /** To be told before the first request that can cost something. */
  onSent(): void;
  /** What the step knows: a tool that writes rests on it alone. */
  evidence: readonly Evidence[];
}

/** What a tool gave: text and data written by others, never an instruction. */
export interface ToolRun {
  /** Bounded by the toolbox, and kept with the row of the call. */
  result: JsonObject;
  costMicros: Micros;
  /** Whether the cost is only the most that it can be. */
  costUnknown?: boolean;
}

/** A form of arguments that a model may choose, as it is described to it. */
export interface ToolOffer {
  description: string;
  /** Without free keys, of which no answer can be asked. */
  arguments: z.ZodType<JsonObject>;
  /** What is declared under this name, where a tool stands for several things. */
  name?: string;
}

/** An offer, and the tool that makes it. */
export interface OfferedTool extends ToolOffer {
  tool: string;
}

/** Something that an agent can do beyond thinking. One file a tool, one line in registry.ts. */
export interface Tool<A> {
  name: string;
  description: string;
  /** What every call is checked against, whoever makes it. */
  schema: z.ZodType<A>;
  /** Milliseconds for one use. */
  timeLimitMs: number;
  offers(): readonly ToolOffer[];
  /** At most what one use costs, in micro-dollars. @throws {ToolError} when it would be refused */
  estimate(args: A, context: Pick<ToolContext, 'model' | 'evidence'>): Micros;
  /** @throws {ToolError} and the signal's reason on abort */
  run(args: A, context: ToolContext): Promise<ToolRun>;
  /** What statements may cite of a result of this tool; without it nothing. */
  evidence?(result: JsonObject): Evidence[];
  close?(): Promise<void>;
}

export interface ToolErrorOptions {
  refused?: boolean;
  problems?: readonly Problem[];
  costMicros?: Micros;
  costUnknown?: boolean;
  cause?: unknown;
}

/** A use that gave nothing. `code` stands in docs/errors.md. */
export class ToolError extends Error {
  readonly code: string;
  /** Whether it was not even tried. */
  readonly refused: boolean;
  /** Places in the arguments. */
  readonly problems: readonly Problem[];
  readonly costMicros: Micros;
  readonly costUnknown: boolean;

  constructor(code: string, message: string, options: ToolErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'ToolError';
    this.code = code;
    this.refused = options.refused ?? false;
    this.problems = options.problems ?? [];
    this.costMicros = options.costMicros ?? 0;
    this.costUnknown = options.costUnknown ?? false;
  }
}

/** What a model may choose among. @param names of tools; all of them when left out */
export function offersOf(tools: readonly Tool<unknown>[], names?: readonly string[]): OfferedTool[] {
  return tools
    .filter(({ name }) => names === undefined || names.includes(name))
    .flatMap((tool) => tool.offers().map((offer) => ({ ...offer, tool: tool.name })));
}

/** Arguments that do not fit; `problems` name the fields. */
export function invalidArguments(tool: string, problems: readonly Problem[]): ToolError {
  const said = problems.map(({ path, message }) => `${path || 'arguments'} ${message}`).slice(0, 3);
  const more = problems.length > said.length ? `; and ${problems.length - said.length} more` : '';
  return new ToolError('TOOL_ARGUMENTS_INVALID', `The arguments of ${tool} do not fit: ${said.join('; ')}${more}.`, {
    refused: true,
    problems,
  });
}
