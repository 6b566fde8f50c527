import type { Colour, KpiAlertRow } from '../../database/tables-moves.ts';
import type { KpiStatus } from './status.ts';

/** What a look at a KPI changes of what is on record. */
export interface ColourChange {
  /** The new colour on record; null: it stays. */
  colour: Colour | null;
  /** How often the colour has changed by now. */
  changes: number;
  /** Whether people are told. */
  tell: boolean;
}

/**
 * On record is the colour that people know. `unknown` is none that they are told of: a KPI that nobody can see keeps the colour
 * that it had, so that a source that comes and goes changes nothing. A KPI that begins green is as it should be.
 * @param before undefined: nobody has looked yet
 */
export function colourChange(before: Pick<KpiAlertRow, 'colour' | 'changes'> | undefined, now: Colour): ColourChange {
  const known = before?.colour ?? 'unknown';
  const changes = before?.changes ?? 0;
  if (now === 'unknown' || now === known) return { colour: null, changes, tell: false };
  return { colour: now, changes: changes + 1, tell: known !== 'unknown' || now !== 'green' };
}

/** What people are told of a change. */
export interface KpiChange {
  plan: { id: string; name: string };
  /** How often the colour has changed: tells this change from all others of the KPI. */
  changes: number;
  from: Colour;
  status: KpiStatus;
}
