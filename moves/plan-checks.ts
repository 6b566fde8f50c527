import { unknownGroups } from '../shared/approval-groups.ts';
import type { Config } from '../shared/config.ts';
import { type Problem, ValidationError } from '../shared/errors.ts';
import type { OriginPolicy } from '../shared/origins.ts';
import { addDays, ARC_DAYS, dayOf } from './calendar.ts';
import type { PlanRequest } from './context.ts';
import type { ApprovalTerms } from './params.ts';

/** How far ahead a plan may start, in days. */
const FARTHEST_DAYS = 365;

/** What is wrong with the days of a plan, seen from a moment in milliseconds since the epoch. */
export function dayProblems({ startsOn }: PlanRequest, nowMs: number): Problem[] {
  const today = dayOf(nowMs);
  const [first, last] = [addDays(today, 1 - ARC_DAYS), addDays(today, FARTHEST_DAYS)];
  if (startsOn === undefined || (startsOn >= first && startsOn <= last)) return [];
  const message = startsOn < first ? 'is so early that the 90 days are over' : 'is more than a year ahead';
  return [{ path: 'startsOn', message, mend: `write a day from ${first} to ${last}` }];
}

/** Which addresses of a plan could never be read. */
export function addressProblems({ kpis, research }: PlanRequest, origins: OriginPolicy): Problem[] {
  const addresses = [
    ...kpis.map(({ source }, at) => ({
      path: `kpis[${at}].source.url`,
      url: source?.type === 'http' ? source.url : null,
    })),
    ...research.map(({ url }, at) => ({ path: `research[${at}].url`, url })),
  ];
  const mend = 'add its origin to ENGINE_ALLOWED_ORIGINS, or leave it out';
  return addresses.flatMap(({ path, url }) =>
    url === null || origins.allows(url) ? [] : [{ path, message: origins.refusal(url), mend }],
  );
}

/** Which groups nobody is in. */
export function groupProblems({ groups }: ApprovalTerms, configured: Config['approvalGroups']): Problem[] {
  return unknownGroups(groups, Object.keys(configured)).map(({ index, message, mend }) => ({
    path: `approval.groups[${index}]`,
    message,
    mend,
  }));
}

/** @throws {ValidationError} when there are any */
export function refuse(problems: Problem[]): void {
  if (problems.length > 0) throw new ValidationError('The request has problems.', problems);
}
