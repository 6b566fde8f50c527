import { jsonPath } from '../../shared/json.ts';
import type { Finding, FindingCode } from '../finding.ts';

/** Keys and indexes that lead to a value of a proposal. */
export type Keys = readonly (string | number)[];

/** A finding at one place. @param message what is true of that place, as `is before its start`, so that the path can stand before it */
export const flaw = (code: FindingCode, at: Keys, message: string, mend: string): Finding => ({
  code,
  path: jsonPath(at),
  message,
  mend,
});

const MOST_NAMES = 12;

/** A list for people and models, cut where it gets long. */
export function listed(names: readonly string[]): string {
  if (names.length === 0) return 'none';
  const more = names.length - MOST_NAMES;
  return [...names.slice(0, MOST_NAMES), ...(more > 0 ? [`and ${more} more`] : [])].join(', ');
}

/** Names that stand in a list a second time. */
export function repeats(names: readonly string[], path: (at: number) => Keys, mend: string): Finding[] {
  const seen = new Set<string>();
  return names.flatMap((name, at) => {
    if (!seen.has(name)) {
      seen.add(name);
      return [];
    }
    return [flaw('PLAN_DUPLICATE_ID', path(at), `is ${name} a second time`, mend)];
  });
}

/** Channels that the plan does not use. */
export function strangeChannels(said: readonly { channel: string; at: Keys }[], allowed: readonly string[]): Finding[] {
  return said
    .filter(({ channel }) => !allowed.includes(channel))
    .map(({ channel, at }) =>
      flaw(
        'PLAN_CHANNEL_UNKNOWN',
        at,
        `is ${channel}, which is no channel of this plan`,
        `use one of ${listed(allowed)}`,
      ),
    );
}
