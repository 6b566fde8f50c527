import type { Json, JsonObject } from '../database/tables.ts';
import { countAt, objectAt } from './answer-fields.ts';

/** The last events of an engine whose `complete` comes once a lead. */
export const PER_LEAD_TERMINALS: readonly string[] = ['summary', 'done'];

/** Fields that a frame about one lead has, and no total. */
const LEAD_FIELDS = ['lead_id', 'leadId', 'lead', 'prospect_id', 'prospectId'];
/** Fields by which a frame names the lead that it is about; a total may carry them for another reason. */
const NAME_FIELDS = ['company', 'companyId', 'company_id', 'company_name', 'email', 'url', 'website'];
/** Where a frame stands among the others of its kind. */
const POSITION_FIELDS = ['index', 'current'];

/** Counts that no single lead has. */
const RUN_COUNTS = [
  'saved',
  'successful',
  'processed_leads',
  'leads_analyzed',
  'emails_composed',
  'emails_sent',
  'prospects_generated',
];
/** Counts and sums that say something of a whole call only where no lead is named. */
const TOTALS = [
  ...RUN_COUNTS,
  'total',
  'total_cost',
  'totalCost',
  'completed',
  'succeeded',
  'failed',
  'found',
  'verified',
  'sent',
  'composed',
  'processed',
  'analyzed',
  'results',
  'leads',
  'prospects',
  'emails',
  'count',
];
/** Objects that hold the counts of a whole call. */
const GROUPS = ['summary', 'results', 'stats', 'totals'];

function placesOf(payload: JsonObject): JsonObject[] {
  return [[], ['data'], ['result'], ['data', 'result'], ['result', 'data']]
    .map((path) => objectAt(payload, ...path))
    .filter((place) => place !== undefined);
}

function isSaid(value: Json | undefined): boolean {
  return value !== undefined && value !== null && value !== '' && value !== false;
}

function hasAny(places: readonly JsonObject[], fields: readonly string[]): boolean {
  return places.some((place) => fields.some((field) => Object.hasOwn(place, field) && isSaid(place[field])));
}

function counts(places: readonly JsonObject[], fields: readonly string[]): boolean {
  return places.some((place) =>
    fields.some(
      (field) => Object.hasOwn(place, field) && countAt({ [field]: place[field] ?? null }, [field]) !== undefined,
    ),
  );
}

/** Whether a frame names the lead that it is about. */
export function namesLead(payload: JsonObject): boolean {
  return hasAny(placesOf(payload), [...LEAD_FIELDS, ...NAME_FIELDS]);
}

/**
 * What a `complete` frame is about, by its own fields, since engines differ in whether it comes once a lead or once a call:
 * `lead` for one that names a lead, `call` for one that carries totals or says whether the call succeeded, `open` for one that
 * tells neither.
 */
export function subjectOfComplete(payload: JsonObject): 'lead' | 'call' | 'open' {
  const places = placesOf(payload);
  if (hasAny(places, LEAD_FIELDS)) return 'lead';
  const groups = places
    .flatMap((place) => GROUPS.map((name) => objectAt(place, name)))
    .filter((group) => group !== undefined);
  if (counts(groups, TOTALS) || counts(places, RUN_COUNTS)) return 'call';
  if (hasAny(places, [...NAME_FIELDS, ...POSITION_FIELDS])) return 'lead';
  const isVerdict = places.some(
    ({ success }) => typeof success === 'boolean' || success === 'true' || success === 'false',
  );
  return isVerdict || counts(places, TOTALS) ? 'call' : 'open';
}
