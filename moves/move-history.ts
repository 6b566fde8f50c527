import { createPatch } from 'rfc6902';
import type { MoveRow } from '../database/tables-moves.ts';
import type { Iso } from '../database/tables.ts';
import type { Json, JsonObject } from '../shared/json.ts';

/** Entries that a move keeps at most. */
export const LONGEST_HISTORY = 200;
/** UTF-16 code units of a history as JSON, at most; tasks that are changed again and again would fill the row. */
const LARGEST_HISTORY = 262_144;

interface Occasion {
  at: Iso;
  by: string;
  /** Whether open dependencies were to be disregarded. */
  forced: boolean;
}

/**
 * The history of a move with what a change does to it: `{at, by, from, to, note}` for another state (`forced` when it was
 * to be started whatever it depends on), `{at, by, changed}` for anything else, with `{from, to}` by field, and a JSON Patch for tasks.
 * Of a long history the oldest entries are dropped; `{dropped}` at its beginning then says how many.
 */
export function recorded(move: MoveRow, patch: Partial<MoveRow>, { at, by, forced }: Occasion): JsonObject[] {
  const { state } = patch;
  const changed = fieldsOf(move, patch);
  const entries: JsonObject[] = [];
  if (state !== undefined)
    entries.push({
      at,
      by,
      from: move.state,
      to: state,
      note: patch.state_note === undefined ? move.state_note : patch.state_note,
      ...(forced && state === 'in_progress' ? { forced } : {}),
    });
  if (Object.keys(changed).length > 0) entries.push({ at, by, changed });
  return bounded([...move.history, ...entries]);
}

const FIELDS = { owner: 'owner', title: 'title', priority: 'priority', effort_hours: 'effortHours' } as const;

function fieldsOf(move: MoveRow, patch: Partial<MoveRow>): JsonObject {
  const changed: JsonObject = {};
  for (const [column, name] of Object.entries(FIELDS) as [keyof typeof FIELDS, string][])
    if (patch[column] !== undefined) changed[name] = { from: move[column], to: patch[column] };
  // With another state it stands beside that.
  if (patch.state_note !== undefined && patch.state === undefined)
    changed['note'] = { from: move.state_note, to: patch.state_note };
  if (patch.tasks !== undefined) changed['tasks'] = createPatch(move.tasks, patch.tasks) as unknown as Json[];
  return changed;
}

function bounded(entries: JsonObject[]): JsonObject[] {
  let dropped = droppedOf(entries);
  const kept = entriesOf(entries);
  const sizes = kept.map((entry) => JSON.stringify(entry).length);
  let size = sizes.reduce((sum, one) => sum + one, 0);
  let first = 0;
  while (kept.length - first > LONGEST_HISTORY || (size > LARGEST_HISTORY && kept.length - first > 1)) {
    size -= sizes[first] ?? 0;
    first += 1;
    dropped += 1;
  }
  return dropped > 0 ? [{ dropped }, ...kept.slice(first)] : kept;
}

/** How many of the oldest entries are not there any more. */
export const droppedOf = (history: readonly JsonObject[]): number => Number(history[0]?.['dropped'] ?? 0);

/** What happened, oldest first. */
export const entriesOf = (history: readonly JsonObject[]): JsonObject[] =>
  history.filter((entry) => !Object.hasOwn(entry, 'dropped'));
