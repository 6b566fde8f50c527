import { z } from 'zod';
import { isUuid } from '../shared/ids.ts';

const encode = (position: string) => Buffer.from(position, 'utf8').toString('base64url');
const decode = (text: string) => Buffer.from(text, 'base64url').toString('utf8');
const isInstant = (text: string) => /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text) && Date.parse(text) >= 0;
const isNumber = (text: string) => /^\d{1,9}$/.test(text);

function cursor(accepts: (position: string) => boolean) {
  return z
    .string()
    .max(200)
    .refine((text) => accepts(decode(text)) && encode(decode(text)) === text, {
      error: 'is not a cursor of this list',
      params: { mend: 'give the nextCursor of the page before, or leave it out to begin' },
    })
    .transform(decode)
    .optional()
    .meta({ description: '`nextCursor` of the page before.' });
}

const limit = z.coerce.number().int().min(1).max(200).default(50).meta({ description: 'Entries at most.' });

/** Paging of lists that are ordered by id. */
export const pageById = { limit, cursor: cursor(isUuid) };
/** Paging of lists that are ordered by a time. */
export const pageByTime = { limit, cursor: cursor(isInstant) };
/** Paging of lists that are ordered by a number. */
export const pageByNumber = { limit, cursor: cursor(isNumber) };

/** What a list answers beside its entries. */
export const nextCursor = z
  .string()
  .nullable()
  .meta({ description: 'Give it as `cursor` for the next page; null on the last.' });

/** The cursor that continues after a position. */
export function cursorAt(position: string | null): string | null {
  return position === null ? null : encode(position);
}
