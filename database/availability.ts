import type { Clock } from '../shared/clock.ts';
import { DatabaseUnavailableError } from '../shared/errors.ts';
import type { EventBus } from '../shared/events.ts';
import { isContention, type Records } from './records.ts';

/** Whether an error says that the database is away, of which `database.lost` tells once for everybody. */
export function isOutage(error: unknown): boolean {
  return error instanceof DatabaseUnavailableError && !isContention(error);
}

/** A question asked of a database is given up after this long, in milliseconds, so that another one can be asked. */
const PROBE_EXPIRES_MS = 30_000;

/**
 * Makes a question of whether something answers, itself answered within `limitMs` milliseconds. While an earlier question is on
 * its way no second one is sent: a server that says nothing would else gather them.
 */
export function probe(ask: () => Promise<unknown>, clock: Clock, limitMs: number): () => Promise<boolean> {
  let open: { askedAtMs: number; answer: Promise<boolean> } | null = null;
  return async () => {
    if (!open || clock.now() - open.askedAtMs >= PROBE_EXPIRES_MS) {
      const question = { askedAtMs: clock.now(), answer: yesOrNo(ask()) };
      open = question;
      void question.answer.finally(() => {
        if (open === question) open = null;
      });
    }
    const patience = new AbortController();
    try {
      const late = clock.sleep(limitMs, patience.signal).then(() => false);
      return await Promise.race([open.answer, late]);
    } finally {
      patience.abort();
    }
  };
}

const yesOrNo = (answer: Promise<unknown>) =>
  answer.then(
    () => true,
    () => false,
  );

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
