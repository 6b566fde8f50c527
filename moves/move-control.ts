import { isDeepStrictEqual } from 'node:util';
import { findMove, standingOfMoves } from '../database/queries/moves.ts';
import type { Records } from '../database/records.ts';
import type { MoveRow } from '../database/tables-moves.ts';
import { type Clock, iso } from '../shared/clock.ts';
import { ConflictError, NotFoundError, type Problem, ValidationError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import type { JsonObject } from '../shared/json.ts';
import { type MoveDraft, type MoveState, MOVE_TRANSITIONS } from './move.ts';
import { recorded } from './move-history.ts';
import { roundHours } from './move-rows.ts';

export interface MoveControlDependencies {
  records: Records;
  clock: Clock;
  events?: EventBus;
}

/** What people may change of a move. A field that is left out stays as it is. */
export interface MoveChange {
  state?: MoveState | undefined;
  /** Why it has its state. Without it, a new state has none. */
  note?: string | null | undefined;
  owner?: string | undefined;
  title?: string | undefined;
  priority?: number | undefined;
  /** Person-hours. Given alone, it stands beside what the tasks say; new tasks without it bring their sum. */
  effortHours?: number | undefined;
  tasks?: MoveDraft['tasks'] | undefined;
}

export interface MoveChangeOptions {
  by: string;
  /** The version that was read: the change is refused when the move has another one by now. */
  version?: number | undefined;
  /** Start it though not everything that it depends on is done. */
  force?: boolean | undefined;
}

type Columns = Pick<MoveRow, 'owner' | 'title' | 'priority' | 'effort_hours' | 'tasks' | 'state_note'>;
type Patch = Partial<Columns & Pick<MoveRow, 'state'>>;

/** How often a change without a version is tried again when others were first. */
const TRIES = 5;
/** Hours have two decimals. */
const SAME_HOURS = 0.005;

/** Changes moves by people's hands. */
export class MoveControl {
  readonly #deps: MoveControlDependencies;

  constructor(dependencies: MoveControlDependencies) {
    this.#deps = dependencies;
  }

  /** @throws {NotFoundError} */
  async get(id: string): Promise<MoveRow> {
    const move = await findMove(this.#deps.records, id);
    if (!move) throw new NotFoundError('move', id);
    return move;
  }

  /**
   * Changes a move and keeps in its history what was changed by whom. A change to what it is already changes nothing. Whether
   * what it depends on is done is looked up beforehand, so a dependency that is reopened at the same moment is not seen.
   * @throws {NotFoundError}
   * @throws {ValidationError} for an owner whom the plan does not know, tasks outside the move's week, hours that contradict the tasks
   * @throws {ConflictError} MOVE_CHANGED, MOVE_TRANSITION_ILLEGAL, MOVE_DEPENDENCIES_OPEN
   */
  async change(id: string, change: MoveChange, options: MoveChangeOptions): Promise<MoveRow> {
    for (let left = TRIES; left > 0; left -= 1) {
      const move = await this.get(id);
      if (options.version !== undefined && options.version !== move.version) throw changedMeanwhile(move);
      const patch = patchOf(move, change);
      await this.#check(move, change, patch, options);
      if (Object.keys(patch).length === 0) return move;
      const changed = await this.#write(move, patch, options);
      if (changed) return changed;
    }
    throw changedMeanwhile(undefined);
  }

  async #check(move: MoveRow, change: MoveChange, patch: Patch, { force }: MoveChangeOptions): Promise<void> {
    const problems = [...(await this.#ownerProblems(move, patch.owner)), ...taskProblems(move, change)];
    if (problems.length > 0) throw new ValidationError('The move cannot be changed like this.', problems);
    if (patch.state === undefined) return;
    checkTransition(move, patch.state);
    // Whoever reopens a move that was done has begun it before.
    if (patch.state === 'in_progress' && move.state !== 'done' && !force) await this.#checkDependencies(move);
  }

  async #ownerProblems(move: MoveRow, owner: string | undefined): Promise<Problem[]> {
    if (owner === undefined) return [];
    const [plan] = await this.#deps.records.select('plans', {
      where: [{ column: 'id', op: 'eq', value: move.plan_id }],
      columns: ['context'],
    });
    const owners = plan?.context['owners'] as string[] | undefined;
    if (!owners || owners.includes(owner)) return [];
    const names = owners.map((name) => JSON.stringify(name)).join(', ');
    return [{ path: 'owner', message: 'is none of the owners of the plan', mend: `write one of ${names}` }];
  }

  async #checkDependencies(move: MoveRow): Promise<void> {
    const found = await standingOfMoves(this.#deps.records, move.depends_on);
    const open = move.depends_on.filter((id) => found.get(id)?.state !== 'done');
    if (open.length === 0) return;
    const words = open.map((id) => {
      const other = found.get(id);
      return other ? `"${other.title}" (${id}) is ${other.state}` : `${id} is not there`;
    });
    throw new ConflictError(
      'MOVE_DEPENDENCIES_OPEN',
      `The move "${move.title}" depends on moves that are not done.`,
      words.map((message) => ({
        path: 'state',
        message,
        mend: 'finish it first, or send {"force": true} to start without it',
      })),
    );
  }

  async #write(move: MoveRow, patch: Patch, { by, force }: MoveChangeOptions): Promise<MoveRow | undefined> {
    const { records, clock, events } = this.#deps;
    const at = iso(clock.now());
    const history = recorded(move, patch, { at, by, forced: force === true });
    const [changed] = await records.update('moves', { ...patch, history, version: move.version + 1, updated_at: at }, [
      { column: 'id', op: 'eq', value: move.id },
      { column: 'version', op: 'eq', value: move.version },
    ]);
    if (changed)
      events?.emit('move.changed', {
        moveId: move.id,
        planId: move.plan_id,
        by,
        from: move.state,
        to: changed.state,
        changed: Object.keys(patch),
        version: changed.version,
      });
    return changed;
  }
}

/** The columns that become different. */
function patchOf(move: MoveRow, change: MoveChange): Patch {
  const { state, note, owner, title, priority, tasks } = change;
  const isMoved = state !== undefined && state !== move.state;
  const hours = change.effortHours ?? (tasks && sumOf(tasks));
  const asked: Patch = {
    ...(isMoved ? { state, state_note: note ?? null } : {}),
    ...(!isMoved && note !== undefined ? { state_note: note } : {}),
    ...(owner === undefined ? {} : { owner }),
    ...(title === undefined ? {} : { title }),
    ...(priority === undefined ? {} : { priority }),
    ...(tasks === undefined ? {} : { tasks: tasks.map((task): JsonObject => ({ ...task })) }),
    ...(hours === undefined ? {} : { effort_hours: roundHours(hours) }),
  };
  const fields = Object.entries(asked) as [keyof Patch, unknown][];
  return Object.fromEntries(fields.filter(([column, value]) => !isDeepStrictEqual(value, move[column])));
}

const sumOf = (tasks: MoveDraft['tasks']) => tasks.reduce((sum, { effortHours }) => sum + effortHours, 0);

function taskProblems(move: MoveRow, { tasks, effortHours }: MoveChange): Problem[] {
  if (!tasks) return [];
  const { starts_on: first, ends_on: last } = move;
  const problems: Problem[] = tasks.flatMap(({ dueOn }, at) =>
    dueOn >= first && dueOn <= last
      ? []
      : [
          {
            path: `tasks[${at}].dueOn`,
            message: 'is outside the week of the move',
            mend: `write a day from ${first} to ${last}`,
          },
        ],
  );
  const sum = sumOf(tasks);
  if (effortHours !== undefined && Math.abs(effortHours - sum) > SAME_HOURS)
    problems.push({
      path: 'effortHours',
      message: `is not what the tasks have together, ${roundHours(sum)}`,
      mend: 'leave it out, or change the tasks',
    });
  return problems;
}

function checkTransition(move: MoveRow, to: MoveState): void {
  const legal = MOVE_TRANSITIONS[move.state];
  if (legal.includes(to)) return;
  throw new ConflictError(
    'MOVE_TRANSITION_ILLEGAL',
    `A move that is ${move.state} cannot become ${to}; it can become ${legal.join(', ')}.`,
    [{ path: 'state', message: `the move is ${move.state}`, mend: `write one of ${legal.join(', ')}` }],
  );
}

/** @param move as it is now; undefined when others were first again and again */
function changedMeanwhile(move: MoveRow | undefined): ConflictError {
  if (!move)
    return new ConflictError('MOVE_CHANGED', 'The move is being changed by others at this moment.', [
      { path: 'id', message: 'others were first each time', mend: 'send the request again' },
    ]);
  return new ConflictError('MOVE_CHANGED', `Somebody has changed the move: it is at version ${move.version}.`, [
    {
      path: 'version',
      message: `the move is at version ${move.version}`,
      mend: `read it again with GET /api/moves/${move.id}, and send that version`,
    },
  ]);
}
