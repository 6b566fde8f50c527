import { z } from 'zod';
import type { ToolCallRow } from '../../database/tables-moves.ts';
import { microsToDollars } from '../../shared/money.ts';
import { anyObject, count, dollars, time } from './common.ts';

export const toolCall = z
  .strictObject({
    id: z.guid(),
    runId: z.guid(),
    step: z.string(),
    tool: z.string(),
    arguments: anyObject.meta({ description: 'Without secrets.' }),
    outcome: z.enum(['completed', 'refused', 'failed']).meta({
      description: '`refused`: it was not tried; `failed`: it was, and gave nothing.',
    }),
    result: anyObject.meta({
      description: 'Text and data by others, without secrets, or `{error: {code, message, problems}}`.',
    }),
    cost: dollars,
    durationMs: count,
    calledAt: time,
  })
  .meta({ id: 'ToolCall' });

export function presentToolCall(row: ToolCallRow): z.infer<typeof toolCall> {
  return {
    id: row.id,
    runId: row.run_id,
    step: row.step_name,
    tool: row.tool,
    arguments: row.arguments,
    outcome: row.outcome,
    result: row.result,
    cost: microsToDollars(row.cost_micros),
    durationMs: row.duration_ms,
    calledAt: row.called_at,
  };
}
