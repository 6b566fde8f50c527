import { z } from 'zod';

export const time = z.iso.datetime().meta({ description: 'ISO 8601 in UTC.' });
export const dollars = z.number().min(0).meta({ description: 'US dollars.' });
export const count = z.number().int().min(0);
export const success = z.literal(true);

/** Ids in paths and filters: any version of UUID, told apart from unknown ones by status 400. */
export const uuid = z.guid('is not a UUID').toLowerCase();
export const byId = z.object({ id: uuid });

export const anyObject = z.record(z.string(), z.unknown());

/** The shape of every failure. */
export const failure = z
  .strictObject({
    success: z.literal(false),
    error: z.strictObject({
      code: z.string().meta({ description: 'Stable, in capitals; docs/errors.md lists all of them.' }),
      message: z.string(),
      details: z.array(
        z.strictObject({
          path: z.string().meta({ description: 'JSON path of the value, such as `steps[2].timeout`.' }),
          message: z.string(),
          mend: z.string().optional().meta({ description: 'What to send instead.' }),
        }),
      ),
      reference: z.string().optional().meta({ description: 'Finds the log record of an unexpected failure.' }),
    }),
  })
  .meta({ id: 'Failure', description: 'What went wrong, where, and how to mend it.' });
export type Failure = z.infer<typeof failure>;

/** Text from a person that is stored: a reason, a note, a name. */
export function shortText(longest: number) {
  return z
    .string()
    .trim()
    .min(1)
    .max(longest)
    .refine((text) => !/(?![\t\n\r])\p{Cc}/u.test(text), {
      error: 'holds control characters',
      params: { mend: 'remove them; line breaks and tabs may stay' },
    });
}
