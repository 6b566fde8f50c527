import type { Records } from '../database/records.ts';
import type { MoveRow } from '../database/tables-moves.ts';

/** How often a row is read again that somebody else changed at the same moment. */
const TRIES = 10;

/**
 * Changes a move as it is now, whoever else changes it meanwhile.
 * @param how what to change; null: nothing is to be changed any more
 */
export async function changeMove(
  records: Records,
  id: string,
  how: (move: MoveRow) => Partial<MoveRow> | null,
): Promise<void> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const [move] = await records.select('moves', { where: [{ column: 'id', op: 'eq', value: id }] });
    const patch = move && how(move);
    if (!move || !patch) return;
    const changed = await records.update('moves', { ...patch, version: move.version + 1 }, [
      { column: 'id', op: 'eq', value: id },
      { column: 'version', op: 'eq', value: move.version },
    ]);
    if (changed.length > 0) return;
  }
  throw new Error(`Move ${id} is changed by others again and again.`);
}
