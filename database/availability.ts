import { DatabaseUnavailableError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { isContention, type Records } from './records.ts';

/** Whether an error says that the database is away, of which `database.lost` tells once for everybody. */
export function isOutage(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError && !isContention(error);
}

/** Emits `database.lost` when a call finds the database gone, once, and `database.restored` when a later one gets through. */
export function watchAvailability(records: Records, events: EventBus): Records {
  let lost = false;
  const watch = async <R>(call: Promise<R>): Promise<R> => {
    try {
      const result = await call;
      if (lost) {
        lost = false;
        events.emit('database.restored', {});
      }
      return result;
    } catch (error) {
      if (!lost && isOutage(error)) {
        lost = true;
        events.emit('database.lost', {});
      }
      throw error;
    }
  };
  return {
    insert: (table, rows, options) => watch(records.insert(table, rows, options)),
    upsert: (table, rows, key) => watch(records.upsert(table, rows, key)),
    update: (table, patch, where) => watch(records.update(table, patch, where)),
    remove: (table, where) => watch(records.remove(table, where)),
    select: (table, query) => watch(records.select(table, query)),
    count: (table, where) => watch(records.count(table, where)),
    call: (name, args) => watch(records.call(name, args)),
    ping: () => watch(records.ping()),
    close: () => records.close(),
  };
}
