/** A stretch of time during which a zone keeps one offset. */
export interface ZoneSegment {
  /** Epoch milliseconds, inclusive; -Infinity before the zone's first change. */
  start: number;
  /** Epoch milliseconds, exclusive; Infinity after its last change. */
  end: number;
  /** Local time minus UTC, in milliseconds. */
  offset: number;
}

const segmentsOfZone = new Map<string, ZoneSegment[]>();

/** Names found good; asking again costs more than all other checks of a definition. Cut off, as names come from outside. */
const goodZones = new Set<string>();
const MOST_ZONES = 1_000;

/** What is wrong with the name of a time zone, or null. Names are those of the IANA database, in any case. */
export function checkTimezone(zone: string): string | null {
  if (goodZones.has(zone)) return null;
  if (zone.trim() === '') return 'the time zone is empty; write an IANA name such as Europe/Berlin or UTC';
  if (/^[+-]/.test(zone))
    return `${JSON.stringify(zone)} is an offset; write an IANA name such as Europe/Berlin, so that daylight saving is known`;
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone }).format();
    Temporal.Instant.fromEpochMilliseconds(0).toZonedDateTimeISO(zone);
    if (goodZones.size < MOST_ZONES) goodZones.add(zone);
    return null;
  } catch {
    return `${JSON.stringify(zone)} is not a known time zone; write an IANA name such as Europe/Berlin or UTC`;
  }
}

function readSegment(zone: string, ms: number): ZoneSegment {
  const at = Temporal.Instant.fromEpochMilliseconds(ms).toZonedDateTimeISO(zone);
  // `previous` is strictly before its receiver, and a change may be at `ms` itself: ask from a millisecond later.
  const after = Temporal.Instant.fromEpochMilliseconds(ms + 1).toZonedDateTimeISO(zone);
  return {
    start: after.getTimeZoneTransition('previous')?.epochMilliseconds ?? -Infinity,
    end: at.getTimeZoneTransition('next')?.epochMilliseconds ?? Infinity,
    offset: at.offsetNanoseconds / 1_000_000,
  };
}

/**
 * The stretch of constant offset that `ms` falls into; kept for the next question.
 * @throws {RangeError} for an unknown zone
 */
export function segmentAt(zone: string, ms: number): ZoneSegment {
  let segments = segmentsOfZone.get(zone);
  if (!segments) segmentsOfZone.set(zone, (segments = []));
  // The latest ones are asked for most, and a zone has two a year at most in practice.
  for (let index = segments.length - 1; index >= 0; index -= 1) {
    const segment = segments[index];
    if (segment && segment.start <= ms && ms < segment.end) return segment;
  }
  const segment = readSegment(zone, ms);
  segments.push(segment);
  return segment;
}

/**
 * The first instant at which the zone's clocks show a local time (given as if it were UTC), or, when they never do because
 * they are put forward over it, the instant at which they are put forward.
 */
export function firstInstantOf(zone: string, localMs: number): number {
  // Offsets stay within a day of UTC and changes are further apart than two days in all but a few historic cases, so two
  // looks around the local time see the stretch before a change and the one after.
  let segment = segmentAt(zone, localMs - 86_400_000);
  for (;;) {
    const instant = localMs - segment.offset;
    if (instant < segment.end) return Math.max(instant, segment.start);
    segment = segmentAt(zone, segment.end);
  }
}
