import type { JsonObject } from '../database/tables.ts';
import type { EngineAnswer } from './step.ts';
import { summarize } from './summarize.ts';

/** What a step keeps of an answer: the payload cut down, and for streams how often each event came (`frames`). */
export function outputOf(answer: EngineAnswer): JsonObject {
  const { payload, frames } = answer;
  return summarize(frames === undefined || Object.hasOwn(payload, 'frames') ? payload : { ...payload, frames });
}
