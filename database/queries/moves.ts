import { ValidationError } from '../../shared/errors.ts';
import { MOVES_COLUMNS } from '../columns-moves.ts';
import type { Filter, Records } from '../records.ts';
import type { MoveRow } from '../tables-moves.ts';
import { type Page, pageOf, rowsToRead } from './page.ts';

/** `newest`: by id, the last planned first. `week`: the earliest first day first, then by id. */
export type MoveOrder = 'newest' | 'week';

export interface MoveListing {
  planId?: string | undefined;
  week?: number | undefined;
  state?: MoveRow['state'] | undefined;
  channel?: string | undefined;
  owner?: string | undefined;
  /** Only moves whose week touches these days, both included. */
  from?: string | undefined;
  to?: string | undefined;
  sort: MoveOrder;
  /** Id of the last move of the page before. */
  after?: string | undefined;
  limit: number;
}

/** A move as lists show it: its history can be long. */
export type ListedMove = Omit<MoveRow, 'history'>;

type MoveFilter = Filter<'moves'>;

const LISTED = (Object.keys(MOVES_COLUMNS.moves) as (keyof MoveRow)[]).filter((column) => column !== 'history');

export async function findMove(records: Records, id: string): Promise<MoveRow | undefined> {
  const [move] = await records.select('moves', { where: [{ column: 'id', op: 'eq', value: id }] });
  return move;
}

/** Every move of a plan, history included, by week. */
export async function movesOfPlan(records: Records, planId: string): Promise<MoveRow[]> {
  return records.select('moves', {
    where: [{ column: 'plan_id', op: 'eq', value: planId }],
    order: [{ column: 'week' }, { column: 'id' }],
  });
}

/** The states and titles of those moves that there are, by id. */
export async function standingOfMoves(
  records: Records,
  ids: readonly string[],
): Promise<Map<string, Pick<MoveRow, 'id' | 'title' | 'state'>>> {
  if (ids.length === 0) return new Map();
  const rows = await records.select('moves', {
    where: [{ column: 'id', op: 'in', value: ids }],
    columns: ['id', 'title', 'state'],
    order: [{ column: 'id' }],
  });
  return new Map(rows.map((row) => [row.id, row]));
}

/** @throws {ValidationError} when, by week, `after` is the id of no move */
export async function listMoves(records: Records, listing: MoveListing): Promise<Page<ListedMove>> {
  const where = filtersOf(listing);
  const rows = listing.sort === 'week' ? await byWeek(records, where, listing) : await newest(records, where, listing);
  return pageOf(rows, listing.limit, (row) => row.id);
}

function filtersOf(listing: MoveListing): MoveFilter[] {
  const where: MoveFilter[] = [];
  if (listing.planId) where.push({ column: 'plan_id', op: 'eq', value: listing.planId });
  if (listing.week !== undefined) where.push({ column: 'week', op: 'eq', value: listing.week });
  if (listing.state) where.push({ column: 'state', op: 'eq', value: listing.state });
  if (listing.channel) where.push({ column: 'channel', op: 'eq', value: listing.channel });
  if (listing.owner) where.push({ column: 'owner', op: 'eq', value: listing.owner });
  if (listing.from) where.push({ column: 'ends_on', op: 'gte', value: listing.from });
  if (listing.to) where.push({ column: 'starts_on', op: 'lte', value: listing.to });
  return where;
}

async function newest(records: Records, where: readonly MoveFilter[], listing: MoveListing): Promise<ListedMove[]> {
  const { after, limit } = listing;
  return records.select('moves', {
    where: after === undefined ? where : [...where, { column: 'id', op: 'lt', value: after }],
    columns: LISTED,
    order: [{ column: 'id', descending: true }],
    limit: rowsToRead(limit),
  });
}

/** The rest of the day on which the page before ended, then the days after it: the port has no OR. */
async function byWeek(records: Records, where: readonly MoveFilter[], listing: MoveListing): Promise<ListedMove[]> {
  const wanted = rowsToRead(listing.limit);
  const read = (more: readonly MoveFilter[], limit: number) =>
    records.select('moves', {
      where: [...where, ...more],
      columns: LISTED,
      order: [{ column: 'starts_on' }, { column: 'id' }],
      limit,
    });
  if (listing.after === undefined) return read([], wanted);
  const last = await findMove(records, listing.after);
  if (!last)
    throw new ValidationError('The request has problems.', [
      {
        path: 'cursor',
        message: 'is not a cursor of this list',
        mend: 'give the nextCursor of the page before, or leave it out to begin',
      },
    ]);
  const day = last.starts_on;
  const sameDay: MoveFilter[] = [
    { column: 'starts_on', op: 'eq', value: day },
    { column: 'id', op: 'gt', value: last.id },
  ];
  const rest = await read(sameDay, wanted);
  if (rest.length >= wanted) return rest;
  return [...rest, ...(await read([{ column: 'starts_on', op: 'gt', value: day }], wanted - rest.length))];
}
