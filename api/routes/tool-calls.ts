import { z } from 'zod';
import { listToolCalls } from '../../database/queries/tool-calls.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { byId, success } from '../shapes/common.ts';
import { presentToolCall, toolCall } from '../shapes/tool-call.ts';
import { existingRun } from './runs.ts';

const toolCallList = z.strictObject({ success, toolCalls: z.array(toolCall), nextCursor });

const list = operation({
  id: 'listToolCalls',
  method: 'get',
  path: '/api/runs/{id}/tool-calls',
  tag: 'Runs',
  summary: 'What agents did with tools in a run, in the order in which they did it',
  scope: 'read',
  params: byId,
  query: z.strictObject(pageById),
  answers: { 200: { description: 'One page of calls.', schema: toolCallList } },
  async handle({ params, query }, { records }) {
    const { id: runId } = await existingRun(records, params.id);
    const page = await listToolCalls(records, { runId, limit: query.limit, after: query.cursor });
    const body: z.infer<typeof toolCallList> = {
      success: true,
      toolCalls: page.rows.map(presentToolCall),
      nextCursor: cursorAt(page.next),
    };
    return { status: 200, body };
  },
});

export const toolCallOperations: readonly Operation[] = [list];
