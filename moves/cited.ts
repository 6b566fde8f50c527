import type { Json } from '../shared/json.ts';
import type { Evidence } from './statement.ts';

function collect(value: Json | undefined, into: Set<Json>): void {
  if (Array.isArray(value)) for (const item of value) collect(item, into);
  else if (typeof value === 'object' && value !== null)
    for (const [key, inner] of Object.entries(value)) {
      if (key === 'facts' && Array.isArray(inner)) for (const id of inner) into.add(id);
      else collect(inner, into);
    }
}

/** The evidence that the statements of a proposal cite. */
export function evidenceCited(proposal: object, evidence: readonly Evidence[]): Evidence[] {
  const cited = new Set<Json>();
  collect(proposal as Json, cited);
  return evidence.filter(({ id }) => cited.has(id));
}
