import type { Records } from '../database/records.ts';
import type { MoveRow } from '../database/tables-moves.ts';
import type { Iso } from '../database/tables.ts';
import type { JsonObject } from '../shared/json.ts';
import { changeMove } from './move-writes.ts';

interface Occasion {
  at: Iso;
  by: string;
  runId: string;
}

/**
 * Drops moves whose place others have taken, and frees those that were to follow them. One that somebody has begun meanwhile stays.
 * Done again, it changes nothing.
 */
export async function replaceMoves(records: Records, ids: readonly string[], occasion: Occasion): Promise<void> {
  if (ids.length === 0) return;
  const gone = await records.select('moves', { where: [{ column: 'id', op: 'in', value: ids }] });
  for (const { id, plan_id: planId } of gone) {
    await changeMove(records, id, (move) => (move.state === 'planned' ? dropped(move, occasion) : null));
    const followers = await records.select('moves', {
      columns: ['id', 'depends_on'],
      where: [{ column: 'plan_id', op: 'eq', value: planId }],
    });
    for (const follower of followers.filter((move) => move.depends_on.includes(id)))
      await changeMove(records, follower.id, (move) => freed(move, id, occasion));
  }
}

function dropped(move: MoveRow, { at, by, runId }: Occasion): Partial<MoveRow> {
  const note = `Replaced by newer moves of run ${runId}`;
  const entry: JsonObject = { at, by, from: move.state, to: 'dropped', note };
  return { state: 'dropped', state_note: note, history: [...move.history, entry], updated_at: at };
}

function freed(move: MoveRow, id: string, { at, by }: Occasion): Partial<MoveRow> | null {
  if (!move.depends_on.includes(id)) return null;
  const left = move.depends_on.filter((other) => other !== id);
  const entry: JsonObject = { at, by, changed: { dependsOn: left } };
  return { depends_on: left, history: [...move.history, entry], updated_at: at };
}
