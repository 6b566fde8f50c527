import type { Records } from '../../database/records.ts';
import type { Clock } from '../../shared/clock.ts';
import type { Config } from '../../shared/config.ts';
import { makeRedactor, secretsOf } from '../../shared/logger.ts';
import type { OriginPolicy } from '../../shared/origins.ts';
import { api } from './api.ts';
import { content } from './content.ts';
import { type Endpoint, loadEndpoints } from './endpoints.ts';
import { research } from './research.ts';
import type { Tool } from './tool.ts';
import { Toolbox } from './toolbox.ts';
import type { Resolve } from './web/addresses.ts';

export interface ToolSurroundings {
  origins: OriginPolicy;
  clock: Clock;
  endpoints: readonly Endpoint[];
  /** Our own port, which agents do not read. */
  ownPort?: number;
  /** How names become addresses; the system's way when left out. */
  resolve?: Resolve;
}

/** The tools of agents, one line each. */
export function makeTools(around: ToolSurroundings): readonly Tool<unknown>[] {
  return [
    api(around.endpoints, around.origins),
    // Writes with generation's agents.
    content,
    research(around),
  ];
}

/**
 * The toolbox of a configuration; `close` it in the end.
 * @throws {ValidationError} for problems of the file of endpoints
 */
export function makeToolbox(
  config: Config,
  around: { records: Records; clock: Clock; origins: OriginPolicy },
): Toolbox {
  const { records, clock, origins } = around;
  const endpoints = loadEndpoints(config.toolsFile, { origins, references: config.references });
  const tools = makeTools({ origins, clock, endpoints, ownPort: config.port });
  return new Toolbox({ records, clock, tools, redact: makeRedactor(secretsOf(config)) });
}
