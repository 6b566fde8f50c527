import { z } from 'zod';
import { listMoves } from '../../database/queries/moves.ts';
import { CHANNELS } from '../../generation/artifacts.ts';
import { day } from '../../moves/arc.ts';
import { ARC_WEEKS } from '../../moves/calendar.ts';
import { type Operation, operation } from '../operation.ts';
import { cursorAt, nextCursor, pageById } from '../paging.ts';
import { byId, shortText, success, uuid } from '../shapes/common.ts';
import { move, moveChange, moveState, moveSummary, presentMove, presentMoveSummary } from '../shapes/move.ts';

const list = z.strictObject({ success, moves: z.array(moveSummary), nextCursor });

const query = z
  .strictObject({
    ...pageById,
    planId: uuid.optional(),
    week: z.coerce.number().int().min(1).max(ARC_WEEKS).optional().meta({ description: 'Week of the arc.' }),
    state: moveState.optional(),
    channel: z.enum(CHANNELS).optional(),
    owner: shortText(100).optional(),
    from: day.optional().meta({ description: 'Only moves whose week ends on this day or later.' }),
    to: day.optional().meta({ description: 'Only moves whose week begins on this day or earlier.' }),
    sort: z.enum(['newest', 'week']).default('newest').meta({
      description:
        '`newest`: what was planned last first; `week`: the earliest week first. Stays the same on all pages.',
    }),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || from <= to, {
    path: ['to'],
    error: 'is before from',
    params: { mend: 'exchange from and to' },
  });

const all = operation({
  id: 'listMoves',
  method: 'get',
  path: '/api/moves',
  tag: 'Moves',
  summary: 'Moves of all plans, or of one',
  description: 'Without their history, which `GET /api/moves/{id}` shows.',
  scope: 'read',
  query,
  answers: { 200: { description: 'One page.', schema: list } },
  async handle({ query: { cursor: after, ...listing } }, { records, clock }) {
    const page = await listMoves(records, { ...listing, after });
    const moves = page.rows.map((row) => presentMoveSummary(row, clock.now()));
    const body: z.infer<typeof list> = { success: true, moves, nextCursor: cursorAt(page.next) };
    return { status: 200, body };
  },
});

const oneMove = z.strictObject({ success, move });

const get = operation({
  id: 'getMove',
  method: 'get',
  path: '/api/moves/{id}',
  tag: 'Moves',
  summary: 'One move with its history',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The move.', schema: oneMove } },
  async handle({ params }, { moves, clock }) {
    const found = await moves.get(params.id);
    const body: z.infer<typeof oneMove> = { success: true, move: presentMove(found, clock.now()) };
    return { status: 200, body };
  },
});

const change = operation({
  id: 'changeMove',
  method: 'patch',
  path: '/api/moves/{id}',
  tag: 'Moves',
  summary: 'Change the state of a move, its owner, title, priority, effort or tasks',
  description:
    'What is left out stays. A change to what the move is already changes nothing, so the same request may be sent twice. ' +
    '`done` and `dropped` can be taken back.',
  scope: 'operate',
  params: byId,
  body: moveChange,
  answers: { 200: { description: 'The move as it is now.', schema: oneMove } },
  failures: { 409: ['MOVE_CHANGED', 'MOVE_TRANSITION_ILLEGAL', 'MOVE_DEPENDENCIES_OPEN'] },
  async handle({ params, body: { by, version, force, ...wanted } }, { moves, clock }) {
    const changed = await moves.change(params.id, wanted, { by, version, force });
    const body: z.infer<typeof oneMove> = { success: true, move: presentMove(changed, clock.now()) };
    return { status: 200, body };
  },
});

export const moveOperations: readonly Operation[] = [all, get, change];
