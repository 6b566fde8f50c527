import { iso, type Clock } from '../shared/clock.ts';
import { ValidationError, type Problem } from '../shared/errors.ts';
import { checkCron, checkTimezone, CRON_MEND, describeCron, fires, TIMEZONE_MEND } from './calendar.ts';

const DEFAULT_COUNT = 10;
const LARGEST_COUNT = 1_000;

const EARLIEST_MS = Date.UTC(1900, 0, 1);
const LATEST_MS = Date.UTC(3000, 0, 1);

export interface PreviewRequest {
  cron: string;
  /** IANA name; UTC when absent. */
  timezone?: string;
  /** ISO 8601 with an offset or Z; fires after it are shown. Now when absent. */
  from?: string;
  /** 1 to 1,000; 10 when absent. */
  count?: number;
}

export interface SchedulePreview {
  /** The schedule in words. */
  description: string;
  /** ISO 8601 in UTC. Fewer than asked for when the schedule has no more. */
  fires: string[];
}

/**
 * Shows when a schedule would fire, without jitter.
 * @throws {ValidationError} naming every wrong field
 */
export function previewSchedule(request: PreviewRequest, clock: Clock): SchedulePreview {
  const { cron, timezone = 'UTC', count = DEFAULT_COUNT } = request;
  const from = request.from === undefined ? clock.now() : parseTime(request.from);
  const problems: Problem[] = [];
  const check = (path: string, message: string | null, mend: string) =>
    message !== null && problems.push({ path, message, mend });
  check('cron', checkCron(cron), CRON_MEND);
  check('timezone', checkTimezone(timezone), TIMEZONE_MEND);
  check(
    'from',
    from >= EARLIEST_MS && from < LATEST_MS
      ? null
      : 'is not an ISO 8601 time with an offset or Z between the years 1900 and 2999',
    'write a time such as 2026-03-08T00:00:00Z',
  );
  check(
    'count',
    Number.isInteger(count) && count >= 1 && count <= LARGEST_COUNT ? null : `is not between 1 and ${LARGEST_COUNT}`,
    `write a whole number from 1 to ${LARGEST_COUNT}`,
  );
  if (problems.length > 0) throw new ValidationError('The schedule has problems.', problems);
  return { description: describeCron(cron), fires: fires(cron, timezone, from, count).map(iso) };
}

/** A date alone is midnight in UTC; a time needs its offset, or it would mean the time zone of this machine. */
function parseTime(text: string): number {
  return /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d))?$/i.test(text)
    ? Date.parse(text)
    : Number.NaN;
}
