import type { JsonObject, RunEventRow, RunStatus, StepRow } from '../../database/tables.ts';
import { AUDIT, WRITERS } from './definition.ts';

/** How far one agent of a brief is. */
export type AgentState = 'queued' | 'generating' | 'generated' | 'auditing' | 'audited' | 'failed' | 'cancelled';

/** How far a brief is as a whole. The last ones are those of its run. */
export type BriefState =
  | 'queued'
  | 'generating'
  | 'generated'
  | 'auditing'
  | 'completed'
  | 'partial'
  | 'failed'
  | 'aborted'
  | 'cancelled';

export const AGENTS: readonly string[] = [...WRITERS, AUDIT];
const ENDED: readonly string[] = ['completed', 'partial', 'failed', 'aborted', 'cancelled'];

/** How far an agent is, by the row of its step; undefined for a step that has not begun. */
export function agentStateOf(agent: string, step: Pick<StepRow, 'status'> | undefined, ended: boolean): AgentState {
  switch (step?.status) {
    case 'running':
    // Agents of briefs ask nobody.
    case 'waiting':
      return agent === AUDIT ? 'auditing' : 'generating';
    case 'completed':
    case 'empty':
      return agent === AUDIT ? 'audited' : 'generated';
    case 'failed':
    case 'unknown':
      return 'failed';
    case 'skipped':
    case 'cancelled':
      return 'cancelled';
    case undefined:
    default:
      return ended ? 'cancelled' : 'queued';
  }
}

/** How far a brief is, by its run and its agents. */
export function briefStateOf(status: RunStatus, agents: ReadonlyMap<string, AgentState>): BriefState {
  const writers = WRITERS.map((writer) => agents.get(writer) ?? 'queued');
  // For the run, agents that failed are steps that do not stop the others; for the brief, nothing was written.
  if (status === 'partial' && writers.every((state) => state === 'failed')) return 'failed';
  if (ENDED.includes(status)) return status as BriefState;
  if (status === 'queued') return 'queued';
  if (agents.get(AUDIT) === 'auditing' || agents.get(AUDIT) === 'audited') return 'auditing';
  if (writers.every((state) => state !== 'queued' && state !== 'generating')) return 'generated';
  return 'generating';
}

/** One event of a brief, as its stream shows it. */
export interface BriefEvent {
  type: 'brief.state' | 'agent.state' | 'brief.note';
  data: JsonObject;
}

const STEP_STATES: Record<string, StepRow['status']> = {
  'step.started': 'running',
  'step.completed': 'completed',
  'step.failed': 'failed',
};

/**
 * Tells the events of a run in the words of its brief: Queued → Generating → Generated → Auditing → Completed, for each agent and
 * for the whole. Has to see every event from the first on; one event of the run gives one of the brief, with the same number.
 */
export class BriefLifecycle {
  readonly #agents = new Map<string, AgentState>();
  #status: RunStatus = 'queued';

  /** @param carried steps that the run took over from an earlier one */
  constructor(carried: readonly Pick<StepRow, 'name' | 'status'>[] = []) {
    for (const step of carried) this.#agents.set(step.name, agentStateOf(step.name, step, false));
  }

  tell({ type, data }: Pick<RunEventRow, 'type' | 'data'>): BriefEvent {
    const agent = typeof data['step'] === 'string' ? data['step'] : undefined;
    const status = STEP_STATES[type];
    if (agent !== undefined && status !== undefined && AGENTS.includes(agent)) {
      const state = agentStateOf(agent, { status }, false);
      this.#agents.set(agent, state);
      return { type: 'agent.state', data: { ...data, agent, state, overall: this.overall, event: type } };
    }
    if (type === 'run.started' || type === 'run.resumed') this.#status = 'running';
    if (type === 'run.finished') this.#status = data['status'] as RunStatus;
    const isState = type === 'run.queued' || type === 'run.started' || type === 'run.finished';
    const state = { state: this.overall, overall: this.overall, event: type };
    return isState
      ? { type: 'brief.state', data: { ...data, ...state, agents: this.#allAgents() } }
      : { type: 'brief.note', data: { ...data, ...state, ...(agent === undefined ? {} : { agent }) } };
  }

  /** How far each agent is: queued until it begins, cancelled when the run has ended before it did. */
  #allAgents(): Record<string, AgentState> {
    const ended = ENDED.includes(this.#status);
    const stateOf = (agent: string): AgentState => {
      const state = this.#agents.get(agent) ?? 'queued';
      const isOpen = state === 'queued' || state === 'generating' || state === 'auditing';
      return ended && isOpen ? 'cancelled' : state;
    };
    return Object.fromEntries(AGENTS.map((agent) => [agent, stateOf(agent)]));
  }

  get overall(): BriefState {
    return briefStateOf(this.#status, this.#agents);
  }
}
