import { z } from 'zod';
import { storable } from '../generation/artifacts.ts';

/** Text that a model or a person wrote. `most`: UTF-16 code units. */
export const wording = (most: number) => z.string().overwrite(storable).trim().min(1).max(most);

/** Text cut to so many UTF-16 code units, and no sign of it in half. */
export const clipped = (text: string, most: number): string => text.slice(0, most).toWellFormed();

/** A name that other parts of a plan refer to. */
export const slug = z
  .string()
  .trim()
  .regex(/^[a-z0-9][a-z0-9_-]{0,59}$/, {
    error: 'must be small letters, digits, - and _, at most 60 of them',
  });

/** Something that a plan says, with the ids of the facts that it rests on. */
export const statementSchema = z.strictObject({
  text: wording(2_000),
  facts: z.array(z.string().trim().min(1).max(200)).max(30),
});
export type Statement = z.infer<typeof statementSchema>;

/** A piece of evidence that statements may cite. Untrusted text. */
export interface Evidence {
  id: string;
  text: string;
  /** Where it is from: the request, the knowledge base, a page of the web, or what the plan itself has come to. */
  source: { kind: 'request' | 'knowledge' | 'web' | 'plan'; location: string };
}
