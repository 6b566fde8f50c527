import { createHash } from 'node:crypto';
import type { JsonObject } from '../../shared/json.ts';
import type { Evidence } from '../statement.ts';

const LONGEST = 1_000;

/** A passage that a tool found, with an id that is the same whenever the same place says the same. */
export function passageOf(prefix: 'api' | 'web', location: string, given: string): { id: string; text: string } {
  const text = given.slice(0, LONGEST).toWellFormed();
  const hash = createHash('sha256').update(`${location}\u001f${text}`).digest('hex').slice(0, 16);
  return { id: `${prefix}-${hash}`, text };
}

/** The passages of a result as evidence. Suspicious ones are not among them. */
export function evidenceOf(result: JsonObject): Evidence[] {
  const { url: location, passages } = result as { url: string; passages: { id: string; text: string }[] };
  return passages.map(({ id, text }) => ({ id, text, source: { kind: 'web', location } }));
}
