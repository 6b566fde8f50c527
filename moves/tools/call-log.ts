import { createHash } from 'node:crypto';
import type { Records } from '../../database/records.ts';
import type { ToolCallRow } from '../../database/tables-moves.ts';
import { iso } from '../../shared/clock.ts';
import { derivedId, timeOfId } from '../../shared/ids.ts';
import { isJsonObject, type Json, type JsonObject } from '../../shared/json.ts';
import { redactValue } from '../../shared/logger.ts';
import { storable } from '../../generation/artifacts.ts';

/** Of what a tool gave, in bytes of JSON. */
export const LARGEST_RESULT = 98_304;
/** Of arguments, in characters of JSON. */
export const LARGEST_ARGUMENTS = 16_384;
const LONGEST_NAME = 100;

/** Which call of which step. */
export interface CallSite {
  runId: string;
  stepName: string;
  callKey: string;
}

/** JSON with the fields of every object in one order: the same value gives the same text. */
export function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isJsonObject(value)) return JSON.stringify(value);
  const fields = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, field]) => `${JSON.stringify(name)}:${canonical(field)}`).join(',')}}`;
}

/**
 * The id of a call: the same for the same run, step, key, tool and arguments, so that a step that is run again finds what it did.
 * Other arguments are another call, lest the answer to one question is taken for that to another.
 */
export function callId({ runId, stepName, callKey }: CallSite, tool: string, args: JsonObject): string {
  const digest = createHash('sha256').update(canonical(args)).digest('hex');
  return derivedId(['tool', runId, stepName, callKey, tool, digest].join('\u001f'), timeOfId(runId));
}

export interface LoggedCall {
  id: string;
  site: CallSite;
  tool: string;
  arguments: JsonObject;
  outcome: ToolCallRow['outcome'];
  /** Clean already. */
  result: JsonObject;
  costMicros: number;
  beganAt: number;
  endedAt: number;
}

/** The rows of tool calls. No secret reaches them. */
export class CallLog {
  readonly #records: Records;
  readonly #redact: (text: string) => string;

  constructor({ records, redact }: { records: Records; redact: (text: string) => string }) {
    this.#records = records;
    this.#redact = redact;
  }

  /** What may be stored and shown of a value: without secrets, and as the database can hold it. */
  clean(value: JsonObject): JsonObject {
    return redactValue(value, (text) => this.#redact(storable(text))) as JsonObject;
  }

  cleanText(text: string): string {
    return this.#redact(storable(text));
  }

  /** The row of a call that was completed. */
  async completed(id: string): Promise<ToolCallRow | null> {
    const [row] = await this.#records.select('tool_calls', { where: [{ column: 'id', op: 'eq', value: id }] });
    return row?.outcome === 'completed' ? row : null;
  }

  /** Writes the row of a call, in the place of an earlier try of the same one. */
  async write(call: LoggedCall): Promise<void> {
    await this.#records.upsert('tool_calls', [this.#rowOf(call)], ['id']);
  }

  /** Writes the row of a call that was broken off; where there is one already, that one says more. */
  async writeInterrupted(call: LoggedCall): Promise<void> {
    await this.#records.insert('tool_calls', [this.#rowOf(call)], { conflict: 'ignore' });
  }

  #rowOf(call: LoggedCall): ToolCallRow {
    const length = JSON.stringify(call.arguments).length;
    return {
      id: call.id,
      run_id: call.site.runId,
      step_name: call.site.stepName,
      tool: this.cleanText(call.tool).slice(0, LONGEST_NAME).toWellFormed(),
      arguments: length > LARGEST_ARGUMENTS ? { leftOut: `${length} characters` } : this.clean(call.arguments),
      outcome: call.outcome,
      result: call.result,
      cost_micros: call.costMicros,
      duration_ms: Math.max(0, Math.round(call.endedAt - call.beganAt)),
      called_at: iso(call.beganAt),
    };
  }
}
