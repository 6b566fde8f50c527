import type { Request } from 'express';
import { z } from 'zod';
import { movesOfPlan } from '../../database/queries/moves.ts';
import { findArcVersion, findPlan } from '../../database/queries/plans.ts';
import type { Arc } from '../../moves/arc.ts';
import { dayOf } from '../../moves/calendar.ts';
import { timelineIcs } from '../../moves/timeline/ics.ts';
import { timelineKpis } from '../../moves/timeline/kpi-strip.ts';
import { timelineSvg } from '../../moves/timeline/svg.ts';
import { type Timeline, timelineOf } from '../../moves/timeline/timeline.ts';
import { NotFoundError } from '../../shared/errors.ts';
import type { ApiDeps } from '../deps.ts';
import { type Operation, operation, type SelfSent } from '../operation.ts';
import { byId, success } from '../shapes/common.ts';
import { timelineShape } from '../shapes/timeline.ts';

const SVG = 'image/svg+xml';
const CALENDAR = 'text/calendar';
const MEDIA_TYPES = { json: 'application/json', svg: SVG, ics: CALENDAR };
type Format = keyof typeof MEDIA_TYPES;

/** A picture may style itself and nothing else, should anybody open it as a page of this service. */
const PICTURE_POLICY = "default-src 'none'; style-src 'unsafe-inline'";

/** @throws {NotFoundError} */
async function readTimeline({ records, clock }: ApiDeps, planId: string): Promise<Timeline> {
  const plan = await findPlan(records, planId);
  if (!plan) throw new NotFoundError('plan', planId);
  const [version, moves] = await Promise.all([
    plan.arc_version > 0 ? findArcVersion(records, plan.id, plan.arc_version) : undefined,
    movesOfPlan(records, plan.id),
  ]);
  const arc = version ? (version.arc as unknown as Arc) : null;
  const kpis = arc ? await timelineKpis(plan, { records, clock }) : [];
  return timelineOf({ plan, arc, moves, kpis, today: dayOf(clock.now()) });
}

/** JSON unless another form is asked for. */
function formatFor(request: Request): Format {
  const accepted = request.accepts(Object.values(MEDIA_TYPES));
  return accepted === SVG ? 'svg' : accepted === CALENDAR ? 'ics' : 'json';
}

const picture =
  (timeline: Timeline): SelfSent =>
  (_request, response) =>
    void response
      .set({
        'Content-Security-Policy': PICTURE_POLICY,
        'X-Content-Type-Options': 'nosniff',
        'Content-Type': `${SVG}; charset=utf-8`,
      })
      .send(timelineSvg(timeline));

const calendar =
  (timeline: Timeline, { publicUrl, clock }: ApiDeps): SelfSent =>
  (_request, response) =>
    void response
      .set({
        'Content-Type': `${CALENDAR}; charset=utf-8`,
        'Content-Disposition': `attachment; filename="plan-${timeline.plan.id}.ics"`,
      })
      .send(timelineIcs(timeline, { publicUrl, now: clock.now() }));

const answer = z.strictObject({ success, timeline: timelineShape });
const drawn = z.string().meta({ description: 'An SVG picture, 1,200 pixels wide, complete in itself.' });
const events = z.string().meta({ description: 'iCalendar (RFC 5545): all-day events with UIDs that stay.' });

const get = operation({
  id: 'getTimeline',
  method: 'get',
  path: '/api/plans/{id}/timeline',
  tag: 'Plans',
  summary: 'The timeline (Gantt chart) of a plan: as data, as a picture, as a calendar',
  description:
    'Phases, milestones, moves and what depends on what, with their states as of today (UTC). A plan without an approved arc has an ' +
    'empty timeline. The form is that of `format`, else the one that `Accept` prefers, else JSON.',
  scope: 'read',
  params: byId,
  query: z.strictObject({ format: z.enum(['json', 'svg', 'ics']).optional() }),
  answers: {
    200: { description: 'The timeline.', schema: answer, also: { [SVG]: drawn, [CALENDAR]: events } },
  },
  async handle({ params, query, request }, deps) {
    const timeline = await readTimeline(deps, params.id);
    const format = query.format ?? formatFor(request);
    if (format === 'json') {
      const body: z.infer<typeof answer> = { success: true, timeline };
      return { status: 200, headers: { Vary: 'Accept' }, body };
    }
    const send = format === 'svg' ? picture(timeline) : calendar(timeline, deps);
    return (incoming, response) => send(incoming, response.vary('Accept'));
  },
});

const svg = operation({
  id: 'getTimelineSvg',
  method: 'get',
  path: '/api/plans/{id}/timeline.svg',
  tag: 'Plans',
  summary: 'The timeline of a plan as a picture',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The picture.', schema: drawn, mediaType: SVG } },
  async handle({ params }, deps) {
    return picture(await readTimeline(deps, params.id));
  },
});

const ics = operation({
  id: 'getTimelineIcs',
  method: 'get',
  path: '/api/plans/{id}/timeline.ics',
  tag: 'Plans',
  summary: 'The timeline of a plan as a calendar',
  scope: 'read',
  params: byId,
  answers: { 200: { description: 'The calendar.', schema: events, mediaType: CALENDAR } },
  async handle({ params }, deps) {
    return calendar(await readTimeline(deps, params.id), deps);
  },
});

export const timelineOperations: readonly Operation[] = [get, svg, ics];
